//! A root directory put together in the mount namespace of this process: layers, the kernel's file systems, what of the
//! host is shown in it.
//!
//! Where something is mounted is found by the kernel below the open root (openat2(2), `RESOLVE_IN_ROOT`) and mounted on by
//! descriptor: a link in an image leads nowhere else.

mod overlay;
mod table;
mod users;

use super::idmap;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
pub use overlay::{Written, overlay, overlay_mapped};
use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use table::unescaped;
pub use users::Users;
use users::unmapped;

const INSIDE: ResolveFlags = ResolveFlags::IN_ROOT.union(ResolveFlags::NO_MAGICLINKS);
/// What file systems of the kernel are mounted with.
const FROZEN: MsFlags = MsFlags::MS_NOSUID
    .union(MsFlags::MS_NODEV)
    .union(MsFlags::MS_NOEXEC)
    .union(MsFlags::MS_RELATIME);
const PATH: OFlags = OFlags::PATH.union(OFlags::CLOEXEC);

/// Why a root was not put together.
#[derive(Debug, thiserror::Error)]
pub enum RootError {
    /// The layers.
    #[error("cannot put the layers of the image together at {}", at.display())]
    Layers {
        /// Where.
        at: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// More than this kernel takes.
    #[error("the image has too many layers ({0}) for this kernel: Linux 6.8 and newer take them")]
    TooMany(usize),
    /// There is nothing to mount on, and it cannot be made.
    #[error("cannot find or make {path:?} in the image")]
    Point {
        /// Where in the root.
        path: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// Something could not be mounted.
    #[error("cannot mount {what} on {path:?} of the container")]
    Mount {
        /// What.
        what: String,
        /// Where in the root.
        path: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// A file system whose files cannot have the owners that the container sees.
    #[error("cannot mount {} on {to:?} with the pod's own users (hostUsers: false): not every file system can, and some only \
             with a newer kernel", from.display())]
    Unmapped {
        /// What.
        from: PathBuf,
        /// Where in the root.
        to: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// The root did not become the root.
    #[error("cannot change the root directory")]
    Pivot(#[source] io::Error),
}

/// What is mounted from here on is seen in this mount namespace alone; what the host mounts still comes in. A root can
/// only be changed where nobody else would see it.
pub fn keep_to_ourselves() -> Result<(), RootError> {
    let flags = MsFlags::MS_SLAVE | MsFlags::MS_REC;
    mount(NONE, "/", NONE, flags, NONE).map_err(|errno| RootError::Pivot(errno.into()))
}

/// A root directory, open.
#[derive(Debug)]
pub struct Rootfs {
    root: OwnedFd,
    path: PathBuf,
    users: Option<Users>,
}

impl Rootfs {
    /// Opens a directory that is a mount, or makes it one of this mount namespace.
    pub fn open(path: &Path, bind: bool, users: Option<Users>) -> Result<Self, RootError> {
        let failed = |source: io::Error| RootError::Layers {
            at: path.to_owned(),
            source,
        };
        if let Some(users) = users.as_ref().filter(|_| bind) {
            let tree = idmap::mapped(path, users.namespace.as_fd(), true);
            let tree = tree.map_err(|source| unmapped(source, path, "/"))?;
            idmap::attach(&tree, path).map_err(|errno| failed(errno.into()))?;
        } else if bind {
            let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
            mount(Some(path), path, NONE, flags, NONE).map_err(|errno| failed(errno.into()))?;
        }
        let root = fs::open(path, PATH | OFlags::DIRECTORY, Mode::empty());
        Ok(Self {
            root: root.map_err(|errno| failed(errno.into()))?,
            path: path.to_owned(),
            users,
        })
    }

    /// Mounts a file system of the kernel.
    pub fn kernel(
        &self,
        kind: &str,
        to: &str,
        flags: MsFlags,
        options: &str,
    ) -> Result<(), RootError> {
        let point = self.point(to, true)?;
        let options = Some(options).filter(|options| !options.is_empty());
        self.mount(Some(kind), &point, Some(kind), flags, options)
            .map_err(|errno| mount_error(kind, to, errno))
    }

    /// Shows something of the host, and all that is mounted below it.
    pub fn bind(&self, from: &Path, to: &str, read_only: bool) -> Result<(), RootError> {
        let failed = |errno: nix::Error| mount_error(&from.display().to_string(), to, errno);
        let is_dir = std::fs::metadata(from).map(|found| found.is_dir());
        let is_dir = is_dir.map_err(|source| RootError::Mount {
            what: from.display().to_string(),
            path: to.to_owned(),
            source,
        })?;
        let point = self.point(to, is_dir)?;
        let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
        match &self.users {
            Some(users) => self.bind_mapped(users, (from, to), &point, read_only)?,
            None => {
                let from = from.to_str().unwrap_or_default();
                self.mount(Some(from), &point, None, flags, None)
                    .map_err(failed)?;
            }
        }
        match read_only {
            true => self.read_only(to),
            false => Ok(()),
        }
    }

    /// Hides what is there, if anything is.
    pub fn mask(&self, path: &str) -> Result<(), RootError> {
        let Some(point) = self.find(path)? else {
            return Ok(());
        };
        let failed = |errno| mount_error("nothing", path, errno);
        match is_dir(&point) {
            true => {
                let flags = MsFlags::MS_RDONLY;
                let options = Some("size=0k");
                self.mount(Some("tmpfs"), &point, Some("tmpfs"), flags, options)
            }
            false => self.mount(Some("/dev/null"), &point, None, MsFlags::MS_BIND, None),
        }
        .map_err(failed)
    }

    /// What a new file system of the kernel has there, if anything, cannot be written.
    pub fn freeze(&self, path: &str) -> Result<(), RootError> {
        let Some(point) = self.find(path)? else {
            return Ok(());
        };
        let from = of(&point);
        let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
        let failed = |errno| mount_error("itself", path, errno);
        self.mount(Some(&from), &point, None, flags, None)
            .map_err(failed)?;
        let Some(point) = self.find(path)? else {
            return Ok(());
        };
        // Nothing is mounted below it, so there is no need to look for what is: that takes longest of all.
        let flags = FROZEN | MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY;
        self.mount(None, &point, None, flags, None).map_err(failed)
    }

    /// Makes the mount at a path read-only, and all below it.
    pub fn read_only(&self, path: &str) -> Result<(), RootError> {
        let failed = |source: io::Error| RootError::Mount {
            what: "it read-only".to_owned(),
            path: path.to_owned(),
            source,
        };
        // The mount that is there now, by its path in the tree that is being made.
        let Some(point) = self.find(path)? else {
            return Ok(());
        };
        let top = std::fs::read_link(of(&point)).map_err(failed)?;
        let table = std::fs::read_to_string("/proc/self/mountinfo").map_err(failed)?;
        for line in table.lines() {
            let mut parts = line.split(' ').skip(4);
            let (Some(at), Some(options)) = (parts.next(), parts.next()) else {
                continue;
            };
            let at = PathBuf::from(unescaped(at));
            if !at.starts_with(&top) || (path == "/" && at != top) {
                continue;
            }
            let mut flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY;
            for option in options.split(',') {
                flags |= match option {
                    "nosuid" => MsFlags::MS_NOSUID,
                    "nodev" => MsFlags::MS_NODEV,
                    "noexec" => MsFlags::MS_NOEXEC,
                    "noatime" => MsFlags::MS_NOATIME,
                    "nodiratime" => MsFlags::MS_NODIRATIME,
                    "relatime" => MsFlags::MS_RELATIME,
                    _ => MsFlags::empty(),
                };
            }
            mount(NONE, &at, NONE, flags, NONE).map_err(|errno| failed(errno.into()))?;
        }
        Ok(())
    }

    /// A mount that hears nothing of the host's any more.
    pub fn private(&self, path: &str) -> Result<(), RootError> {
        let Some(point) = self.find(path)? else {
            return Ok(());
        };
        let flags = MsFlags::MS_PRIVATE | MsFlags::MS_REC;
        self.mount(None, &point, None, flags, None)
            .map_err(|errno| mount_error("it privately", path, errno))
    }

    /// A directory, made with those above it if need be.
    pub fn directory(&self, path: &str) -> Result<(), RootError> {
        self.point(path, true).map(drop)
    }

    /// A device node; where none can be made, the host's is shown.
    pub fn device(&self, path: &str, number: u64) -> Result<(), RootError> {
        let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
        let directory = self.point(above, true)?;
        let mode = Mode::from_raw_mode(0o666);
        let made = fs::openat2(
            &directory,
            ".",
            OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
            INSIDE,
        )
        .and_then(|fd| {
            fs::mknodat(&fd, name, FileType::CharacterDevice, mode, number)?;
            fs::chmodat(&fd, name, mode, AtFlags::empty())?;
            self.give(&fd, name)
        });
        match made {
            Ok(()) | Err(Errno::EXIST) => Ok(()),
            Err(_) => self.bind(Path::new(path), path, false),
        }
    }

    /// A link, unless something is there.
    pub fn link(&self, target: &str, path: &str) -> Result<(), RootError> {
        let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
        let directory = self.point(above, true)?;
        let made = fs::symlinkat(target, &directory, name);
        match made.and_then(|()| self.give(&directory, name)) {
            Ok(()) | Err(Errno::EXIST) => Ok(()),
            Err(errno) => Err(point_error(path, errno)),
        }
    }

    /// Becomes the root of this process, and of nobody else's: the old one is gone from this mount namespace.
    pub fn enter(self) -> Result<(), RootError> {
        let failed = |source: io::Error| RootError::Pivot(source);
        std::env::set_current_dir(&self.path).map_err(failed)?;
        rustix::process::pivot_root(".", ".").map_err(|errno| failed(errno.into()))?;
        umount2(".", MntFlags::MNT_DETACH).map_err(|errno| failed(errno.into()))?;
        std::env::set_current_dir("/").map_err(failed)
    }

    /// Where something is mounted: what is there, else an empty directory or file that is made.
    fn point(&self, path: &str, directory: bool) -> Result<OwnedFd, RootError> {
        if let Some(found) = self.find(path)? {
            return match directory || !is_dir(&found) {
                true => Ok(found),
                false => Err(point_error(path, Errno::ISDIR)),
            };
        }
        let failed = |errno| point_error(path, errno);
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let mut so_far = String::new();
        for (index, part) in parts.iter().enumerate() {
            let above = match so_far.as_str() {
                "" => "/",
                path => path,
            };
            let above = fs::openat2(
                &self.root,
                above,
                OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
                Mode::empty(),
                INSIDE,
            )
            .map_err(failed)?;
            so_far = format!("{so_far}/{part}");
            if self.find(&so_far)?.is_some() {
                continue;
            }
            let mode = Mode::from_raw_mode(0o755);
            if directory || index + 1 < parts.len() {
                self.make(|| fs::mkdirat(&above, *part, mode))
                    .map_err(failed)?;
            } else {
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
                self.make(|| fs::openat(&above, *part, flags, mode))
                    .map_err(failed)?;
            }
            self.give(&above, part).map_err(failed)?;
        }
        self.find(path)?
            .ok_or_else(|| point_error(path, Errno::NOENT))
    }

    fn find(&self, path: &str) -> Result<Option<OwnedFd>, RootError> {
        let path = if path.is_empty() { "/" } else { path };
        match fs::openat2(&self.root, path, PATH, Mode::empty(), INSIDE) {
            Ok(found) => Ok(Some(found)),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(point_error(path, errno)),
        }
    }

    fn mount(
        &self,
        what: Option<&str>,
        point: &OwnedFd,
        kind: Option<&str>,
        flags: MsFlags,
        options: Option<&str>,
    ) -> nix::Result<()> {
        mount(what, of(point).as_str(), kind, flags, options)
    }
}

const NONE: Option<&str> = None;

/// What is open, as a path.
fn of(fd: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}

fn is_dir(fd: &OwnedFd) -> bool {
    let found = fs::statat(fd, "", AtFlags::EMPTY_PATH);
    found.is_ok_and(|found| FileType::from_raw_mode(found.st_mode) == FileType::Directory)
}

fn point_error(path: &str, errno: Errno) -> RootError {
    RootError::Point {
        path: path.to_owned(),
        source: errno.into(),
    }
}

fn mount_error(what: &str, path: &str, errno: nix::Error) -> RootError {
    RootError::Mount {
        what: what.to_owned(),
        path: path.to_owned(),
        source: errno.into(),
    }
}
