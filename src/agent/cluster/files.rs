//! Writes what the API server gave this node, one change after the other, on a thread that may block.

use crate::host::files::{Dir, FileError};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// What `/var/lib/vks/cluster` remembers beside manifests; hidden, so that it is not taken for one.
pub const MEMORY: &str = ".memory.json";
/// The largest file that is read back, in bytes.
const LARGEST: usize = 4 << 20;

/// A change of a file: its new text, or none.
type Change = (String, Option<String>);

/// Whoever has it can have files written. They are written in order; nobody waits.
#[derive(Debug, Clone)]
pub struct Files {
    changes: UnboundedSender<Change>,
}

/// The other end, to be run by a task.
#[derive(Debug)]
pub struct Writer {
    path: PathBuf,
    changes: UnboundedReceiver<Change>,
}

/// Files in a directory, which is made: 0700, since secrets are among them.
pub fn open(path: &Path) -> Result<(Files, Writer), FileError> {
    let (above, name) = match (
        path.parent(),
        path.file_name().and_then(|name| name.to_str()),
    ) {
        (Some(above), Some(name)) => (above, name),
        _ => (path, "."),
    };
    Dir::create(above)?.create_sub(name, 0o700)?;
    let (sender, changes) = unbounded_channel();
    let writer = Writer {
        path: path.to_owned(),
        changes,
    };
    Ok((Files { changes: sender }, writer))
}

/// All files in a directory, by name: those that can be read as text.
pub fn read(path: &Path) -> Result<BTreeMap<String, String>, FileError> {
    let Some(dir) = Dir::open(path)? else {
        return Ok(BTreeMap::new());
    };
    let mut files = BTreeMap::new();
    for (name, _) in dir.entries()? {
        if let Ok(Some(bytes)) = dir.read(&name, LARGEST)
            && let Ok(text) = String::from_utf8(bytes)
        {
            files.insert(name, text);
        }
    }
    Ok(files)
}

impl Files {
    /// Has a file written.
    pub fn write(&self, name: String, text: String) {
        // When the writer is gone, the agent is ending.
        let _ = self.changes.send((name, Some(text)));
    }

    /// Has a file removed.
    pub fn remove(&self, name: String) {
        let _ = self.changes.send((name, None));
    }
}

impl Writer {
    /// Writes until nobody asks any more.
    pub async fn run(mut self) {
        while let Some(first) = self.changes.recv().await {
            let mut batch = vec![first];
            while let Ok(next) = self.changes.try_recv() {
                batch.push(next);
            }
            let path = self.path.clone();
            let work = tokio::task::spawn_blocking(move || write(&path, &batch));
            if let Ok(Err(error)) = work.await {
                log::error!(
                    "{}; it is tried again with the next change",
                    crate::chain::line(&error)
                );
            }
        }
    }
}

fn write(path: &Path, batch: &[Change]) -> Result<(), FileError> {
    let Some(dir) = Dir::open(path)? else {
        return Ok(());
    };
    let mut failed = None;
    for (name, text) in batch {
        let done = match text {
            Some(text) => dir.write(name, text.as_bytes(), 0o600),
            None => dir.remove(name).map(drop),
        };
        failed = failed.or(done.err());
    }
    // Not forced to the disk: what a power loss takes, the API server gives again.
    failed.map_or(Ok(()), Err)
}
