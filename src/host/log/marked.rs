//! Entries of the journal that bear one of some message ids, as they come: read through a `journalctl` child that wakes
//! with the journal, not by a clock.

use super::{JournalError, ended, start};
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
        let mut command = Command::new("journalctl");
        command
            .args(["--quiet", "--no-pager", "--output=json", "--follow"])
            .args(["--lines=0", "--boot"])
            .arg(format!("--output-fields={}", fields.join(",")))
            .args(ids.iter().map(|id| format!("MESSAGE_ID={id}")));
        let (child, output) = start(command)?;
        Ok(Self {
            child,
            lines: BufReader::new(output).lines(),
        })
    }

    /// The next one; `None` when journalctl has ended.
    pub async fn next(&mut self) -> Result<Option<String>, JournalError> {
        match self.lines.next_line().await.map_err(JournalError::Read)? {
            Some(line) => Ok(Some(line)),
            None => ended(&mut self.child).await.map(|()| None),
        }
    }
}
