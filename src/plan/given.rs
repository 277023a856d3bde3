//! Pods whose units are part of the host's configuration: somebody else writes, starts and stops them.
//!
//! What is left to vks is what lies in the pod's directory, and to tell what it sees.

use super::diff::is_up;
use super::life::nothing;
use super::step::{PodPlan, Reason, Step};
use super::update::Update;
use crate::model::identity::UnitRole;
use crate::model::name::{PodKey, PodUid, UnitName};
use crate::model::observed::{Given, ObservedPod};
use crate::unit::digest;

/// The seed of the identities of these pods: the same on each host and after each build.
pub const SEED: &[u8] = b"given";

impl Update<'_> {
    /// Fills the pod's directory. Where vks has still units of its own for a pod of that name, those go first, with what
    /// runs of them: while they are there, what the units call goes by them, so that all of it is taken down.
    pub(super) fn plan_given(&self, given: &Given) -> PodPlan {
        if let Some((uid, units)) = &given.earlier {
            return self.supersede(uid, units.iter());
        }
        let mut plan = nothing(self.is.uid.clone());
        if self.is.created.is_none() {
            plan.steps.push(Step::MarkGiven(
                self.pod.key.clone(),
                self.pod.source.clone(),
            ));
        }
        self.payloads(&mut plan.steps);
        plan.addresses.clone_from(&self.is.addresses);
        plan.differs = self.differences();
        plan
    }

    fn supersede<'u>(&self, uid: &PodUid, units: impl Iterator<Item = &'u UnitName>) -> PodPlan {
        let (target, slice) = (self.names.target(), self.names.slice());
        let was_up = self.is.units.values().any(is_up);
        let mut plan = nothing(uid.clone());
        plan.reason = Reason::Replace;
        plan.steps = vec![Step::Stop(target.clone()), Step::Stop(slice)];
        plan.steps.push(Step::Disable(target.clone()));
        plan.steps.extend(units.cloned().map(Step::RemoveUnit));
        plan.steps.push(Step::RemovePodDirectory);
        plan.steps.push(Step::Reload);
        if was_up {
            plan.steps.push(Step::Start(target));
        }
        plan
    }

    /// The units that are not as this vks would write them: another one, or other settings, made them.
    fn differences(&self) -> Vec<UnitName> {
        let wanted = self.want.units.iter();
        let other = wanted.filter(|(name, wanted)| {
            let is = self.observed(name).and_then(|unit| unit.digest);
            is != Some(digest(wanted.file.to_string().as_bytes()))
        });
        let more =
            self.is.units.iter().filter(|(name, unit)| {
                unit.digest.is_some() && !self.want.units.contains_key(*name)
            });
        let mut names: Vec<UnitName> = other.map(|(name, _)| name.clone()).collect();
        names.extend(more.map(|(name, _)| name.clone()));
        names
    }
}

/// The directory of a pod whose units were given and are gone.
pub(super) fn remove_left(uid: &PodUid) -> PodPlan {
    PodPlan {
        reason: Reason::Remove,
        steps: vec![Step::RemovePodDirectory],
        ..nothing(uid.clone())
    }
}

/// Containers that ended for good and have another spec now run again: the marks that keep them from it go. For who fills
/// directories before pods start; afterwards it would never come to rest.
pub fn renewals(is: &ObservedPod) -> Vec<Step> {
    let identities = is.units.values().filter_map(|unit| unit.identity.as_ref());
    let renewed = identities.filter_map(|identity| match &identity.role {
        UnitRole::Container { name, .. } => {
            let last = is.runs.get(name)?.last.last()?;
            (last.spec != identity.spec_hash).then(|| Step::ClearDone(name.clone()))
        }
        _ => None,
    });
    renewed.collect()
}

/// The identity of such a pod.
pub fn uid(key: &PodKey) -> PodUid {
    super::new_uid(key, SEED)
}
