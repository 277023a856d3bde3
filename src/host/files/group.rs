//! Gives what is in a directory to a group: `fsGroup` of a pod.

use super::{BENEATH, DIRECTORY, Dir, FileError};
use rustix::fs::{self, AtFlags, FileType, Gid, Mode, OFlags};
use rustix::io::Errno;

/// Deeper trees are refused: each level keeps a directory open.
const DEEPEST: usize = 200;

/// What a group may do with a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupAccess {
    /// Read it.
    Read,
    /// Read and write it.
    Write,
}

impl GroupAccess {
    fn of_files(self) -> u32 {
        match self {
            Self::Read => 0o440,
            Self::Write => 0o660,
        }
    }

    /// New entries get the group of their directory.
    fn of_directories(self) -> u32 {
        self.of_files() | 0o2110
    }
}

impl Dir {
    /// Gives this directory and all below to a group and adds the group's rights (kubelet: SetVolumeOwnership). Links are
    /// given, never followed. With `only_on_mismatch` nothing is done when this directory itself is as it ought to be.
    ///
    /// # Errors
    /// The first entry that could not be changed, or one that lies more than 200 directories deep.
    pub fn give_to_group(
        &self,
        group: u32,
        access: GroupAccess,
        only_on_mismatch: bool,
    ) -> Result<(), FileError> {
        let wanted = access.of_directories();
        let stat = fs::fstat(&self.fd).map_err(|e| self.error("look at", ".", e))?;
        if only_on_mismatch && stat.st_gid == group && stat.st_mode & wanted == wanted {
            return Ok(());
        }
        self.give(Gid::from_raw(group), access, DEEPEST)
    }

    /// What is below comes first: the directory itself says that all is done.
    fn give(&self, group: Gid, access: GroupAccess, depth: usize) -> Result<(), FileError> {
        if depth == 0 {
            return Err(self.error("give to the group, it lies too deep,", ".", Errno::LOOP));
        }
        for (name, kind) in self.entries()? {
            let failed = |e: Errno| self.error("give to the group", &name, e);
            if kind == FileType::Directory {
                let below = fs::openat2(&self.fd, &*name, DIRECTORY, Mode::empty(), BENEATH);
                let below = Self {
                    fd: below.map_err(failed)?,
                    path: self.path.join(&name),
                };
                below.give(group, access, depth - 1)?;
                continue;
            }
            fs::chownat(
                &self.fd,
                &*name,
                None,
                Some(group),
                AtFlags::SYMLINK_NOFOLLOW,
            )
            .map_err(failed)?;
            if kind == FileType::RegularFile {
                let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
                let file = fs::openat2(&self.fd, &*name, flags, Mode::empty(), BENEATH);
                add_mode(file.map_err(failed)?, access.of_files()).map_err(failed)?;
            }
        }
        fs::fchown(&self.fd, None, Some(group))
            .and_then(|()| add_mode(&self.fd, access.of_directories()))
            .map_err(|e| self.error("give to the group", ".", e))
    }
}

fn add_mode(fd: impl std::os::fd::AsFd, bits: u32) -> Result<(), Errno> {
    let mode = fs::fstat(&fd)?.st_mode & 0o7777;
    fs::fchmod(&fd, Mode::from_raw_mode(mode | bits))
}

#[cfg(test)]
mod tests {
    use super::super::tests::Scratch;
    use super::*;
    use std::os::unix::fs::{MetadataExt as _, symlink};

    #[test]
    fn all_is_given_and_links_are_not_followed() {
        let scratch = Scratch::new();
        let (path, dir) = (&scratch.0, scratch.dir());
        let own = nix::unistd::getegid().as_raw();
        let group = if nix::unistd::geteuid().is_root() {
            4711
        } else {
            own
        };
        let below = dir.create_sub("sub", 0o700).unwrap();
        below.write("file", b"x", 0o600).unwrap();
        dir.write("outside", b"x", 0o600).unwrap();
        let volume = dir.create_sub("volume", 0o755).unwrap();
        volume.create_sub("deep", 0o700).unwrap();
        volume.write("file", b"x", 0o600).unwrap();
        symlink("../outside", path.join("volume/link")).unwrap();
        volume
            .give_to_group(group, GroupAccess::Write, true)
            .unwrap();
        let look = |name: &str| {
            let found = std::fs::symlink_metadata(path.join(name)).unwrap();
            (found.gid(), found.mode() & 0o7777)
        };
        assert_eq!(look("volume"), (group, 0o2775));
        assert_eq!(look("volume/deep"), (group, 0o2770));
        assert_eq!(look("volume/file"), (group, 0o660));
        assert_eq!(look("outside"), (own, 0o600));
        // As it ought to be at the top: what is below is left alone, unless all is to be looked at.
        volume.write("new", b"x", 0o600).unwrap();
        volume
            .give_to_group(group, GroupAccess::Write, true)
            .unwrap();
        assert_eq!(look("volume/new").1, 0o600);
        volume
            .give_to_group(group, GroupAccess::Read, false)
            .unwrap();
        assert_eq!(look("volume/new").1, 0o640);
    }
}
