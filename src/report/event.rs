//! Events in the kubelet's words: which ones a change of status is, and how often each may be said.
//!
//! An event that says the same of the same object again is counted up, not written anew, and of one object only so many
//! are told in a time (client-go: tools/record/events_cache.go).

use crate::model::name::PodKey;
use crate::model::status::{ContainerState, ContainerStatus, PodStatus};
use crate::model::time::Timestamp;
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};

/// Something that happened to a pod or the node.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Happened {
    /// `Warning` instead of `Normal`.
    pub warning: bool,
    /// One word, such as `Started`.
    pub reason: String,
    /// A sentence. Never contains a secret's value.
    pub message: String,
    /// The field it is about, such as `spec.containers{main}`; may be empty.
    pub field: String,
}

/// What it happened to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Object {
    /// `Pod` or `Node`.
    pub kind: &'static str,
    /// Its namespace; `default` for a node.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
}

impl Object {
    /// A pod.
    pub fn pod(key: &PodKey, uid: &str) -> Self {
        Self {
            kind: "Pod",
            namespace: key.namespace.as_str().to_owned(),
            name: key.name.as_str().to_owned(),
            uid: uid.to_owned(),
        }
    }

    /// The node; events of nodes bear its name for a uid, as the kubelet's do.
    pub fn node(name: &str) -> Self {
        Self {
            kind: "Node",
            namespace: "default".to_owned(),
            name: name.to_owned(),
            uid: name.to_owned(),
        }
    }
}

/// What to send.
#[derive(Debug, Clone, PartialEq)]
pub enum Send {
    /// A new event.
    Create(Value),
    /// One that is there already: its name, and a patch.
    Count(String, Value),
}

/// Objects and sentences that are remembered.
const REMEMBERED: usize = 256;
/// Events of one object that may come at once, and seconds for one more (client-go: burst 25, qps 1/300).
const BURST: u64 = 25;
const REFILL: u64 = 300;

/// What was said lately.
#[derive(Debug, Default)]
pub struct Said {
    known: BTreeMap<(Object, Happened), Known>,
    order: VecDeque<(Object, Happened)>,
    budget: BTreeMap<Object, (u64, u64)>,
}

#[derive(Debug)]
struct Known {
    name: String,
    count: u64,
}

impl Said {
    /// What to send for something that happened at `now`; `None` when too much has been said of the object. `node` is
    /// whose kubelet says it.
    pub fn say(
        &mut self,
        object: &Object,
        what: &Happened,
        node: &str,
        now: Timestamp,
    ) -> Option<Send> {
        let seconds = now.micros() / 1_000_000;
        if self.budget.len() > REMEMBERED {
            self.budget
                .retain(|_, (_, since)| *since + REFILL > seconds);
        }
        let (left, since) = self
            .budget
            .entry(object.clone())
            .or_insert((BURST, seconds));
        let more = seconds.saturating_sub(*since) / REFILL;
        *left = (*left + more).min(BURST);
        *since += more * REFILL;
        *left = left.checked_sub(1)?;
        let key = (object.clone(), what.clone());
        if let Some(known) = self.known.get_mut(&key) {
            known.count += 1;
            let patch = json!({ "count": known.count, "lastTimestamp": now });
            return Some(Send::Count(known.name.clone(), patch));
        }
        let name = format!("{}.{:x}", object.name, now.micros() * 1_000);
        if self.order.len() >= REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        self.order.push_back(key.clone());
        // Two in the same microsecond are told apart.
        let name = format!("{name}{:x}", self.order.len() & 0xf);
        let event = event(&name, object, what, node, now);
        self.known.insert(key, Known { name, count: 1 });
        Some(Send::Create(event))
    }

    /// The event is not there any more: it is written anew the next time.
    pub fn forget(&mut self, object: &Object, what: &Happened) {
        let key = (object.clone(), what.clone());
        self.known.remove(&key);
        self.order.retain(|known| *known != key);
    }
}

fn event(name: &str, object: &Object, what: &Happened, node: &str, now: Timestamp) -> Value {
    let mut involved = json!({
        "kind": object.kind,
        "apiVersion": "v1",
        "name": object.name,
        "uid": object.uid,
    });
    if object.kind == "Pod" {
        involved["namespace"] = object.namespace.as_str().into();
    }
    if !what.field.is_empty() {
        involved["fieldPath"] = what.field.as_str().into();
    }
    json!({
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": { "name": name, "namespace": object.namespace },
        "involvedObject": involved,
        "reason": what.reason,
        "message": what.message,
        "source": { "component": "kubelet", "host": node },
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
        "type": if what.warning { "Warning" } else { "Normal" },
        "reportingComponent": "kubelet",
        "reportingInstance": node,
    })
}

/// Something that happened to a container.
pub fn of_container(
    list: &str,
    name: &str,
    warning: bool,
    reason: &str,
    message: String,
) -> Happened {
    Happened {
        warning,
        reason: reason.to_owned(),
        message,
        field: format!("spec.{list}{{{name}}}"),
    }
}

/// What happened between the status that was told last and this one.
pub fn between(before: &Value, now: &PodStatus, key: &PodKey, uid: &str) -> Vec<Happened> {
    let lists = [
        (
            "initContainers",
            "initContainerStatuses",
            &now.init_container_statuses,
        ),
        ("containers", "containerStatuses", &now.container_statuses),
        (
            "ephemeralContainers",
            "ephemeralContainerStatuses",
            &now.ephemeral_container_statuses,
        ),
    ];
    let mut found = Vec::new();
    for (list, known, containers) in lists {
        for container in containers {
            let known = before
                .get(known)
                .and_then(Value::as_array)
                .into_iter()
                .flatten();
            let known = known
                .into_iter()
                .find(|known| known["name"] == container.name.as_str());
            of_one(
                list,
                known.unwrap_or(&Value::Null),
                container,
                (key, uid),
                &mut found,
            );
        }
    }
    found
}

fn of_one(
    list: &str,
    before: &Value,
    now: &ContainerStatus,
    (key, uid): (&PodKey, &str),
    found: &mut Vec<Happened>,
) {
    let name = now.name.as_str();
    let mut say = |warning, reason: &str, message: String| {
        found.push(of_container(list, name, warning, reason, message));
    };
    let ran = !matches!(
        now.state,
        ContainerState::Waiting(_) | ContainerState::Empty
    );
    let id = now.container_id.as_deref();
    if ran && id.is_some() && before["containerID"].as_str() != id {
        say(
            false,
            "Pulled",
            format!("Container image {:?} already present on machine", now.image),
        );
        say(false, "Created", "Container created".to_owned());
        say(false, "Started", "Container started".to_owned());
    }
    if let ContainerState::Waiting(waiting) = &now.state {
        let was = before["state"]["waiting"]["reason"].as_str();
        let again = before["restartCount"].as_u64() != Some(now.restart_count.into());
        if waiting.reason == "CrashLoopBackOff" && (was != Some("CrashLoopBackOff") || again) {
            say(
                true,
                "BackOff",
                format!(
                    "Back-off restarting failed container {name} in pod {}_{}({uid})",
                    key.name, key.namespace
                ),
            );
        }
        let failed = waiting.reason.ends_with("Error");
        if failed && was != Some(&waiting.reason) {
            let message = waiting.message.as_deref().unwrap_or(&waiting.reason);
            say(true, "Failed", format!("Error: {message}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn happened(reason: &str) -> Happened {
        of_container("containers", "main", false, reason, "x".to_owned())
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_micros((1_700_000_000 + seconds) * 1_000_000).unwrap()
    }

    #[test]
    fn the_same_again_is_counted() {
        let (mut said, node) = (Said::default(), Object::node("n"));
        let Some(Send::Create(event)) = said.say(&node, &happened("A"), "n", at(0)) else {
            panic!("not created");
        };
        assert_eq!(
            event["involvedObject"]["fieldPath"],
            "spec.containers{main}"
        );
        let Some(Send::Count(name, patch)) = said.say(&node, &happened("A"), "n", at(1)) else {
            panic!("not counted");
        };
        assert_eq!(event["metadata"]["name"], name);
        assert_eq!(patch["count"], 2);
        said.forget(&node, &happened("A"));
        assert!(matches!(
            said.say(&node, &happened("A"), "n", at(2)),
            Some(Send::Create(_))
        ));
    }

    #[test]
    fn one_object_says_so_much_and_no_more() {
        let (mut said, node) = (Said::default(), Object::node("n"));
        let told = (0..100).filter(|n| {
            said.say(&node, &happened(&n.to_string()), "n", at(0))
                .is_some()
        });
        assert_eq!(told.count(), 25);
        assert!(said.say(&node, &happened("later"), "n", at(299)).is_none());
        assert!(said.say(&node, &happened("later"), "n", at(300)).is_some());
        assert!(said.say(&node, &happened("later"), "n", at(301)).is_none());
        assert!(
            said.say(&Object::node("m"), &happened("other"), "n", at(301))
                .is_some()
        );
    }
}
