//! The lines of one run of a container, read through a `journalctl` child.
//!
//! A run is found by its InvocationID, never by a unit name, so that runs cannot be mixed up. What journald
//! split because it was too long is put together again by [`Entry::continues`].

use crate::model::time::Timestamp;
use serde::Deserialize;
use std::ffi::OsString;
use std::io;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};

/// Which entries are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    /// InvocationID in hex of the run.
    pub invocation: String,
    /// Wait for more entries at the end.
    pub follow: bool,
    /// Only the last so many.
    pub tail: Option<u64>,
    /// Only from this time on.
    pub since: Option<Timestamp>,
    /// Only those after this cursor.
    pub after: Option<String>,
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it stands in the journal.
    pub cursor: String,
    /// When it was received.
    pub time: Option<Timestamp>,
    /// The bytes, without a line break at the end.
    pub message: Vec<u8>,
    /// The line goes on in the next entry: it was too long for one.
    pub continues: bool,
}

/// Why the journal could not be read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The program did not start.
    #[error("start journalctl")]
    Start(#[source] io::Error),
    /// Its output broke off.
    #[error("read from journalctl")]
    Read(#[source] io::Error),
    /// It ended badly; what it says has gone to standard error.
    #[error("journalctl failed ({0})")]
    Failed(std::process::ExitStatus),
    /// Its output is not what it should be.
    #[error("journalctl wrote an entry that is not JSON")]
    Decode(#[source] serde_json::Error),
}

impl Query {
    /// The arguments of journalctl.
    fn arguments(&self) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = [
            "--quiet",
            "--no-pager",
            "--all",
            "--output=json",
            "--output-fields=MESSAGE,_LINE_BREAK",
        ]
        .map(OsString::from)
        .into();
        if self.follow {
            arguments.push("--follow".into());
        }
        match (self.tail, &self.after, self.since) {
            (_, Some(cursor), _) => arguments.push(format!("--after-cursor={cursor}").into()),
            // With a number of lines the time is checked here: journalctl would take the first ones since then.
            (Some(tail), ..) => arguments.push(format!("--lines={tail}").into()),
            (None, None, Some(since)) => {
                let micros = since.micros();
                let (seconds, rest) = (micros / 1_000_000, micros % 1_000_000);
                arguments.push(format!("--since=@{seconds}.{rest:06}").into());
            }
            (None, None, None) => {}
        }
        // `--follow` alone shows only the last ten.
        if self.follow && self.tail.is_none() {
            arguments.push("--no-tail".into());
        }
        arguments.push(format!("_SYSTEMD_INVOCATION_ID={}", self.invocation).into());
        arguments.push("_TRANSPORT=stdout".into());
        arguments
    }
}

/// Entries as they come.
#[derive(Debug)]
pub struct Reader {
    child: Child,
    lines: BufReader<ChildStdout>,
    line: Vec<u8>,
    since: Option<Timestamp>,
}

impl Reader {
    /// Starts journalctl.
    pub fn start(query: &Query) -> Result<Self, JournalError> {
        let mut child = Command::new("journalctl")
            .args(query.arguments())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(JournalError::Start)?;
        let stdout = child
            .stdout
            .take()
            .ok_or_else(|| JournalError::Start(io::Error::other("its output was not connected")))?;
        Ok(Self {
            child,
            lines: BufReader::with_capacity(1 << 16, stdout),
            line: Vec::new(),
            since: query.since,
        })
    }

    /// The next entry; `None` at the end. May be dropped while it waits and called again.
    pub async fn next(&mut self) -> Result<Option<Entry>, JournalError> {
        loop {
            self.lines
                .read_until(b'\n', &mut self.line)
                .await
                .map_err(JournalError::Read)?;
            if self.line.is_empty() {
                let status = self.child.wait().await.map_err(JournalError::Read)?;
                return match status.success() {
                    true => Ok(None),
                    false => Err(JournalError::Failed(status)),
                };
            }
            let entry = decode(&self.line).map_err(JournalError::Decode);
            self.line.clear();
            let entry = entry?;
            if self
                .since
                .is_none_or(|since| entry.time.is_none_or(|time| time >= since))
            {
                return Ok(Some(entry));
            }
        }
    }

    /// Whether the next entry has already been read from the pipe, at least in part.
    pub fn has_more(&self) -> bool {
        !self.lines.buffer().is_empty()
    }
}

/// Returns when journald has written down what it was sent before. Where it cannot be asked, so be it.
pub async fn sync() {
    let child = Command::new("journalctl")
        .arg("--sync")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .status();
    let _ = child.await;
}

#[derive(Deserialize)]
struct Raw<'a> {
    #[serde(rename = "__CURSOR")]
    cursor: String,
    #[serde(rename = "__REALTIME_TIMESTAMP", default)]
    time: Option<&'a str>,
    #[serde(rename = "MESSAGE", default)]
    message: Option<Message>,
    #[serde(rename = "_LINE_BREAK", default)]
    line_break: Option<String>,
}

/// Text, the bytes of what is not text, or several of them when the field was sent more than once.
#[derive(Deserialize)]
#[serde(untagged)]
enum Message {
    Text(String),
    Bytes(Vec<u8>),
    Several(Vec<Message>),
}

impl Message {
    fn into_bytes(self) -> Vec<u8> {
        match self {
            Self::Text(text) => text.into_bytes(),
            Self::Bytes(bytes) => bytes,
            Self::Several(parts) => {
                let parts: Vec<Vec<u8>> = parts.into_iter().map(Self::into_bytes).collect();
                parts.join(&b'\n')
            }
        }
    }
}

/// An entry from a line of `journalctl --output=json`.
fn decode(line: &[u8]) -> Result<Entry, serde_json::Error> {
    let raw: Raw = serde_json::from_slice(line)?;
    let micros = raw.time.and_then(|time| time.parse().ok());
    Ok(Entry {
        cursor: raw.cursor,
        time: micros.and_then(Timestamp::from_micros),
        message: raw.message.map(Message::into_bytes).unwrap_or_default(),
        continues: raw.line_break.as_deref() == Some("line-max"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_in_four_forms() {
        let cases: [(&str, &[u8]); 5] = [
            (r#""hello \u00e4""#, "hello ä".as_bytes()),
            ("[104,105,255,0]", b"hi\xff\0"),
            (r#"["a","b"]"#, b"a\nb"),
            (r#"[[255],"b"]"#, b"\xff\nb"),
            ("null", b""),
        ];
        for (json, bytes) in cases {
            let line = format!(
                r#"{{"__CURSOR":"s=1","__REALTIME_TIMESTAMP":"1700000000123456","_BOOT_ID":"x","MESSAGE":{json}}}"#
            );
            let entry = decode(line.as_bytes()).unwrap();
            assert_eq!(entry.message, bytes, "{json}");
            assert_eq!(
                entry.time.map(Timestamp::micros),
                Some(1_700_000_000_123_456)
            );
            assert!(!entry.continues);
        }
        let split = br#"{"__CURSOR":"s=1","MESSAGE":"x","_LINE_BREAK":"line-max"}"#;
        assert!(decode(split).unwrap().continues);
        assert!(decode(b"{}").is_err());
    }

    #[test]
    fn arguments_of_journalctl() {
        let words = |query: &Query| -> Vec<String> {
            let arguments = query.arguments().into_iter().skip(5);
            arguments
                .map(|word| word.to_string_lossy().into_owned())
                .collect()
        };
        let matches = ["_SYSTEMD_INVOCATION_ID=abc", "_TRANSPORT=stdout"];
        let query = Query {
            invocation: "abc".into(),
            ..Query::default()
        };
        assert_eq!(words(&query), matches);
        let since = Timestamp::from_micros(1_700_000_000_000_001);
        let timed = Query {
            since,
            ..query.clone()
        };
        assert_eq!(words(&timed)[0], "--since=@1700000000.000001");
        let tail = Query {
            tail: Some(5),
            ..timed
        };
        assert_eq!(words(&tail)[..2], ["--lines=5", matches[0]]);
        let follow = Query {
            follow: true,
            ..query
        };
        assert_eq!(words(&follow)[..2], ["--follow", "--no-tail"]);
        let after = Query {
            after: Some("s=1".into()),
            follow: false,
            ..follow
        };
        assert_eq!(words(&after)[..2], ["--after-cursor=s=1", matches[0]]);
    }
}
