//! `vks describe` of controllers.

use super::columns::{job_state, labels, schedule};
use super::object::made_by;
use super::{Look, Shown, Which, not_found};
use crate::cli::context::{Context, Outcome};
use crate::cli::duration::age;
use crate::cli::error::CliError;
use crate::cli::pods::now;
use crate::cli::table::align;
use crate::model::controller::{
    ControllerKind, ControllerSpec, DeploymentSpec, Share, StatefulSetSpec, Strategy,
};
use crate::model::time::Timestamp;
use serde_json::Value;
use std::fmt::Write as _;
use std::time::Duration;

/// Prints descriptions, two blank lines between them.
pub async fn describe(
    kind: ControllerKind,
    which: &Which,
    context: &Context,
) -> Result<Outcome, CliError> {
    let look = Look::now(context).await?;
    let shown = look.all(kind, which);
    let texts: Vec<String> = shown.iter().map(|s| align(&one(*s))).collect();
    context.print(&texts.join("\n\n"))?;
    let mut outcome = Outcome::Done;
    for name in &which.names {
        if !shown.iter().any(|s| s.controller.key.object.name == *name) {
            outcome = Outcome::Code(1);
            context.tell(format_args!("error: {}", not_found(kind, name, context)));
        }
    }
    if shown.is_empty() && which.names.is_empty() {
        context.tell("No resources found");
    }
    Ok(outcome)
}

fn pair(text: &mut String, key: &str, value: &str) {
    let value: String = value.chars().filter(|c| !c.is_control()).collect();
    let _ = writeln!(text, "{key}:\t{}", value.trim_end());
}

fn time(time: Option<Timestamp>) -> String {
    time.map_or_else(|| "<none>".to_owned(), |time| time.to_string())
}

fn one(shown: Shown<'_>) -> String {
    let controller = shown.controller;
    let mut text = String::new();
    let put = &mut text;
    pair(put, "Name", controller.key.object.name.as_str());
    pair(put, "Namespace", controller.key.object.namespace.as_str());
    let created = shown.record.and_then(|record| record.created.timestamp());
    pair(put, "CreationTimestamp", &time(created));
    pair(put, "Labels", &labels(&controller.labels));
    pair(put, "Annotations", &labels(&controller.annotations));
    if let Some(owner) = made_by(shown) {
        pair(put, "Controlled By", owner);
    }
    match &controller.spec {
        ControllerSpec::Deployment(spec) => deployment(put, shown, spec),
        ControllerSpec::StatefulSet(spec) => stateful_set(put, shown, spec),
        ControllerSpec::DaemonSet(_) => {
            let status = shown.status;
            pair(put, "Desired Number of Nodes Scheduled", "1");
            pair(
                put,
                "Current Number of Nodes Scheduled",
                &status.current.to_string(),
            );
            pair(
                put,
                "Number of Nodes Scheduled with Up-to-date Pods",
                &status.updated.to_string(),
            );
            pair(
                put,
                "Number of Nodes Scheduled with Available Pods",
                &status.available.to_string(),
            );
        }
        ControllerSpec::Job(spec) => job(put, shown, spec),
        ControllerSpec::CronJob(_) => cron_job(put, shown),
    }
    pair(put, "Source", &controller.source.0.display().to_string());
    template(put, shown);
    if let Some((reason, message)) = &shown.status.stuck {
        pair(put, "Progressing", &format!("False ({reason}: {message})"));
    }
    text
}

fn share(share: Share) -> String {
    match share {
        Share::Count(count) => count.to_string(),
        Share::Percent(percent) => format!("{percent}%"),
    }
}

fn deployment(put: &mut String, shown: Shown<'_>, spec: &DeploymentSpec) {
    let status = shown.status;
    let away = status.desired.saturating_sub(status.available);
    let replicas = format!(
        "{} desired | {} updated | {} total | {} available | {away} unavailable",
        status.desired, status.updated, status.current, status.available
    );
    pair(put, "Replicas", &replicas);
    match spec.strategy {
        Strategy::Rolling {
            max_surge,
            max_unavailable,
        } => {
            pair(put, "StrategyType", "RollingUpdate");
            let bounds = format!(
                "{} max unavailable, {} max surge",
                share(max_unavailable),
                share(max_surge)
            );
            pair(put, "RollingUpdateStrategy", &bounds);
        }
        Strategy::Recreate => pair(put, "StrategyType", "Recreate"),
        Strategy::OnDelete => pair(put, "StrategyType", "OnDelete"),
    }
    pair(
        put,
        "MinReadySeconds",
        &spec.min_ready.as_secs().to_string(),
    );
    if spec.paused {
        pair(put, "Paused", "true");
    }
    revision(put, shown);
}

fn revision(put: &mut String, shown: Shown<'_>) {
    let revision = shown.record.and_then(|record| record.revisions.last());
    if let Some(revision) = revision {
        pair(
            put,
            "Revision",
            &format!("{} ({})", revision.number, revision.hash),
        );
    }
}

fn stateful_set(put: &mut String, shown: Shown<'_>, spec: &StatefulSetSpec) {
    let status = shown.status;
    let replicas = format!("{} desired | {} total", status.desired, status.current);
    pair(put, "Replicas", &replicas);
    let update = match spec.partition {
        None => "OnDelete".to_owned(),
        Some(0) => "RollingUpdate".to_owned(),
        Some(partition) => format!("RollingUpdate, partition {partition}"),
    };
    pair(put, "Update Strategy", &update);
    let order = if spec.parallel {
        "Parallel"
    } else {
        "OrderedReady"
    };
    pair(put, "Pod Management Policy", order);
    let ready = format!("{} ready, {} updated", status.ready, status.updated);
    pair(put, "Pods Status", &ready);
    if !spec.claims.is_empty() {
        let claims: Vec<&str> = spec.claims.iter().map(|claim| &*claim.name).collect();
        pair(put, "Volume Claims", &claims.join(", "));
    }
    revision(put, shown);
}

fn job(put: &mut String, shown: Shown<'_>, spec: &crate::model::controller::job::JobSpec) {
    let of = &shown.status.job;
    let none = || "<unset>".to_owned();
    pair(put, "Parallelism", &spec.parallelism.to_string());
    pair(
        put,
        "Completions",
        &spec.completions.map_or_else(none, |all| all.to_string()),
    );
    pair(
        put,
        "Completion Mode",
        if spec.indexed {
            "Indexed"
        } else {
            "NonIndexed"
        },
    );
    pair(put, "Suspend", if spec.suspend { "true" } else { "false" });
    pair(put, "Backoff Limit", &spec.backoff_limit.to_string());
    pair(put, "Start Time", &time(of.started));
    let end = shown
        .record
        .and_then(|record| record.job.as_ref()?.end.as_ref());
    if let Some(end) = end {
        pair(put, "Completed At", &time(end.at.timestamp()));
    }
    if let Some(seconds) = of.seconds {
        pair(put, "Duration", &age(Duration::from_secs(seconds)));
    }
    let counts = format!(
        "{} Active / {} Succeeded / {} Failed",
        of.active, of.succeeded, of.failed
    );
    pair(put, "Pods Statuses", &counts);
    for (key, text) in [
        ("Completed Indexes", &of.completed_indexes),
        ("Failed Indexes", &of.failed_indexes),
    ] {
        if spec.indexed {
            pair(put, key, if text.is_empty() { "<none>" } else { text });
        }
    }
    let state = job_state(shown, spec);
    match end {
        Some(end) => pair(
            put,
            "Status",
            &format!("{state} ({}: {})", end.reason, end.message),
        ),
        None => pair(put, "Status", state),
    }
}

fn cron_job(put: &mut String, shown: Shown<'_>) {
    let ControllerSpec::CronJob(spec) = &shown.controller.spec else {
        return;
    };
    let of = &shown.status.cron;
    pair(put, "Schedule", &schedule(shown));
    pair(
        put,
        "Time Zone",
        spec.time_zone.as_deref().unwrap_or("<none>"),
    );
    pair(
        put,
        "Concurrency Policy",
        &format!("{:?}", spec.concurrency),
    );
    pair(put, "Suspend", if spec.suspend { "True" } else { "False" });
    pair(
        put,
        "Successful Job History Limit",
        &spec.keep_successful.to_string(),
    );
    pair(
        put,
        "Failed Job History Limit",
        &spec.keep_failed.to_string(),
    );
    let deadline = spec
        .starting_deadline
        .map(|limit| format!("{}s", limit.as_secs()));
    pair(
        put,
        "Starting Deadline Seconds",
        deadline.as_deref().unwrap_or("<unset>"),
    );
    pair(put, "Last Schedule Time", &time(of.last));
    let next = of
        .next
        .map(|next| format!("{next} (in {})", age(next.since(now()))));
    pair(
        put,
        "Next Schedule Time",
        next.as_deref().unwrap_or("<none>"),
    );
    pair(put, "Last Successful Time", &time(of.last_success));
    let active = of.active.join(", ");
    pair(
        put,
        "Active Jobs",
        if active.is_empty() { "<none>" } else { &active },
    );
}

fn template(put: &mut String, shown: Shown<'_>) {
    let manifest: Value = serde_json::from_str(&shown.controller.manifest).unwrap_or_default();
    let spec = match shown.controller.key.kind {
        ControllerKind::CronJob => &manifest["spec"]["jobTemplate"]["spec"],
        _ => &manifest["spec"],
    };
    put.push_str("Pod Template:\n");
    let spec = &spec["template"]["spec"];
    for (list, title) in [
        ("initContainers", "Init Containers"),
        ("containers", "Containers"),
    ] {
        let containers = spec[list].as_array().into_iter().flatten();
        for (number, container) in containers.enumerate() {
            if number == 0 {
                let _ = writeln!(put, "  {title}:");
            }
            let _ = writeln!(
                put,
                "   {}:",
                container["name"].as_str().unwrap_or_default()
            );
            pair(
                put,
                "    Image",
                container["image"].as_str().unwrap_or_default(),
            );
        }
    }
}
