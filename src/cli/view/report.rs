//! What was seen becomes reports.

use super::{Filter, PodView, View};
use crate::config::Settings;
use crate::model::desired::Desired;
use crate::model::name::PodKey;
use crate::model::observed::{Observed, ObservedPod, Runs};
use crate::model::pod::{ContainerRole, Pod};
use crate::model::status::*;
use crate::source::pod_from_manifest;
use std::collections::{BTreeMap, BTreeSet};

/// The pods that are meant, as they stand: those the host has, and those that are wanted and not there yet.
pub fn assemble(
    filter: &Filter,
    observed: &Observed,
    desired: &Desired,
    settings: &Settings,
) -> View {
    let keys: BTreeSet<&PodKey> = observed.pods.keys().chain(desired.pods.keys()).collect();
    let keys = keys.into_iter().filter(|key| filter.admits(key));
    let pods = keys.filter_map(|key| {
        let is = observed.pods.get(key);
        let pod = pod(is, desired.pods.get(key))?;
        filter
            .selects(&pod.labels)
            .then(|| view(&pod, is, settings))
    });
    View {
        pods: pods.collect(),
        problems: desired.problems.clone(),
    }
}

/// What runs, if anything does; else what ought to.
fn pod(is: Option<&ObservedPod>, wanted: Option<&Pod>) -> Option<Pod> {
    let runs = is.and_then(|is| {
        let manifest = is.manifest.as_deref()?;
        pod_from_manifest(manifest, is.source.clone()).ok()
    });
    runs.or_else(|| wanted.cloned())
}

fn view(pod: &Pod, is: Option<&ObservedPod>, settings: &Settings) -> PodView {
    let mut init = vec![];
    let mut main = vec![];
    for (role, c) in pod.spec.all_containers() {
        let unit = is.and_then(|is| {
            is.units
                .iter()
                .find(|(_, u)| super::is_container(u, &c.name))
        });
        let run = unit.and_then(|(_, u)| u.state.run.clone());
        let runs = is
            .and_then(|is| is.runs.get(&c.name))
            .cloned()
            .unwrap_or_default();
        let _: &Runs = &runs;
        let state = match &run {
            Some(r) if r.main_pid != 0 => ContainerState::Running(Running {
                started_at: r.started,
            }),
            Some(r) if r.started.is_some() => ContainerState::Terminated(Terminated {
                exit_code: r.exit_status,
                signal: None,
                reason: "Error".into(),
                message: None,
                started_at: r.started,
                finished_at: r.finished,
                container_id: Some(format!("systemd://{}", r.invocation)),
            }),
            _ => ContainerState::Waiting(Waiting {
                reason: "ContainerCreating".into(),
                message: None,
            }),
        };
        let s = ContainerStatus {
            name: c.name.clone(),
            ready: matches!(state, ContainerState::Running(_)),
            state,
            last_state: ContainerState::Empty,
            restart_count: 0,
            image: c.image.to_string(),
            image_id: String::new(),
            container_id: run.map(|r| format!("systemd://{}", r.invocation)),
            started: None,
        };
        if role == ContainerRole::Main {
            main.push(s)
        } else {
            init.push(s)
        }
    }
    let status = PodStatus {
        phase: if main.iter().all(|c| c.ready) {
            Phase::Running
        } else {
            Phase::Pending
        },
        conditions: vec![Condition {
            kind: ConditionKind::Ready,
            status: main.iter().all(|c| c.ready),
            last_transition_time: None,
            reason: None,
            message: None,
        }],
        reason: None,
        message: None,
        host_ip: settings.host_ip.clone(),
        pod_ip: None,
        start_time: None,
        init_container_statuses: init,
        container_statuses: main,
        qos_class: pod.spec.qos_class(),
    };
    let _: BTreeMap<u8, u8> = BTreeMap::new();
    PodView::new(
        PodReport {
            key: pod.key.clone(),
            uid: is.map(|is| is.uid.clone()),
            manifest: pod.manifest.clone(),
            status,
            terminating: false,
        },
        is.cloned(),
    )
}
