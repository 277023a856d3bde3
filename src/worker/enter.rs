//! `vks enter`: becomes a program in a running container. The one way in, for `vks exec`, for exec probes and
//! for hooks.
//!
//! A fresh process of one thread joins the namespaces of the container's process, its control group, its root
//! and working directory, takes on its user, groups, environment, file mode mask, resource limits, weight for the
//! out-of-memory killer, bounding and ambient capabilities and no-new-privileges bit, and executes the program. Not
//! taken on: the filter of system calls (`SystemCallFilter=`), which no process can copy from another.

use super::args::{Allowed, ArgumentError, Arguments};
use crate::chain;
use crate::host::limits;
use crate::host::namespace::{self, NamespaceError};
use crate::host::process::{Process, ProcessError, Status};
use crate::host::users::Others;
use nix::sched::CloneFlags;
use nix::unistd::{Gid, Uid};
use rustix::fs::{Mode, OFlags};
use rustix::process::{Resource, Rlimit};
use rustix::thread::{CapabilitySet, CapabilitySets, capability_is_in_bounding_set};
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Command, ExitCode};

/// What shells give back when a program is there but cannot be executed.
const NOT_EXECUTABLE: u8 = 126;
/// What shells give back when there is no such program.
const NOT_FOUND: u8 = 127;

/// Why a program was not started in a container.
#[derive(Debug, thiserror::Error)]
pub enum EnterError {
    /// The command line.
    #[error("cannot understand the arguments of vks enter")]
    Arguments(#[from] ArgumentError),
    /// The container has ended.
    #[error("process {0} has ended")]
    Gone(u32),
    /// Something could not be learnt of its process.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// Its namespaces could not be joined.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// A property of its process could not be taken on.
    #[error("cannot take on the {what} of process {pid}")]
    TakeOn {
        /// The property.
        what: &'static str,
        /// The process.
        pid: u32,
        /// What the kernel said.
        source: io::Error,
    },
    /// Standard input did not become the controlling terminal.
    #[error("cannot make standard input the controlling terminal")]
    Terminal(#[source] io::Error),
    /// The program did not start.
    #[error("cannot execute {program:?} in the container")]
    Execute {
        /// The program.
        program: OsString,
        /// What the kernel said.
        source: io::Error,
    },
}

impl EnterError {
    fn code(&self) -> ExitCode {
        match self {
            Self::Arguments(_) => ExitCode::from(2),
            Self::Execute { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                ExitCode::from(NOT_FOUND)
            }
            _ => ExitCode::from(NOT_EXECUTABLE),
        }
    }
}

/// Runs the verb. Returns only when there was no program to become, or when it ran as a child (in a pid
/// namespace of its own).
pub fn main(args: &[OsString]) -> ExitCode {
    match run(args) {
        Ok(code) => code,
        Err(error) => {
            // Here standard error is that of whoever asked for the program.
            let _ = writeln!(io::stderr(), "vks: {}", chain::line(&error));
            error.code()
        }
    }
}

fn run(args: &[OsString]) -> Result<ExitCode, EnterError> {
    let allowed = [Allowed::Value("--pid"), Allowed::Flag("--tty")];
    let args = Arguments::parse(args, &allowed)?;
    args.end()?;
    let pid = args
        .option("--pid")?
        .ok_or(ArgumentError::Missing("--pid"))?;
    let tty = args.flag("--tty");
    let (program, arguments) = args
        .rest
        .split_first()
        .ok_or(ArgumentError::Missing("a program after --"))?;

    let target = Target::learn(pid)?;
    if tty {
        take_terminal()?;
    }
    target.become_like()?;

    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .envs(target.environment.iter().map(|(name, value)| (name, value)));
    if tty && let Some(term) = std::env::var_os("TERM") {
        command.env("TERM", term);
    }
    let failed = |source| EnterError::Execute {
        program: program.clone(),
        source,
    };
    if !target.namespaces.contains(CloneFlags::CLONE_NEWPID) {
        return Err(failed(command.exec()));
    }
    // Only a child is in a joined pid namespace. The container's init ends it with the namespace.
    let status = command.status().map_err(failed)?;
    let code = status.code().or_else(|| Some(128 + status.signal()?));
    let code = code.and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

fn take_terminal() -> Result<(), EnterError> {
    rustix::process::setsid()
        .and_then(|_| rustix::process::ioctl_tiocsctty(rustix::stdio::stdin()))
        .map_err(|errno| EnterError::Terminal(errno.into()))
}

/// All that is taken on, read before anything of it is: afterwards `/proc` may be another one.
struct Target {
    process: Process,
    status: Status,
    environment: Vec<(OsString, OsString)>,
    limits: Vec<(Resource, Rlimit)>,
    /// `oom_score_adj`, a number as text.
    oom: Vec<u8>,
    namespaces: CloneFlags,
    users: Option<Others>,
    root: OwnedFd,
    directory: OwnedFd,
    same_root: bool,
}

impl Target {
    fn learn(pid: u32) -> Result<Self, EnterError> {
        let process = Process::open(pid)?.ok_or(EnterError::Gone(pid))?;
        let learn = || -> Result<_, EnterError> {
            let directory = |name, what| {
                let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
                let path = process.proc_dir().join(name);
                rustix::fs::open(path, flags, Mode::empty()).map_err(|errno| EnterError::TakeOn {
                    what,
                    pid,
                    source: errno.into(),
                })
            };
            let root = directory("root", "root directory")?;
            let same_root = same_directory(&root, Path::new("/"));
            Ok((
                process.status()?,
                process.environment()?,
                limits::of(&process)?,
                process.read("oom_score_adj")?,
                namespace::different(&process)?,
                Others::of(&process).map_err(|source| EnterError::TakeOn {
                    what: "user namespace",
                    pid,
                    source,
                })?,
                root,
                directory("cwd", "working directory")?,
                same_root,
            ))
        };
        let learnt = learn();
        // After its end, the number may be another's: then nothing of what was read counts.
        if process.has_exited()? {
            return Err(EnterError::Gone(pid));
        }
        let (mut status, environment, limits, oom, namespaces, users, root, directory, same_root) =
            learnt?;
        if let Some(users) = &users {
            status.uid = users.user(status.uid);
            status.gid = users.group(status.gid);
            let groups = status.groups.iter().map(|group| users.group(*group));
            status.groups = groups.collect();
        }
        Ok(Self {
            process,
            status,
            environment,
            limits,
            oom,
            namespaces,
            users,
            root,
            directory,
            same_root,
        })
    }

    fn become_like(&self) -> Result<(), EnterError> {
        self.join_cgroup();
        self.take_limits()?;
        namespace::join(&self.process, self.namespaces)?;
        let take = |what| {
            let pid = self.process.pid();
            move |source: rustix::io::Errno| EnterError::TakeOn {
                what,
                pid,
                source: source.into(),
            }
        };
        if !self.same_root || self.namespaces.contains(CloneFlags::CLONE_NEWNS) {
            rustix::process::fchdir(&self.root).map_err(take("root directory"))?;
            rustix::process::chroot(".").map_err(take("root directory"))?;
        }
        rustix::process::fchdir(&self.directory).map_err(take("working directory"))?;
        // After all that the host's root may do and theirs may not.
        if let Some(users) = &self.users {
            users.enter()?;
        }
        rustix::process::umask(Mode::from_raw_mode(self.status.umask));
        if self.status.no_new_privileges {
            rustix::thread::set_no_new_privs(true).map_err(take("no-new-privileges bit"))?;
        }
        self.bound_capabilities().map_err(take("bounding set"))?;
        self.change_user()
    }

    /// While this is still root, and `/proc` still ours.
    fn take_limits(&self) -> Result<(), EnterError> {
        let failed = |what, source| EnterError::TakeOn {
            what,
            pid: self.process.pid(),
            source,
        };
        std::fs::OpenOptions::new()
            .write(true)
            .open("/proc/self/oom_score_adj")
            .and_then(|mut file| file.write_all(&self.oom))
            .map_err(|source| failed("weight for the out-of-memory killer", source))?;
        for (resource, limit) in &self.limits {
            rustix::process::setrlimit(*resource, *limit)
                .map_err(|errno| failed("resource limits", errno.into()))?;
        }
        Ok(())
    }

    /// Best effort: without it the program runs, but is accounted to whoever started it.
    fn join_cgroup(&self) {
        let Ok(groups) = self.process.cgroups() else {
            return;
        };
        let own = std::process::id().to_string();
        for group in groups {
            for file in group.procs_files(Path::new("/sys/fs/cgroup")) {
                // Only one of the candidates is there; a hierarchy may be read-only.
                let opened = std::fs::OpenOptions::new().write(true).open(file);
                let _ = opened.and_then(|mut file| file.write_all(own.as_bytes()));
            }
        }
    }

    fn bound_capabilities(&self) -> rustix::io::Result<()> {
        for bit in 0..u64::BITS {
            let capability = CapabilitySet::from_bits_retain(1 << bit);
            // The first number that this kernel does not know is an error: there are no more.
            let Ok(bounded) = capability_is_in_bounding_set(capability) else {
                break;
            };
            if bounded && self.status.bounding & (1 << bit) == 0 {
                rustix::thread::remove_capability_from_bounding_set(capability)?;
            }
        }
        Ok(())
    }

    fn change_user(&self) -> Result<(), EnterError> {
        let (user, group) = (
            Uid::from_raw(self.status.uid),
            Gid::from_raw(self.status.gid),
        );
        let groups: Vec<Gid> = self
            .status
            .groups
            .iter()
            .copied()
            .map(Gid::from_raw)
            .collect();
        let failed = |what, source| EnterError::TakeOn {
            what,
            pid: self.process.pid(),
            source,
        };
        nix::unistd::setgroups(&groups)
            .and_then(|()| nix::unistd::setresgid(group, group, group))
            .map_err(|errno| failed("groups", errno.into()))?;
        let ambient = CapabilitySet::from_bits_retain(self.status.ambient);
        // Becoming another user takes all capabilities away, unless that is asked not to be.
        let keep = |on| match ambient.is_empty() {
            true => Ok(()),
            false => rustix::thread::set_keep_capabilities(on)
                .map_err(|errno| failed("capabilities", errno.into())),
        };
        keep(true)?;
        nix::unistd::setresuid(user, user, user).map_err(|errno| failed("user", errno.into()))?;
        keep(false)?;
        raise(ambient).map_err(|errno| failed("capabilities", errno.into()))
    }
}

/// Makes capabilities ambient, and keeps no others.
fn raise(ambient: CapabilitySet) -> rustix::io::Result<()> {
    if ambient.is_empty() {
        return Ok(());
    }
    let sets = CapabilitySets {
        effective: ambient,
        permitted: ambient,
        inheritable: ambient,
    };
    rustix::thread::set_capabilities(None, sets)?;
    for one in (0..u64::BITS).map(|bit| CapabilitySet::from_bits_retain(1 << bit)) {
        if ambient.contains(one) {
            rustix::thread::configure_capability_in_ambient_set(one, true)?;
        }
    }
    Ok(())
}

fn same_directory(one: &OwnedFd, other: &Path) -> bool {
    let (Ok(one), Ok(other)) = (rustix::fs::fstat(one), rustix::fs::stat(other)) else {
        return false;
    };
    (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)
}

#[cfg(test)]
mod tests;
