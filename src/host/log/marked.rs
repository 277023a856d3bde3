//! Entries of the journal that bear one of some message ids, as they come: read through a `journalctl` child that wakes
//! with the journal, not by a clock.

use super::JournalError;
use std::io;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// Lines of JSON, an entry each.
#[derive(Debug)]
pub struct Marked {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Marked {
    /// Follows from now on. Of entries only `fields` are wanted.
    pub fn follow(ids: &[&str], fields: &[&str]) -> Result<Self, JournalError> {
        let mut child = Command::new("journalctl")
            .args(["--quiet", "--no-pager", "--output=json", "--follow"])
            .args(["--lines=0", "--boot"])
            .arg(format!("--output-fields={}", fields.join(",")))
            .args(ids.iter().map(|id| format!("MESSAGE_ID={id}")))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(JournalError::Start)?;
        let not_piped = || JournalError::Start(io::Error::other("its output was not connected"));
        let output = child.stdout.take().ok_or_else(not_piped)?;
        Ok(Self {
            child,
            lines: BufReader::new(output).lines(),
        })
    }

    /// The next one; `None` when journalctl has ended.
    pub async fn next(&mut self) -> Result<Option<String>, JournalError> {
        match self.lines.next_line().await.map_err(JournalError::Read)? {
            Some(line) => Ok(Some(line)),
            None => {
                let status = self.child.wait().await.map_err(JournalError::Read)?;
                match status.success() {
                    true => Ok(None),
                    false => Err(JournalError::Failed(status)),
                }
            }
        }
    }
}
