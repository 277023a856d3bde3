//! Controllers in the Kubernetes API's shape, as `get -o yaml|json` prints them.

use super::Shown;
use crate::model::controller::record::{JobEnd, Moment};
use crate::model::controller::{ControllerSpec, OWNER};
use crate::model::time::Timestamp;
use serde_json::{Map, Value, json};

/// The whole object: the manifest with its uid and status; keys in alphabetical order.
pub fn object(shown: Shown<'_>) -> Value {
    let controller = shown.controller;
    let mut object: Value = serde_json::from_str(&controller.manifest).unwrap_or_default();
    if !object["metadata"].is_object() {
        object["metadata"] = json!({});
    }
    let metadata = &mut object["metadata"];
    metadata["namespace"] = controller.key.object.namespace.as_str().into();
    if let Some(record) = shown.record {
        metadata["uid"] = record.uid.as_str().into();
        if let Some(created) = record.created.timestamp() {
            metadata["creationTimestamp"] = created.to_string().into();
        }
    }
    let revision = shown.record.and_then(|record| record.revisions.last());
    if let (Some(revision), ControllerSpec::Deployment(_)) = (revision, &controller.spec) {
        metadata["annotations"]["deployment.kubernetes.io/revision"] =
            revision.number.to_string().into();
    }
    object["status"] = status(shown);
    object.sort_all_objects();
    object
}

fn status(shown: Shown<'_>) -> Value {
    match &shown.controller.spec {
        ControllerSpec::Deployment(spec) => deployment(shown, spec.paused),
        ControllerSpec::StatefulSet(_) => stateful_set(shown),
        ControllerSpec::DaemonSet(_) => daemon_set(shown),
        ControllerSpec::Job(spec) => job(shown, spec.suspend),
        ControllerSpec::CronJob(_) => cron_job(shown),
    }
}

fn condition(kind: &str, status: bool, reason: &str, message: &str, at: Option<&Moment>) -> Value {
    let mut condition = json!({
        "type": kind,
        "status": if status { "True" } else { "False" },
        "reason": reason,
        "message": message,
    });
    if let Some(at) = at.and_then(Moment::timestamp) {
        condition["lastTransitionTime"] = at.to_string().into();
    }
    condition
}

fn deployment(shown: Shown<'_>, paused: bool) -> Value {
    let status = shown.status;
    let progress = shown.record.and_then(|record| record.progress.as_ref());
    let available = status.available >= status.desired;
    let (reason, message) = match available {
        true => (
            "MinimumReplicasAvailable",
            "Deployment has minimum availability.",
        ),
        false => (
            "MinimumReplicasUnavailable",
            "Deployment does not have minimum availability.",
        ),
    };
    let going = match (&status.stuck, progress) {
        (Some((reason, message)), _) => (false, *reason, message.clone()),
        (None, _) if paused => (true, "DeploymentPaused", "Deployment is paused".to_owned()),
        (None, Some(progress)) if progress.done => {
            let message = "all pods are of the template in force and available".to_owned();
            (true, "NewReplicaSetAvailable", message)
        }
        (None, _) => (true, "ReplicaSetUpdated", "the rollout goes on".to_owned()),
    };
    let at = progress.map(|progress| &progress.at);
    json!({
        "replicas": status.current,
        "readyReplicas": status.ready,
        "updatedReplicas": status.updated,
        "availableReplicas": status.available,
        "unavailableReplicas": status.desired.saturating_sub(status.available),
        "conditions": [
            condition("Available", available, reason, message, None),
            condition("Progressing", going.0, going.1, &going.2, at),
        ],
    })
}

fn stateful_set(shown: Shown<'_>) -> Value {
    let status = shown.status;
    let name = &shown.controller.key.object.name;
    let revision = |hash: &str| format!("{name}-{hash}");
    let record = shown.record;
    let last = record.and_then(|record| record.revisions.last());
    json!({
        "replicas": status.current,
        "readyReplicas": status.ready,
        "updatedReplicas": status.updated,
        "availableReplicas": status.available,
        "currentRevision": record.and_then(|record| record.settled.as_deref()).map(revision),
        "updateRevision": last.map(|last| revision(&last.hash)),
    })
}

fn daemon_set(shown: Shown<'_>) -> Value {
    let status = shown.status;
    json!({
        "currentNumberScheduled": status.current,
        "desiredNumberScheduled": 1,
        "numberReady": status.ready,
        "updatedNumberScheduled": status.updated,
        "numberAvailable": status.available,
        "numberUnavailable": 1_u32.saturating_sub(status.available),
        "numberMisscheduled": 0,
    })
}

fn put_time(status: &mut Map<String, Value>, key: &str, time: Option<Timestamp>) {
    if let Some(time) = time {
        status.insert(key.to_owned(), time.to_string().into());
    }
}

fn job(shown: Shown<'_>, suspend: bool) -> Value {
    let of = &shown.status.job;
    let end = shown
        .record
        .and_then(|record| record.job.as_ref()?.end.as_ref());
    let mut status = Map::new();
    status.insert("active".to_owned(), of.active.into());
    status.insert("succeeded".to_owned(), of.succeeded.into());
    status.insert("failed".to_owned(), of.failed.into());
    status.insert("ready".to_owned(), shown.status.ready.into());
    put_time(&mut status, "startTime", of.started);
    for (key, text) in [
        ("completedIndexes", &of.completed_indexes),
        ("failedIndexes", &of.failed_indexes),
    ] {
        if !text.is_empty() {
            status.insert(key.to_owned(), text.as_str().into());
        }
    }
    let mut conditions = Vec::new();
    if let Some(end) = end {
        conditions.extend(ended(end));
        if end.complete {
            put_time(&mut status, "completionTime", end.at.timestamp());
        }
    } else if suspend {
        conditions.push(condition(
            "Suspended",
            true,
            "JobSuspended",
            "Job suspended",
            None,
        ));
    }
    if !conditions.is_empty() {
        status.insert("conditions".to_owned(), conditions.into());
    }
    Value::Object(status)
}

fn ended(end: &JobEnd) -> [Value; 2] {
    let (before, kind) = match end.complete {
        true => ("SuccessCriteriaMet", "Complete"),
        false => ("FailureTarget", "Failed"),
    };
    [before, kind].map(|kind| condition(kind, true, &end.reason, &end.message, Some(&end.at)))
}

fn cron_job(shown: Shown<'_>) -> Value {
    let of = &shown.status.cron;
    let mut status = Map::new();
    put_time(&mut status, "lastScheduleTime", of.last);
    put_time(&mut status, "lastSuccessfulTime", of.last_success);
    if !of.active.is_empty() {
        let reference = |name: &String| {
            json!({ "apiVersion": "batch/v1", "kind": "Job", "name": name,
                    "namespace": shown.controller.key.object.namespace.as_str() })
        };
        status.insert(
            "active".to_owned(),
            of.active.iter().map(reference).collect(),
        );
    }
    Value::Object(status)
}

/// What made a controller, such as `CronJob/backup`.
pub fn made_by(shown: Shown<'_>) -> Option<&str> {
    shown.controller.annotations.get(OWNER).map(String::as_str)
}
