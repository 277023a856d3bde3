//! What each container of a pod does.

use super::end::{End, container_id};
use super::resources;
use super::stage::Stage;
use crate::model::identity::UnitRole;
use crate::model::name::ContainerName;
use crate::model::observed::{ActiveState, CurrentRun, ObservedPod, ObservedUnit, Runs};
use crate::model::pod::{Container, ContainerRole, Pod, PodSpec, RestartPolicy};
use crate::model::restart::Restarts;
use crate::model::status::{Blocked, ContainerState, ContainerStatus, Running, Waiting};
use crate::model::time::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

/// A container as the manifest has it and as the host has it.
#[derive(Debug)]
pub(super) struct Seen<'a> {
    pub(super) role: ContainerRole,
    pub(super) spec: &'a Container,
    pub(super) policy: RestartPolicy,
    pub(super) stage: Stage,
    unit: Option<&'a ObservedUnit>,
    runs: Option<&'a Runs>,
    /// The last run that has ended.
    latest: Option<End<'a>>,
    /// The one before.
    previous: Option<End<'a>>,
}

/// What matters for a container besides itself.
#[derive(Debug)]
pub(super) struct Surroundings<'a> {
    pod: &'a Pod,
    observed: Option<&'a ObservedPod>,
    blocked: &'a [Blocked],
    /// The pod's target is active: what can run should.
    wanted: bool,
    /// No main will run again.
    finished: bool,
}

/// The containers of a pod: init containers and sidecars in order, then the mains.
pub(super) fn seen<'a>(spec: &'a PodSpec, observed: Option<&'a ObservedPod>) -> Vec<Seen<'a>> {
    let mut units: BTreeMap<&ContainerName, &ObservedUnit> = BTreeMap::new();
    for unit in observed.into_iter().flat_map(|pod| pod.units.values()) {
        if let Some(UnitRole::Container { name, .. }) = unit.identity.as_ref().map(|id| &id.role) {
            units.insert(name, unit);
        }
    }
    spec.all_containers()
        .map(|(role, container)| {
            let policy = spec.restart_policy_of(role, container);
            let unit = units.get(&container.name).copied();
            let runs = observed.and_then(|pod| pod.runs.get(&container.name));
            Seen::new(role, container, policy, unit, runs)
        })
        .collect()
}

impl<'a> Surroundings<'a> {
    pub(super) fn new(
        pod: &'a Pod,
        observed: Option<&'a ObservedPod>,
        blocked: &'a [Blocked],
        containers: &[Seen],
    ) -> Self {
        let mut mains = containers.iter().filter(|c| c.role == ContainerRole::Main);
        let deadline = observed.is_some_and(|observed| observed.deadline_exceeded);
        let wanted = observed.and_then(|pod| unit_of(pod, |role| *role == UnitRole::Pod));
        Self {
            pod,
            observed,
            blocked,
            wanted: wanted.is_some_and(is_active),
            finished: deadline
                || containers.iter().any(Seen::has_failed_init)
                || mains.all(Seen::is_final),
        }
    }

    /// Why a container that has no back-off does not run.
    fn waiting(&self, container: &Seen) -> Waiting {
        let blocked = self.blocked.iter().find(|blocked| {
            let about = blocked.container.as_ref();
            about.is_none_or(|name| *name == container.spec.name)
        });
        if let Some(blocked) = blocked {
            return Waiting {
                reason: blocked.reason.to_owned(),
                message: Some(blocked.message.clone()),
            };
        }
        let reason = match self.pod.spec.init_containers.is_empty() {
            true => "ContainerCreating",
            false => "PodInitializing",
        };
        Waiting {
            reason: reason.to_owned(),
            message: self.sandbox_failure(),
        }
    }

    fn sandbox_failure(&self) -> Option<String> {
        let is_sandbox = |role: &UnitRole| *role == UnitRole::Sandbox;
        let pod = self.observed?;
        let failed = unit_of(pod, is_sandbox)?.state.active == ActiveState::Failed;
        let name = crate::unit::names::PodUnits::new(&self.pod.key).sandbox();
        failed.then(|| {
            format!("the sandbox of the pod could not be set up: see journalctl -u '{name}'")
        })
    }

    /// What the prober last found for a run of a container; `None` before the first answer.
    fn probed_ready(&self, name: &ContainerName, invocation: &str) -> Option<bool> {
        let prober = unit_of(self.observed?, |role| *role == UnitRole::Probes)?;
        let text = &prober
            .state
            .run
            .as_ref()
            .filter(|_| is_active(prober))?
            .status_text;
        let key = format!("{name}:{}", invocation.get(..8)?);
        let words = text
            .split_whitespace()
            .filter_map(|word| word.split_once('='));
        words
            .filter(|(found, _)| *found == key)
            .map(|(_, answer)| answer == "ready")
            .next()
    }
}

/// The unit of a pod that has a role.
pub(super) fn unit_of(pod: &ObservedPod, is: impl Fn(&UnitRole) -> bool) -> Option<&ObservedUnit> {
    let mut units = pod.units.values();
    units.find(|unit| unit.identity.as_ref().is_some_and(|id| is(&id.role)))
}

pub(super) fn is_active(unit: &ObservedUnit) -> bool {
    unit.state.active == ActiveState::Active
}

impl<'a> Seen<'a> {
    fn new(
        role: ContainerRole,
        spec: &'a Container,
        policy: RestartPolicy,
        unit: Option<&'a ObservedUnit>,
        runs: Option<&'a Runs>,
    ) -> Self {
        let stage = unit.map_or(Stage::Down, |unit| Stage::of(&unit.state, role));
        let run = unit.and_then(|unit| unit.state.run.as_ref());
        let mut records = runs
            .into_iter()
            .flat_map(|runs| runs.last.iter().rev())
            .map(End::of_record);
        let recorded = records.next();
        let unrecorded = run
            .filter(|_| stage.is_over())
            .and_then(End::of_run)
            .filter(|end| recorded.is_none_or(|last| last.invocation != end.invocation));
        let (latest, previous) = match unrecorded {
            Some(end) => (Some(end), recorded),
            None => (recorded, records.next()),
        };
        Self {
            role,
            spec,
            policy,
            stage,
            unit,
            runs,
            latest,
            previous,
        }
    }

    fn run(&self) -> Option<&'a CurrentRun> {
        self.unit.and_then(|unit| unit.state.run.as_ref())
    }

    /// Starts of the runs that are known.
    pub(super) fn starts(&self) -> impl Iterator<Item = Timestamp> {
        let records = self.runs.into_iter().flat_map(|runs| &runs.last);
        let records = records.filter_map(|record| record.started);
        records.chain(self.run().and_then(|run| run.started))
    }

    /// It has ended and its restart policy leaves it so. A run of another spec does not count: it will run anew.
    pub(super) fn is_final(&self) -> bool {
        let hash = self
            .unit
            .and_then(|unit| unit.identity.as_ref())
            .map(|id| &*id.spec_hash);
        let same = |end: &End| end.spec.is_none() || hash.is_none() || end.spec == hash;
        let over = matches!(self.stage, Stage::Down | Stage::Ended);
        let Some(end) = self.latest.filter(same).filter(|_| over) else {
            return false;
        };
        let restarts = Restarts {
            policy: self.policy,
            rules: self.spec.restart_rules.clone(),
        };
        let stopped = end.stopped && self.policy != RestartPolicy::Never;
        !stopped && !restarts.again(end.code_of_systemd(), end.is_good())
    }

    /// An init container that has failed and may not run again: nothing after it ever starts.
    pub(super) fn has_failed_init(&self) -> bool {
        let failed = self.latest.is_some_and(|end| !end.is_good());
        self.role == ContainerRole::Init
            && self.policy == RestartPolicy::Never
            && failed
            && self.is_final()
    }

    pub(super) fn status(&self, around: &Surroundings) -> ContainerStatus {
        let (state, last) = self.states(around);
        let recorded = |end: End| u32::from(end.is_recorded());
        let over = matches!(state, ContainerState::Terminated(_));
        let count = self.runs.map_or(0, |runs| runs.count);
        // Of a container that stays ended, the last run was no restart of it.
        let ended = if over {
            self.latest.map_or(0, recorded)
        } else {
            0
        };
        let current = self
            .run()
            .filter(|_| matches!(state, ContainerState::Running(_)));
        let current = current.map(|run| &*run.invocation);
        ContainerStatus {
            name: self.spec.name.clone(),
            ready: self.is_ready(&state, around),
            last_state: last.map_or(ContainerState::Empty, |end| {
                ContainerState::Terminated(end.terminated())
            }),
            restart_count: count.saturating_sub(ended),
            image: self.spec.image.to_string(),
            image_id: self.image_id(),
            container_id: current
                .or(self.latest.map(|end| end.invocation))
                .and_then(container_id),
            started: Some(self.stage == Stage::Running { started: true }),
            allocated_resources: resources::requests(self.spec),
            resources: self.unit.and_then(|_| resources::of(self.spec)),
            state,
        }
    }

    /// What the image was when the unit was made; empty before there is a unit, as for the kubelet.
    fn image_id(&self) -> String {
        let identity = self.unit.and_then(|unit| unit.identity.as_ref());
        match identity.map(|identity| &identity.role) {
            Some(UnitRole::Container { image_id, .. }) => image_id.to_string(),
            _ if self.spec.image.host_program().is_some() => self.spec.image.to_string(),
            _ => String::new(),
        }
    }

    /// The state now, and the end before it.
    fn states(&self, around: &Surroundings) -> (ContainerState, Option<End<'a>>) {
        let ended = |end: End| ContainerState::Terminated(end.terminated());
        match self.stage {
            Stage::Running { .. } => {
                let started_at = self.run().and_then(|run| run.started);
                (ContainerState::Running(Running { started_at }), self.latest)
            }
            Stage::BackOff => (ContainerState::Waiting(self.back_off(around)), self.latest),
            Stage::Starting => (ContainerState::Waiting(around.waiting(self)), self.latest),
            Stage::Ended | Stage::Down => match self.latest {
                Some(end) if self.stays_ended(around) => (ended(end), self.previous),
                latest => (ContainerState::Waiting(around.waiting(self)), latest),
            },
        }
    }

    /// Whether a container in which nothing runs is to be shown as ended, not as one that will run.
    fn stays_ended(&self, around: &Surroundings) -> bool {
        let job = self.unit.is_some_and(|unit| unit.state.job);
        let comes = around.wanted || job;
        match (self.stage, self.role) {
            (Stage::Ended, _) => true,
            _ if around.finished || !comes => true,
            // What comes after a boot runs again all init containers; their records are of the boot before.
            (_, ContainerRole::Init) => self.has_failed_init(),
            _ => self.is_final(),
        }
    }

    fn back_off(&self, around: &Surroundings) -> Waiting {
        let pod = around.pod;
        let uid = around.observed.map_or("", |observed| observed.uid.as_str());
        let delay = self.run().and_then(|run| run.back_off);
        let delay = delay.map_or_else(String::new, |delay| format!("{} ", go_duration(delay)));
        let (key, name) = (&pod.key, &self.spec.name);
        let message = format!(
            "back-off {delay}restarting failed container={name} pod={}_{}({uid})",
            key.name, key.namespace
        );
        Waiting {
            reason: "CrashLoopBackOff".to_owned(),
            message: Some(message),
        }
    }

    fn is_ready(&self, state: &ContainerState, around: &Surroundings) -> bool {
        match state {
            ContainerState::Terminated(end) => {
                self.role == ContainerRole::Init && end.exit_code == 0
            }
            ContainerState::Running(_) if self.role == ContainerRole::Ephemeral => false,
            ContainerState::Running(_) if self.role != ContainerRole::Init => {
                let invocation = self.run().map_or("", |run| &*run.invocation);
                self.stage == Stage::Running { started: true }
                    && (self.spec.probes.readiness.is_none()
                        || around.probed_ready(&self.spec.name, invocation) == Some(true))
            }
            _ => false,
        }
    }
}

/// A duration in whole seconds as Go writes it: `20s`, `1m12s`, `5m0s`. At least a second.
fn go_duration(span: Duration) -> String {
    let seconds = (span.as_millis().saturating_add(500) / 1_000).max(1);
    match seconds / 60 {
        0 => format!("{seconds}s"),
        minutes => format!("{minutes}m{}s", seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_go_does() {
        let cases = [
            (1, "1s"),
            (2_040, "2s"),
            (35_400, "35s"),
            (72_000, "1m12s"),
            (300_000, "5m0s"),
        ];
        for (millis, text) in cases {
            assert_eq!(go_duration(Duration::from_millis(millis)), text);
        }
    }
}
