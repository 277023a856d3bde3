//! What happened to a pod, from entries of the journal, in the kubelet's words. Pure.
//!
//! Two kinds of entries are events: those that vks wrote as such ([`crate::model::event`]), and some of systemd's own
//! about the services of containers, which bear the pod's name by `LogExtraFields=`. Nothing is kept besides.

use crate::model::event::{MESSAGE_ID, REASON};
use crate::model::name::{ObjectName, PodKey};
use crate::model::time::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;

/// The fields of an entry that are looked at.
pub const FIELDS: [&str; 11] = [
    "MESSAGE",
    "MESSAGE_ID",
    "PRIORITY",
    "EXIT_STATUS",
    "COMMAND",
    "_PID",
    REASON,
    "KUBERNETES_NAMESPACE",
    "KUBERNETES_POD",
    "KUBERNETES_POD_UID",
    "KUBERNETES_CONTAINER",
];

/// systemd's messages (sd-messages.h): SD_MESSAGE_UNIT_STARTING, SD_MESSAGE_UNIT_STOPPING,
/// SD_MESSAGE_UNIT_RESTART_SCHEDULED, SD_MESSAGE_UNIT_PROCESS_EXIT.
const STARTING: &str = "7d4958e842da4a758f6c1cdc7b36dcc5";
const STOPPING: &str = "de5b426a63be47a7b6ac3eaac82e2f6f";
const RESTART: &str = "5eb03494b6584870a536b337290809b3";
const EXIT: &str = "98e322203f7a4ed290d09fe03c09fe15";

/// All messages that may be events.
pub const MESSAGES: [&str; 5] = [MESSAGE_ID, STARTING, STOPPING, RESTART, EXIT];

/// The least important priority that is a warning.
const WARNING: u8 = 4;

/// An event, and how often it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The pod.
    pub pod: PodKey,
    /// Its identity, where the entry has it.
    pub uid: Option<String>,
    /// The container, if it is about one.
    pub container: Option<String>,
    /// `Warning`, else `Normal`.
    pub warning: bool,
    /// One word, such as `BackOff`.
    pub reason: String,
    /// A sentence.
    pub message: String,
    /// When it came first and last.
    pub first: Timestamp,
    /// See `first`.
    pub last: Timestamp,
    /// How often.
    pub count: u32,
}

/// The events that an entry stands for: none, one, or two of the same time.
pub fn events(fields: &BTreeMap<String, String>, time: Timestamp) -> Vec<Event> {
    let Some(entry) = Entry::new(fields, time) else {
        return Vec::new();
    };
    let id = entry.field("MESSAGE_ID");
    if id == MESSAGE_ID {
        let priority = entry.field("PRIORITY").parse::<u8>();
        let warning = priority.is_ok_and(|priority| priority <= WARNING);
        return vec![entry.event(
            warning,
            entry.field(REASON),
            entry.field("MESSAGE").to_owned(),
        )];
    }
    let Some(container) = entry.container().filter(|_| entry.field("_PID") == "1") else {
        return Vec::new();
    };
    match id {
        STARTING => vec![
            entry.event(false, "Created", "Container created".to_owned()),
            entry.event(false, "Started", "Container started".to_owned()),
        ],
        STOPPING => vec![entry.event(false, "Killing", format!("Stopping container {container}"))],
        RESTART => {
            let (key, uid) = (&entry.pod, entry.field("KUBERNETES_POD_UID"));
            let (pod, namespace) = (&key.name, &key.namespace);
            let message = format!(
                "Back-off restarting failed container {container} in pod {pod}_{namespace}({uid})"
            );
            vec![entry.event(true, "BackOff", message)]
        }
        EXIT => entry.failed_start().into_iter().collect(),
        _ => Vec::new(),
    }
}

/// A line of journalctl's JSON. One that is not understood is no event.
pub fn of_line(line: &str) -> Vec<Event> {
    let Ok(Value::Object(object)) = serde_json::from_str(line) else {
        return Vec::new();
    };
    let time = object.get("__REALTIME_TIMESTAMP").and_then(Value::as_str);
    let time = time
        .and_then(|text| text.parse().ok())
        .and_then(Timestamp::from_micros);
    let Some(time) = time else {
        return Vec::new();
    };
    // A field that is there several times is a list.
    let text = |value: &Value| match value {
        Value::Array(values) => values.last()?.as_str().map(str::to_owned),
        value => value.as_str().map(str::to_owned),
    };
    let fields = object
        .iter()
        .filter_map(|(name, value)| Some((name.clone(), text(value)?)));
    events(&fields.collect::<BTreeMap<_, _>>(), time)
}

struct Entry<'a> {
    fields: &'a BTreeMap<String, String>,
    pod: PodKey,
    time: Timestamp,
}

impl<'a> Entry<'a> {
    fn new(fields: &'a BTreeMap<String, String>, time: Timestamp) -> Option<Self> {
        let pod = PodKey {
            namespace: fields.get("KUBERNETES_NAMESPACE")?.parse().ok()?,
            name: fields.get("KUBERNETES_POD")?.parse::<ObjectName>().ok()?,
        };
        Some(Self { fields, pod, time })
    }

    fn field(&self, name: &str) -> &'a str {
        self.fields.get(name).map_or("", String::as_str)
    }

    fn container(&self) -> Option<&'a str> {
        Some(self.field("KUBERNETES_CONTAINER")).filter(|name| !name.is_empty())
    }

    fn event(&self, warning: bool, reason: &str, message: String) -> Event {
        let uid = self.field("KUBERNETES_POD_UID");
        Event {
            pod: self.pod.clone(),
            uid: (!uid.is_empty()).then(|| uid.to_owned()),
            container: self.container().map(str::to_owned),
            warning,
            reason: reason.to_owned(),
            message,
            first: self.time,
            last: self.time,
            count: 1,
        }
    }

    /// A main process that ended before the program began: systemd's own exit codes (systemd.exec(5)).
    fn failed_start(&self) -> Option<Event> {
        let code: i32 = self.field("EXIT_STATUS").parse().ok()?;
        let (message, command) = (self.field("MESSAGE"), self.field("COMMAND"));
        let main = command == "ExecStart" || message.contains("Main process");
        if !main || !(200..=245).contains(&code) {
            return None;
        }
        let status = message.rsplit("status=").next().unwrap_or_default();
        let message = format!("Error: the program could not be started: systemd says {status}");
        Some(self.event(true, "Failed", message))
    }
}

/// Joins events that say the same of the same container. In the order of their last time.
pub fn gather(events: impl IntoIterator<Item = Event>) -> Vec<Event> {
    let mut joined: Vec<Event> = Vec::new();
    for event in events {
        let same = |other: &&mut Event| {
            (&other.pod, &other.container, &other.reason, &other.message)
                == (&event.pod, &event.container, &event.reason, &event.message)
        };
        match joined.iter_mut().find(same) {
            Some(known) => {
                known.first = known.first.min(event.first);
                known.last = known.last.max(event.last);
                known.count += event.count;
            }
            None => joined.push(event),
        }
    }
    joined.sort_by_key(|event| event.last);
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(more: &[(&str, &str)]) -> Vec<(bool, String, String)> {
        let base = [
            ("KUBERNETES_NAMESPACE", "default"),
            ("KUBERNETES_POD", "web"),
            ("KUBERNETES_POD_UID", "u-1"),
            ("KUBERNETES_CONTAINER", "c"),
            ("_PID", "1"),
        ];
        let fields = base.iter().chain(more);
        let fields = fields.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let events = events(&fields.collect(), Timestamp::from_micros(1).unwrap());
        let parts = events.into_iter().map(|e| (e.warning, e.reason, e.message));
        parts.collect()
    }

    fn one(warning: bool, reason: &str, message: &str) -> Vec<(bool, String, String)> {
        vec![(warning, reason.to_owned(), message.to_owned())]
    }

    #[test]
    fn entries_become_the_kubelets_words() {
        let own = |priority| {
            told(&[
                ("MESSAGE_ID", MESSAGE_ID),
                ("PRIORITY", priority),
                (REASON, "Unhealthy"),
                ("MESSAGE", "x"),
                ("_PID", "77"),
            ])
        };
        assert_eq!(own("4"), one(true, "Unhealthy", "x"));
        assert_eq!(own("6"), one(false, "Unhealthy", "x"));
        let started = told(&[("MESSAGE_ID", STARTING)]);
        assert_eq!(started[0].2, "Container created");
        assert_eq!(started[1].2, "Container started");
        assert_eq!(
            told(&[("MESSAGE_ID", STOPPING)]),
            one(false, "Killing", "Stopping container c")
        );
        assert_eq!(
            told(&[("MESSAGE_ID", RESTART)]),
            one(
                true,
                "BackOff",
                "Back-off restarting failed container c in pod web_default(u-1)"
            )
        );
        let exit = |code, command| {
            told(&[
                ("MESSAGE_ID", EXIT),
                ("EXIT_STATUS", code),
                ("COMMAND", command),
                ("MESSAGE", "x: code=exited, status=203/EXEC"),
            ])
        };
        let failed = "Error: the program could not be started: systemd says 203/EXEC";
        assert_eq!(exit("203", "ExecStart"), one(true, "Failed", failed));
        assert!(exit("3", "ExecStart").is_empty() && exit("203", "ExecStopPost").is_empty());
    }

    #[test]
    fn nobody_else_speaks_for_systemd() {
        assert!(told(&[("MESSAGE_ID", STOPPING), ("_PID", "7")]).is_empty());
        assert!(told(&[("MESSAGE_ID", STOPPING), ("KUBERNETES_POD", "no pod")]).is_empty());
    }

    #[test]
    fn the_same_is_counted() {
        let fields = [
            ("KUBERNETES_NAMESPACE", "default"),
            ("KUBERNETES_POD", "web"),
            ("MESSAGE_ID", MESSAGE_ID),
            (REASON, "X"),
        ];
        let fields = fields
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into();
        let at = |time| events(&fields, Timestamp::from_micros(time).unwrap());
        let joined = gather([at(5), at(3), at(9)].concat());
        assert_eq!(joined.len(), 1);
        let event = &joined[0];
        assert_eq!(
            (event.count, event.first.micros(), event.last.micros()),
            (3, 3, 9)
        );
    }

    #[test]
    fn lines_of_journalctl() {
        let line = r#"{"__REALTIME_TIMESTAMP":"1700000000000001","MESSAGE_ID":"de5b426a63be47a7b6ac3eaac82e2f6f",
            "_PID":"1","KUBERNETES_NAMESPACE":["a","default"],"KUBERNETES_POD":"web","KUBERNETES_CONTAINER":"c"}"#;
        let events = of_line(line);
        assert_eq!(events.len(), 1);
        assert_eq!(events[0].pod.to_string(), "default/web");
        assert_eq!(events[0].last.micros(), 1_700_000_000_000_001);
        for bad in ["", "[]", "{}", r#"{"__REALTIME_TIMESTAMP":"x"}"#] {
            assert!(of_line(bad).is_empty());
        }
    }
}
