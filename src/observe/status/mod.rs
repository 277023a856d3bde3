//! [`ObservedPod`] to [`PodStatus`], as a kubelet would say it. Pure.
//!
//! [`container`] tells what each container does, [`end`] how a run ended, [`phase`] and [`conditions`] make the
//! pod's part from those, [`printer`] the words of `kubectl get pods`.

mod conditions;
mod container;
mod end;
mod phase;
pub mod printer;
mod resources;
mod stage;

use crate::model::observed::ObservedPod;
use crate::model::pod::{ContainerRole, Pod};
use crate::model::status::{Blocked, ContainerStatus, Ip, Phase, PodReport, PodStatus};
use container::{Seen, Surroundings};

/// What the host adds to the status of every pod.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// The host's address.
    pub host_ip: Option<String>,
    /// All pods are on the host's network (`network.mode`).
    pub host_mode: bool,
}

/// A pod and its status.
pub fn report(
    pod: &Pod,
    observed: Option<&ObservedPod>,
    blocked: &[Blocked],
    facts: &Facts,
    terminating: bool,
) -> PodReport {
    PodReport {
        key: pod.key.clone(),
        uid: observed
            .map(|observed| observed.uid.clone())
            .or(pod.uid.clone()),
        manifest: pod.manifest.clone(),
        status: status(pod, observed, blocked, facts),
        terminating,
    }
}

/// The status of a pod. `observed` is `None` while the host has nothing of it; `blocked` says why what is wanted
/// cannot be started.
pub fn status(
    pod: &Pod,
    observed: Option<&ObservedPod>,
    blocked: &[Blocked],
    facts: &Facts,
) -> PodStatus {
    let containers: Vec<Seen> = container::seen(&pod.spec, observed);
    let surroundings = Surroundings::new(pod, observed, blocked, &containers);
    let mut statuses: Vec<ContainerStatus> = containers
        .iter()
        .map(|container| container.status(&surroundings))
        .collect();
    // They come last, and neither phase nor conditions know of them.
    let own = containers.len() - pod.spec.ephemeral_containers.len();
    let mut ephemeral = statuses.split_off(own);
    ephemeral.sort_by(|a, b| a.name.cmp(&b.name));
    let containers = containers.get(..own).unwrap_or_default();
    let deadline = observed.is_some_and(|observed| observed.deadline_exceeded);
    let phase = phase::phase(containers, &statuses, deadline);
    let start_time = start_time(observed, containers);
    let over = deadline && phase == Phase::Failed;
    let conditions = conditions::Basis {
        containers,
        gates: &pod.spec.readiness_gates,
        statuses: &statuses,
        phase,
        observed,
        start_time,
    };
    let (mut init, mut main) = (Vec::new(), Vec::new());
    let conditions = conditions.all();
    for (container, status) in containers.iter().zip(statuses) {
        match container.role {
            ContainerRole::Main | ContainerRole::Ephemeral => main.push(status),
            ContainerRole::Init | ContainerRole::Sidecar => init.push(status),
        }
    }
    main.sort_by(|a, b| a.name.cmp(&b.name));
    let addresses = addresses(pod, observed, facts);
    PodStatus {
        phase,
        conditions,
        reason: over.then(|| "DeadlineExceeded".to_owned()),
        message: over
            .then(|| "Pod was active on the node longer than the specified deadline".to_owned()),
        host_ip: facts.host_ip.clone(),
        host_ips: facts.host_ip.iter().cloned().map(|ip| Ip { ip }).collect(),
        pod_ip: addresses.first().map(|address| address.ip.clone()),
        pod_ips: addresses,
        start_time,
        init_container_statuses: init,
        container_statuses: main,
        ephemeral_container_statuses: ephemeral,
        qos_class: pod.spec.qos_class(),
    }
}

/// The pod's addresses: those its units say, or the host's on the host's network.
fn addresses(pod: &Pod, observed: Option<&ObservedPod>, facts: &Facts) -> Vec<Ip> {
    let own = observed
        .into_iter()
        .flat_map(|observed| &observed.addresses);
    let own: Vec<Ip> = own
        .map(|address| Ip {
            ip: address.to_string(),
        })
        .collect();
    if !own.is_empty() || !(pod.spec.host_network || facts.host_mode) {
        return own;
    }
    facts.host_ip.iter().cloned().map(|ip| Ip { ip }).collect()
}

/// When the host first acted on the pod: when its directory was made, or the oldest run that is still known.
fn start_time(
    observed: Option<&ObservedPod>,
    containers: &[Seen],
) -> Option<crate::model::time::Timestamp> {
    let observed = observed?;
    let runs = containers.iter().flat_map(Seen::starts);
    observed.created.or_else(|| runs.min())
}

#[cfg(test)]
mod tests;
