//! The pod itself: head, conditions, units.

use super::{Scene, Text};
use crate::cli::object::text_map;
use crate::cli::view::PodView;
use crate::model::identity::UnitRole;
use crate::model::name::UnitName;
use crate::model::observed::{ActiveState, ObservedUnit};
use crate::model::pod::{ContainerRole, QosClass};
use crate::model::status::Condition;
use std::collections::BTreeMap;

/// Who and where the pod is, and how it fares.
pub fn head(text: &mut Text, pod: &PodView, scene: &Scene) {
    let report = &pod.report;
    let status = &report.status;
    let spec = &pod.manifest["spec"];
    let none = || "<none>".to_owned();
    let ip = status.host_ip.as_deref();
    text.pair(0, "Name", report.key.name.as_str());
    text.pair(0, "Namespace", report.key.namespace.as_str());
    let account = spec["serviceAccountName"].as_str().unwrap_or("default");
    text.pair(0, "Service Account", account);
    let node = ip.map_or_else(|| scene.node.clone(), |ip| format!("{}/{ip}", scene.node));
    text.pair(0, "Node", &node);
    let start = status.start_time.map_or_else(none, |time| scene.time(time));
    text.pair(0, "Start Time", &start);
    map(text, "Labels", "=", &text_map(&pod.manifest, "labels"));
    map(
        text,
        "Annotations",
        ": ",
        &text_map(&pod.manifest, "annotations"),
    );
    text.pair(0, "Status", &status_word(pod));
    for (key, value) in [("Reason", &status.reason), ("Message", &status.message)] {
        if let Some(value) = value {
            text.pair(0, key, value);
        }
    }
    let pod_ip = status.pod_ip.as_deref();
    text.pair(0, "IP", pod_ip.unwrap_or("<none>"));
    let qos = match status.qos_class {
        QosClass::Guaranteed => "Guaranteed",
        QosClass::Burstable => "Burstable",
        QosClass::BestEffort => "BestEffort",
    };
    text.pair(0, "QoS Class", qos);
    if let Some(uid) = &report.uid {
        text.pair(0, "UID", uid.as_str());
    }
    if let Some(observed) = &pod.observed {
        text.pair(0, "Source", &observed.source.0.display().to_string());
    }
    for problem in scene
        .problems
        .iter()
        .filter(|problem| concerns(pod, problem))
    {
        text.pair(
            0,
            "Problem",
            &format!("{problem}; what runs from it is kept"),
        );
    }
}

/// Whether a problem lies in the file, or above the file, that the pod comes from.
fn concerns(pod: &PodView, problem: &crate::model::desired::Problem) -> bool {
    let source = pod.observed.as_ref().map(|observed| &observed.source.0);
    source.is_some_and(|source| source.starts_with(&problem.file))
}

fn status_word(pod: &PodView) -> String {
    match pod.report.terminating {
        true => "Terminating".to_owned(),
        false => format!("{:?}", pod.report.status.phase),
    }
}

fn map(text: &mut Text, key: &str, joint: &str, entries: &BTreeMap<String, String>) {
    if entries.is_empty() {
        text.pair(0, key, "<none>");
    }
    for (index, (name, value)) in entries.iter().enumerate() {
        let entry = format!("{name}{joint}{value}");
        match index {
            0 => text.pair(0, key, &entry),
            _ => text.line(0, &format!("\t{entry}")),
        }
    }
}

/// The conditions, with the reason of those that say why not.
pub fn conditions(text: &mut Text, pod: &PodView) {
    text.line(0, "Conditions:");
    text.line(1, "Type\tStatus\tReason");
    for condition in &pod.report.status.conditions {
        let Condition {
            kind,
            status,
            reason,
            ..
        } = condition;
        let status = if *status { "True" } else { "False" };
        text.line(
            1,
            &format!(
                "{kind}\t{status}\t{}",
                reason.as_deref().unwrap_or_default()
            ),
        );
    }
}

/// Every unit of the pod with what systemd says of it.
pub fn units(text: &mut Text, pod: &PodView) {
    let Some(observed) = pod
        .observed
        .as_ref()
        .filter(|observed| !observed.units.is_empty())
    else {
        text.line(0, "Units:\t<none>");
        return;
    };
    text.line(0, "Units:");
    text.line(1, "Unit\tRole\tState\tPID");
    for (name, unit) in &observed.units {
        let pid = unit.state.run.as_ref().map_or(0, |run| run.main_pid);
        let pid = if pid == 0 {
            "-".to_owned()
        } else {
            pid.to_string()
        };
        text.line(
            1,
            &format!("{name}\t{}\t{}\t{pid}", role(name, unit), state(unit)),
        );
    }
}

fn role(name: &UnitName, unit: &ObservedUnit) -> String {
    let Some(identity) = &unit.identity else {
        // systemd makes a slice by itself when it has nothing to say.
        let slice = name.as_str().ends_with(".slice");
        return if slice { "slice" } else { "(no file)" }.to_owned();
    };
    match &identity.role {
        UnitRole::Pod => "pod".to_owned(),
        UnitRole::Slice => "slice".to_owned(),
        UnitRole::Sandbox => "sandbox".to_owned(),
        UnitRole::Probes => "probes".to_owned(),
        UnitRole::Mount => "mount".to_owned(),
        UnitRole::Deadline => "deadline".to_owned(),
        UnitRole::Cron => "cron".to_owned(),
        UnitRole::Container { name, role, .. } => match role {
            ContainerRole::Init => format!("init {name}"),
            ContainerRole::Sidecar => format!("sidecar {name}"),
            ContainerRole::Main => format!("container {name}"),
            ContainerRole::Ephemeral => format!("ephemeral container {name}"),
        },
    }
}

fn state(unit: &ObservedUnit) -> String {
    let state = &unit.state;
    if !state.loaded {
        return "not loaded".to_owned();
    }
    let active = match state.active {
        ActiveState::Inactive => "inactive",
        ActiveState::Active => "active",
        ActiveState::Reloading => "reloading",
        ActiveState::Activating => "activating",
        ActiveState::Deactivating => "deactivating",
        ActiveState::Failed => "failed",
        ActiveState::Maintenance => "maintenance",
        ActiveState::Refreshing => "refreshing",
    };
    match state.sub.is_empty() {
        true => active.to_owned(),
        false => format!("{active} ({})", state.sub),
    }
}
