//! The phase of a pod, by the kubelet's rules (pkg/kubelet/kubelet_pods.go, getPhase), with two
//! differences: the restart policies of the containers decide, not the pod's alone, and a pod whose init
//! containers run anew after a boot is pending until they are through.

use super::container::Seen;
use super::stage::Stage;
use crate::model::pod::ContainerRole;
use crate::model::status::{ContainerState, ContainerStatus, Phase};

/// The phase. Terminal only when nothing runs and nothing will.
pub(super) fn phase(containers: &[Seen], statuses: &[ContainerStatus], deadline: bool) -> Phase {
    let all = || containers.iter().zip(statuses);
    let mains = || all().filter(|(container, _)| container.role == ContainerRole::Main);
    let running = statuses
        .iter()
        .any(|s| matches!(s.state, ContainerState::Running(_)));
    if !running && (deadline || containers.iter().any(Seen::has_failed_init)) {
        return Phase::Failed;
    }
    let begun = all().any(|(container, status)| has_begun(container, status));
    if mains().any(|(_, status)| has_never_run(status))
        || !begun && all().any(|(container, status)| is_pending(container.role, status))
    {
        return Phase::Pending;
    }
    let over = |(container, status): (&Seen, &ContainerStatus)| {
        container.is_final() && matches!(status.state, ContainerState::Terminated(_))
    };
    if running || !mains().all(over) {
        return Phase::Running;
    }
    let good = |status: &ContainerStatus| matches!(&status.state, ContainerState::Terminated(end) if end.exit_code == 0);
    match mains().all(|(_, status)| good(status)) {
        true => Phase::Succeeded,
        false => Phase::Failed,
    }
}

/// Waits for its first run.
fn has_never_run(status: &ContainerStatus) -> bool {
    matches!(status.state, ContainerState::Waiting(_)) && status.last_state.is_empty()
}

/// A main that has run since the pod was started, so that all init containers were through. One that only waits
/// to run again after a boot has not.
pub(super) fn has_begun(container: &Seen, status: &ContainerStatus) -> bool {
    let ran = !matches!(status.state, ContainerState::Waiting(_));
    container.role == ContainerRole::Main && (ran || container.stage == Stage::BackOff)
}

/// An init container that is not through, or a sidecar that has not started.
fn is_pending(role: ContainerRole, status: &ContainerStatus) -> bool {
    match (role, &status.state) {
        (ContainerRole::Main | ContainerRole::Ephemeral, _) => false,
        (ContainerRole::Init, _) => !status.ready,
        (ContainerRole::Sidecar, ContainerState::Terminated(_)) => false,
        (ContainerRole::Sidecar, _) => status.started != Some(true),
    }
}
