//! A root whose users are not the host's: files are shown with their owners as the container counts them.

use super::{RootError, Rootfs, mount_error, of};
use crate::host::{idmap, mounts};
use nix::mount::MsFlags;
use nix::unistd;
use rustix::fs::{self, AtFlags, Gid, Uid};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

/// The users of a container that are not the host's.
#[derive(Debug)]
pub struct Users {
    /// Their namespace.
    pub namespace: File,
    /// The host's id of their user and group 0.
    pub first: u32,
}

impl Rootfs {
    /// The host's id of the container's user and group 0.
    pub fn first_id(&self) -> u32 {
        self.users.as_ref().map_or(0, |users| users.first)
    }

    /// With owners as the container counts them. What cannot be shown so is shown as it is where that is of no concern: devices,
    /// which anybody's programs find by their numbers, and layers, which are only read and were mapped one by one.
    pub(super) fn bind_mapped(
        &self,
        users: &Users,
        (from, to): (&Path, &str),
        point: &OwnedFd,
        read_only: bool,
    ) -> Result<(), RootError> {
        let failed = |errno: nix::Error| mount_error(&from.display().to_string(), to, errno);
        match idmap::mapped(from, users.namespace.as_fd(), true) {
            Ok(tree) => idmap::attach(&tree, Path::new(&of(point)))
                .map_err(|errno| failed(nix::Error::from_raw(errno.raw_os_error()))),
            Err(source) if source.raw_os_error() == Some(Errno::INVAL.raw_os_error()) => {
                if !(is_device(from) || read_only && mounts::is_overlay(from).unwrap_or_default()) {
                    return Err(unmapped(source, from, to));
                }
                let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
                let from = from.to_str().unwrap_or_default();
                self.mount(Some(from), point, None, flags, None)
                    .map_err(failed)
            }
            Err(source) => Err(unmapped(source, from, to)),
        }
    }

    /// Makes something; where the host's user 0 has no number, which is so on a mount with mapped owners, as the container's.
    pub(super) fn make<T>(
        &self,
        make: impl Fn() -> rustix::io::Result<T>,
    ) -> rustix::io::Result<T> {
        let made = make();
        let (Err(Errno::OVERFLOW), Some(users)) = (&made, &self.users) else {
            return made;
        };
        // Of this thread, and only for its files: with user 0 its rights come back (setfsuid(2), capabilities(7)).
        let group = unistd::setfsgid(users.first.into());
        let user = unistd::setfsuid(users.first.into());
        let made = make();
        unistd::setfsuid(user);
        unistd::setfsgid(group);
        made
    }

    /// Gives what was made to the container's user 0.
    pub(super) fn give(&self, directory: &OwnedFd, name: &str) -> rustix::io::Result<()> {
        let Some(users) = &self.users else {
            return Ok(());
        };
        let (user, group) = (Uid::from_raw(users.first), Gid::from_raw(users.first));
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        fs::chownat(directory, name, Some(user), Some(group), flags)
    }
}

fn is_device(path: &Path) -> bool {
    let found = std::fs::metadata(path).map(|found| found.file_type());
    found.is_ok_and(|found| found.is_char_device() || found.is_block_device())
}

pub(super) fn unmapped(source: io::Error, from: &Path, to: &str) -> RootError {
    RootError::Unmapped {
        from: from.to_owned(),
        to: to.to_owned(),
        source,
    }
}
