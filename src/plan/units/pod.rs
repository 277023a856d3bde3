//! The target that stands for a pod, and the slice that bounds it.

use super::super::resources;
use super::{Room, WantedUnit, spec_hash};
use crate::model::identity::UnitRole;
use crate::model::name::UnitName;
use crate::model::pod::ContainerRole;
use crate::model::priority::PRIORITY_KEY;
use crate::unit::UnitFile;
use crate::unit::identity::{ONCE_KEY, SECTION};
use std::collections::{BTreeMap, BTreeSet};

impl Room<'_> {
    /// What kind of service it is, and its place among control groups.
    pub(super) fn kind(&self, file: &mut UnitFile, role: ContainerRole) {
        let kind = match role {
            ContainerRole::Init => "oneshot",
            _ => "exec",
        };
        file.push("Service", "Type", kind);
        file.push("Service", "Slice", self.names.slice().as_str());
    }

    /// The target: active means "this pod is wanted". It has no default dependencies, so that it does not
    /// wait for its containers: a container in back-off must not hold up the boot.
    pub(super) fn target(&self, units: &BTreeMap<UnitName, WantedUnit>) -> (UnitName, WantedUnit) {
        let mut file = self.file("Pod");
        file.push("Unit", "DefaultDependencies", "no");
        file.push("Unit", "Conflicts", "shutdown.target");
        file.push("Unit", "Before", "shutdown.target");
        file.push("Unit", "BindsTo", self.names.slice().as_str());
        file.push("Unit", "After", self.names.slice().as_str());
        // Also containers that have no unit yet: the target must not change when one comes.
        let lasting = self.pod.spec.lasting_containers();
        let containers = lasting.filter_map(|(_, spec)| self.containers.get(&spec.name));
        let wanted: BTreeSet<&UnitName> = self.wanted_by_target(units).chain(containers).collect();
        for name in wanted {
            file.push("Unit", "Wants", name.as_str());
        }
        for (name, _) in units.iter().filter(|(_, unit)| unit.role.is_ephemeral()) {
            file.push(SECTION, ONCE_KEY, name.as_str());
        }
        if self.priority != 0 {
            file.push(SECTION, PRIORITY_KEY, self.priority.to_string());
        }
        file.push("Install", "WantedBy", crate::unit::names::ALL_PODS);
        self.finish(self.names.target(), UnitRole::Pod, "".into(), file)
    }

    /// What the target starts: everything but the slice, the service that the deadline's timer starts, and what runs
    /// once.
    fn wanted_by_target<'u>(
        &self,
        units: &'u BTreeMap<UnitName, WantedUnit>,
    ) -> impl Iterator<Item = &'u UnitName> {
        let deadline = self.names.deadline();
        units
            .iter()
            .filter(move |(name, unit)| {
                let once = unit.role.is_ephemeral();
                !once && unit.role != UnitRole::Slice && **name != deadline
            })
            .map(|(name, _)| name)
    }

    /// The slice, when the pod as a whole has requests or limits; else systemd makes one by itself.
    pub(super) fn slice(&self) -> Option<(UnitName, WantedUnit)> {
        let settings = resources::of_slice(&self.pod.spec, self.settings);
        // A given one is there in any case: that its file goes must mean that the pod goes.
        if settings.is_empty() && !self.is_given() {
            return None;
        }
        let hash = spec_hash(&settings);
        let mut file = self.file("Resources");
        for (key, value) in settings {
            file.push("Slice", key, value);
        }
        Some(self.finish(self.names.slice(), UnitRole::Slice, hash, file))
    }
}
