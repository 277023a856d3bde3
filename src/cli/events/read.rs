//! Events, read through a `journalctl` child.

use crate::model::name::{Namespace, ObjectName};
use crate::model::time::Timestamp;
use crate::observe::events::{Event, FIELDS, MESSAGES, gather, of_line};
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
    Ok(gather(text.lines().flat_map(of_line)))
}
