//! The directory of a layer while it is being made. Every path is resolved by the kernel with this directory as its root
//! (openat2(2), `RESOLVE_IN_ROOT`): what is followed or made lies inside, whatever links the archive has brought.

use super::entry::Entry;
use super::{UnpackError, hostile, make_error};
use crate::host::files::Dir;
use rustix::fs::{
    self, AtFlags, CWD, FileType, Gid, Mode, OFlags, ResolveFlags, SeekFrom, Timespec, Timestamps,
    Uid, XattrFlags,
};
use rustix::io::Errno;
use std::ffi::{CStr, CString, OsStr};
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

const INSIDE: ResolveFlags = ResolveFlags::IN_ROOT.union(ResolveFlags::NO_MAGICLINKS);
const PATH: OFlags = OFlags::PATH.union(OFlags::CLOEXEC);
const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);
/// What overlayfs reads of a directory that hides those below it.
const OPAQUE: &CStr = c"trusted.overlay.opaque";
/// At once read and written.
const BLOCK: usize = 128 << 10;
/// What is left out of files: they have holes there, which read the same and take no room.
static ZEROS: [u8; BLOCK] = [0; BLOCK];

pub(super) struct Tree<'a> {
    root: &'a OwnedFd,
    /// The last parent, since entries of a directory come together.
    last: Option<(PathBuf, OwnedFd)>,
    /// Times of directories: set last, for what is made in them changes them.
    times: Vec<(PathBuf, i64)>,
    block: Vec<u8>,
}

impl<'a> Tree<'a> {
    pub(super) fn new(root: &'a OwnedFd) -> Self {
        Self {
            root,
            last: None,
            times: Vec::new(),
            block: vec![0; BLOCK],
        }
    }

    pub(super) fn directory(&mut self, entry: &Entry) -> Result<(), UnpackError> {
        let fd = match name(&entry.path)? {
            None => fs::openat(self.root, ".", DIRECTORY, Mode::empty()),
            Some(name) => {
                let parent = self.parent(&entry.path)?;
                let failed = |errno| make_error(&entry.path, errno);
                match kind(parent, &name).map_err(failed)? {
                    Some(FileType::Directory) => {}
                    found => {
                        replace(parent, &name, found, &entry.path)?;
                        fs::mkdirat(parent, &name, Mode::RWXU).map_err(failed)?;
                        if found == Some(FileType::CharacterDevice) {
                            // What the layers below have of this name stays hidden.
                            let fd = fs::openat(parent, &name, DIRECTORY, Mode::empty());
                            hide_below(&fd.map_err(failed)?).map_err(failed)?;
                        }
                    }
                }
                fs::openat(parent, &name, DIRECTORY | OFlags::NOFOLLOW, Mode::empty())
            }
        };
        let fd = fd.map_err(|errno| make_error(&entry.path, errno))?;
        self.times.push((entry.path.clone(), entry.mtime));
        dress(&fd, entry)
    }

    pub(super) fn file(
        &mut self,
        entry: &Entry,
        content: &mut impl Read,
    ) -> Result<(), UnpackError> {
        let name = self.room(entry)?;
        let mut block = std::mem::take(&mut self.block);
        let parent = self.parent(&entry.path)?;
        let failed = |errno| make_error(&entry.path, errno);
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = fs::openat(parent, &name, flags, Mode::RUSR | Mode::WUSR).map_err(failed)?;
        let mut left = entry.size;
        let mut hole = false;
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(BLOCK).min(BLOCK);
            let read = match content.read(&mut block[..most]) {
                Ok(0) => {
                    let kind = std::io::ErrorKind::UnexpectedEof;
                    return Err(UnpackError::Read(kind.into()));
                }
                Ok(read) => read,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(UnpackError::Read(error)),
            };
            let mut rest = &block[..read];
            hole = rest == &ZEROS[..read];
            if hole {
                fs::seek(&fd, SeekFrom::Current(read as i64)).map_err(failed)?;
                rest = &[];
            }
            while !rest.is_empty() {
                let written = rustix::io::write(&fd, rest).map_err(failed)?;
                rest = &rest[written..];
            }
            left -= read as u64;
        }
        self.block = block;
        if hole {
            fs::ftruncate(&fd, entry.size).map_err(failed)?;
        }
        dress(&fd, entry)?;
        let _ = fs::futimens(&fd, &times(entry.mtime));
        Ok(())
    }

    pub(super) fn symlink(&mut self, entry: &Entry, target: &CStr) -> Result<(), UnpackError> {
        let name = self.room(entry)?;
        let parent = self.parent(&entry.path)?;
        let failed = |errno| make_error(&entry.path, errno);
        fs::symlinkat(target, parent, &name).map_err(failed)?;
        own(parent, &name, entry)
    }

    pub(super) fn hard_link(&mut self, entry: &Entry, target: &Path) -> Result<(), UnpackError> {
        let nowhere = || hostile("a hard link to what is not in the layer", &entry.path);
        let found = fs::openat2(
            self.root,
            target,
            PATH | OFlags::NOFOLLOW,
            Mode::empty(),
            INSIDE,
        );
        let found = found.map_err(|errno| match errno {
            Errno::NOENT => nowhere(),
            errno => make_error(&entry.path, errno),
        })?;
        let failed = |errno| make_error(&entry.path, errno);
        let what = fs::fstat(&found).map_err(failed)?;
        if FileType::from_raw_mode(what.st_mode) == FileType::Directory {
            return Err(hostile("a hard link to a directory", &entry.path));
        }
        // A link to itself, which would be removed to make room for it.
        if let Some(name) = name(&entry.path)? {
            let parent = self.parent(&entry.path)?;
            let same = fs::statat(parent, &name, AtFlags::SYMLINK_NOFOLLOW);
            if same.is_ok_and(|same| (same.st_dev, same.st_ino) == (what.st_dev, what.st_ino)) {
                return Ok(());
            }
        }
        let name = self.room(entry)?;
        let parent = self.parent(&entry.path)?;
        let linked = fs::linkat(&found, "", parent, &name, AtFlags::EMPTY_PATH);
        linked.map_err(failed)
    }

    pub(super) fn pipe(&mut self, entry: &Entry) -> Result<(), UnpackError> {
        let name = self.room(entry)?;
        let parent = self.parent(&entry.path)?;
        let mode = Mode::from_raw_mode(entry.mode);
        fs::mknodat(parent, &name, FileType::Fifo, mode, 0)
            .map_err(|errno| make_error(&entry.path, errno))?;
        own(parent, &name, entry)
    }

    /// What is in this layer itself is not hidden: a whiteout is about those below it.
    pub(super) fn whiteout(&mut self, entry: &Entry, hidden: &CStr) -> Result<(), UnpackError> {
        let below = entry.path.join(OsStr::from_bytes(hidden.to_bytes()));
        let parent = self.parent(&below)?;
        let failed = |errno| make_error(&below, errno);
        match kind(parent, hidden).map_err(failed)? {
            None => {
                let mode = Mode::empty();
                fs::mknodat(parent, hidden, FileType::CharacterDevice, mode, 0).map_err(failed)
            }
            Some(FileType::Directory) => {
                let fd = fs::openat(parent, hidden, DIRECTORY | OFlags::NOFOLLOW, Mode::empty());
                hide_below(&fd.map_err(failed)?).map_err(failed)
            }
            Some(_) => Ok(()),
        }
    }

    pub(super) fn opaque(&mut self, entry: &Entry) -> Result<(), UnpackError> {
        // Any name in it: the directory is made if need be.
        let directory = self.parent(&entry.path.join("x"))?;
        hide_below(directory).map_err(|errno| make_error(&entry.path, errno))
    }

    /// Sets what could only be set last. Times are of no importance: errors are none.
    pub(super) fn finish(&mut self) {
        self.last = None;
        while let Some((path, mtime)) = self.times.pop() {
            let path = match path.as_os_str().is_empty() {
                true => Path::new("."),
                false => &path,
            };
            if let Ok(fd) = fs::openat2(self.root, path, DIRECTORY, Mode::empty(), INSIDE) {
                let _ = fs::futimens(&fd, &times(mtime));
            }
        }
    }

    /// The directory that an entry lies in, made if need be.
    fn parent(&mut self, path: &Path) -> Result<&OwnedFd, UnpackError> {
        let parent = path.parent().unwrap_or(Path::new(""));
        let known = self.last.as_ref().is_some_and(|(known, _)| known == parent);
        if !known {
            let fd = self.descend(parent)?;
            self.last = Some((parent.to_owned(), fd));
        }
        match &self.last {
            Some((_, fd)) => Ok(fd),
            None => Ok(self.root),
        }
    }

    fn descend(&self, path: &Path) -> Result<OwnedFd, UnpackError> {
        let failed = |errno| make_error(path, errno);
        if path.as_os_str().is_empty() {
            return fs::openat(self.root, ".", DIRECTORY, Mode::empty()).map_err(failed);
        }
        match fs::openat2(self.root, path, DIRECTORY, Mode::empty(), INSIDE) {
            Err(Errno::NOENT) => {}
            found => return found.map_err(failed),
        }
        // Links on the way count from the root, so each step begins there again.
        let mut so_far = PathBuf::new();
        let mut above = fs::openat(self.root, ".", DIRECTORY, Mode::empty()).map_err(failed)?;
        for part in path.iter() {
            so_far.push(part);
            above = match fs::openat2(self.root, &so_far, DIRECTORY, Mode::empty(), INSIDE) {
                Err(Errno::NOENT) => {
                    match fs::mkdirat(&above, part, Mode::from_raw_mode(0o755)) {
                        Ok(()) => {}
                        // A link that leads nowhere in this layer.
                        Err(Errno::EXIST) => {
                            return Err(hostile("a path through a link that leads nowhere", path));
                        }
                        Err(errno) => return Err(failed(errno)),
                    }
                    let fd = fs::openat(&above, part, DIRECTORY | OFlags::NOFOLLOW, Mode::empty())
                        .map_err(failed)?;
                    let _ = fs::fchmod(&fd, Mode::from_raw_mode(0o755));
                    fd
                }
                found => found.map_err(failed)?,
            };
        }
        Ok(above)
    }

    /// The name of an entry, with nothing left in its place.
    fn room(&mut self, entry: &Entry) -> Result<CString, UnpackError> {
        let name =
            name(&entry.path)?.ok_or_else(|| hostile("an entry with no name", &entry.path))?;
        let parent = self.parent(&entry.path)?;
        let found = kind(parent, &name).map_err(|errno| make_error(&entry.path, errno))?;
        let removed = found == Some(FileType::Directory);
        replace(parent, &name, found, &entry.path)?;
        if removed {
            self.last = None;
        }
        Ok(name)
    }
}

fn name(path: &Path) -> Result<Option<CString>, UnpackError> {
    let name = path.file_name().map(|name| CString::new(name.as_bytes()));
    name.transpose()
        .map_err(|_| hostile("a name with a zero byte", path))
}

fn kind(parent: &OwnedFd, name: &CStr) -> rustix::io::Result<Option<FileType>> {
    match fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(found) => Ok(Some(FileType::from_raw_mode(found.st_mode))),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// Removes what an earlier entry of the same name has made.
fn replace(
    parent: &OwnedFd,
    name: &CStr,
    found: Option<FileType>,
    path: &Path,
) -> Result<(), UnpackError> {
    let failed = |errno| make_error(path, errno);
    match found {
        None => Ok(()),
        Some(FileType::Directory) => {
            let odd = || hostile("a directory with a name that is not UTF-8, replaced", path);
            let name = name.to_str().map_err(|_| odd())?;
            let dir = parent.try_clone().map_err(|source| UnpackError::Make {
                path: path.to_owned(),
                source,
            })?;
            let dir = Dir::from_fd(dir, path.to_owned());
            dir.remove_tree(name).map_err(|error| UnpackError::Make {
                path: path.to_owned(),
                source: std::io::Error::other(error),
            })
        }
        Some(_) => fs::unlinkat(parent, name, AtFlags::empty()).map_err(failed),
    }
}

/// The owner first: it takes the bits of setuid and setgid, and capabilities, away.
fn dress(fd: &OwnedFd, entry: &Entry) -> Result<(), UnpackError> {
    let failed = |errno| make_error(&entry.path, errno);
    fs::fchown(
        fd,
        Some(Uid::from_raw(entry.uid)),
        Some(Gid::from_raw(entry.gid)),
    )
    .map_err(failed)?;
    fs::fchmod(fd, Mode::from_raw_mode(entry.mode)).map_err(failed)?;
    for (name, value) in &entry.attributes {
        match fs::fsetxattr(fd, name, value, XattrFlags::empty()) {
            // A file system that has none.
            Ok(()) | Err(Errno::OPNOTSUPP) => {}
            Err(errno) => return Err(failed(errno)),
        }
    }
    Ok(())
}

/// Owner, mode and time of what cannot be opened.
fn own(parent: &OwnedFd, name: &CStr, entry: &Entry) -> Result<(), UnpackError> {
    let (uid, gid) = (Uid::from_raw(entry.uid), Gid::from_raw(entry.gid));
    let flags = AtFlags::SYMLINK_NOFOLLOW;
    fs::chownat(parent, name, Some(uid), Some(gid), flags)
        .map_err(|errno| make_error(&entry.path, errno))?;
    if entry.kind == super::entry::Kind::Pipe {
        // What was opened by its number: chmod(2) has no way not to follow a link.
        if let Ok(fd) = fs::openat(parent, name, PATH | OFlags::NOFOLLOW, Mode::empty()) {
            let opened = format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd());
            let _ = fs::chmodat(
                CWD,
                opened,
                Mode::from_raw_mode(entry.mode),
                AtFlags::empty(),
            );
        }
    }
    let _ = fs::utimensat(parent, name, &times(entry.mtime), flags);
    Ok(())
}

fn hide_below(directory: &OwnedFd) -> rustix::io::Result<()> {
    fs::fsetxattr(directory, OPAQUE, b"y", XattrFlags::empty())
}

fn times(mtime: i64) -> Timestamps {
    let time = Timespec {
        tv_sec: mtime,
        tv_nsec: 0,
    };
    Timestamps {
        last_access: time,
        last_modification: time,
    }
}
