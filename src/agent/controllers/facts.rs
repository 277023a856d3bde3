//! Pods as their controllers see them.

use crate::model::controller::fact::PodFact;
use crate::model::controller::record::Moment;
use crate::model::controller::{
    COMPLETION_INDEX, ControllerKey, INSTANCE, OWNER, OWNER_UID, REVISION,
};
use crate::model::name::PodKey;
use crate::model::observed::{Observed, ObservedPod};
use crate::model::pod::Pod;
use crate::model::status::{ConditionKind, ContainerState, ContainerStatus, Phase, PodStatus};
use crate::model::time::Timestamp;
use crate::observe::status::{Facts, status};
use crate::source::pod_from_manifest;
use std::sync::Arc;
use std::time::Duration;

/// A pod that some controller has made.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Which.
    pub owner: ControllerKey,
    /// What it needs to know.
    pub fact: PodFact,
    /// The pod as it runs.
    pub pod: Arc<Pod>,
    /// Since when it is ready: by the calendar, as it says, and in microseconds since the boot.
    ready: Option<(Option<Timestamp>, u64)>,
}

impl Seen {
    /// How long it has been ready by now.
    pub fn ready_for(&self, now: &Moment) -> Option<Duration> {
        let (_, since) = self.ready?;
        Some(Duration::from_micros(now.up.saturating_sub(since)))
    }
}

/// What there is to say of a pod; `None` for one that no controller has made. `before` is what was said last.
pub fn seen(
    key: &PodKey,
    observed: &Observed,
    before: Option<&Seen>,
    now: &Moment,
) -> Option<Seen> {
    let is = observed.pods.get(key)?;
    let manifest = is.manifest.as_deref()?;
    // To read every manifest of the host for the few that matter would be dear.
    if !manifest.contains(OWNER) {
        return None;
    }
    let known =
        before.filter(|before| *before.pod.manifest == *manifest && before.pod.source == is.source);
    let pod = match known {
        Some(before) => Arc::clone(&before.pod),
        None => Arc::new(pod_from_manifest(manifest, is.source.clone()).ok()?),
    };
    let owner = ControllerKey::from_owner(pod.annotations.get(OWNER)?, &key.namespace)?;
    let status = status(&pod, Some(is), &[], &Facts::default());
    let same_life = before.filter(|before| before.fact.uid == is.uid);
    let ready = ready(&status, same_life.and_then(|before| before.ready), now);
    let fact = fact(key, is, &pod, &status)?;
    Some(Seen {
        owner,
        fact,
        pod,
        ready,
    })
}

fn fact(key: &PodKey, is: &ObservedPod, pod: &Pod, status: &PodStatus) -> Option<PodFact> {
    let text = |name: &str| pod.annotations.get(name).map(String::as_str);
    let containers = || {
        let init = status.init_container_statuses.iter();
        init.chain(&status.container_statuses)
    };
    let exits = containers().filter_map(exit);
    let ends = containers().filter_map(|container| match &container.state {
        ContainerState::Terminated(end) => end.finished_at,
        _ => None,
    });
    let stopped = is
        .runs
        .values()
        .any(|runs| runs.last.last().is_some_and(|run| run.stopped));
    let lost = containers().any(|container| {
        matches!(&container.state, ContainerState::Terminated(end) if end.reason == "ContainerStatusUnknown")
    });
    Some(PodFact {
        key: key.clone(),
        uid: is.uid.clone(),
        owner_uid: text(OWNER_UID)?.into(),
        revision: text(REVISION)?.into(),
        instance: text(INSTANCE)?.parse().ok()?,
        index: text(COMPLETION_INDEX).and_then(|index| index.parse().ok()),
        phase: status.phase,
        ready_for: None,
        leaving: is.deleted,
        deleted: is.deleted,
        restarts: containers().map(|container| container.restart_count).sum(),
        exits: exits.collect(),
        disrupted: status.phase == Phase::Failed && !is.deadline_exceeded && (stopped || lost),
        finished: ends.max(),
    })
}

/// A pod that was decided to be and has not been seen yet.
pub fn pending(pod: &Pod) -> Option<PodFact> {
    let text = |name: &str| pod.annotations.get(name).map(String::as_str);
    Some(PodFact {
        key: pod.key.clone(),
        uid: crate::plan::new_uid(&pod.key, b"pending"),
        owner_uid: text(OWNER_UID)?.into(),
        revision: text(REVISION)?.into(),
        instance: text(INSTANCE)?.parse().ok()?,
        index: text(COMPLETION_INDEX).and_then(|index| index.parse().ok()),
        phase: Phase::Pending,
        ready_for: None,
        leaving: false,
        deleted: false,
        restarts: 0,
        exits: Vec::new(),
        disrupted: false,
        finished: None,
    })
}

fn exit(container: &ContainerStatus) -> Option<(crate::model::name::ContainerName, i32)> {
    match &container.state {
        ContainerState::Terminated(end) => Some((container.name.clone(), end.exit_code)),
        _ => None,
    }
}

/// Since when a pod is ready. Counted from when it was first seen so: the calendar may have been set since.
fn ready(
    status: &PodStatus,
    before: Option<(Option<Timestamp>, u64)>,
    now: &Moment,
) -> Option<(Option<Timestamp>, u64)> {
    let mut conditions = status.conditions.iter();
    let ready = conditions.find(|condition| condition.kind == ConditionKind::Ready)?;
    if !ready.status {
        return None;
    }
    let said = ready.last_transition_time;
    if let Some(before) = before.filter(|(when, _)| *when == said) {
        return Some(before);
    }
    let ago = said.map_or(0, |said| now.wall.saturating_sub(said.micros()));
    Some((said, now.up.saturating_sub(ago)))
}
