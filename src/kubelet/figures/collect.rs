//! One reading of everything.

use crate::host::clock;
use crate::host::usage::{self, Traffic, Usage};
use crate::model::name::{ContainerName, PodUid};
use crate::model::pod::ContainerRole;
use crate::model::status::ContainerState;
use crate::model::time::Timestamp;
use crate::model::view::PodView;
use std::sync::Arc;

/// All figures of one moment.
#[derive(Debug)]
pub struct Collected {
    /// When.
    pub time: Timestamp,
    /// When the host was started.
    pub booted: Option<Timestamp>,
    /// The host.
    pub host: Usage,
    /// Its interfaces.
    pub traffic: Vec<Traffic>,
    /// Pods of which something runs.
    pub pods: Vec<PodFigures>,
}

/// A pod.
#[derive(Debug)]
pub struct PodFigures {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// This life of it.
    pub uid: String,
    /// When it was begun.
    pub started: Option<Timestamp>,
    /// All of it; `None` where groups do not tell.
    pub usage: Option<Usage>,
    /// The interfaces of a pod with a network of its own.
    pub traffic: Vec<Traffic>,
    /// Those that run.
    pub containers: Vec<ContainerFigures>,
}

/// A container that runs.
#[derive(Debug)]
pub struct ContainerFigures {
    /// Its name.
    pub name: String,
    /// Its image.
    pub image: String,
    /// Its run.
    pub id: String,
    /// Its unit.
    pub unit: String,
    /// When its run began.
    pub started: Option<Timestamp>,
    /// What it uses; `None` where groups do not tell.
    pub usage: Option<Usage>,
}

impl Collected {
    /// Reads all of it; blocks on files.
    pub fn of(pods: &[Arc<PodView>]) -> Self {
        let time = clock::timestamp();
        let uptime = std::fs::read_to_string("/proc/uptime").unwrap_or_default();
        let uptime = uptime
            .split_whitespace()
            .next()
            .and_then(|text| text.parse::<f64>().ok());
        let up =
            std::time::Duration::try_from_secs_f64(uptime.unwrap_or_default()).unwrap_or_default();
        let up = u64::try_from(up.as_micros()).unwrap_or_default();
        Self {
            time,
            booted: Timestamp::from_micros(time.micros().saturating_sub(up)),
            host: usage::host(),
            traffic: usage::traffic(std::process::id()),
            pods: pods.iter().filter_map(|pod| figures(pod)).collect(),
        }
    }
}

fn figures(pod: &PodView) -> Option<PodFigures> {
    let mut whole = None;
    let mut traffic = Vec::new();
    let mut containers = Vec::new();
    for (role, spec) in pod.containers() {
        let name = spec["name"].as_str().unwrap_or_default();
        let Some(handle) = name
            .parse::<ContainerName>()
            .ok()
            .and_then(|name| pod.handle(&name))
        else {
            continue;
        };
        if handle.main_pid == 0 {
            continue;
        }
        let group = usage::control_group(handle.main_pid, &handle.unit);
        if whole.is_none() {
            // A container's group is in that of its pod.
            whole = group
                .as_deref()
                .and_then(|group| usage::read(group.parent()?));
        }
        if traffic.is_empty()
            && pod.manifest["spec"]["hostNetwork"] != true
            && role != ContainerRole::Init
        {
            traffic = usage::traffic(handle.main_pid);
        }
        containers.push(ContainerFigures {
            name: name.to_owned(),
            image: spec["image"].as_str().unwrap_or_default().to_owned(),
            id: format!("systemd://{}", handle.invocation),
            unit: handle.unit.to_string(),
            started: started(pod, name),
            usage: group.as_deref().and_then(usage::read),
        });
    }
    let report = &pod.report;
    (!containers.is_empty()).then(|| PodFigures {
        namespace: report.key.namespace.to_string(),
        name: report.key.name.to_string(),
        uid: report
            .uid
            .as_ref()
            .map(PodUid::to_string)
            .unwrap_or_default(),
        started: report.status.start_time,
        usage: whole,
        traffic,
        containers,
    })
}

fn started(pod: &PodView, container: &str) -> Option<Timestamp> {
    match &pod.container_status(container)?.state {
        ContainerState::Running(running) => running.started_at,
        _ => None,
    }
}
