//! User namespaces of pods: a range of the host's user and group ids of their own, and the namespaces that belong to them.
//!
//! A user namespace is made by a process of one thread, and its ids are given by another one. So `vks users` makes it with
//! network, IPC and UTS namespaces, which belong to it then, and waits; here the ids are given, and what it made is bound to
//! files, which outlive it.

use super::mounts::{self, MountError};
use super::namespace::{self, NamespaceError};
use super::process::Process;
use nix::sched::{CloneFlags, unshare};
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// How many ids a pod has, from 0.
pub const COUNT: u32 = 65536;
/// The first id that pods are given: systemd (docs/UIDS-GIDS.md) and shadow leave 0x70000000 to 0x7FFDFFFF to nobody.
pub const FIRST: u32 = 0x7000_0000;
/// How many ranges there are.
pub const RANGES: u32 = (0x7FFE_0000 - FIRST) / COUNT;

/// How many namespaces there may be in that of the process that writes it.
const MOST: &str = "/proc/sys/user/max_user_namespaces";
/// Whom the kernel shows for ids that a namespace does not have.
const NOBODY: u32 = 65534;

/// Why a pod has no users of its own.
#[derive(Debug, thiserror::Error)]
pub enum UsersError {
    /// The process that makes the namespaces was not there.
    #[error("cannot start vks users")]
    Start(#[source] io::Error),
    /// It made none.
    #[error("the host gives the pod no user namespace (sysctl user.max_user_namespaces): {0}")]
    Refused(String),
    /// The ids were refused.
    #[error("cannot give the pod the ids from {first} on")]
    Ids {
        /// The first of them.
        first: u32,
        /// What the kernel said.
        source: io::Error,
    },
    /// A namespace has no place.
    #[error("cannot use {path} for a namespace", path = path.display())]
    File {
        /// The path.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The network namespace has no name.
    #[error(transparent)]
    Network(#[from] NamespaceError),
    /// A namespace was not bound to its file.
    #[error(transparent)]
    Mount(#[from] MountError),
}

/// Where the namespaces of a pod are bound. The directories must be there, but for the network's.
#[derive(Debug, Clone, Copy)]
pub struct Places<'a> {
    /// Users.
    pub user: &'a Path,
    /// IPC.
    pub ipc: &'a Path,
    /// UTS.
    pub uts: &'a Path,
    /// Network.
    pub network: &'a Path,
}

/// Makes the namespaces with the ids from `first` on, none inside them if not `nested`, in place of what is there.
pub fn create(places: Places<'_>, first: u32, nested: bool) -> Result<(), UsersError> {
    let mut maker = Maker::start(nested)?;
    let of = PathBuf::from(format!("/proc/{}", maker.0.id()));
    for map in ["uid_map", "gid_map"] {
        let text = format!("0 {first} {COUNT}\n");
        put(&of.join(map), &text).map_err(|source| UsersError::Ids { first, source })?;
    }
    namespace::network_directory(places.network)?;
    namespace::name_network(places.network, &of.join("ns/net"))?;
    for (kind, at) in [("ipc", places.ipc), ("uts", places.uts)] {
        pin(&of.join("ns").join(kind), at)?;
    }
    // Last: that it is there says that all are.
    pin(&of.join("ns/user"), places.user)?;
    maker.end();
    Ok(())
}

/// Writes into a file of the kernel, all at once.
fn put(path: &Path, text: &str) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).open(path)?;
    file.write_all(text.as_bytes())
}

fn pin(namespace: &Path, at: &Path) -> Result<(), UsersError> {
    let failed = |source| UsersError::File {
        path: at.to_owned(),
        source,
    };
    while at.exists() && mounts::is_mount_point(at)? {
        mounts::detach(at)?;
    }
    File::create(at).map_err(failed)?;
    Ok(mounts::bind(namespace, at)?)
}

/// `vks users`, waiting. It ends when this does.
struct Maker(Child);

impl Maker {
    fn start(nested: bool) -> Result<Self, UsersError> {
        let mut command = Command::new("/proc/self/exe");
        command.arg("users").args(nested.then_some("--nested"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut maker = Self(command.spawn().map_err(UsersError::Start)?);
        let mut said = [0];
        let out = maker.0.stdout.as_mut();
        let read = out.map_or(Ok(0), |out| out.read(&mut said));
        match read.map_err(UsersError::Start)? {
            0 => Err(UsersError::Refused("see the line before".to_owned())),
            _ => Ok(maker),
        }
    }

    fn end(&mut self) {
        // It ends by itself when its input does.
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

impl Drop for Maker {
    fn drop(&mut self) {
        self.end();
    }
}

/// Lets nobody make more user namespaces in that of this process.
pub fn nest_no_more() -> io::Result<()> {
    put(Path::new(MOST), "0\n")
}

/// Makes the namespaces, for a process of one thread.
pub fn unshare_all() -> io::Result<()> {
    let kinds = CloneFlags::CLONE_NEWUSER
        | CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWUTS;
    Ok(unshare(kinds)?)
}

/// The users of a process, when they are not this one's.
#[derive(Debug)]
pub struct Others {
    namespace: File,
    path: PathBuf,
    first: (u32, u32),
}

impl Others {
    /// Of a process.
    pub fn of(process: &Process) -> io::Result<Option<Self>> {
        let path = process.proc_dir().join("ns/user");
        let namespace = File::open(&path)?;
        let own = fs::metadata("/proc/self/ns/user")?.ino();
        if namespace.metadata()?.ino() == own {
            return Ok(None);
        }
        let first = |map| -> io::Result<u32> {
            let text = fs::read_to_string(process.proc_dir().join(map))?;
            let first = text.split_whitespace().nth(1);
            first
                .and_then(|first| first.parse().ok())
                .ok_or_else(|| io::Error::other(format!("{map}: {text:?}")))
        };
        let first = (first("uid_map")?, first("gid_map")?);
        Ok(Some(Self {
            namespace,
            path,
            first,
        }))
    }

    /// The number by which they know a user of the host.
    pub fn user(&self, host: u32) -> u32 {
        host.checked_sub(self.first.0).unwrap_or(NOBODY)
    }

    /// The number by which they know a group of the host.
    pub fn group(&self, host: u32) -> u32 {
        host.checked_sub(self.first.1).unwrap_or(NOBODY)
    }

    /// Joins them as their user 0: only for a program of one thread that is about to become another one.
    pub fn enter(&self) -> Result<(), NamespaceError> {
        enter(&self.namespace, &self.path)
    }
}

/// Joins the user namespace that is open, with mounts that belong to it and are this process' alone, as its user 0: only for a
/// program of one thread that is about to become another one.
pub fn join(users: &File, of: &Path) -> Result<(), NamespaceError> {
    enter(users, of)?;
    unshare(CloneFlags::CLONE_NEWNS).map_err(|errno| NamespaceError::Create(errno.into()))
}

fn enter(users: &File, of: &Path) -> Result<(), NamespaceError> {
    namespace::enter(users, CloneFlags::CLONE_NEWUSER, || {
        of.display().to_string()
    })?;
    let failed = |errno: nix::Error| NamespaceError::Enter {
        whose: of.display().to_string(),
        source: errno.into(),
    };
    let (user, group) = (nix::unistd::Uid::from_raw(0), nix::unistd::Gid::from_raw(0));
    nix::unistd::setgroups(&[]).map_err(failed)?;
    nix::unistd::setresgid(group, group, group).map_err(failed)?;
    nix::unistd::setresuid(user, user, user).map_err(failed)
}
