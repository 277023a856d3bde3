//! When slices get their shares: after pods have started or ended, one change at a time.

use super::AgentError;
use super::pass::Parts;
use crate::apply::ShareError;
use crate::host::drop_ins;
use crate::model::desired::Desired;
use crate::model::identity::UnitRole;
use crate::model::name::{PodKey, UnitName};
use crate::model::observed::{ActiveState, Observed, ObservedPod, ObservedUnit};
use crate::plan::shares::{Asked, KEYS, Known, changes, shares};
use crate::unit::names::PodUnits;
use std::collections::{BTreeMap, BTreeSet};
use tokio::task::{JoinError, JoinSet};

/// Keeps the shares of slices up to date.
#[derive(Debug)]
pub struct Shares {
    /// What is asked for, by the slice of the pod: of those that run.
    running: BTreeMap<UnitName, Asked>,
    /// What was set.
    known: Known,
    /// Pods that may have changed.
    marked: BTreeSet<PodKey>,
    /// All may have.
    all: bool,
    /// The work that is under way.
    pub tasks: JoinSet<Result<(), ShareError>>,
}

impl Shares {
    /// Begins with what an earlier agent has set; all is to be looked at.
    pub fn new() -> Self {
        Self {
            running: BTreeMap::new(),
            known: before(),
            marked: BTreeSet::new(),
            all: true,
            tasks: JoinSet::new(),
        }
    }

    /// These pods may have changed.
    pub fn mark<'a>(&mut self, pods: impl IntoIterator<Item = &'a PodKey>) {
        self.marked.extend(pods.into_iter().cloned());
    }

    /// All may have changed.
    pub fn mark_all(&mut self) {
        self.all = true;
    }

    /// Steps of a pod have been run: what was set of its slice may have been set otherwise.
    pub fn doubt(&mut self, pod: &PodKey) {
        let slice = PodUnits::new(pod).slice();
        for value in self.known.get_mut(&slice).into_iter().flatten() {
            *value.1 = None;
        }
        self.marked.insert(pod.clone());
    }

    /// Sets what differs, unless that is being done.
    pub fn start(&mut self, parts: &Parts) {
        if !self.tasks.is_empty() || !self.look(parts.sources.desired(), &parts.state.observed) {
            return;
        }
        let wanted = shares(&self.running);
        let todo = changes(&self.known, &wanted);
        if todo.is_empty() {
            return;
        }
        let set = |keys: BTreeMap<_, u64>| keys.into_iter().map(|(k, v)| (k, Some(v))).collect();
        self.known = wanted
            .into_iter()
            .map(|(unit, keys)| (unit, set(keys)))
            .collect();
        let applier = parts.applier.clone();
        self.tasks.spawn(async move { applier.share(&todo).await });
    }

    /// Takes in what is marked; whether anything changed.
    fn look(&mut self, desired: &Desired, observed: &Observed) -> bool {
        let all = std::mem::take(&mut self.all);
        let mut marked = std::mem::take(&mut self.marked);
        if all {
            marked = desired
                .pods
                .keys()
                .chain(observed.pods.keys())
                .cloned()
                .collect();
            let known: BTreeSet<UnitName> = marked
                .iter()
                .map(|key| PodUnits::new(key).slice())
                .collect();
            self.running.retain(|slice, _| known.contains(slice));
        }
        let mut changed = all
            || !marked.is_empty()
                && self
                    .known
                    .values()
                    .flatten()
                    .any(|(_, value)| value.is_none());
        for key in marked {
            let slice = PodUnits::new(&key).slice();
            let runs = observed.pods.get(&key).is_some_and(runs);
            // What is no longer wanted, and is still there, keeps what it had.
            let asked = desired.pods.get(&key).map(|pod| Asked::of(&pod.spec));
            let before = self.running.get(&slice).copied();
            let now = asked.or(before).filter(|_| runs);
            changed |= now != before;
            match now {
                Some(now) => drop(self.running.insert(slice, now)),
                None => drop(self.running.remove(&slice)),
            }
        }
        changed
    }

    /// What has become of it. After a failure nothing is known, and the next change sets all.
    pub fn done(
        &mut self,
        result: Result<Result<(), ShareError>, JoinError>,
    ) -> Result<(), AgentError> {
        if let Err(error) = result.map_err(|_| AgentError::Task)? {
            log::warn!(
                "requests of pods do not hold among all of them, until something changes: {}",
                crate::chain::line(&error)
            );
            for value in self.known.values_mut().flatten() {
                *value.1 = None;
            }
        }
        Ok(())
    }
}

/// The same for a command.
pub async fn once(parts: &Parts) -> Result<(), ShareError> {
    let mut all = Shares::new();
    all.look(parts.sources.desired(), &parts.state.observed);
    let todo = changes(&all.known, &shares(&all.running));
    parts.applier.share(&todo).await
}

/// What systemd says was set of slices.
fn before() -> Known {
    let keys = KEYS.map(|(key, _)| key);
    let found = drop_ins::of_slices(&keys).unwrap_or_else(|error| {
        log::warn!(
            "what was set of slices stays: {}",
            crate::chain::line(&error)
        );
        BTreeMap::new()
    });
    let unknown = |keys: Vec<_>| keys.into_iter().map(|key| (key, None)).collect();
    found
        .into_iter()
        .map(|(unit, keys)| (unit, unknown(keys)))
        .collect()
}

/// Whether a container of a pod runs, or is about to. Init containers that are done stay active.
fn runs(pod: &ObservedPod) -> bool {
    let up = |unit: &ObservedUnit| match unit.state.active {
        ActiveState::Inactive | ActiveState::Failed => false,
        _ => &*unit.state.sub != "exited",
    };
    let of_container = |unit: &ObservedUnit| {
        let identity = unit.identity.as_ref();
        identity.is_some_and(|identity| matches!(identity.role, UnitRole::Container { .. }))
    };
    pod.units
        .values()
        .any(|unit| of_container(unit) && up(unit))
}
