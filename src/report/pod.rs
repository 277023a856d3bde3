//! The patch of a pod's status (kubelet: pkg/kubelet/status/status_manager.go).
//!
//! It is a strategic merge patch with the pod's uid, so that it never meets another pod of the name, and conditions of
//! others stay. A condition that has not changed keeps the time the API server knows it by.

use crate::model::status::PodStatus;
use crate::model::time::Timestamp;
use serde_json::{Map, Value, json};

/// What a patch depends on beside the status.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    /// The pod's uid.
    pub uid: &'a str,
    /// `metadata.generation` of the pod that the status is about; `None` from servers that do not count it.
    pub generation: Option<i64>,
    /// The status that the API server has.
    pub known: &'a Value,
    /// The node has ended the pod, and nothing of it runs any more: why, as one word and as a sentence.
    pub evicted: Option<(&'a str, &'a str)>,
    /// The pod is to have more than there is room for: why it does not, as one word and as a sentence.
    pub resize: Option<(&'a str, &'a str)>,
    /// The pod was to be deleted, and nothing of it runs any more.
    pub ended: bool,
    /// The time, for what nobody knows the time of.
    pub now: Timestamp,
}

/// Keys of a status that are taken back when they do not apply any more.
const TAKEN_BACK: [&str; 3] = ["reason", "message", "initContainerStatuses"];

/// A condition that is there only as long as it is true.
const RESIZE: &str = "PodResizePending";

/// The status as the API server is to have it.
pub fn status(status: &PodStatus, about: About<'_>) -> Value {
    // A tree of plain values: it always becomes JSON.
    let mut made = serde_json::to_value(status).unwrap_or_default();
    if let Some((reason, why)) = about.resize
        && let Some(conditions) = made["conditions"].as_array_mut()
    {
        let pending = json!({ "type": RESIZE, "status": "True", "reason": reason, "message": why });
        conditions.insert(0, pending);
    }
    if let Some(why) = about.evicted {
        evicted(&mut made, why);
    }
    if about.ended || about.evicted.is_some() {
        terminal(&mut made);
    }
    match about.known.get("startTime") {
        Some(since) if since.is_string() => made["startTime"] = since.clone(),
        _ if made.get("startTime").is_none() => made["startTime"] = json!(about.now),
        _ => {}
    }
    for condition in made["conditions"].as_array_mut().into_iter().flatten() {
        condition["lastProbeTime"] = Value::Null;
        let known = condition_of(about.known, &condition["type"]);
        let known = known.filter(|known| known["status"] == condition["status"]);
        match known.map(|known| &known["lastTransitionTime"]) {
            Some(since) if since.is_string() => condition["lastTransitionTime"] = since.clone(),
            _ if condition.get("lastTransitionTime").is_none() => {
                condition["lastTransitionTime"] = json!(about.now);
            }
            _ => {}
        }
        if let Some(generation) = about.generation {
            condition["observedGeneration"] = generation.into();
        }
    }
    if let Some(generation) = about.generation {
        made["observedGeneration"] = generation.into();
    }
    made
}

/// The patch that gives the API server this status; `None` when it has it.
pub fn patch(made: &Value, about: About<'_>) -> Option<Value> {
    let mut body = made.clone();
    let mut same = contains(about.known, made);
    for key in TAKEN_BACK {
        if made.get(key).is_none() && about.known.get(key).is_some_and(|value| !value.is_null()) {
            body[key] = Value::Null;
            same = false;
        }
    }
    for condition in body["conditions"].as_array_mut().into_iter().flatten() {
        // Conditions are merged too: what one does not say any more has to be taken back.
        let known = condition_of(about.known, &condition["type"]);
        for key in ["reason", "message"] {
            if condition.get(key).is_none() && known.is_some_and(|known| known[key].is_string()) {
                condition[key] = Value::Null;
                same = false;
            }
        }
    }
    let kind = Value::from(RESIZE);
    if condition_of(made, &kind).is_none()
        && condition_of(about.known, &kind).is_some()
        && let Some(conditions) = body["conditions"].as_array_mut()
    {
        same = false;
        conditions.push(json!({ "$patch": "delete", "type": RESIZE }));
    }
    for list in ["podIPs", "hostIPs"] {
        // These are merged by address: what is not there any more would stay.
        let known = about.known.get(list).and_then(Value::as_array);
        let stale =
            known.is_some_and(|known| !known.is_empty() && about.known.get(list) != made.get(list));
        if stale {
            same = false;
            let mut items = vec![json!({ "$patch": "replace" })];
            items.extend(
                made.get(list)
                    .and_then(Value::as_array)
                    .cloned()
                    .unwrap_or_default(),
            );
            body[list] = items.into();
        }
    }
    (!same).then(|| json!({ "metadata": { "uid": about.uid }, "status": body }))
}

/// The status of a pod that this node does not take.
pub fn rejected(reason: &str, message: &str, generation: Option<i64>) -> Value {
    let mut made = json!({ "phase": "Failed", "reason": reason, "message": message });
    if let Some(generation) = generation {
        made["observedGeneration"] = generation.into();
    }
    made
}

/// What the API server has once it has taken `sent`: fields that an old one drops count as taken.
pub fn taken(mut answer: Value, sent: &Value) -> Value {
    merge(&mut answer, sent);
    answer
}

/// Whether a pod is over for good.
pub fn is_terminal(status: &Value) -> bool {
    matches!(status["phase"].as_str(), Some("Succeeded" | "Failed"))
}

fn condition_of<'a>(status: &'a Value, kind: &Value) -> Option<&'a Value> {
    let conditions = status.get("conditions")?.as_array()?;
    conditions
        .iter()
        .find(|condition| condition["type"] == *kind)
}

/// Makes a status final: what nobody knows the end of is lost, and the phase says how the pod went.
fn terminal(status: &mut Value) {
    let mut good = true;
    let begun = [begun_inits(status), has_begun(status)];
    for (list, begun) in ["initContainerStatuses", "containerStatuses"]
        .into_iter()
        .zip(begun)
    {
        let containers = status[list].as_array_mut().into_iter().flatten();
        for (index, container) in containers.enumerate() {
            if container["state"].get("terminated").is_none() && index < begun {
                container["state"] = json!({ "terminated": {
                    "exitCode": 137,
                    "reason": "ContainerStatusUnknown",
                    "message": "The container could not be located when the pod was terminated",
                    "startedAt": null,
                    "finishedAt": null,
                } });
            }
            if list == "containerStatuses" {
                container["ready"] = false.into();
                good &= container["state"]["terminated"]["exitCode"] == 0;
            }
            container["started"] = false.into();
        }
        if status[list].is_null()
            && let Some(status) = status.as_object_mut()
        {
            status.remove(list);
        }
    }
    if !is_terminal(status) {
        status["phase"] = if good { "Succeeded" } else { "Failed" }.into();
    }
    let reason = if status["phase"] == "Failed" {
        "PodFailed"
    } else {
        "PodCompleted"
    };
    for condition in status["conditions"].as_array_mut().into_iter().flatten() {
        let Some(condition) = condition.as_object_mut() else {
            continue;
        };
        let kind = condition
            .get("type")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if matches!(kind, "Ready" | "ContainersReady") {
            condition.insert("status".to_owned(), "False".into());
            condition.insert("reason".to_owned(), reason.into());
            condition.remove("message");
        } else if kind == "PodReadyToStartContainers" {
            condition.insert("status".to_owned(), "False".into());
        }
    }
}

/// How many init containers have something to tell of: what comes after the last that ever began still waits (kubelet:
/// status_manager.go initializedContainers).
fn begun_inits(status: &Value) -> usize {
    let all = status["initContainerStatuses"].as_array();
    let last = all.and_then(|all| all.iter().rposition(|one| !only_waits(one)));
    last.unwrap_or(0) + 1
}

/// How many containers have something to tell of: none as long as init containers have kept them from it, else all
/// (hasPodInitialized).
fn has_begun(status: &Value) -> usize {
    let list = |name: &str| status[name].as_array().map_or(&[][..], Vec::as_slice);
    let inits = list("initContainerStatuses");
    let well = |one: &Value, state: &str| one[state]["terminated"]["exitCode"] == 0;
    let begun = inits
        .last()
        .is_none_or(|last| well(last, "state") || well(last, "lastState"))
        || list("containerStatuses").iter().any(|one| !only_waits(one));
    if begun { usize::MAX } else { 0 }
}

/// Whether a container has never begun, as far as its status tells.
fn only_waits(container: &Value) -> bool {
    container["state"]["waiting"].is_object() && container["lastState"].get("terminated").is_none()
}

/// Says that the node has ended the pod (kubelet: eviction_manager.go evictPod, nodeshutdown_manager.go killPods).
fn evicted(status: &mut Value, (reason, why): (&str, &str)) {
    status["phase"] = "Failed".into();
    status["reason"] = reason.into();
    status["message"] = why.into();
    if let Some(conditions) = status["conditions"].as_array_mut() {
        conditions.push(json!({
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "TerminationByKubelet",
            "message": why,
        }));
    }
}

/// Whether everything in `part` is in `whole`; of conditions, only those named in `part` count.
fn contains(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => part.iter().all(|(key, value)| {
            let theirs = whole.get(key).unwrap_or(&Value::Null);
            if key == "conditions" {
                let mut conditions = value.as_array().into_iter().flatten();
                conditions.all(|ours| {
                    let all = theirs.as_array().into_iter().flatten();
                    let mut same = all.filter(|theirs| theirs["type"] == ours["type"]);
                    same.any(|theirs| contains(theirs, ours) && contains(ours, &said(theirs)))
                })
            } else {
                contains(theirs, value)
            }
        }),
        // Lists of containers: what the server adds by itself does not count, what is gone does.
        (Value::Array(whole), Value::Array(part)) => {
            whole.len() == part.len()
                && whole
                    .iter()
                    .zip(part)
                    .all(|(whole, part)| contains(whole, part))
                && whole
                    .iter()
                    .zip(part)
                    .all(|(whole, part)| states(whole) == states(part))
        }
        (whole, part) => whole == part,
    }
}

/// What a condition says in words: gone when it does not say it any more.
fn said(condition: &Value) -> Value {
    let words = ["reason", "message"];
    let said = words.into_iter().filter_map(|key| {
        let value = condition.get(key).filter(|value| !value.is_null())?;
        Some((key.to_owned(), value.clone()))
    });
    said.collect::<Map<_, _>>().into()
}

/// Which states a container is said to be and have been in.
fn states(container: &Value) -> [Vec<&str>; 2] {
    ["state", "lastState"].map(|key| {
        let states = container.get(key).and_then(Value::as_object);
        let states = states.into_iter().flatten();
        states
            .filter(|(_, state)| !state.is_null())
            .map(|(name, _)| name.as_str())
            .collect()
    })
}

fn merge(under: &mut Value, over: &Value) {
    match (under, over) {
        (Value::Object(under), Value::Object(over)) => {
            for (key, value) in over {
                match under.get_mut(key) {
                    // Conditions of others stay.
                    Some(Value::Array(theirs)) if key == "conditions" => {
                        for ours in value.as_array().into_iter().flatten() {
                            match theirs
                                .iter_mut()
                                .find(|theirs| theirs["type"] == ours["type"])
                            {
                                Some(theirs) => theirs.clone_from(ours),
                                None => theirs.push(ours.clone()),
                            }
                        }
                    }
                    Some(known) if known.is_object() => merge(known, value),
                    Some(known) => known.clone_from(value),
                    None => drop(under.insert(key.clone(), value.clone())),
                }
            }
        }
        (under, over) => under.clone_from(over),
    }
}

#[cfg(test)]
mod tests;
