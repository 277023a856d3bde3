//! The root directory of a container that has one of its own: put together in the mount namespace that systemd gave its
//! unit, just before the program starts, by `vks launch --root`.
//!
//! Everything is mounted while the host's tree is still the root, so that all sources are the host's; then the new root takes
//! its place and the host's is gone. Each run of a container has a fresh writable layer, as for the kubelet. What a
//! container sees of `/proc`, `/sys` and `/dev` is what the usual runtimes show (runtime-spec config-linux.md, containerd's
//! default specification).

use crate::host::files::{Dir, FileError};
use crate::host::namespace::NamespaceError;
use crate::host::rootfs::{
    RootError, Rootfs, Users, Written, keep_to_ourselves, overlay, overlay_mapped,
};
use crate::host::users;
use crate::model::root::{Bind, Root};
use nix::mount::MsFlags;
use nix::sched::{CloneFlags, unshare};
use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};

/// What tells too much of the host, or could be used against it.
const MASKED: [&str; 12] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];
/// What changes the host.
const FROZEN: [&str; 5] = [
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
];
/// Device nodes by major and minor number (Linux' devices.txt).
const DEVICES: [(&str, u32, u32); 6] = [
    ("/dev/null", 1, 3),
    ("/dev/zero", 1, 5),
    ("/dev/full", 1, 7),
    ("/dev/random", 1, 8),
    ("/dev/urandom", 1, 9),
    ("/dev/tty", 5, 0),
];
const LINKS: [(&str, &str); 5] = [
    ("/proc/self/fd", "/dev/fd"),
    ("/proc/self/fd/0", "/dev/stdin"),
    ("/proc/self/fd/1", "/dev/stdout"),
    ("/proc/self/fd/2", "/dev/stderr"),
    ("pts/ptmx", "/dev/ptmx"),
];
/// The group of terminals, by custom.
const TTY: u32 = 5;
/// The parts of where a root is put together.
const PARTS: [&str; 4] = ["upper", "work", "root", "layers"];

/// Why a container has no root.
#[derive(Debug, thiserror::Error)]
pub(super) enum PrepareError {
    #[error("cannot prepare the writable layer of the container")]
    Upper(#[source] FileError),
    #[error(transparent)]
    Root(#[from] RootError),
    #[error("cannot make a cgroup namespace")]
    Cgroup(#[source] io::Error),
    #[error("the pod has no users of its own: {}", at.display())]
    Users { at: PathBuf, source: io::Error },
    #[error("cannot join the pod's users")]
    Join(#[from] NamespaceError),
    #[error("cannot find {}, which is mounted on {to:?}", from.display())]
    Source {
        from: PathBuf,
        to: String,
        source: io::Error,
    },
}

/// A root that is ready to be entered.
#[derive(Debug)]
pub(super) struct Prepared {
    rootfs: Rootfs,
    read_only: bool,
    path: PathBuf,
    users: Option<(File, PathBuf)>,
}

/// Puts the root together. This process must have a mount namespace of its own.
pub(super) fn prepare(root: &Root) -> Result<Prepared, PrepareError> {
    keep_to_ourselves()?;
    let users = root.users.as_deref().map(Path::new);
    let open = |path: &Path| {
        users_of(path).map_err(|source| PrepareError::Users {
            at: path.to_owned(),
            source,
        })
    };
    let (rootfs, path) = base(root, users.map(open).transpose()?)?;
    let users = match users {
        Some(path) => Some((open(path)?.namespace, path.to_owned())),
        None => None,
    };
    kernel(&rootfs, root)?;
    devices(&rootfs, root)?;
    // Where they end must not be decided by what is mounted in the meantime: in the order of the manifest.
    for bind in &root.binds {
        show(&rootfs, bind)?;
    }
    if !root.privileged && !root.unmasked {
        MASKED.iter().try_for_each(|path| rootfs.mask(path))?;
        FROZEN.iter().try_for_each(|path| rootfs.freeze(path))?;
    }
    for (index, volume) in root.volumes.iter().enumerate() {
        let mounted = root.binds.iter().any(|bind| bind.to == *volume);
        if mounted {
            continue;
        }
        rootfs.directory(volume)?;
        if root.read_only && !root.layers.is_empty() {
            let own = volume_directory(root, index)?;
            // Owned as volumes of the pod are: on the disk by what the container sees.
            rootfs.bind(&own, volume, false)?;
        }
    }
    rootfs.directory(&root.working_dir)?;
    Ok(Prepared {
        rootfs,
        read_only: root.read_only,
        path,
        users,
    })
}

/// The namespace that is bound to a path, and beside it the first of its ids.
fn users_of(path: &Path) -> io::Result<Users> {
    let first = std::fs::read_to_string(path.with_file_name("user-range"))?;
    let first = first.trim().parse().map_err(io::Error::other)?;
    Ok(Users {
        namespace: File::open(path)?,
        first,
    })
}

impl Prepared {
    /// Where the terminals of the container are made, while the host's tree is the root.
    pub(super) fn terminals(&self) -> PathBuf {
        self.path.join("dev/pts/ptmx")
    }

    /// Makes it the root.
    pub(super) fn enter(self) -> Result<(), PrepareError> {
        if self.read_only {
            self.rootfs.read_only("/")?;
        }
        self.rootfs.enter()?;
        match &self.users {
            Some((users, path)) => Ok(users::join(users, path)?),
            None => Ok(()),
        }
    }

    /// The host's id of the container's user and group 0.
    pub(super) fn first_id(&self) -> u32 {
        self.rootfs.first_id()
    }
}

fn base(root: &Root, users: Option<Users>) -> Result<(Rootfs, PathBuf), PrepareError> {
    let directory = Path::new(&root.directory);
    if root.layers.is_empty() {
        return Ok((Rootfs::open(directory, true, users)?, directory.to_owned()));
    }
    let parts = || -> Result<(), FileError> {
        let above = directory.parent().unwrap_or(Path::new("/"));
        let name = directory.file_name().and_then(|name| name.to_str());
        let own = Dir::create(above.parent().unwrap_or(above))?
            .create_sub("rootfs", 0o700)?
            .create_sub(name.unwrap_or("container"), 0o700)?;
        for part in PARTS {
            own.remove_tree(part)?;
            let made = own.create_sub(part, 0o755)?;
            let to = users.as_ref().map(|users| users.first);
            if let Some(first) = to {
                made.give_to(first, first)?;
            }
        }
        Ok(())
    };
    parts().map_err(PrepareError::Upper)?;
    let highest_first: Vec<PathBuf> = root.layers.iter().rev().map(PathBuf::from).collect();
    let path = directory.join("root");
    let (upper, work) = (directory.join("upper"), directory.join("work"));
    let written = Written {
        upper: &upper,
        work: &work,
    };
    match &users {
        Some(users) => {
            let at_hand = directory.join("layers");
            let users = (users.namespace.as_fd(), at_hand.as_path());
            overlay_mapped(&highest_first, Some(written), &path, users)?;
        }
        None => overlay(&highest_first, Some(written), &path)?,
    }
    Ok((Rootfs::open(&path, false, users)?, path))
}

fn volume_directory(root: &Root, index: usize) -> Result<PathBuf, PrepareError> {
    let own = Path::new(&root.directory);
    let made = Dir::create(own).and_then(|own| {
        let volumes = own.create_sub("volumes", 0o700)?;
        volumes.remove_tree(&index.to_string())?;
        volumes.create_sub(&index.to_string(), 0o755).map(drop)
    });
    made.map_err(PrepareError::Upper)?;
    Ok(own.join("volumes").join(index.to_string()))
}

fn kernel(rootfs: &Rootfs, root: &Root) -> Result<(), PrepareError> {
    let plain = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    let frozen = match root.privileged {
        true => plain,
        false => plain | MsFlags::MS_RDONLY,
    };
    rootfs.kernel("proc", "/proc", plain, "")?;
    rootfs.kernel("sysfs", "/sys", frozen, "")?;
    unshare(CloneFlags::CLONE_NEWCGROUP).map_err(|errno| PrepareError::Cgroup(errno.into()))?;
    // A host with control groups of version 1 has none to show.
    let flags = frozen | MsFlags::MS_RELATIME;
    let _ = rootfs.kernel("cgroup2", "/sys/fs/cgroup", flags, "");
    Ok(())
}

fn devices(rootfs: &Rootfs, root: &Root) -> Result<(), PrepareError> {
    if root.privileged {
        return Ok(rootfs.bind(Path::new("/dev"), "/dev", false)?);
    }
    let quiet = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    let own = MsFlags::MS_NOSUID | MsFlags::MS_STRICTATIME;
    let first = rootfs.first_id();
    let owner = format!("uid={first},gid={first}");
    let options = format!("mode=755,size=65536k,{owner}");
    rootfs.kernel("tmpfs", "/dev", own, &options)?;
    for (path, major, minor) in DEVICES {
        rootfs.device(path, rustix::fs::makedev(major, minor))?;
    }
    let pts = format!("newinstance,ptmxmode=0666,mode=0620,gid={}", first + TTY);
    rootfs.kernel("devpts", "/dev/pts", quiet, &pts)?;
    let quiet = quiet | MsFlags::MS_NODEV;
    rootfs.kernel("mqueue", "/dev/mqueue", quiet, "")?;
    if !root.binds.iter().any(|bind| bind.to == "/dev/shm") {
        let options = format!("mode=1777,size=65536k,{owner}");
        rootfs.kernel("tmpfs", "/dev/shm", quiet, &options)?;
    }
    for (target, path) in LINKS {
        rootfs.link(target, path)?;
    }
    Ok(())
}

fn show(rootfs: &Rootfs, bind: &Bind) -> Result<(), PrepareError> {
    let from = Path::new(&bind.from);
    match from.metadata() {
        Ok(_) => {}
        Err(_) if bind.optional => return Ok(()),
        Err(source) => {
            return Err(PrepareError::Source {
                from: from.to_owned(),
                to: bind.to.clone(),
                source,
            });
        }
    }
    rootfs.bind(from, &bind.to, bind.read_only)?;
    if bind.private {
        rootfs.private(&bind.to)?;
    }
    Ok(())
}
