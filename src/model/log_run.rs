//! Whose log is meant, and which of its runs: the kubelet's rules, and its words where there is none.

use super::name::{ContainerName, PodKey, UnitName};
use super::object::text_map;
use super::pod::ContainerRole;
use super::status::{ContainerState, ContainerStatus};
use super::time::Timestamp;
use super::view::PodView;

/// The annotation that names the container meant when none is named.
pub const DEFAULT_CONTAINER: &str = "kubectl.kubernetes.io/default-container";

/// A run whose log is to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The pod.
    pub pod: PodKey,
    /// The container.
    pub container: String,
    /// Its unit.
    pub unit: UnitName,
    /// InvocationID in hex: what tells runs apart.
    pub invocation: String,
    /// When it began.
    pub started: Option<Timestamp>,
    /// When the run after it began.
    pub next: Option<Timestamp>,
    /// It goes on.
    pub running: bool,
}

/// Why there is no log to show.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChooseError {
    /// No such container.
    #[error("container {container} is not valid for pod {pod}: it has {known}")]
    Unknown {
        /// The pod.
        pod: String,
        /// The name asked for.
        container: String,
        /// The names there are.
        known: String,
    },
    /// It has not run before.
    #[error("previous terminated container {container:?} in pod {pod:?} not found")]
    NoPrevious {
        /// The pod.
        pod: String,
        /// The container.
        container: String,
    },
    /// It has not run yet.
    #[error("container {container:?} in pod {pod:?} is waiting to start: {reason}")]
    Waiting {
        /// The pod.
        pod: String,
        /// The container.
        container: String,
        /// One word.
        reason: String,
    },
}

/// The container meant: the one named, else the one the annotation names, else the first main. The note
/// says so when there were others to choose from.
pub fn one(
    pod: &PodView,
    asked: Option<&ContainerName>,
) -> Result<(String, Option<String>), ChooseError> {
    let names = names(pod);
    let known = || {
        let of = |wanted: &'static [ContainerRole], note: &'static str| {
            let all = names.iter().filter(move |(role, _)| wanted.contains(role));
            all.map(move |(_, name)| format!("{name}{note}"))
        };
        let main = of(&[ContainerRole::Main], "");
        let ephemeral = of(&[ContainerRole::Ephemeral], " (ephem)");
        let init = of(&[ContainerRole::Init, ContainerRole::Sidecar], " (init)");
        let all: Vec<String> = main.chain(ephemeral).chain(init).collect();
        all.join(", ")
    };
    let has = |asked: &str| names.iter().any(|(_, name)| name == asked);
    if let Some(asked) = asked {
        let container = asked.as_str().to_owned();
        let pod = pod.report.key.name.as_str().to_owned();
        return match has(&container) {
            true => Ok((container, None)),
            false => Err(ChooseError::Unknown {
                pod,
                container,
                known: known(),
            }),
        };
    }
    let annotations = text_map(&pod.manifest, "annotations");
    if let Some(name) = annotations.get(DEFAULT_CONTAINER).filter(|name| has(name)) {
        return Ok((name.clone(), None));
    }
    let first = names.iter().find(|(role, _)| *role == ContainerRole::Main);
    let first = first.map(|(_, name)| name.clone()).unwrap_or_default();
    let note = format!("Defaulted container {first:?} out of: {}", known());
    Ok((first, (names.len() > 1).then_some(note)))
}

/// The containers of a pod, in the order of its spec.
pub fn names(pod: &PodView) -> Vec<(ContainerRole, String)> {
    let name =
        |container: &serde_json::Value| container["name"].as_str().unwrap_or_default().to_owned();
    pod.containers()
        .map(|(role, container)| (role, name(container)))
        .collect()
}

/// The run to show: the last one that has begun, or the one before it.
pub fn run(pod: &PodView, container: &str, previous: bool) -> Result<Run, ChooseError> {
    let status = pod.container_status(container);
    let last = status.and_then(|status| life(status, &status.last_state));
    let current = status.and_then(|status| life(status, &status.state));
    let life = if previous { last } else { current.or(last) };
    let unit = container.parse().ok().and_then(|name| pod.handle(&name));
    match (life, unit) {
        (Some(life), Some(handle)) => Ok(Run {
            pod: pod.report.key.clone(),
            container: container.to_owned(),
            unit: handle.unit,
            next: next_start(pod, container, life.started),
            invocation: life.invocation,
            started: life.started,
            running: life.running,
        }),
        _ => Err(refusal(pod, container, previous)),
    }
}

/// When the run began that came after the one that began at `started`, as far as the last few are known.
pub fn next_start(pod: &PodView, container: &str, started: Option<Timestamp>) -> Option<Timestamp> {
    let status = pod.container_status(container);
    let lives = status.map(|status| [&status.state, &status.last_state].map(|s| life(status, s)));
    let shown = lives
        .into_iter()
        .flatten()
        .flatten()
        .map(|life| life.started);
    let observed = pod.observed.iter().flat_map(|observed| &observed.runs);
    let records = observed
        .filter(|(name, _)| name.as_str() == container)
        .flat_map(|(_, runs)| runs.last.iter().map(|run| run.started));
    let started = started?;
    shown
        .chain(records)
        .flatten()
        .filter(|start| *start > started)
        .min()
}

/// What a state says of a run: which one, since when, and whether it goes on.
struct Life {
    invocation: String,
    started: Option<Timestamp>,
    running: bool,
}

fn life(status: &ContainerStatus, state: &ContainerState) -> Option<Life> {
    let current = status.container_id.as_deref();
    let (id, started, running) = match state {
        ContainerState::Running(run) => (current, run.started_at, true),
        ContainerState::Terminated(run) => (
            run.container_id.as_deref().or(current),
            run.started_at,
            false,
        ),
        ContainerState::Waiting(_) | ContainerState::Empty => return None,
    };
    let invocation = id?.strip_prefix("systemd://").filter(|id| !id.is_empty())?;
    Some(Life {
        invocation: invocation.to_owned(),
        started,
        running,
    })
}

fn refusal(pod: &PodView, container: &str, previous: bool) -> ChooseError {
    let name = pod.report.key.name.to_string();
    let state = pod.container_status(container).map(|status| &status.state);
    let container = container.to_owned();
    match (previous, state) {
        (true, _) => ChooseError::NoPrevious {
            pod: name,
            container,
        },
        (false, Some(ContainerState::Waiting(waiting))) => ChooseError::Waiting {
            pod: name,
            container,
            reason: waiting.reason.clone(),
        },
        (false, _) => ChooseError::Waiting {
            pod: name,
            container,
            reason: "ContainerCreating".to_owned(),
        },
    }
}
