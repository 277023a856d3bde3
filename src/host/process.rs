//! Other processes: a handle that survives the reuse of their number, and what `/proc` says of them.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Why something could not be done to a process or learnt of it.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// The process could not be opened.
    #[error("cannot open process {pid}")]
    Open {
        /// Its number.
        pid: u32,
        /// What the kernel said.
        source: io::Error,
    },
    /// It could not be signalled.
    #[error("cannot send a signal to process {pid}")]
    Signal {
        /// Its number.
        pid: u32,
        /// What the kernel said.
        source: io::Error,
    },
    /// Its end could not be waited for.
    #[error("cannot wait for the end of process {pid}")]
    Wait {
        /// Its number.
        pid: u32,
        /// What the kernel said.
        source: io::Error,
    },
    /// A file below `/proc/PID` could not be read.
    #[error("cannot read {path}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// `/proc/PID/status` lacks a line.
    #[error("/proc/{pid}/status has no readable {field} line")]
    Status {
        /// The process.
        pid: u32,
        /// The line.
        field: &'static str,
    },
}

/// A process, held by a pidfd: never another one that got the same number later.
#[derive(Debug)]
pub struct Process {
    pid: u32,
    fd: OwnedFd,
}

impl Process {
    /// Opens a process; `None` when there is none of that number.
    pub fn open(pid: u32) -> Result<Option<Self>, ProcessError> {
        let Some(number) = i32::try_from(pid).ok().and_then(Pid::from_raw) else {
            return Ok(None);
        };
        match pidfd_open(number, PidfdFlags::empty()) {
            Ok(fd) => Ok(Some(Self { pid, fd })),
            Err(Errno::SRCH) => Ok(None),
            Err(errno) => Err(ProcessError::Open {
                pid,
                source: errno.into(),
            }),
        }
    }

    /// Its number.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Its directory in `/proc`.
    pub fn proc_dir(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}", self.pid))
    }

    /// Sends a signal; `false` when the process is gone.
    pub fn signal(&self, signal: Signal) -> Result<bool, ProcessError> {
        match pidfd_send_signal(&self.fd, signal) {
            Ok(()) => Ok(true),
            Err(Errno::SRCH) => Ok(false),
            Err(errno) => Err(ProcessError::Signal {
                pid: self.pid,
                source: errno.into(),
            }),
        }
    }

    /// Whether it has ended, reaped or not.
    pub fn has_exited(&self) -> Result<bool, ProcessError> {
        self.wait_exit(Duration::ZERO)
    }

    /// Blocks the thread until it has ended (`true`) or the time is over (`false`).
    pub fn wait_exit(&self, limit: Duration) -> Result<bool, ProcessError> {
        let deadline = Instant::now() + limit;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let timeout = Timespec::try_from(left).ok();
            let mut fds = [PollFd::new(&self.fd, PollFlags::IN)];
            match poll(&mut fds, timeout.as_ref()) {
                Ok(0) => return Ok(false),
                Ok(_) => return Ok(true),
                Err(Errno::INTR) => {}
                Err(errno) => {
                    return Err(ProcessError::Wait {
                        pid: self.pid,
                        source: errno.into(),
                    });
                }
            }
        }
    }

    /// Reads a file below its directory in `/proc`. What is read belongs to this process only if it has
    /// not exited afterwards: ask [`Process::has_exited`].
    pub fn read(&self, name: &str) -> Result<Vec<u8>, ProcessError> {
        let path = self.proc_dir().join(name);
        std::fs::read(&path).map_err(|source| ProcessError::Read { path, source })
    }

    /// What `/proc/PID/status` says.
    pub fn status(&self) -> Result<Status, ProcessError> {
        let text = self.read("status")?;
        let text = String::from_utf8_lossy(&text);
        Status::parse(&text).map_err(|field| ProcessError::Status {
            pid: self.pid,
            field,
        })
    }

    /// Its environment as it was when it was started.
    pub fn environment(&self) -> Result<Vec<(OsString, OsString)>, ProcessError> {
        Ok(parse_environ(&self.read("environ")?))
    }

    /// The service that it is part of, by its control group.
    pub fn service(&self) -> Result<Option<String>, ProcessError> {
        let groups = self.cgroups()?;
        Ok(groups.iter().find_map(Cgroup::service).map(str::to_owned))
    }

    /// The control groups it is in.
    pub fn cgroups(&self) -> Result<Vec<Cgroup>, ProcessError> {
        let text = self.read("cgroup")?;
        Ok(parse_cgroups(&String::from_utf8_lossy(&text)))
    }
}

impl AsFd for Process {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// The part of `/proc/PID/status` that a process can hand on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// Effective user.
    pub uid: u32,
    /// Effective group.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
    /// File mode creation mask.
    pub umask: u32,
    /// Bounding set of capabilities, a bit each.
    pub bounding: u64,
    /// Ambient set of capabilities: what a user other than root keeps when it starts a program.
    pub ambient: u64,
    /// Whether it may never gain privileges.
    pub no_new_privileges: bool,
}

impl Status {
    /// Reads the text; the error is the line that is missing or malformed. `Umask`, `CapAmb` and `NoNewPrivs` may
    /// be missing (0022, none and no).
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let line = |field: &'static str| {
            text.lines()
                .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))
                .map(str::trim)
        };
        let effective = |field| {
            let value = line(field)?.split_whitespace().nth(1)?;
            value.parse().ok()
        };
        let groups = line("Groups").ok_or("Groups")?.split_whitespace();
        Ok(Self {
            uid: effective("Uid").ok_or("Uid")?,
            gid: effective("Gid").ok_or("Gid")?,
            groups: groups
                .map(str::parse)
                .collect::<Result<_, _>>()
                .map_err(|_| "Groups")?,
            umask: line("Umask").map_or(Ok(0o022), |text| {
                u32::from_str_radix(text, 8).map_err(|_| "Umask")
            })?,
            bounding: line("CapBnd")
                .and_then(|text| u64::from_str_radix(text, 16).ok())
                .ok_or("CapBnd")?,
            ambient: line("CapAmb")
                .and_then(|text| u64::from_str_radix(text, 16).ok())
                .unwrap_or_default(),
            no_new_privileges: line("NoNewPrivs") == Some("1"),
        })
    }
}

/// Splits `/proc/PID/environ`. What has no `=` or an empty name is not a variable.
pub fn parse_environ(bytes: &[u8]) -> Vec<(OsString, OsString)> {
    bytes
        .split(|byte| *byte == 0)
        .filter_map(|entry| {
            let at = entry.iter().position(|byte| *byte == b'=')?;
            let (name, value) = (&entry[..at], &entry[at + 1..]);
            (at > 0).then(|| {
                (
                    OsString::from_vec(name.to_vec()),
                    OsStr::from_bytes(value).to_owned(),
                )
            })
        })
        .collect()
}

/// A control group in one hierarchy: a line of `/proc/PID/cgroup`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cgroup {
    /// Controllers of a version 1 hierarchy (`cpu,cpuacct`, `name=systemd`); empty for version 2.
    pub controllers: String,
    /// Path in the hierarchy, beginning with `/`.
    pub path: String,
}

impl Cgroup {
    /// The service of systemd whose control group this is, or one below it.
    pub fn service(&self) -> Option<&str> {
        let systemd = self.controllers.is_empty() || self.controllers == "name=systemd";
        let mut parts = self.path.split('/');
        let found = parts.find(|part| part.ends_with(".service"));
        found.filter(|_| systemd)
    }

    /// Where its `cgroup.procs` may be, given where the hierarchies are mounted (`/sys/fs/cgroup`): the
    /// version 2 tree is that directory itself, or `unified` in it beside version 1 hierarchies.
    pub fn procs_files(&self, mount: &Path) -> Vec<PathBuf> {
        let below = self.path.trim_start_matches('/');
        let file = |hierarchy: PathBuf| hierarchy.join(below).join("cgroup.procs");
        match self.controllers.strip_prefix("name=") {
            Some(name) => vec![file(mount.join(name))],
            None if self.controllers.is_empty() => {
                vec![file(mount.to_owned()), file(mount.join("unified"))]
            }
            None => vec![file(mount.join(&self.controllers))],
        }
    }
}

/// Reads `/proc/PID/cgroup`. A group that was removed while the process is in it is left out.
pub fn parse_cgroups(text: &str) -> Vec<Cgroup> {
    text.lines()
        .filter_map(|line| {
            let mut parts = line.splitn(3, ':').skip(1);
            let controllers = parts.next()?.to_owned();
            let path = parts.next()?.to_owned();
            let usable = path.starts_with('/') && !path.ends_with(" (deleted)");
            usable.then_some(Cgroup { controllers, path })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_gives_effective_ids_and_sets() {
        let text = "Name:\tx\nUmask:\t0027\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nGroups:\t10 20 \n\
                    CapBnd:\t000001ffffffffff\nCapAmb:\t0400\nNoNewPrivs:\t1\n";
        let status = Status::parse(text).unwrap();
        let expected = Status {
            uid: 2,
            gid: 6,
            groups: vec![10, 20],
            umask: 0o027,
            bounding: 0x1ff_ffff_ffff,
            ambient: 0x400,
            no_new_privileges: true,
        };
        assert_eq!(status, expected);
        assert_eq!(
            Status::parse("Uid:\t1\t2\nGid:\t5\t6\nGroups:\t\n"),
            Err("CapBnd")
        );
        assert_eq!(
            Status::parse("Uid:\tx\nGid:\t5\t6\nGroups:\t\n"),
            Err("Uid")
        );
    }

    #[test]
    fn own_status_is_readable() {
        let own = Process::open(std::process::id()).unwrap().unwrap();
        let status = own.status().unwrap();
        assert_eq!(status.uid, nix::unistd::geteuid().as_raw());
        assert!(!own.has_exited().unwrap());
        assert!(!own.environment().unwrap().is_empty());
    }

    #[test]
    fn environ_is_split_at_zeros_and_the_first_equals_sign() {
        let pairs = parse_environ(b"A=1\0B=x=y\0=odd\0none\0C=\0\xff=\xfe\0");
        let text = |s: &OsString| s.as_bytes().to_vec();
        let all: Vec<_> = pairs.iter().map(|(k, v)| (text(k), text(v))).collect();
        let want: [(&[u8], &[u8]); 4] = [
            (b"A", b"1"),
            (b"B", b"x=y"),
            (b"C", b""),
            (b"\xff", b"\xfe"),
        ];
        assert_eq!(all.len(), want.len());
        for (got, want) in all.iter().zip(want) {
            assert_eq!((got.0.as_slice(), got.1.as_slice()), want);
        }
    }

    #[test]
    fn cgroups_of_both_versions_have_a_procs_file() {
        let groups =
            parse_cgroups("4:cpu,cpuacct:/a:b\n1:name=systemd:/x\n0::/y\n0::/z (deleted)\n");
        let mount = Path::new("/sys/fs/cgroup");
        let files: Vec<_> = groups.iter().flat_map(|g| g.procs_files(mount)).collect();
        let want = [
            "/sys/fs/cgroup/cpu,cpuacct/a:b/cgroup.procs",
            "/sys/fs/cgroup/systemd/x/cgroup.procs",
            "/sys/fs/cgroup/y/cgroup.procs",
            "/sys/fs/cgroup/unified/y/cgroup.procs",
        ];
        assert_eq!(files, want.map(PathBuf::from));
    }

    #[test]
    fn the_service_of_a_process_is_in_its_control_group() {
        let groups = parse_cgroups(
            "4:cpu:/x.service\n0::/vks.slice/vks-a.slice/vks.a.b.c.service/below\n0::/user.slice\n",
        );
        let services: Vec<_> = groups.iter().map(Cgroup::service).collect();
        assert_eq!(services, [None, Some("vks.a.b.c.service"), None]);
    }

    #[test]
    fn a_dead_process_has_exited_and_takes_no_signal() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let process = Process::open(child.id()).unwrap().unwrap();
        assert!(!process.has_exited().unwrap());
        assert!(process.signal(Signal::KILL).unwrap());
        assert!(process.wait_exit(Duration::from_secs(20)).unwrap());
        child.wait().unwrap();
        assert!(!process.signal(Signal::KILL).unwrap());
        assert!(Process::open(0).unwrap().is_none());
    }
}
