//! Mounts that show the owners of files as a user namespace counts them (mount_setattr(2), `MOUNT_ATTR_IDMAP`): what belongs to
//! user 0 on the disk belongs to user 0 of the namespace there, and what the namespace's user 0 writes is user 0's on
//! the disk.

use composefs_ioctls::mount::mount_setattr_idmap;
use rustix::fs::CWD;
use rustix::io::Errno;
use rustix::mount::{MoveMountFlags, OpenTreeFlags, move_mount, open_tree};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// What is at a path as something to mount ([`attach`]), with the owners of the namespace `users`. What is mounted below it
/// comes along if `below`, with owners as they are on the disk.
///
/// `InvalidInput` is a file system that has no such mounts (overlayfs, devtmpfs, NFS; tmpfs before Linux 6.3).
pub fn mapped(path: &Path, users: BorrowedFd<'_>, below: bool) -> io::Result<OwnedFd> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    flags.set(OpenTreeFlags::AT_RECURSIVE, below);
    let tree = open_tree(CWD, path, flags)?;
    mount_setattr_idmap(&tree, users)?;
    Ok(tree)
}

/// Mounts what [`mapped`] gave on a path.
pub fn attach(tree: impl AsFd, at: &Path) -> Result<(), Errno> {
    // The path may be one of `/proc/self/fd`.
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_SYMLINKS;
    move_mount(tree, "", CWD, at, flags)
}
