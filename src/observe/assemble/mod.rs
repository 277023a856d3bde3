//! Unit files, pod directories and systemd's list become [`Observed`]. Pure.

mod given;

use super::ask::pod_level_units;
use super::disk::{Disk, PodDir};
use crate::host::units::UnitOnDisk;
use crate::model::identity::{Identity, UnitRole};
use crate::model::name::{PodKey, UnitName};
use crate::model::observed::{ActiveState, Observed, ObservedPod, ObservedUnit, UnitState};
use crate::unit::names::is_installed;
use std::collections::BTreeMap;

type States = BTreeMap<UnitName, UnitState>;

/// Joins the two views. A pod is there when a unit file says so; units that systemd still has without a
/// file are added to it when they have a pod-level name or the pod's target wants them. What is left and
/// stands still are orphans.
pub(super) fn assemble(disk: Disk, mut states: States) -> Observed {
    let Disk {
        listing,
        mut pods,
        left,
        ..
    } = disk;
    let mut observed = Observed {
        strays: listing.unreadable,
        left,
        ..Observed::default()
    };
    let mut owned: BTreeMap<PodKey, Vec<(UnitOnDisk, Identity)>> = BTreeMap::new();
    for mut unit in listing.units {
        match unit.identity.take() {
            Some(identity) if identity.role == UnitRole::Cron => {
                let found = ObservedUnit {
                    digest: Some(unit.digest),
                    loaded_digest: unit.loaded_digest,
                    fixed_digest: unit.fixed_digest,
                    identity: Some(identity),
                    state: states.remove(&unit.name).unwrap_or_default(),
                };
                observed.timers.insert(unit.name, found);
            }
            Some(identity) => owned
                .entry(identity.pod.clone())
                .or_default()
                .push((unit, identity)),
            None => drop(observed.strays.insert(unit.name.into())),
        }
    }
    for (key, mut units) in owned {
        let given = given::split(&mut units);
        let Some(life) = life(&units) else { continue };
        let (uid, source) = (life.uid.clone(), life.source.clone());
        let addresses = life.addresses.clone();
        let dir = pods.remove(&uid).unwrap_or_default();
        let enabled = units.iter().any(|(unit, identity)| {
            identity.role == UnitRole::Pod && listing.enabled.contains(&unit.name)
        });
        let mut pod = pod(dir, uid, source);
        pod.enabled = enabled || given.is_some();
        pod.given = given;
        pod.addresses = addresses;
        add_units(&mut pod, units, &key, &mut states);
        observed.pods.insert(key, pod);
    }
    // What runs without a file is not ours to forget, and no reload would: only what stands still counts.
    let still = |state: &UnitState| {
        !state.job && matches!(state.active, ActiveState::Inactive | ActiveState::Failed)
    };
    observed
        .left
        .retain(|key, _| !observed.pods.contains_key(key) && given::has_ended(key, &states));
    let orphans = states.into_iter().filter(|(name, state)| {
        still(state) && !name.as_str().ends_with(".slice") && !is_installed(name.as_str())
    });
    observed.orphans = orphans.map(|(name, _)| name).collect();
    observed
}

/// The identity that stands for the pod: its target's, or any when the target is missing.
fn life(units: &[(UnitOnDisk, Identity)]) -> Option<&Identity> {
    let target = units
        .iter()
        .find(|(_, identity)| identity.role == UnitRole::Pod);
    target.or(units.first()).map(|(_, identity)| identity)
}

fn pod(
    dir: PodDir,
    uid: crate::model::name::PodUid,
    source: crate::model::pod::SourcePath,
) -> ObservedPod {
    ObservedPod {
        uid,
        created: dir.created,
        source,
        manifest: None,
        addresses: Vec::new(),
        enabled: false,
        units: BTreeMap::new(),
        payloads: dir.payloads,
        runs: dir.runs,
        deadline_exceeded: dir.deadline_exceeded,
        deleted: dir.deleted,
        conditions: dir.conditions,
        reload_needed: dir.reload_needed,
        given: None,
    }
}

fn add_units(
    pod: &mut ObservedPod,
    units: Vec<(UnitOnDisk, Identity)>,
    key: &PodKey,
    states: &mut States,
) {
    let mut known: Vec<UnitName> = pod_level_units(key).into();
    for (unit, mut identity) in units {
        if identity.role == UnitRole::Pod {
            // Kept once: it may be large.
            pod.manifest = identity.manifest.take();
            known.extend(unit.wants);
        }
        let observed = ObservedUnit {
            digest: Some(unit.digest),
            loaded_digest: unit.loaded_digest,
            fixed_digest: unit.fixed_digest,
            identity: Some(identity),
            state: states.remove(&unit.name).unwrap_or_default(),
        };
        pod.units.insert(unit.name, observed);
    }
    for name in known {
        if !pod.units.contains_key(&name)
            && let Some(state) = states.remove(&name)
        {
            let observed = ObservedUnit {
                digest: None,
                loaded_digest: None,
                fixed_digest: None,
                identity: None,
                state,
            };
            pod.units.insert(name, observed);
        }
    }
}

#[cfg(test)]
mod tests;
