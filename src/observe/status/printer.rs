//! The words of a row of `kubectl get pods`, by the rules of the API server (pkg/printers/internalversion).

use crate::model::name::ContainerName;
use crate::model::status::{
    ConditionKind, ContainerState, ContainerStatus, Phase, PodStatus, Terminated,
};
use crate::model::time::Timestamp;

/// What the columns READY, STATUS and RESTARTS are made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Printed {
    /// Containers that are ready, sidecars included.
    pub ready: usize,
    /// All that could be.
    pub total: usize,
    /// One word for all: `Running`, `Init:0/2`, `CrashLoopBackOff`, `Completed`.
    pub status: String,
    /// Restarts of the containers; of the init containers while those run.
    pub restarts: u32,
    /// The end of the run before the last restart, when there was one.
    pub last_restart: Option<Timestamp>,
}

impl Printed {
    /// The column READY, such as `1/2`.
    pub fn ready_of_total(&self) -> String {
        format!("{}/{}", self.ready, self.total)
    }

    /// The column RESTARTS, such as `3 (5m ago)`. `age` writes a span of time.
    pub fn restarts_with_age(
        &self,
        now: Timestamp,
        age: impl Fn(std::time::Duration) -> String,
    ) -> String {
        match self.last_restart {
            Some(last) if self.restarts > 0 => {
                format!("{} ({} ago)", self.restarts, age(now.since(last)))
            }
            _ => self.restarts.to_string(),
        }
    }
}

/// Restarts, counted.
#[derive(Default)]
struct Restarts {
    count: u32,
    last: Option<Timestamp>,
}

impl Restarts {
    fn add(&mut self, container: &ContainerStatus) {
        self.count = self.count.saturating_add(container.restart_count);
        if let ContainerState::Terminated(end) = &container.last_state {
            self.last = self.last.max(end.finished_at);
        }
    }
}

/// The words for a pod. `is_sidecar` tells which of the init containers are sidecars, `terminating` that the pod is
/// on its way out.
pub fn printed(
    status: &PodStatus,
    is_sidecar: impl Fn(&ContainerName) -> bool,
    terminating: bool,
) -> Printed {
    let init = &status.init_container_statuses;
    let sidecars = init.iter().filter(|c| is_sidecar(&c.name));
    let (mut all, mut lasting) = (Restarts::default(), Restarts::default());
    init.iter().for_each(|container| all.add(container));
    sidecars
        .clone()
        .for_each(|container| lasting.add(container));
    let initializing = initializing(init, &is_sidecar);
    let mut word = match &status.reason {
        Some(reason) => reason.clone(),
        None => format!("{:?}", status.phase),
    };
    let started = |c: &&ContainerStatus| c.started == Some(true) && c.ready;
    let mut ready = sidecars.clone().filter(started).count();
    let has = |kind| status.conditions.iter().any(|c| c.kind == kind && c.status);
    let restarts = if initializing.is_none() || has(ConditionKind::Initialized) {
        let mains = &status.container_statuses;
        mains.iter().for_each(|container| lasting.add(container));
        ready += mains.iter().filter(|c| is_serving(c)).count();
        word = main_word(mains).unwrap_or(word);
        if word == "Completed" && mains.iter().any(is_serving) {
            word = match has(ConditionKind::Ready) {
                true => "Running".to_owned(),
                false => "NotReady".to_owned(),
            };
        }
        lasting
    } else {
        word = initializing.unwrap_or(word);
        all
    };
    let over = matches!(status.phase, Phase::Succeeded | Phase::Failed);
    if terminating && !over {
        word = "Terminating".to_owned();
    }
    Printed {
        ready,
        total: status.container_statuses.len() + sidecars.count(),
        status: word,
        restarts: restarts.count,
        last_restart: restarts.last,
    }
}

fn is_serving(container: &ContainerStatus) -> bool {
    container.ready && matches!(container.state, ContainerState::Running(_))
}

/// The word of the first init container that is not through; `None` when all are.
fn initializing(
    init: &[ContainerStatus],
    is_sidecar: &impl Fn(&ContainerName) -> bool,
) -> Option<String> {
    let through = |container: &&ContainerStatus| match &container.state {
        ContainerState::Terminated(end) if end.exit_code == 0 => true,
        _ => is_sidecar(&container.name) && container.started == Some(true),
    };
    let (index, first) = init.iter().enumerate().find(|(_, c)| !through(c))?;
    Some(match &first.state {
        ContainerState::Terminated(end) => format!("Init:{}", end_word(end)),
        ContainerState::Waiting(waiting) if !matches!(&*waiting.reason, "" | "PodInitializing") => {
            format!("Init:{}", waiting.reason)
        }
        _ => format!("Init:{index}/{}", init.len()),
    })
}

/// The word of the first main that waits or has ended.
fn main_word(mains: &[ContainerStatus]) -> Option<String> {
    mains.iter().find_map(|container| match &container.state {
        ContainerState::Waiting(waiting) if !waiting.reason.is_empty() => {
            Some(waiting.reason.clone())
        }
        ContainerState::Terminated(end) => Some(end_word(end)),
        _ => None,
    })
}

fn end_word(end: &Terminated) -> String {
    match &*end.reason {
        "" => format!("ExitCode:{}", end.exit_code),
        reason => reason.to_owned(),
    }
}
