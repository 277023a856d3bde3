//! Which container, and which of its runs: the kubelet's rules, and its words where there is none.

use super::Args;
use crate::cli::object::text_map;
use crate::cli::view::PodView;
use crate::model::name::{ContainerName, PodKey};
use crate::model::pod::ContainerRole;
use crate::model::status::{ContainerState, ContainerStatus};

/// The annotation that names the container meant when none is named.
const DEFAULT_CONTAINER: &str = "kubectl.kubernetes.io/default-container";

/// A run whose log is to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The pod.
    pub pod: PodKey,
    /// The container.
    pub container: String,
    /// InvocationID in hex.
    pub invocation: String,
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

/// The containers of a pod that are meant, and what to say when the choice was not the user's.
pub fn containers(
    pod: &PodView,
    args: &Args,
) -> Result<(Vec<String>, Option<String>), ChooseError> {
    if args.all_containers {
        return Ok((names(pod).into_iter().map(|(_, name)| name).collect(), None));
    }
    let (name, note) = one(pod, args.container())?;
    Ok((vec![name], note))
}

/// The container meant: the one named, else the one the annotation names, else the first main. The note
/// says so when there were others to choose from.
pub fn one(
    pod: &PodView,
    asked: Option<&ContainerName>,
) -> Result<(String, Option<String>), ChooseError> {
    let names = names(pod);
    let known = || {
        let (init, main): (Vec<_>, Vec<_>) = names
            .iter()
            .partition(|(role, _)| *role != ContainerRole::Main);
        let init = init.iter().map(|(_, name)| format!("{name} (init)"));
        let all: Vec<String> = main
            .iter()
            .map(|(_, name)| name.clone())
            .chain(init)
            .collect();
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

fn names(pod: &PodView) -> Vec<(ContainerRole, String)> {
    let name =
        |container: &serde_json::Value| container["name"].as_str().unwrap_or_default().to_owned();
    pod.containers()
        .map(|(role, container)| (role, name(container)))
        .collect()
}

/// The run to show: the last one that has begun, or the one before it.
pub fn run(pod: &PodView, container: &str, previous: bool) -> Result<Run, ChooseError> {
    let name = pod.report.key.name.as_str().to_owned();
    let status = pod.container_status(container);
    let run = |invocation: String, running| Run {
        pod: pod.report.key.clone(),
        container: container.to_owned(),
        invocation,
        running,
    };
    let last = status.and_then(|status| ended(&status.last_state));
    if previous {
        let none = || ChooseError::NoPrevious {
            pod: name.clone(),
            container: container.to_owned(),
        };
        return last.map(|id| run(id, false)).ok_or_else(none);
    }
    let current = match status.map(|status| (status, &status.state)) {
        Some((status, ContainerState::Running(_))) => current(status).map(|id| run(id, true)),
        Some((status, state @ ContainerState::Terminated(_))) => ended(state)
            .or_else(|| current(status))
            .map(|id| run(id, false)),
        _ => None,
    };
    current
        .or_else(|| last.map(|id| run(id, false)))
        .ok_or_else(|| ChooseError::Waiting {
            pod: name.clone(),
            container: container.to_owned(),
            reason: match status.map(|status| &status.state) {
                Some(ContainerState::Waiting(waiting)) => waiting.reason.clone(),
                _ => "ContainerCreating".to_owned(),
            },
        })
}

fn current(status: &ContainerStatus) -> Option<String> {
    invocation(status.container_id.as_deref()?)
}

fn ended(state: &ContainerState) -> Option<String> {
    match state {
        ContainerState::Terminated(terminated) => invocation(terminated.container_id.as_deref()?),
        _ => None,
    }
}

/// The InvocationID in a container's id.
fn invocation(id: &str) -> Option<String> {
    let id = id.strip_prefix("systemd://")?;
    (!id.is_empty()).then(|| id.to_owned())
}

#[cfg(test)]
mod tests;
