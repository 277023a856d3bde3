//! A pod that is there and ought to be otherwise: what is stopped, and what is written.

use super::diff::is_up;
use super::in_place::{self, Change};
use super::step::{PodPlan, Reason, Step};
use super::units::{Rendered, WantedUnit};
use crate::model::identity::UnitRole;
use crate::model::name::{ContainerName, UnitName};
use crate::model::observed::{ObservedPod, ObservedUnit};
use crate::model::pod::{ContainerRole, Pod};
use crate::unit::names::PodUnits;
use crate::unit::{UnitFile, digest};
use std::collections::BTreeSet;

/// The comparison of a pod that is there with what it ought to be.
pub(super) struct Update<'a> {
    pub(super) pod: &'a Pod,
    pub(super) is: &'a ObservedPod,
    pub(super) want: &'a Rendered,
    pub(super) names: PodUnits<'a>,
}

/// Which units have to be stopped before their files change.
pub(super) struct Stops<'a> {
    pub(super) whole_pod: bool,
    pub(super) units: BTreeSet<&'a UnitName>,
}

impl Update<'_> {
    pub(super) fn plan(&self) -> PodPlan {
        let stops = self.stops();
        let mut steps = Vec::new();
        if stops.whole_pod {
            steps.push(Step::Stop(self.names.slice()));
        } else {
            steps.extend(stops.units.iter().map(|unit| Step::Stop((*unit).clone())));
        }
        self.payloads(&mut steps);
        let (reload, resized) = self.files(&mut steps);
        if !self.is.enabled {
            steps.push(Step::Enable(self.names.target()));
        }
        if reload {
            steps.push(Step::Reload);
        } else if !resized.is_empty() {
            steps.push(Step::Resize(resized));
        }
        let reason = if steps.is_empty() {
            Reason::Converge
        } else {
            Reason::Update
        };
        self.renewals(&stops, &mut steps);
        self.starts(&stops, &mut steps);
        self.inputs(&mut steps);
        PodPlan {
            reason,
            uid: self.want.uid.clone(),
            addresses: self.want.addresses.clone(),
            differs: Vec::new(),
            steps,
        }
    }

    pub(super) fn observed(&self, name: &UnitName) -> Option<&ObservedUnit> {
        self.is.units.get(name)
    }

    /// The file is there and was made from another spec.
    fn out_of_date(&self, name: &UnitName, wanted: &WantedUnit) -> bool {
        let identity = self.observed(name).and_then(|unit| unit.identity.as_ref());
        identity.is_some_and(|identity| identity.spec_hash != wanted.spec_hash)
    }

    /// The unit of a container that cannot be rendered now: what there is of it stays.
    pub(super) fn is_left_out(&self, name: &UnitName) -> bool {
        self.want.left_out.values().any(|unit| unit == name)
    }

    /// The same of something in the pod's directory, which bears the container's name.
    fn is_of_left_out(&self, path: &str) -> bool {
        let file = path.rsplit('/').next().unwrap_or(path);
        !path.starts_with("volumes/")
            && !path.starts_with("secrets/")
            && self.want.left_out.keys().any(|name| name.as_str() == file)
    }

    fn stops(&self) -> Stops<'_> {
        let mut stops = Stops {
            whole_pod: false,
            units: BTreeSet::new(),
        };
        for (name, unit) in &self.is.units {
            if self.is_left_out(name) {
                continue;
            }
            let whole = |role: &UnitRole| {
                matches!(role, UnitRole::Sandbox)
                    || matches!(
                        role,
                        UnitRole::Container {
                            role: ContainerRole::Init,
                            ..
                        }
                    )
            };
            match (self.want.units.get(name), &unit.identity) {
                (Some(wanted), _) if !self.out_of_date(name, wanted) => {}
                (Some(wanted), _) if whole(&wanted.role) => stops.whole_pod = true,
                (None, Some(identity)) if whole(&identity.role) => stops.whole_pod = true,
                (Some(wanted), _) if wanted.role == UnitRole::Slice => {}
                (Some(_), _) => {
                    stops.units.insert(name);
                }
                // Still loaded, but its file is gone: nothing to stop unless it runs.
                (None, _) if unit.digest.is_none() && !is_up(unit) => {}
                (None, _) if *name == self.names.slice() => {}
                (None, _) => {
                    stops.units.insert(name);
                }
            }
        }
        // A sandbox or init container that is new to a pod that is there: what comes after it must come after it.
        stops.whole_pod |= self.want.units.iter().any(|(name, wanted)| {
            self.observed(name).is_none()
                && match &wanted.role {
                    UnitRole::Sandbox => self.is.units.values().any(is_up_container),
                    UnitRole::Container {
                        name,
                        role: ContainerRole::Init,
                        ..
                    } => self.runs_after(name),
                    _ => false,
                }
        });
        stops
    }

    /// Whether a container runs that comes after this one.
    fn runs_after(&self, name: &ContainerName) -> bool {
        let all = self.pod.spec.all_containers();
        let later: Vec<_> = all
            .map(|(_, container)| &container.name)
            .skip_while(|other| *other != name)
            .collect();
        self.is.units.values().any(|unit| {
            let role = unit.identity.as_ref().map(|identity| &identity.role);
            let later =
                matches!(role, Some(UnitRole::Container { name, .. }) if later.contains(&name));
            later && is_up(unit)
        })
    }

    pub(super) fn payloads(&self, steps: &mut Vec<Step>) {
        for payload in &self.want.payloads {
            if self.is.payloads.get(&payload.path) != Some(&payload.content.digest()) {
                steps.push(Step::WritePayload(payload.clone()));
            }
        }
        let wanted: BTreeSet<&str> = self.want.payloads.iter().map(|p| p.path.as_str()).collect();
        let stale = self
            .is
            .payloads
            .keys()
            .filter(|path| !wanted.contains(path.as_str()) && !self.is_of_left_out(path));
        steps.extend(stale.cloned().map(Step::RemovePayload));
    }

    /// Writes what differs, removes what is not wanted; whether systemd must reload, and what is enough if not.
    fn files(&self, steps: &mut Vec<Step>) -> (bool, Vec<Change>) {
        let mut reload = self.is.reload_needed;
        let mut resized = Vec::new();
        for (name, unit) in &self.is.units {
            let gone = !self.want.units.contains_key(name) && !self.is_left_out(name);
            if gone && unit.digest.is_some() {
                steps.push(Step::RemoveUnit(name.clone()));
                if *name == self.names.slice() && unit.state.loaded {
                    resized.extend(in_place::change(name, &UnitFile::default()));
                }
            }
        }
        for (name, wanted) in &self.want.units {
            let text = wanted.file.to_string();
            let is = self.observed(name);
            if is.and_then(|unit| unit.digest) == Some(digest(text.as_bytes())) {
                continue;
            }
            let differs =
                is.and_then(|unit| unit.loaded_digest) != Some(wanted.file.loaded_digest());
            let stale = differs && is.is_some_and(|unit| unit.state.loaded);
            if let Some(is) = is.filter(|_| stale) {
                let change = in_place::change(name, &wanted.file);
                match change.filter(|_| in_place::suffices(is, wanted)) {
                    Some(change) => resized.push(change),
                    None => reload = true,
                }
            }
            steps.push(Step::WriteUnit {
                unit: name.clone(),
                text,
                reload: stale,
            });
        }
        (reload, resized)
    }

    /// A container with a new spec runs again, also if the old one had ended for good.
    fn renewals(&self, stops: &Stops, steps: &mut Vec<Step>) {
        for (name, wanted) in &self.want.units {
            if let UnitRole::Container {
                name: container, ..
            } = &wanted.role
                && (stops.units.contains(name) || stops.whole_pod)
                && self.is.runs.contains_key(container)
                && self.out_of_date(name, wanted)
            {
                steps.push(Step::ClearDone(container.clone()));
            }
        }
    }
}

fn is_up_container(unit: &ObservedUnit) -> bool {
    let container = unit
        .identity
        .as_ref()
        .is_some_and(|id| matches!(id.role, UnitRole::Container { .. }));
    container && is_up(unit)
}
