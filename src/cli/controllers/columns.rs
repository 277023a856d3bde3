//! Controllers as rows of a table, in kubectl's columns.

use super::Shown;
use crate::cli::duration::age;
use crate::cli::table::{Cell, Tone};
use crate::model::controller::cron::CronJobSpec;
use crate::model::controller::job::JobSpec;
use crate::model::controller::{ControllerKind, ControllerSpec};
use crate::model::time::Timestamp;
use serde_json::Value;
use std::time::Duration;

/// Which columns there are.
#[derive(Debug, Clone, Copy, Default)]
pub struct Columns {
    /// The namespace, first.
    pub namespace: bool,
    /// Containers, images and labels.
    pub wide: bool,
    /// All labels, last.
    pub labels: bool,
}

impl Columns {
    /// The headers of a kind.
    pub fn headers(self, kind: ControllerKind) -> Vec<&'static str> {
        let mut headers: Vec<&str> = match kind {
            ControllerKind::Deployment => vec!["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"],
            ControllerKind::StatefulSet => vec!["NAME", "READY", "AGE"],
            ControllerKind::DaemonSet => vec![
                "NAME",
                "DESIRED",
                "CURRENT",
                "READY",
                "UP-TO-DATE",
                "AVAILABLE",
                "NODE SELECTOR",
                "AGE",
            ],
            ControllerKind::Job => vec!["NAME", "STATUS", "COMPLETIONS", "DURATION", "AGE"],
            ControllerKind::CronJob => vec![
                "NAME",
                "SCHEDULE",
                "TIMEZONE",
                "SUSPEND",
                "ACTIVE",
                "LAST SCHEDULE",
                "AGE",
            ],
        };
        if self.namespace {
            headers.insert(0, "NAMESPACE");
        }
        if self.wide {
            headers.extend(["CONTAINERS", "IMAGES"]);
            if kind != ControllerKind::StatefulSet {
                headers.push("SELECTOR");
            }
        }
        if self.labels {
            headers.push("LABELS");
        }
        headers
    }

    /// The row of a controller at a moment.
    pub fn row(self, shown: Shown<'_>, now: Timestamp) -> Vec<Cell> {
        let key = &shown.controller.key;
        let mut row: Vec<Cell> = vec![key.object.name.as_str().into()];
        row.extend(middle(shown, now));
        let created = shown.record.and_then(|record| record.created.timestamp());
        row.push(
            created
                .map_or_else(|| "<unknown>".to_owned(), |time| age(now.since(time)))
                .into(),
        );
        if self.namespace {
            row.insert(0, key.object.namespace.as_str().into());
        }
        if self.wide {
            row.extend(wide(shown));
        }
        if self.labels {
            row.push(labels(&shown.controller.labels).into());
        }
        row
    }
}

/// `a=b,c=d`, or `<none>`.
pub fn labels(labels: &std::collections::BTreeMap<String, String>) -> String {
    let pairs: Vec<String> = labels
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    match pairs.is_empty() {
        true => "<none>".to_owned(),
        false => pairs.join(","),
    }
}

fn middle(shown: Shown<'_>, now: Timestamp) -> Vec<Cell> {
    let status = shown.status;
    let number = |number: u32| Cell::from(number.to_string());
    let ready = || {
        let tone = if status.ready >= status.desired {
            Tone::Good
        } else {
            Tone::Busy
        };
        Cell::toned(format!("{}/{}", status.ready, status.desired), tone)
    };
    match &shown.controller.spec {
        ControllerSpec::Deployment(_) => {
            vec![ready(), number(status.updated), number(status.available)]
        }
        ControllerSpec::StatefulSet(_) => vec![ready()],
        ControllerSpec::DaemonSet(_) => vec![
            number(1),
            number(status.current),
            number(status.ready),
            number(status.updated),
            number(status.available),
            "<none>".into(),
        ],
        ControllerSpec::Job(spec) => job(shown, spec),
        ControllerSpec::CronJob(spec) => cron_job(shown, spec, now),
    }
}

/// `Running`, `Complete`, `Failed` or `Suspended`.
pub fn job_state(shown: Shown<'_>, spec: &JobSpec) -> &'static str {
    let end = shown
        .record
        .and_then(|record| record.job.as_ref()?.end.as_ref());
    match end {
        Some(end) if end.complete => "Complete",
        Some(_) => "Failed",
        None if spec.suspend => "Suspended",
        None => "Running",
    }
}

fn job(shown: Shown<'_>, spec: &JobSpec) -> Vec<Cell> {
    let status = &shown.status.job;
    let state = job_state(shown, spec);
    let tone = match state {
        "Complete" => Tone::Past,
        "Failed" => Tone::Bad,
        "Running" => Tone::Good,
        _ => Tone::Busy,
    };
    let all = match spec.completions {
        Some(all) => all.to_string(),
        None if spec.parallelism > 1 => format!("1 of {}", spec.parallelism),
        None => "1".to_owned(),
    };
    let duration = status
        .seconds
        .map(|seconds| age(Duration::from_secs(seconds)));
    vec![
        Cell::toned(state, tone),
        format!("{}/{all}", status.succeeded).into(),
        duration.unwrap_or_default().into(),
    ]
}

fn cron_job(shown: Shown<'_>, spec: &CronJobSpec, now: Timestamp) -> Vec<Cell> {
    let status = &shown.status.cron;
    let suspend = if spec.suspend { "True" } else { "False" };
    let none = || "<none>".to_owned();
    let last = status.last.map_or_else(none, |time| age(now.since(time)));
    vec![
        schedule(shown).into(),
        spec.time_zone.clone().unwrap_or_else(none).into(),
        suspend.into(),
        status.active.len().to_string().into(),
        last.into(),
    ]
}

/// The schedule as it was given.
pub fn schedule(shown: Shown<'_>) -> String {
    let manifest: Value = serde_json::from_str(&shown.controller.manifest).unwrap_or_default();
    let text = manifest["spec"]["schedule"].as_str();
    text.unwrap_or_default().to_owned()
}

fn wide(shown: Shown<'_>) -> Vec<Cell> {
    let manifest: Value = serde_json::from_str(&shown.controller.manifest).unwrap_or_default();
    let spec = match shown.controller.key.kind {
        ControllerKind::CronJob => &manifest["spec"]["jobTemplate"]["spec"],
        _ => &manifest["spec"],
    };
    let containers = spec["template"]["spec"]["containers"].as_array();
    let all = |field: &str| {
        let texts = containers
            .into_iter()
            .flatten()
            .filter_map(|c| c[field].as_str());
        texts.collect::<Vec<_>>().join(",")
    };
    let mut cells: Vec<Cell> = vec![all("name").into(), all("image").into()];
    if shown.controller.key.kind != ControllerKind::StatefulSet {
        let selector = spec["selector"]["matchLabels"].as_object();
        let pairs = selector.into_iter().flatten();
        let pairs =
            pairs.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()));
        let text = pairs.collect::<Vec<_>>().join(",");
        cells.push(if text.is_empty() {
            "<none>".into()
        } else {
            text.into()
        });
    }
    cells
}
