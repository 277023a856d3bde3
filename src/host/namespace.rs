//! Network namespaces that have a name, and visits to namespaces of others.
//!
//! A namespace belongs to a thread. A visit therefore takes place on a thread of its own that ends with
//! it: a worker of the async runtime would carry the namespace into whatever it runs next. What is opened
//! there (a socket) stays in that namespace and can be used anywhere.

use super::link::{Batch, LinkError};
use super::mounts::{self, MountError};
use super::process::Process;
use nix::sched::{CloneFlags, setns, unshare};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::{panic, thread};

/// The loopback interface has this index in every network namespace.
const LOOPBACK: u32 = 1;

/// Why a namespace was not made, visited or taken away.
#[derive(Debug, thiserror::Error)]
pub enum NamespaceError {
    /// A file or directory that stands for it could not be made or opened.
    #[error("cannot use {path} for a namespace", path = path.display())]
    File {
        /// The path.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// There is something else in its place.
    #[error("{path} is not a network namespace and is not empty: move it away", path = path.display())]
    Occupied {
        /// The path.
        path: PathBuf,
    },
    /// The kernel made no new namespace.
    #[error("cannot make a namespace")]
    Create(#[source] io::Error),
    /// The host name of a new UTS namespace was refused.
    #[error("cannot give {path} the host name {name:?}", path = path.display())]
    HostName {
        /// The namespace.
        path: PathBuf,
        /// The name.
        name: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// Its loopback interface could not be brought up.
    #[error("cannot bring up the loopback interface of {path}", path = path.display())]
    Loopback {
        /// The namespace.
        path: PathBuf,
        /// What the kernel said.
        source: LinkError,
    },
    /// It could not be entered.
    #[error("cannot enter the namespaces of {whose}")]
    Enter {
        /// A path or a process.
        whose: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// There is no thread for the visit.
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
    /// It could not be bound to its name, or taken from it.
    #[error(transparent)]
    Mount(#[from] MountError),
}

/// Makes a network namespace with loopback up, bound to `path` so that it outlives this process and
/// `ip netns` knows it. One that is there already is left as it is, with loopback up. Whether it is new.
pub fn create_network(path: &Path) -> Result<bool, NamespaceError> {
    let file_error = |source| NamespaceError::File {
        path: path.to_owned(),
        source,
    };
    network_directory(path)?;
    match fs::symlink_metadata(path) {
        Ok(_) if mounts::is_namespace(path)? => {
            visit_network(path, || loopback_up(path))??;
            return Ok(false);
        }
        // A file without its mount: this was cut short before, or the mount went with a reboot.
        Ok(found) if found.is_file() && found.len() == 0 => {}
        Ok(_) => return Err(NamespaceError::Occupied { path: path.into() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            File::create_new(path).map_err(file_error)?;
        }
        Err(error) => return Err(file_error(error)),
    }
    on_own_thread(|| {
        unshare(CloneFlags::CLONE_NEWNET)
            .map_err(|errno| NamespaceError::Create(io::Error::from(errno)))?;
        loopback_up(path)?;
        mounts::bind(Path::new("/proc/thread-self/ns/net"), path)?;
        Ok(true)
    })?
}

/// Makes the directory of a network namespace's name what `ip netns` makes it.
pub(super) fn network_directory(path: &Path) -> Result<(), NamespaceError> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    let file_error = |source| NamespaceError::File {
        path: path.to_owned(),
        source,
    };
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(directory)
        .map_err(file_error)?;
    // ip-netns takes the same lock around the same two steps.
    let lock = File::open(directory).map_err(file_error)?;
    lock.lock().map_err(file_error)?;
    Ok(mounts::make_shared(directory)?)
}

/// Gives a network namespace (`/proc/PID/ns/net`) a name; what is there of an older one is replaced.
pub fn name_network(path: &Path, namespace: &Path) -> Result<(), NamespaceError> {
    remove_network(path)?;
    File::create_new(path).map_err(|source| NamespaceError::File {
        path: path.to_owned(),
        source,
    })?;
    Ok(mounts::bind(namespace, path)?)
}

/// Takes the name from a network namespace: it ends when its last process does. No such name is fine.
pub fn remove_network(path: &Path) -> Result<(), NamespaceError> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => {
            return Err(NamespaceError::File {
                path: path.to_owned(),
                source,
            });
        }
        Ok(_) => {}
    }
    // Mounted more than once only if somebody else did: take all of it, the file goes only when free.
    while mounts::is_mount_point(path)? {
        mounts::detach(path)?;
    }
    fs::remove_file(path).map_err(|source| NamespaceError::File {
        path: path.to_owned(),
        source,
    })
}

/// Runs a function in a network namespace (a bound name or `/proc/PID/ns/net`) and gives its result back.
/// Blocks for as long as the function does.
pub fn visit_network<T: Send>(
    path: &Path,
    act: impl FnOnce() -> T + Send,
) -> Result<T, NamespaceError> {
    let namespace = File::open(path).map_err(|source| NamespaceError::File {
        path: path.to_owned(),
        source,
    })?;
    on_own_thread(move || {
        enter(&namespace, CloneFlags::CLONE_NEWNET, || {
            path.display().to_string()
        })?;
        Ok(act())
    })?
}

/// Acts within the mount namespace of a process, on a thread of its own. Blocks.
pub fn visit_mounts<T: Send>(
    process: &Process,
    act: impl FnOnce() -> T + Send,
) -> Result<T, NamespaceError> {
    on_own_thread(move || {
        // A thread that shares its root and directory with others cannot have other mounts than they.
        unshare(CloneFlags::CLONE_FS).map_err(|errno| NamespaceError::Create(errno.into()))?;
        enter(process, CloneFlags::CLONE_NEWNS, || {
            format!("process {}", process.pid())
        })?;
        Ok(act())
    })?
}

/// Joins a UTS namespace that is bound to a file, for good: only for a program of one thread that is about to become
/// another one.
pub fn join_uts(path: &Path) -> Result<(), NamespaceError> {
    let namespace = File::open(path).map_err(|source| NamespaceError::File {
        path: path.to_owned(),
        source,
    })?;
    enter(&namespace, CloneFlags::CLONE_NEWUTS, || {
        path.display().to_string()
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place: on a thread that ends with the visit, or in a process about to exec"
)]
pub(super) fn enter(
    whose: impl std::os::fd::AsFd,
    kinds: CloneFlags,
    name: impl FnOnce() -> String,
) -> Result<(), NamespaceError> {
    setns(whose, kinds).map_err(|errno| NamespaceError::Enter {
        whose: name(),
        source: errno.into(),
    })
}

pub(super) fn on_own_thread<T: Send>(act: impl FnOnce() -> T + Send) -> Result<T, NamespaceError> {
    thread::scope(|scope| {
        let visitor = thread::Builder::new()
            .name("namespace".to_owned())
            .spawn_scoped(scope, act)
            .map_err(NamespaceError::Thread)?;
        Ok(visitor
            .join()
            .unwrap_or_else(|cause| panic::resume_unwind(cause)))
    })
}

fn loopback_up(path: &Path) -> Result<(), NamespaceError> {
    let mut batch = Batch::default();
    batch.up(LOOPBACK);
    batch
        .run(|_| false)
        .map_err(|source| NamespaceError::Loopback {
            path: path.to_owned(),
            source,
        })
}

/// The namespaces that a process of a container may have of its own, in the names of `/proc/PID/ns`.
/// Time namespaces are not made by vks; the users' is joined last ([`super::users`]).
const JOINED: [(&str, CloneFlags); 6] = [
    ("cgroup", CloneFlags::CLONE_NEWCGROUP),
    ("ipc", CloneFlags::CLONE_NEWIPC),
    ("mnt", CloneFlags::CLONE_NEWNS),
    ("net", CloneFlags::CLONE_NEWNET),
    ("pid", CloneFlags::CLONE_NEWPID),
    ("uts", CloneFlags::CLONE_NEWUTS),
];

/// Which namespaces of a process differ from those of this thread.
pub fn different(process: &Process) -> Result<CloneFlags, NamespaceError> {
    let inode = |path: PathBuf| {
        fs::metadata(&path)
            .map(|found| (found.dev(), found.ino()))
            .map_err(|source| NamespaceError::File { path, source })
    };
    let mut kinds = CloneFlags::empty();
    for (name, kind) in JOINED {
        let own = inode(Path::new("/proc/thread-self/ns").join(name))?;
        if own != inode(process.proc_dir().join("ns").join(name))? {
            kinds |= kind;
        }
    }
    Ok(kinds)
}

/// Joins namespaces of a process for good: only for a program of one thread that is about to become
/// another one. A joined pid namespace holds for children only.
pub fn join(process: &Process, kinds: CloneFlags) -> Result<(), NamespaceError> {
    if kinds.is_empty() {
        return Ok(());
    }
    enter(process, kinds, || format!("process {}", process.pid()))
}

#[cfg(test)]
pub(crate) mod tests;
