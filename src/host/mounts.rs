//! Mounts: what kind of file system a path lies on, and the few mounts vks makes.
//!
//! All of it acts on the mount namespace of the process: what pods use must be made from the host's own.

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::statfs::{NSFS_MAGIC, OVERLAYFS_SUPER_MAGIC, TMPFS_MAGIC, statfs};
use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};
use std::io;
use std::path::{Path, PathBuf};

/// Why a mount was not made, found out about or taken away.
#[derive(Debug, thiserror::Error)]
pub enum MountError {
    /// The path could not be looked at.
    #[error("cannot look at {path}", path = path.display())]
    Look {
        /// The path.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// Nothing could be mounted there.
    #[error("cannot mount on {path}", path = path.display())]
    Mount {
        /// The path.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// What is mounted there could not be taken away.
    #[error("cannot unmount {path}", path = path.display())]
    Unmount {
        /// The path.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

/// Whether the path itself (not what a symbolic link at its end points to) is the root of a mount.
pub fn is_mount_point(path: &Path) -> Result<bool, MountError> {
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
    let found = statx(CWD, path, flags, StatxFlags::TYPE).map_err(|errno| MountError::Look {
        path: path.to_owned(),
        source: errno.into(),
    })?;
    Ok(found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

/// Whether what is written below the path stays in memory.
pub fn is_tmpfs(path: &Path) -> Result<bool, MountError> {
    Ok(file_system(path)? == TMPFS_MAGIC)
}

/// Whether the path is on an overlay file system.
pub fn is_overlay(path: &Path) -> Result<bool, MountError> {
    Ok(file_system(path)? == OVERLAYFS_SUPER_MAGIC)
}

/// Whether the path is a namespace that was bound to a file.
pub fn is_namespace(path: &Path) -> Result<bool, MountError> {
    Ok(file_system(path)? == NSFS_MAGIC)
}

fn file_system(path: &Path) -> Result<nix::sys::statfs::FsType, MountError> {
    let found = statfs(path).map_err(|errno| MountError::Look {
        path: path.to_owned(),
        source: errno.into(),
    })?;
    Ok(found.filesystem_type())
}

/// Shows `source` at `target` too, without the mounts below it.
pub fn bind(source: &Path, target: &Path) -> Result<(), MountError> {
    change(Some(source), target, MsFlags::MS_BIND)
}

/// Makes a directory a mount of its own, if it is none, and lets mounts made below it be seen by every
/// other mount namespace: what ip-netns(8) does with `/run/netns`, and expects of others.
pub fn make_shared(directory: &Path) -> Result<(), MountError> {
    if !is_mount_point(directory)? {
        change(
            Some(directory),
            directory,
            MsFlags::MS_BIND | MsFlags::MS_REC,
        )?;
    }
    change(None, directory, MsFlags::MS_SHARED | MsFlags::MS_REC)
}

fn change(source: Option<&Path>, target: &Path, flags: MsFlags) -> Result<(), MountError> {
    let none: Option<&Path> = None;
    mount(source, target, none, flags, none).map_err(|errno| MountError::Mount {
        path: target.to_owned(),
        source: errno.into(),
    })
}

/// Mounts a tmpfs that all may write to and nobody can run programs or use devices from. One that is there stays.
pub fn tmpfs(target: &Path, bytes: u64) -> Result<(), MountError> {
    if is_mount_point(target)? {
        return Ok(());
    }
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    let options = format!("mode=1777,size={bytes}");
    mount(
        Some("shm"),
        target,
        Some("tmpfs"),
        flags,
        Some(options.as_str()),
    )
    .map_err(|errno| MountError::Mount {
        path: target.to_owned(),
        source: errno.into(),
    })
}

/// Takes away what is mounted at a path, now for newcomers and for its users when they are done.
/// Nothing mounted there is fine.
pub fn detach(path: &Path) -> Result<(), MountError> {
    let flags = MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW;
    match umount2(path, flags) {
        Ok(()) | Err(nix::errno::Errno::EINVAL | nix::errno::Errno::ENOENT) => Ok(()),
        Err(errno) => Err(MountError::Unmount {
            path: path.to_owned(),
            source: errno.into(),
        }),
    }
}

/// The same for all that is mounted there on top of each other.
pub fn detach_all(path: &Path) -> Result<(), MountError> {
    while path.symlink_metadata().is_ok() && is_mount_point(path)? {
        detach(path)?;
    }
    Ok(())
}

/// Mounts memory on a directory, writable by all, of at most so many bytes (default: half of the host's memory).
pub fn memory(target: &Path, size: Option<u64>) -> Result<(), MountError> {
    let size = size.map(|size| format!(",size={size}")).unwrap_or_default();
    let options = format!("mode=0777{size}");
    let (kind, flags) = ("tmpfs", MsFlags::MS_NOSUID | MsFlags::MS_NODEV);
    let mounted = mount(
        Some(kind),
        target,
        Some(kind),
        flags,
        Some(options.as_str()),
    );
    mounted.map_err(|errno| MountError::Mount {
        path: target.to_owned(),
        source: errno.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_points_and_file_systems_are_told_apart() {
        assert!(is_mount_point(Path::new("/proc")).unwrap());
        assert!(!is_mount_point(Path::new("/proc/self")).unwrap());
        assert!(is_mount_point(Path::new("/no/such/path")).is_err());
        assert!(is_namespace(Path::new("/proc/self/ns/net")).unwrap());
        assert!(!is_tmpfs(Path::new("/proc")).unwrap());
    }
}
