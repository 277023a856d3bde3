//! What systemd is asked about: which units, and of which of them also their runs.

use super::disk::Disk;
use crate::host::systemd::query::RunQuery;
use crate::model::identity::UnitRole;
use crate::model::name::{PodKey, UnitName};
use crate::model::observed::{Observed, ObservedPod, ObservedUnit};
use crate::model::pod::ContainerRole;
use crate::unit::names::PodUnits;
use std::collections::{BTreeMap, BTreeSet};

/// The units of these pods that systemd may have: those with a file, those it was known to have, and the target and
/// slice, which it may have without a file. Most pods have no prober and no deadline: nothing is asked of theirs.
pub(super) fn asked(
    disk: &Disk,
    observed: &Observed,
    pods: &BTreeMap<PodKey, BTreeSet<UnitName>>,
) -> BTreeSet<UnitName> {
    let mut asked: BTreeSet<UnitName> = disk
        .listing
        .units
        .iter()
        .flat_map(|unit| unit.wants.iter().chain([&unit.name]))
        .filter(|unit| disk.looked_at.contains(*unit))
        .cloned()
        .collect();
    for (key, extra) in pods {
        let names = PodUnits::new(key);
        asked.extend([names.target(), names.slice()]);
        asked.extend(extra.iter().cloned());
        let known = observed.pods.get(key);
        asked.extend(known.into_iter().flat_map(|pod| pod.units.keys().cloned()));
    }
    let orphans = observed.orphans.intersection(&disk.looked_at);
    asked.extend(orphans.cloned());
    asked
}

pub(super) fn has_prober(pod: &ObservedPod) -> bool {
    let mut identities = pod.units.values().filter_map(|unit| unit.identity.as_ref());
    identities.any(|identity| identity.role == UnitRole::Probes)
}

/// Takes over the runs of containers that ran before, still run and have not changed.
pub(super) fn keep_runs(fresh: &mut Observed, before: &Observed, changed: &BTreeSet<UnitName>) {
    let runs = |unit: &ObservedUnit| unit.state.loaded && &*unit.state.sub == "running";
    for (key, pod) in &mut fresh.pods {
        let Some(known) = before.pods.get(key) else {
            continue;
        };
        for (name, unit) in &mut pod.units {
            let known = known.units.get(name).filter(|known| runs(known));
            let Some(run) = known.and_then(|known| known.state.run.as_ref()) else {
                continue;
            };
            if runs(unit) && !changed.contains(name) && run.main_pid != 0 && run.started.is_some() {
                unit.state.run = Some(run.clone());
            }
        }
    }
}

/// A pattern that a unit's name matches, and hardly any other.
pub(super) fn pattern(unit: &UnitName) -> String {
    // Of what glob(7) gives a meaning, a unit name can only have the backslash, by which systemd escapes nothing here
    // (fnmatch(3) with FNM_NOESCAPE): any character stands for it, whoever reads the pattern.
    unit.as_str().replace('\\', "?")
}

/// The pods that some units belong to, and those of the units that belong to one.
pub(super) fn units_to_pods(
    observed: &Observed,
    units: &BTreeSet<UnitName>,
) -> (BTreeSet<PodKey>, BTreeSet<UnitName>) {
    let (mut pods, mut known) = (BTreeSet::new(), BTreeSet::new());
    for (key, pod) in &observed.pods {
        for unit in pod.units.keys().filter(|unit| units.contains(*unit)) {
            pods.insert(key.clone());
            known.insert(unit.clone());
        }
    }
    (pods, known)
}

/// The units that every pod may have, by name.
pub(super) fn pod_level_units(key: &PodKey) -> [UnitName; 6] {
    let names = PodUnits::new(key);
    [
        names.target(),
        names.slice(),
        names.sandbox(),
        names.probes(),
        names.deadline_timer(),
        names.deadline(),
    ]
}

/// What to ask of a unit: nothing, unless it is loaded and runs a container or the prober. Of a container that is about to
/// begin there is nothing to know yet, or nothing that is not on record, but of an init container, which is beginning for as long
/// as it runs.
pub(super) fn query<'a>(unit: &'a UnitName, observed: &ObservedUnit) -> Option<RunQuery<'a>> {
    let role = &observed.identity.as_ref()?.role;
    let state = &observed.state;
    let asked = match role {
        UnitRole::Container { .. } if &*state.sub == "dead" && state.job => false,
        UnitRole::Container { role, .. } => *role == ContainerRole::Init || &*state.sub != "start",
        role => *role == UnitRole::Probes,
    };
    (asked && state.loaded).then(|| RunQuery {
        unit,
        running: matches!(&*state.sub, "running" | "start"),
        status_text: *role == UnitRole::Probes,
        restarting: state.sub.contains("auto-restart"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dash_of_a_pods_name_is_no_escape_in_a_pattern() {
        let unit: UnitName = "vks.default.a\\x2db.sleep.service".parse().unwrap();
        assert_eq!(pattern(&unit), "vks.default.a?x2db.sleep.service");
    }
}
