//! The five conditions of a pod, by the kubelet's rules (pkg/kubelet/status/generate.go).
//!
//! Nothing remembers when a condition changed, so the time is that of the event which must have changed it, as
//! far as the host still knows it.

use super::container::{Seen, is_active, unit_of};
use super::phase::has_begun;
use crate::model::identity::UnitRole;
use crate::model::observed::ObservedPod;
use crate::model::pod::ContainerRole;
use crate::model::status::{Condition, ConditionKind, ContainerState, ContainerStatus, Phase};
use crate::model::time::Timestamp;
use std::borrow::Cow;

/// What the conditions are made from.
pub(super) struct Basis<'a> {
    pub(super) containers: &'a [Seen<'a>],
    /// Readiness gates of the pod.
    pub(super) gates: &'a [String],
    pub(super) statuses: &'a [ContainerStatus],
    pub(super) phase: Phase,
    pub(super) observed: Option<&'a ObservedPod>,
    pub(super) start_time: Option<Timestamp>,
}

/// Status, reason, message.
type Verdict = (bool, Option<&'static str>, Option<String>);

impl Basis<'_> {
    /// All five, in the kubelet's order.
    pub(super) fn all(&self) -> Vec<Condition> {
        let sandbox = self.sandbox();
        let initialized = self.initialized();
        let containers_ready = self.ready();
        let ready = self.gated(containers_ready.clone());
        let initialized_time = self.initialized_time(initialized.0);
        let ready_time = self.ready_time(containers_ready.0);
        let gate_time = self.gate_time().filter(|_| containers_ready.0);
        let over = matches!(self.phase, Phase::Succeeded | Phase::Failed);
        // With the last end the sandbox goes too.
        let sandbox_time = ready_time.filter(|_| over && !sandbox);
        let of = |kind, verdict: Verdict, time: Option<Timestamp>| Condition {
            kind,
            status: verdict.0,
            last_transition_time: time.or(self.start_time),
            reason: verdict.1.map(Cow::Borrowed),
            message: verdict.2,
        };
        let mut all = vec![
            of(
                ConditionKind::PodReadyToStartContainers,
                (sandbox, None, None),
                sandbox_time,
            ),
            of(ConditionKind::Initialized, initialized, initialized_time),
            of(ConditionKind::Ready, ready, ready_time.max(gate_time)),
            of(ConditionKind::ContainersReady, containers_ready, ready_time),
            of(
                ConditionKind::PodScheduled,
                (true, None, None),
                self.start_time,
            ),
        ];
        all.extend(self.set());
        all
    }

    /// Those that were set from outside.
    fn set(&self) -> impl Iterator<Item = Condition> {
        let all = self.observed.into_iter().flat_map(|pod| &pod.conditions);
        all.map(|(kind, set)| Condition {
            kind: ConditionKind::Other(kind.clone()),
            status: set.status,
            last_transition_time: Some(set.since),
            reason: set.reason.clone().map(Cow::Owned),
            message: set.message.clone(),
        })
    }

    fn of_role(
        &self,
        is: impl Fn(ContainerRole) -> bool,
    ) -> impl Iterator<Item = &ContainerStatus> {
        let both = self.containers.iter().zip(self.statuses);
        both.filter(move |(container, _)| is(container.role))
            .map(|(_, status)| status)
    }

    /// The sandbox is up; a pod that needs none is ready from its start to its end.
    fn sandbox(&self) -> bool {
        let Some(observed) = self.observed else {
            return false;
        };
        match unit_of(observed, |role| *role == UnitRole::Sandbox) {
            Some(sandbox) => is_active(sandbox),
            None => {
                let over = matches!(self.phase, Phase::Succeeded | Phase::Failed);
                let target = unit_of(observed, |role| *role == UnitRole::Pod);
                !over && target.is_some_and(is_active)
            }
        }
    }

    fn initialized(&self) -> Verdict {
        if self.phase == Phase::Succeeded {
            return (true, Some("PodCompleted"), None);
        }
        // Once a main has run, sidecars may come and go.
        let both = || self.containers.iter().zip(self.statuses);
        if both().any(|(container, status)| has_begun(container, status)) {
            return (true, None, None);
        }
        let incomplete = both().filter(|(container, status)| match container.role {
            ContainerRole::Init => !status.ready,
            ContainerRole::Sidecar => status.started != Some(true),
            ContainerRole::Main | ContainerRole::Ephemeral => false,
        });
        unless_any(
            incomplete.map(|(_, status)| status),
            "ContainersNotInitialized",
            "containers with incomplete status",
        )
    }

    fn ready(&self) -> Verdict {
        match self.phase {
            Phase::Succeeded => return (false, Some("PodCompleted"), None),
            Phase::Failed => return (false, Some("PodFailed"), None),
            Phase::Pending | Phase::Running => {}
        }
        let unready = self
            .of_role(|role| role != ContainerRole::Init)
            .filter(|status| !status.ready);
        unless_any(
            unready,
            "ContainersNotReady",
            "containers with unready status",
        )
    }

    /// A pod whose containers are ready is ready when its gates say so too; on a host they are set by `vks condition`
    /// (kubelet: GeneratePodReadyCondition).
    fn gated(&self, containers: Verdict) -> Verdict {
        if !containers.0 {
            return containers;
        }
        let set = |gate: &str| self.observed?.conditions.get(gate);
        let missing = self.gates.iter().filter_map(|gate| match set(gate) {
            Some(found) if found.status => None,
            Some(_) => Some(format!(
                "the status of pod readiness gate {gate:?} is not \"True\", but False"
            )),
            None => Some(format!(
                "corresponding condition of pod readiness gate {gate:?} does not exist."
            )),
        });
        let missing: Vec<String> = missing.collect();
        if missing.is_empty() {
            return containers;
        }
        (
            false,
            Some("ReadinessGatesNotReady"),
            Some(missing.join(", ")),
        )
    }

    /// When a pod with gates became ready, or ceased to be.
    fn gate_time(&self) -> Option<Timestamp> {
        let observed = self.observed?;
        let gates = self.gates.iter();
        let set = gates.filter_map(|gate| observed.conditions.get(gate.as_str()));
        set.map(|set| set.since).max()
    }

    fn initialized_time(&self, status: bool) -> Option<Timestamp> {
        let init = self.of_role(|role| role != ContainerRole::Main);
        let last = init.filter_map(|status| match &status.state {
            ContainerState::Terminated(end) => end.finished_at,
            ContainerState::Running(run) => run.started_at,
            _ => None,
        });
        last.filter(|_| status).max()
    }

    /// Of a pod that is ready, the last start; of one that is not, the last end.
    fn ready_time(&self, ready: bool) -> Option<Timestamp> {
        let ended = |state: &ContainerState| match state {
            ContainerState::Terminated(end) => end.finished_at,
            _ => None,
        };
        let times = self
            .of_role(|role| role != ContainerRole::Init)
            .filter_map(|status| match &status.state {
                ContainerState::Running(run) if ready => run.started_at,
                _ if ready => None,
                state => ended(state).max(ended(&status.last_state)),
            });
        times.max()
    }
}

/// True when there are none; else false, with the names.
fn unless_any<'a>(
    containers: impl Iterator<Item = &'a ContainerStatus>,
    reason: &'static str,
    what: &str,
) -> Verdict {
    let names: Vec<&str> = containers.map(|status| status.name.as_str()).collect();
    match names.is_empty() {
        true => (true, None, None),
        false => (
            false,
            Some(reason),
            Some(format!("{what}: [{}]", names.join(" "))),
        ),
    }
}
