//! Files below a directory: whole or not at all, and never through a symbolic link.
//!
//! A [`Dir`] is an open directory. What is done in it takes one name, or a path whose parts are resolved
//! beneath it with links refused (openat2(2)), so that nobody who can write below can lead vks elsewhere.

mod group;
mod remove;

pub use group::GroupAccess;

use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, RenameFlags, ResolveFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// What could not be done with which file.
#[derive(Debug, thiserror::Error)]
#[error("cannot {act} {}", path.display())]
pub struct FileError {
    act: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl FileError {
    /// Of something that had to be there.
    pub fn missing(path: &Path) -> Self {
        error("find", path, Errno::NOENT)
    }
}

/// An open directory and its path, which is only for messages.
#[derive(Debug)]
pub struct Dir {
    fd: OwnedFd,
    path: PathBuf,
}

/// Names that begin so are of a write that was cut short; whoever holds the lock may remove them.
pub const TEMPORARY: &str = ".vks-tmp-";

const BENEATH: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS);
const DIRECTORY: OFlags = OFlags::DIRECTORY
    .union(OFlags::RDONLY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

impl Dir {
    /// Opens a directory by a path that is trusted. `None` when there is none.
    pub fn open(path: &Path) -> Result<Option<Self>, FileError> {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let found = absent(fs::open(path, flags, Mode::empty()));
        let fd = found.map_err(|e| error("open", path, e))?;
        let path = path.to_owned();
        Ok(fd.map(|fd| Self { fd, path }))
    }

    /// Opens a directory by a path that is trusted, and makes it, and those above it, if need be: mode 0755.
    pub fn create(path: &Path) -> Result<Self, FileError> {
        // As a rule it is there, and to make one that is there costs more than to open it.
        if let Some(dir) = Self::open(path)? {
            return Ok(dir);
        }
        let made = std::fs::create_dir_all(path);
        made.map_err(|e| error("make", path, e))?;
        match Self::open(path)? {
            Some(dir) => Ok(dir),
            None => Err(error("open", path, Errno::NOENT)),
        }
    }

    /// A directory that is open already; the path is only for messages.
    pub(in crate::host) fn from_fd(fd: OwnedFd, path: PathBuf) -> Self {
        Self { fd, path }
    }

    /// Its path, for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens a directory below, by a relative path. `None` when there is none.
    pub fn sub(&self, path: &str) -> Result<Option<Self>, FileError> {
        let found = fs::openat2(&self.fd, path, DIRECTORY, Mode::empty(), BENEATH);
        let path = self.path.join(path);
        let fd = absent(found).map_err(|e| error("open", &path, e))?;
        Ok(fd.map(|fd| Self { fd, path }))
    }

    /// Opens a directory in this one with this mode; made, or its mode set, if need be.
    pub fn create_sub(&self, name: &str, mode: u32) -> Result<Self, FileError> {
        self.check(name)?;
        let mode = Mode::from_raw_mode(mode);
        match fs::mkdirat(&self.fd, name, mode) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(e) => return Err(self.error("make", name, e)),
        }
        let opened = fs::openat2(&self.fd, name, DIRECTORY, Mode::empty(), BENEATH);
        let fd = opened.map_err(|e| self.error("open", name, e))?;
        // mkdir(2) takes bits off by the umask.
        fs::fchmod(&fd, mode).map_err(|e| self.error("set the mode of", name, e))?;
        let path = self.path.join(name);
        Ok(Self { fd, path })
    }

    /// Writes a file: readers see the old content or the new, never a part. It is not yet safe from a
    /// power loss: see [`Dir::sync`].
    pub fn write(&self, name: &str, bytes: &[u8], mode: u32) -> Result<(), FileError> {
        self.check(name)?;
        let temporary = temporary();
        let renamed = self.fill(&temporary, bytes, mode).and_then(|()| {
            fs::renameat(&self.fd, &temporary, &self.fd, name).map_err(io::Error::from)
        });
        self.undo(&temporary, renamed)
            .map_err(|e| self.error("write", name, e))
    }

    /// Gives the directory itself to a user and a group.
    pub fn give_to(&self, user: u32, group: u32) -> Result<(), FileError> {
        let (user, group) = (fs::Uid::from_raw(user), fs::Gid::from_raw(group));
        fs::fchown(&self.fd, Some(user), Some(group)).map_err(|e| error("give away", &self.path, e))
    }

    /// Gives a file or directory in it to a group. A link is not followed.
    pub fn set_group(&self, name: &str, group: u32) -> Result<(), FileError> {
        self.check(name)?;
        let group = Some(fs::Gid::from_raw(group));
        let given = fs::chownat(&self.fd, name, None, group, AtFlags::SYMLINK_NOFOLLOW);
        given.map_err(|e| self.error("give to a group", name, e))
    }

    /// Makes an empty file unless there is one; whether it did.
    pub fn create_file(&self, name: &str, mode: u32) -> Result<bool, FileError> {
        self.check(name)?;
        match self.fill(name, &[], mode) {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(e) => Err(self.error("make", name, e)),
        }
    }

    /// Makes a symbolic link in place of whatever link or file has that name.
    pub fn symlink(&self, name: &str, target: &str) -> Result<(), FileError> {
        self.check(name)?;
        let temporary = temporary();
        let renamed = fs::symlinkat(target, &self.fd, &temporary)
            .and_then(|()| fs::renameat(&self.fd, &temporary, &self.fd, name))
            .map_err(io::Error::from);
        self.undo(&temporary, renamed)
            .map_err(|e| self.error("link", name, e))
    }

    /// The target of a symbolic link; `None` when there is nothing, or something else, of that name.
    pub fn read_link(&self, name: &str) -> Result<Option<String>, FileError> {
        self.check(name)?;
        match fs::readlinkat(&self.fd, name, Vec::new()) {
            Ok(target) => Ok(target.into_string().ok()),
            Err(Errno::NOENT | Errno::INVAL) => Ok(None),
            Err(e) => Err(self.error("read", name, e)),
        }
    }

    /// The content of a regular file; `None` when there is none of that name. Larger than `limit` bytes is
    /// an error.
    pub fn read(&self, name: &str, limit: usize) -> Result<Option<Vec<u8>>, FileError> {
        let read = self.read_with_mode(name, limit)?;
        Ok(read.map(|(bytes, _)| bytes))
    }

    /// The same with the file's permission bits.
    pub fn read_with_mode(
        &self,
        name: &str,
        limit: usize,
    ) -> Result<Option<(Vec<u8>, u32)>, FileError> {
        self.check(name)?;
        // NONBLOCK: a fifo in the place of a file must not hold us up.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let opened = fs::openat2(&self.fd, name, flags, Mode::empty(), BENEATH);
        let Some(fd) = absent(opened).map_err(|e| self.error("read", name, e))? else {
            return Ok(None);
        };
        let read = read_regular(File::from(fd), limit);
        read.map(Some).map_err(|e| self.error("read", name, e))
    }

    /// Removes a file or link, whatever it links to; whether there was one.
    pub fn remove(&self, name: &str) -> Result<bool, FileError> {
        self.check(name)?;
        let removed = absent(fs::unlinkat(&self.fd, name, AtFlags::empty()));
        let removed = removed.map_err(|e| self.error("remove", name, e))?;
        Ok(removed.is_some())
    }

    /// Renames; a file or empty directory of the new name is replaced.
    pub fn rename(&self, from: &str, to: &str) -> Result<(), FileError> {
        self.rename_with(from, to, RenameFlags::empty())
    }

    /// Changes two names over in one step.
    pub fn exchange(&self, one: &str, other: &str) -> Result<(), FileError> {
        self.rename_with(one, other, RenameFlags::EXCHANGE)
    }

    fn rename_with(&self, from: &str, to: &str, flags: RenameFlags) -> Result<(), FileError> {
        self.check(from)?;
        self.check(to)?;
        let renamed = fs::renameat_with(&self.fd, from, &self.fd, to, flags);
        renamed.map_err(|e| self.error("rename", from, e))
    }

    /// What is in it, unsorted. Names that are not UTF-8, which vks never makes, are left out.
    pub fn entries(&self) -> Result<Vec<(String, FileType)>, FileError> {
        let failed = |e| error("list", &self.path, e);
        let mut entries = Vec::new();
        for entry in fs::Dir::read_from(&self.fd).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let Ok(name) = entry.file_name().to_str() else {
                continue;
            };
            if name != "." && name != ".." {
                entries.push((name.to_owned(), entry.file_type()));
            }
        }
        Ok(entries)
    }

    /// Whether there is anything of that name.
    pub fn has(&self, name: &str) -> Result<bool, FileError> {
        self.check(name)?;
        let found = absent(fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW));
        let found = found.map_err(|e| self.error("look at", name, e))?;
        Ok(found.is_some())
    }

    /// Its permission bits.
    pub fn mode(&self) -> Result<u32, FileError> {
        let stat = fs::fstat(&self.fd).map_err(|e| error("look at", &self.path, e))?;
        Ok(stat.st_mode & 0o7777)
    }

    /// Waits until nobody else has this lock of the directory, and has it for as long as this lives. It keeps out only
    /// those who ask for it too (flock(2)). Blocks the thread.
    pub fn lock(&self) -> Result<(), FileError> {
        let locked = fs::flock(&self.fd, fs::FlockOperation::LockExclusive);
        locked.map_err(|e| error("lock", &self.path, e))
    }

    /// Makes all that was written to this file system so far safe from a power loss: once for a batch.
    pub fn sync(&self) -> Result<(), FileError> {
        fs::syncfs(&self.fd).map_err(|e| error("write out", &self.path, e))
    }

    fn fill(&self, name: &str, bytes: &[u8], mode: u32) -> io::Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let fd = fs::openat(&self.fd, name, flags, Mode::from_raw_mode(0o600))?;
        let mut file = File::from(fd);
        file.write_all(bytes)?;
        fs::fchmod(&file, Mode::from_raw_mode(mode))?;
        Ok(())
    }

    /// After a failure, leaves no temporary file behind.
    fn undo(&self, temporary: &str, result: io::Result<()>) -> io::Result<()> {
        if result.is_err() {
            // The first error is the one that matters.
            let _ = fs::unlinkat(&self.fd, temporary, AtFlags::empty());
        }
        result
    }

    /// A name is one part of a path: keys and volumes come from manifests.
    pub(super) fn check(&self, name: &str) -> Result<(), FileError> {
        match name {
            "" | "." | ".." => Err(self.error("use the name", name, Errno::INVAL)),
            name if name.contains(['/', '\0']) => {
                Err(self.error("use the name", name, Errno::INVAL))
            }
            _ => Ok(()),
        }
    }

    pub(in crate::host) fn error(
        &self,
        act: &'static str,
        name: &str,
        source: impl Into<io::Error>,
    ) -> FileError {
        FileError {
            act,
            // Not `join`: a name that begins with `/` would replace the path.
            path: format!("{}/{name}", self.path.display()).into(),
            source: source.into(),
        }
    }
}

fn error(act: &'static str, path: &Path, source: impl Into<io::Error>) -> FileError {
    FileError {
        act,
        path: path.to_owned(),
        source: source.into(),
    }
}

/// "There is none" is an answer, not an error.
fn absent<T>(result: Result<T, Errno>) -> Result<Option<T>, Errno> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(Errno::NOENT) => Ok(None),
        Err(e) => Err(e),
    }
}

fn read_regular(file: File, limit: usize) -> io::Result<(Vec<u8>, u32)> {
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(Errno::INVAL.into());
    }
    let mut bytes = Vec::with_capacity(usize::try_from(meta.len()).unwrap_or(0).min(limit));
    let most = u64::try_from(limit).unwrap_or(u64::MAX);
    file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    match bytes.len() > limit {
        true => Err(Errno::FBIG.into()),
        false => Ok((bytes, meta.mode() & 0o7777)),
    }
}

/// A new name in the process; the process id keeps it apart from other processes.
fn temporary() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{TEMPORARY}{}-{number}", std::process::id())
}

#[cfg(test)]
pub(crate) mod tests;
