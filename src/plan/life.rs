//! The first and the last plan of a pod's life.

use super::diff::is_up;
use super::ephemeral;
use super::step::{PodPlan, Reason, Step};
use super::units::Rendered;
use crate::model::name::{PodKey, PodUid};
use crate::model::observed::{Observed, ObservedPod};
use crate::model::pod::Pod;
use crate::unit::names::PodUnits;

pub(super) fn nothing(uid: PodUid) -> PodPlan {
    PodPlan {
        reason: Reason::Converge,
        uid,
        addresses: Vec::new(),
        differs: Vec::new(),
        steps: Vec::new(),
    }
}

/// Stop first, remove after: a process never runs without its unit file. The directory goes last: as
/// long as it or a unit file is there, the next plan finds the rest.
pub(super) fn remove(key: &PodKey, is: &ObservedPod, reason: Reason) -> PodPlan {
    let names = PodUnits::new(key);
    let mut steps = vec![Step::Stop(names.target()), Step::Stop(names.slice())];
    steps.push(Step::Disable(names.target()));
    let target = names.target();
    let files = is
        .units
        .iter()
        .filter(|(_, unit)| unit.digest.is_some())
        .map(|(name, _)| name);
    steps.extend(
        files
            .clone()
            .filter(|name| **name != target)
            .cloned()
            .map(Step::RemoveUnit),
    );
    steps.push(Step::RemovePodDirectory);
    steps.extend(
        files
            .filter(|name| **name == target)
            .cloned()
            .map(Step::RemoveUnit),
    );
    PodPlan {
        reason,
        uid: is.uid.clone(),
        addresses: Vec::new(),
        differs: Vec::new(),
        steps,
    }
}

/// Stops a pod for good, and keeps what tells how it ended. A reboot does not bring it back.
pub(super) fn end(key: &PodKey, is: &ObservedPod) -> PodPlan {
    let names = PodUnits::new(key);
    let (target, slice) = (names.target(), names.slice());
    let mut plan = PodPlan {
        reason: Reason::End,
        ..nothing(is.uid.clone())
    };
    if is.enabled {
        plan.steps.push(Step::Disable(target.clone()));
    }
    // A slice without processes may stay active until it is collected.
    if is
        .units
        .iter()
        .any(|(name, unit)| *name != slice && is_up(unit))
    {
        plan.steps.push(Step::Stop(target));
        plan.steps.push(Step::Stop(slice));
    }
    plan
}

/// The target is written first and removed last: it is what tells that there is something of this pod.
pub(super) fn create(pod: &Pod, want: Rendered, observed: &Observed) -> PodPlan {
    let target = PodUnits::new(&pod.key).target();
    // A pod of this name that was removed may still be known to systemd, by what wanted it at boot.
    let reload = want
        .units
        .keys()
        .any(|unit| observed.orphans.contains(unit));
    let once = want.units.iter();
    let once: Vec<Step> = once
        .filter(|(_, wanted)| wanted.role.is_ephemeral())
        .map(|(unit, _)| Step::Start(unit.clone()))
        .collect();
    let inputs = ephemeral::inputs(pod);
    let mut files: Vec<Step> = Vec::with_capacity(want.units.len());
    for (unit, wanted) in want.units {
        let stale = observed.orphans.contains(&unit);
        let at = if unit == target { 0 } else { files.len() };
        files.insert(
            at,
            Step::WriteUnit {
                unit,
                text: wanted.file.to_string(),
                reload: stale,
            },
        );
    }
    let mut steps: Vec<Step> = files.drain(..1).collect();
    steps.push(Step::CreatePodDirectory);
    steps.extend(want.payloads.into_iter().map(Step::WritePayload));
    steps.extend(inputs);
    steps.append(&mut files);
    steps.push(Step::Enable(target.clone()));
    if reload {
        steps.push(Step::Reload);
    }
    steps.push(Step::Start(target));
    steps.extend(once);
    PodPlan {
        reason: Reason::Create,
        uid: want.uid,
        addresses: want.addresses,
        differs: Vec::new(),
        steps,
    }
}
