//! Events, read through a `journalctl` child.

use crate::model::name::{Namespace, ObjectName};
use crate::model::time::Timestamp;
use crate::observe::events::{Event, FIELDS, MESSAGES, events, gather};
use serde_json::Value;
use std::collections::BTreeMap;
use std::process::{ExitStatus, Stdio};
use tokio::process::Command;

/// Which events are wanted.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// From this time on.
    pub since: Option<Timestamp>,
    /// Only in this namespace.
    pub namespace: Option<Namespace>,
    /// Only of this pod.
    pub pod: Option<ObjectName>,
}

/// Why events could not be read.
#[derive(Debug, thiserror::Error)]
pub enum EventsError {
    /// The program did not start.
    #[error("start journalctl: it must be in PATH")]
    Start(#[source] std::io::Error),
    /// It ended badly.
    #[error("journalctl failed ({0}): {1}")]
    Failed(ExitStatus, String),
}

/// All of them, joined where they say the same, the latest last.
pub async fn all(query: &Query) -> Result<Vec<Event>, EventsError> {
    let mut journalctl = Command::new("journalctl");
    journalctl
        .args(["--quiet", "--no-pager", "--output=json"])
        .arg(format!("--output-fields={}", FIELDS.join(",")))
        .args(MESSAGES.map(|id| format!("MESSAGE_ID={id}")))
        .stdin(Stdio::null())
        .kill_on_drop(true);
    if let Some(micros) = query.since.map(Timestamp::micros) {
        let (seconds, micros) = (micros / 1_000_000, micros % 1_000_000);
        journalctl.arg(format!("--since=@{seconds}.{micros:06}"));
    }
    if let Some(namespace) = &query.namespace {
        journalctl.arg(format!("KUBERNETES_NAMESPACE={namespace}"));
    }
    if let Some(pod) = &query.pod {
        journalctl.arg(format!("KUBERNETES_POD={pod}"));
    }
    let output = journalctl.output().await.map_err(EventsError::Start)?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(EventsError::Failed(output.status, said));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(gather(text.lines().flat_map(entry)))
}

/// A line of journalctl's JSON. One that is not understood is no event.
fn entry(line: &str) -> Vec<Event> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_journalctl() {
        let line = r#"{"__REALTIME_TIMESTAMP":"1700000000000001","MESSAGE_ID":"de5b426a63be47a7b6ac3eaac82e2f6f",
            "_PID":"1","KUBERNETES_NAMESPACE":["a","default"],"KUBERNETES_POD":"web","KUBERNETES_CONTAINER":"c"}"#;
        let events = entry(line);
        assert_eq!(events.len(), 1);
        assert_eq!(events[0].pod.to_string(), "default/web");
        assert_eq!(events[0].last.micros(), 1_700_000_000_000_001);
        for bad in ["", "[]", "{}", r#"{"__REALTIME_TIMESTAMP":"x"}"#] {
            assert!(entry(bad).is_empty());
        }
    }
}
