//! The lines of one run of a container, read through a `journalctl` child.
//!
//! A run is found by its unit and the time from its start to the start of the next. Its InvocationID is no help:
//! journald stamps every automatic restart in `RestartMode=direct` with that of the first run, and loses it
//! for processes that end before it has heard of them.
//!
//! The export format is read ([`export`]): two and a half times as fast as JSON for 200,000 lines.

mod export;
pub mod hub;
pub mod lines;
pub mod marked;
pub mod one_run;
mod place;

use crate::model::name::UnitName;
use crate::model::time::Timestamp;
use export::Malformed;
use std::ffi::OsString;
use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, ChildStdout, Command};

pub use export::Entry;
pub use place::Place;

/// Which entries are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// The unit of the container; all units when absent, and then entries say which.
    pub unit: Option<UnitName>,
    /// From this time on: the start of the run, or later.
    pub since: Option<Timestamp>,
    /// Before this time: the start of the next run.
    pub until: Option<Timestamp>,
    /// Only the last so many.
    pub tail: Option<u64>,
    /// Wait for more entries at the end.
    pub follow: bool,
    /// Only those after this cursor; `tail` does not count then.
    pub after: Option<String>,
}

/// Why the journal could not be read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The program did not start.
    #[error("start journalctl: it must be in PATH")]
    Start(#[source] io::Error),
    /// Its output broke off.
    #[error("read from journalctl")]
    Read(#[source] io::Error),
    /// It ended badly; what it says has gone to standard error.
    #[error("journalctl failed ({0})")]
    Failed(ExitStatus),
    /// Its output is not what it should be.
    #[error("journalctl wrote an entry that vks does not understand")]
    Malformed(#[source] Malformed),
}

impl Query {
    /// The arguments of journalctl.
    fn arguments(&self) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = [
            "--quiet",
            "--no-pager",
            "--output=export",
            match self.unit {
                // Who does not know where the next run begins has to find out.
                Some(_) if self.until.is_none() => "--output-fields=MESSAGE,_LINE_BREAK,_STREAM_ID",
                Some(_) => "--output-fields=MESSAGE,_LINE_BREAK",
                None => "--output-fields=MESSAGE,_LINE_BREAK,_STREAM_ID,_SYSTEMD_UNIT",
            },
        ]
        .map(OsString::from)
        .into();
        if self.follow {
            arguments.push("--follow".into());
        }
        match (&self.after, self.tail, self.since) {
            (Some(cursor), ..) => arguments.push(format!("--after-cursor={cursor}").into()),
            // The time of the last lines is checked here: given both, some versions take the first lines since then.
            (None, Some(tail), _) => arguments.push(format!("--lines={tail}").into()),
            (None, None, Some(since)) => arguments.push(format!("--since={}", at(since)).into()),
            (None, None, None) => {}
        }
        // To follow alone is to see only the last ten.
        if self.follow && self.tail.is_none() {
            arguments.push("--no-tail".into());
        }
        if let Some(until) = self.until {
            arguments.push(format!("--until={}", at(until)).into());
        }
        if let Some(unit) = &self.unit {
            arguments.push(format!("_SYSTEMD_UNIT={unit}").into());
        }
        arguments.push("_TRANSPORT=stdout".into());
        arguments
    }

    fn admits(&self, entry: &Entry) -> bool {
        entry.time.is_none_or(|time| {
            self.since.is_none_or(|since| time >= since)
                && self.until.is_none_or(|until| time < until)
        })
    }
}

/// A time as systemd reads it, to the microsecond.
fn at(time: Timestamp) -> String {
    let micros = time.micros();
    format!("@{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

/// Entries as they come.
#[derive(Debug)]
pub struct Reader {
    child: Child,
    output: ChildStdout,
    query: Query,
    /// What was read; entries up to `at` have been taken.
    bytes: Vec<u8>,
    at: usize,
}

impl Reader {
    /// Starts journalctl.
    pub fn start(query: Query) -> Result<Self, JournalError> {
        let mut command = Command::new("journalctl");
        command.args(query.arguments());
        let (child, output) = start(command)?;
        Ok(Self {
            output,
            child,
            query,
            bytes: Vec::new(),
            at: 0,
        })
    }

    /// The next entry; `None` at the end. May be dropped while it waits and called again.
    pub async fn next(&mut self) -> Result<Option<Entry>, JournalError> {
        loop {
            if let Some(entry) = self.take()? {
                return Ok(Some(entry));
            }
            self.bytes.drain(..self.at);
            self.at = 0;
            self.bytes.reserve(1 << 16);
            let read = self.output.read_buf(&mut self.bytes).await;
            if read.map_err(JournalError::Read)? == 0 {
                return ended(&mut self.child).await.map(|()| None);
            }
        }
    }

    /// The next entry if it has been read already.
    pub fn take(&mut self) -> Result<Option<Entry>, JournalError> {
        while let Some((entry, length)) =
            export::entry(&self.bytes[self.at..]).map_err(JournalError::Malformed)?
        {
            self.at += length;
            if self.query.admits(&entry) {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }
}

/// Starts journalctl, which ends with who reads it.
fn start(mut command: Command) -> Result<(Child, ChildStdout), JournalError> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(JournalError::Start)?;
    let not_piped = || JournalError::Start(io::Error::other("its output was not connected"));
    let output = child.stdout.take().ok_or_else(not_piped)?;
    Ok((child, output))
}

/// How it went, once there is no more to read.
async fn ended(child: &mut Child) -> Result<(), JournalError> {
    let status = child.wait().await.map_err(JournalError::Read)?;
    match status.success() {
        true => Ok(()),
        false => Err(JournalError::Failed(status)),
    }
}

/// How long journald may take to read what was printed: some 20,000 lines in a second on a slow machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Returns when journald has read what was printed before. Where it cannot be asked, so be it.
pub async fn sync() {
    let wait = || crate::host::journald::catch_up(PATIENCE);
    let _ = tokio::task::spawn_blocking(wait).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_of_journalctl() {
        let words = |query: &Query| -> Vec<String> {
            let arguments = query.arguments().into_iter().skip(4);
            arguments
                .map(|word| word.to_string_lossy().into_owned())
                .collect()
        };
        let matches = ["_SYSTEMD_UNIT=vks.a.b.c.service", "_TRANSPORT=stdout"];
        let query = Query {
            unit: Some("vks.a.b.c.service".parse().unwrap()),
            since: None,
            until: None,
            tail: None,
            follow: false,
            after: None,
        };
        assert_eq!(words(&query), matches);
        let since = Timestamp::from_micros(1_700_000_000_000_001);
        let timed = Query {
            since,
            until: since,
            ..query.clone()
        };
        assert_eq!(
            words(&timed)[..2],
            ["--since=@1700000000.000001", "--until=@1700000000.000001"]
        );
        let tail = Query {
            tail: Some(5),
            until: None,
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
            ..tail
        };
        assert_eq!(words(&after)[..2], ["--after-cursor=s=1", matches[0]]);
    }
}
