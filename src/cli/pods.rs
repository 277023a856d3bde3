//! Pods as rows of a table.

use super::duration::age;
use super::object::text_map;
use super::profile;
use super::table::{Cell, Tone};
use super::view::PodView;
use crate::model::name::ContainerName;
use crate::model::pod::ContainerRole;
use crate::model::security::Profile;
use crate::model::status::{ConditionKind, PodStatus};
use crate::model::time::Timestamp;
use crate::observe::status::printer::{self, Printed};
use std::collections::BTreeMap;

/// Which columns there are.
#[derive(Debug, Clone, Copy, Default)]
pub struct Columns {
    /// The namespace, first.
    pub namespace: bool,
    /// Addresses, node, profile and exposure.
    pub wide: bool,
    /// The profile of containers that say nothing of it.
    pub profile: Profile,
    /// All labels, last.
    pub labels: bool,
}

/// What a row says that is not in the pod.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The node it is on.
    pub node: &'a str,
    /// How exposed it is.
    pub exposure: &'a str,
}

impl Columns {
    /// Their headers, kubectl's, PROFILE and EXPOSURE.
    pub fn headers(self) -> Vec<&'static str> {
        let mut headers = vec!["NAME", "READY", "STATUS", "RESTARTS", "AGE"];
        if self.namespace {
            headers.insert(0, "NAMESPACE");
        }
        if self.wide {
            headers.extend(["IP", "NODE", "NOMINATED NODE", "READINESS GATES"]);
            headers.extend(["PROFILE", "EXPOSURE"]);
        }
        if self.labels {
            headers.push("LABELS");
        }
        headers
    }

    /// The row of a pod at a moment.
    pub fn row(self, pod: &PodView, place: Place<'_>, now: Timestamp) -> Vec<Cell> {
        let report = &pod.report;
        let printed = printed(pod);
        let tone = tone(&printed.status, all_ready(&report.status));
        let mut row: Vec<Cell> = vec![
            report.key.name.as_str().into(),
            printed.ready_of_total().into(),
            Cell::toned(printed.status.clone(), tone),
            printed.restarts_with_age(now, age).into(),
            pod_age(pod, now).into(),
        ];
        if self.namespace {
            row.insert(0, report.key.namespace.as_str().into());
        }
        if self.wide {
            let ip = report.status.pod_ip.as_deref().unwrap_or("<none>");
            let profile = profile::of(&pod.manifest, self.profile).word();
            row.extend([ip, place.node, "<none>", "<none>"].map(Cell::from));
            row.extend([profile, place.exposure].map(Cell::from));
        }
        if self.labels {
            row.push(labels(&text_map(&pod.manifest, "labels")).into());
        }
        row
    }
}

fn printed(pod: &PodView) -> Printed {
    let sidecar = |name: &ContainerName| {
        let mut containers = pod.containers();
        containers
            .any(|(role, spec)| role == ContainerRole::Sidecar && spec["name"] == name.as_str())
    };
    printer::printed(&pod.report.status, sidecar, pod.report.terminating)
}

fn all_ready(status: &PodStatus) -> bool {
    let ready = |c: &crate::model::status::Condition| c.kind == ConditionKind::Ready && c.status;
    status.conditions.iter().any(ready)
}

/// How a STATUS word is to be taken.
pub fn tone(status: &str, ready: bool) -> Tone {
    let word = status.strip_prefix("Init:").unwrap_or(status);
    match word {
        "Running" if ready => Tone::Good,
        "Running" | "NotReady" | "Pending" | "ContainerCreating" | "PodInitializing"
        | "Terminating" => Tone::Busy,
        "Completed" | "Succeeded" => Tone::Past,
        progress if progress.starts_with(|c: char| c.is_ascii_digit()) => Tone::Busy,
        _ => Tone::Bad,
    }
}

/// How long ago the pod was created, or first acted on.
pub fn pod_age(pod: &PodView, now: Timestamp) -> String {
    let created = pod.manifest["metadata"]["creationTimestamp"].as_str();
    created
        .and_then(Timestamp::parse)
        .or(pod.report.status.start_time)
        .map_or_else(|| "<unknown>".to_owned(), |time| age(now.since(time)))
}

fn labels(labels: &BTreeMap<String, String>) -> String {
    if labels.is_empty() {
        return "<none>".to_owned();
    }
    let pairs: Vec<String> = labels
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    pairs.join(",")
}

/// The time now.
pub use crate::host::clock::timestamp as now;
