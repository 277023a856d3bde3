//! The lock of whoever changes things: the agent, or a command while no agent runs.
//!
//! It is flock(2) on a file, so it goes with the process that holds it, however that ends. The file says who
//! holds it, for messages only.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

/// Why the lock could not even be tried.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the lock file {}", path.display())]
pub struct LockError {
    path: PathBuf,
    source: io::Error,
}

/// The outcome of a try.
#[derive(Debug)]
pub enum Lock {
    /// Held until the guard is dropped.
    Held(Guard),
    /// Somebody else holds it.
    Busy(Holder),
}

/// The lock is held as long as this lives.
#[derive(Debug)]
pub struct Guard {
    file: File,
}

/// Who holds the lock, as far as the file tells: it may just be changing hands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holder {
    /// Process id; 0 when not known.
    pub pid: u32,
    /// What it is, such as `agent` or `vks apply`.
    pub name: String,
}

/// Tries to take the lock and does not wait. `name` says to others what this process is.
pub fn try_lock(path: &Path, name: &str) -> Result<Lock, LockError> {
    let attempt = || -> io::Result<Lock> {
        let mut file = open(path)?;
        match file.try_lock() {
            Ok(()) => {
                sign(&mut file, name)?;
                Ok(Lock::Held(Guard { file }))
            }
            Err(TryLockError::WouldBlock) => Ok(Lock::Busy(holder(&mut file))),
            Err(TryLockError::Error(error)) => Err(error),
        }
    };
    attempt().map_err(|source| LockError {
        path: path.to_owned(),
        source,
    })
}

/// Takes the lock, waiting for whoever holds it; blocks the thread.
pub fn wait_lock(path: &Path, name: &str) -> Result<Guard, LockError> {
    let attempt = || -> io::Result<Guard> {
        let mut file = open(path)?;
        file.lock()?;
        sign(&mut file, name)?;
        Ok(Guard { file })
    };
    attempt().map_err(|source| LockError {
        path: path.to_owned(),
        source,
    })
}

fn open(path: &Path) -> io::Result<File> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    options.open(path)
}

fn sign(file: &mut File, name: &str) -> io::Result<()> {
    file.set_len(0)?;
    writeln!(file, "{} {name}", std::process::id())
}

fn holder(file: &mut File) -> Holder {
    let mut text = String::new();
    // Who it is is only for a message: better an empty one than an error.
    let _ = file.take(256).read_to_string(&mut text);
    let (pid, name) = text.trim_end().split_once(' ').unwrap_or_default();
    Holder {
        pid: pid.parse().unwrap_or(0),
        name: name.to_owned(),
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // The file stays: to remove it would let two processes lock two files of one name.
        let _ = self.file.rewind().and_then(|()| self.file.set_len(0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::files::tests::Scratch;

    #[test]
    fn the_lock_is_held_once_and_says_by_whom() {
        let scratch = Scratch::new();
        let path = scratch.0.join("run/lock");
        let Lock::Held(guard) = try_lock(&path, "vks apply").unwrap() else {
            panic!("busy")
        };
        let Lock::Busy(holder) = try_lock(&path, "agent").unwrap() else {
            panic!("held twice")
        };
        assert_eq!(
            (holder.pid, &*holder.name),
            (std::process::id(), "vks apply")
        );
        drop(guard);
        assert!(matches!(try_lock(&path, "agent").unwrap(), Lock::Held(_)));
        assert!(try_lock(Path::new("/proc/lock"), "agent").is_err());
    }
}
