//! Paths in volumes, which containers write to: found without ever leaving the volume, and shown elsewhere as what was
//! found, whatever is done to the path afterwards.
//!
//! A container may put a link, or another directory, in the place of any part of a path at any time. So a path is
//! resolved by the kernel below the open root of the volume (openat2(2) with `RESOLVE_IN_ROOT`: a link to `/etc` is
//! `etc` in the volume, and `..` does not lead out), and what is mounted is the file that was opened, not a path.

use super::files::{Dir, FileError};
use rustix::fs::{self, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use rustix::mount::{MoveMountFlags, OpenTreeFlags, move_mount, open_tree};
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Why a path in a volume was not found or not shown.
#[derive(Debug, thiserror::Error)]
pub enum VolumePathError {
    /// The volume is not there.
    #[error("cannot open volume {path}", path = path.display())]
    Volume {
        /// Its root.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The path is not there, or leads nowhere in the volume.
    #[error("cannot find {path:?} in the volume")]
    Find {
        /// The relative path.
        path: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// It is not a file that can be read.
    #[error("cannot read {path:?} in the volume")]
    Read {
        /// The relative path.
        path: String,
        /// What the kernel said, or that it is no regular file, or larger than was allowed.
        source: io::Error,
    },
    /// A directory on the way could not be made.
    #[error("cannot make {path:?} in the volume")]
    Make {
        /// The relative path.
        path: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// It could not be mounted.
    #[error("cannot show {path:?} at {at}", at = at.display())]
    Show {
        /// The relative path.
        path: String,
        /// Where.
        at: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

impl VolumePathError {
    /// Whether there is just nothing of that name.
    pub fn is_absence(&self) -> bool {
        matches!(self, Self::Find { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

/// The kernel gives up when something is renamed while it looks; it is asked again, this often at most. Whoever
/// renames without end only keeps his own pod from starting.
const TRIES: usize = 1000;

/// A file or directory in a volume, open.
#[derive(Debug)]
pub struct Found {
    fd: OwnedFd,
    path: String,
    is_dir: bool,
}

/// The root of a volume, open. The path to it is trusted.
#[derive(Debug)]
pub struct Volume {
    root: OwnedFd,
}

impl Volume {
    /// Opens the root.
    pub fn open(path: &Path) -> Result<Self, VolumePathError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = fs::open(path, flags, Mode::empty());
        let root = root.map_err(|errno| VolumePathError::Volume {
            path: path.to_owned(),
            source: errno.into(),
        })?;
        Ok(Self { root })
    }

    /// Finds a relative path; with `make`, directories that are missing are made, with the mode of the volume.
    pub fn find(&self, path: &str, make: bool) -> Result<Found, VolumePathError> {
        let failed = |errno: Errno| VolumePathError::Find {
            path: path.to_owned(),
            source: errno.into(),
        };
        let fd = match self.resolve(path) {
            Err(Errno::NOENT) if make => {
                self.make(path)?;
                self.resolve(path)
            }
            found => found,
        };
        let fd = fd.map_err(failed)?;
        let stat = fs::fstat(&fd).map_err(failed)?;
        Ok(Found {
            fd,
            path: path.to_owned(),
            is_dir: FileType::from_raw_mode(stat.st_mode) == FileType::Directory,
        })
    }

    fn resolve(&self, path: &str) -> Result<OwnedFd, Errno> {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let inside = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        for _ in 0..TRIES {
            match fs::openat2(&self.root, path, flags, Mode::empty(), inside) {
                Err(Errno::AGAIN) => {}
                result => return result,
            }
        }
        Err(Errno::AGAIN)
    }

    fn make(&self, path: &str) -> Result<(), VolumePathError> {
        let failed = |errno: Errno| VolumePathError::Make {
            path: path.to_owned(),
            source: errno.into(),
        };
        let mode = fs::fstat(&self.root).map_err(failed)?.st_mode & 0o777;
        let mode = Mode::from_raw_mode(mode);
        let mut above = String::from(".");
        for part in path.split('/') {
            let below = format!("{above}/{part}");
            if matches!(self.resolve(&below), Err(Errno::NOENT)) {
                // A link in the place of the last part is not followed: it is there, and leads nowhere.
                let parent = self.resolve(&above).map_err(failed)?;
                match fs::mkdirat(&parent, part, mode) {
                    Ok(()) => {
                        // mkdir(2) takes bits off by the umask. What is there now may be another directory: in the
                        // volume it is, and its owner may have that mode.
                        let made = self.resolve(&below).map_err(failed)?;
                        set_mode(&made, mode).map_err(failed)?;
                    }
                    Err(Errno::EXIST) => {}
                    Err(errno) => return Err(failed(errno)),
                }
            }
            above = below;
        }
        Ok(())
    }
}

/// chmod(2) of what is open without rights, by way of a fresh descriptor: nothing but a directory is touched.
fn set_mode(dir: &OwnedFd, mode: Mode) -> Result<(), Errno> {
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
    let dir = fs::openat(dir, ".", flags, Mode::empty())?;
    fs::fchmod(&dir, mode)
}

impl Found {
    /// Whether it is a directory.
    pub fn is_dir(&self) -> bool {
        self.is_dir
    }

    /// Copies it, with modes and groups: what is in a volume of files is small.
    pub fn copy_to(&self, parent: &Dir, name: &str) -> Result<(), FileError> {
        // What was opened, by its number.
        let opened = format!("/proc/self/fd/{}", self.fd.as_raw_fd());
        copy(Path::new(&opened), parent, name, self.is_dir)
    }

    /// The content of a regular file of at most `limit` bytes. Nothing else is opened: a device or a named pipe may act on that.
    pub fn read(&self, limit: usize) -> Result<Vec<u8>, VolumePathError> {
        let read = || -> io::Result<Vec<u8>> {
            let stat = fs::fstat(&self.fd)?;
            if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
                return Err(io::Error::other("it is not a regular file"));
            }
            // What was opened, by its number.
            let file = File::open(format!("/proc/self/fd/{}", self.fd.as_raw_fd()))?;
            let most = u64::try_from(limit).unwrap_or(u64::MAX);
            let mut bytes = Vec::new();
            file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
            match bytes.len() > limit {
                true => Err(Errno::FBIG.into()),
                false => Ok(bytes),
            }
        };
        read().map_err(|source| VolumePathError::Read {
            path: self.path.clone(),
            source,
        })
    }

    /// Mounts it, and what is mounted below it, on `at`, which is trusted and of its kind.
    pub fn show(&self, at: &Path) -> Result<(), VolumePathError> {
        let show = || {
            let flags = OpenTreeFlags::OPEN_TREE_CLONE
                | OpenTreeFlags::OPEN_TREE_CLOEXEC
                | OpenTreeFlags::AT_EMPTY_PATH
                | OpenTreeFlags::AT_RECURSIVE;
            let tree = open_tree(self.fd.as_fd(), "", flags)?;
            let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
            move_mount(tree.as_fd(), "", fs::CWD, at, flags)
        };
        show().map_err(|errno: Errno| VolumePathError::Show {
            path: self.path.clone(),
            at: at.to_owned(),
            source: errno.into(),
        })
    }
}

fn copy(from: &Path, parent: &Dir, name: &str, is_dir: bool) -> Result<(), FileError> {
    let failed = |source: io::Error| parent.error("copy", name, source);
    let found = std::fs::metadata(from).map_err(failed)?;
    let mode = found.mode() & 0o7777;
    if !is_dir {
        let bytes = std::fs::read(from).map_err(failed)?;
        parent.write(name, &bytes, mode)?;
        return parent.set_group(name, found.gid());
    }
    let dir = parent.create_sub(name, mode)?;
    for entry in std::fs::read_dir(from).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let kind = entry.file_type().map_err(failed)?;
        // Links are of the volume's own making, and what they lead to is copied too.
        if !kind.is_symlink() {
            let name = entry.file_name().to_string_lossy().into_owned();
            copy(&entry.path(), &dir, &name, kind.is_dir())?;
        }
    }
    parent.set_group(name, found.gid())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::files::tests::Scratch;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    fn content(found: &Found) -> String {
        let path = format!(
            "/proc/self/fd/{}",
            std::os::fd::AsRawFd::as_raw_fd(&found.fd)
        );
        std::fs::read_to_string(path).unwrap()
    }

    #[test]
    fn links_do_not_lead_out() {
        let scratch = Scratch::new();
        let root = scratch.0.join("volume");
        std::fs::create_dir_all(root.join("etc")).unwrap();
        let put = |dir: &Path, name: &str, text: &str| {
            let dir = crate::host::files::Dir::create(dir).unwrap();
            dir.write(name, text.as_bytes(), 0o644).unwrap();
        };
        put(&scratch.0, "secret", "host");
        put(&root.join("etc"), "passwd", "inside");
        for (link, target) in [
            ("absolute", "/etc"),
            ("up", "../../../../../etc"),
            ("out", "../secret"),
            ("self", "self"),
            ("dangling", "/nothing"),
        ] {
            symlink(target, root.join(link)).unwrap();
        }
        let volume = Volume::open(&root).unwrap();
        for path in [
            "etc/passwd",
            "absolute/passwd",
            "up/passwd",
            "../etc/passwd",
        ] {
            assert_eq!(
                content(&volume.find(path, false).unwrap()),
                "inside",
                "{path}"
            );
        }
        for path in ["out", "self", "dangling", "dangling/x", "etc/passwd/x"] {
            assert!(volume.find(path, true).is_err(), "{path}");
        }
        assert!(!root.join("nothing").exists());
    }

    #[test]
    fn directories_are_made_with_the_mode_of_the_volume() {
        let scratch = Scratch::new();
        let root = scratch.0.join("volume");
        std::fs::create_dir(&root).unwrap();
        std::fs::set_permissions(&root, std::fs::Permissions::from_mode(0o777)).unwrap();
        let volume = Volume::open(&root).unwrap();
        assert!(volume.find("a/b", false).is_err());
        assert!(volume.find("a/b", true).unwrap().is_dir());
        let mode = std::fs::metadata(root.join("a/b")).unwrap().permissions();
        assert_eq!(mode.mode() & 0o777, 0o777);
    }
}
