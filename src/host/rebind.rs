//! Files of a pod that a container sees in place of the host's, after the host has put new files there.
//!
//! A container that shares the host's files has those of the pod mounted over some of them. When the host replaces one
//! (a file is renamed over it), the kernel takes away what is mounted there in every mount namespace, and the container
//! sees the host's. Here the pod's is mounted again, in the namespace of the running container.

use super::namespace::{self, NamespaceError};
use super::process::Process;
use rustix::fs::CWD;
use rustix::io::Errno;
use rustix::mount::{MoveMountFlags, OpenTreeFlags, move_mount, open_tree};
use std::fs;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Why a file is not seen again.
#[derive(Debug, thiserror::Error)]
pub enum RebindError {
    /// The pod's file cannot be mounted from.
    #[error("cannot open {path}", path = path.display())]
    Source {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// It cannot be mounted on.
    #[error("cannot mount on {path} in the container of process {pid}", path = path.display())]
    Target {
        /// The file.
        path: PathBuf,
        /// A process of the container.
        pid: u32,
        /// What the kernel said.
        source: io::Error,
    },
    /// The container cannot be entered.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
}

/// A file of a pod, and where its containers see it.
#[derive(Debug)]
pub struct File {
    /// The pod's.
    pub from: PathBuf,
    /// The host's, for which it stands.
    pub at: PathBuf,
}

/// Which files names in a directory lead to now, as a text that is another one when any of them is replaced.
pub fn identities(dir: &Path, names: &[&str]) -> String {
    let of = |name: &&str| match identity(&dir.join(name)) {
        Some((device, inode)) => format!("{name} {device}:{inode}\n"),
        None => format!("{name} -\n"),
    };
    names.iter().map(of).collect()
}

/// Which file a path leads to.
fn identity(path: &Path) -> Option<(u64, u64)> {
    let found = fs::metadata(path).ok()?;
    Some((found.dev(), found.ino()))
}

/// Mounts the files for which the container of a process sees those of the host, and says which these were. What else it
/// sees there, a volume or nothing at all, is left alone. Blocks.
pub fn show_again(process: &Process, files: &[File]) -> Result<Vec<PathBuf>, RebindError> {
    let mut ready = Vec::new();
    for file in files {
        if let Some(of_host) = identity(&file.at) {
            ready.push((of_host, open(&file.from)?, &file.at));
        }
    }
    let mount = || -> Result<Vec<PathBuf>, RebindError> {
        let mut done = Vec::new();
        for (of_host, tree, at) in &ready {
            if identity(at) != Some(*of_host) {
                continue;
            }
            let flags =
                MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_SYMLINKS;
            let moved = move_mount(tree.as_fd(), "", CWD, at.as_path(), flags);
            moved.map_err(|errno| RebindError::Target {
                path: (*at).clone(),
                pid: process.pid(),
                source: errno.into(),
            })?;
            done.push((*at).clone());
        }
        Ok(done)
    };
    namespace::visit_mounts(process, mount)?
}

/// The file as something to mount, which belongs to no mount namespace yet.
fn open(path: &Path) -> Result<OwnedFd, RebindError> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    open_tree(CWD, path, flags).map_err(|errno: Errno| RebindError::Source {
        path: path.to_owned(),
        source: errno.into(),
    })
}
