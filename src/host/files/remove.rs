//! Removal of directories that others can write in: links are removed, not followed, and what is mounted
//! below is left alone.

use super::{Dir, FileError, TEMPORARY, error, temporary};
use rustix::fs::{self, AtFlags, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::ffi::{CStr, CString};
use std::os::fd::OwnedFd;

/// Levels that are open at once. What lies deeper is first moved up: a container may nest its directories
/// as deep as it likes.
const DEPTH: usize = 32;

/// Refuses links and mount points, also those of bind mounts.
const INSIDE: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_XDEV);

impl Dir {
    /// Removes a file, or a directory with all that is in it. Nothing there is no error. Goes on after an
    /// error and returns the first: a mount point stays, and with it the directories above it.
    pub fn remove_tree(&self, name: &str) -> Result<(), FileError> {
        self.check(name)?;
        let c_name = CString::new(name).map_err(|_| self.error("remove", name, Errno::INVAL))?;
        let mut removal = Removal {
            top: self,
            root: name,
            first: None,
            moved: Vec::new(),
        };
        removal.entry(&self.fd, &c_name, 0);
        while let Some(deep) = removal.moved.pop() {
            removal.entry(&self.fd, &deep, 0);
        }
        removal.first.map_or(Ok(()), Err)
    }

    /// Removes what writes that were cut short have left in this directory. Only for the holder of the lock.
    pub fn sweep(&self) -> Result<(), FileError> {
        for (name, _) in self.entries()? {
            if name.starts_with(TEMPORARY) {
                self.remove_tree(&name)?;
            }
        }
        Ok(())
    }
}

struct Removal<'a> {
    top: &'a Dir,
    root: &'a str,
    first: Option<FileError>,
    /// Directories that were moved into `top`.
    moved: Vec<CString>,
}

impl Removal<'_> {
    fn entry(&mut self, parent: &OwnedFd, name: &CStr, depth: usize) {
        match fs::unlinkat(parent, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(Errno::ISDIR) => self.directory(parent, name, depth),
            Err(e) => self.failed(name, e),
        }
    }

    fn directory(&mut self, parent: &OwnedFd, name: &CStr, depth: usize) {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let fd = match fs::openat2(parent, name, flags, Mode::empty(), INSIDE) {
            Ok(fd) => fd,
            Err(Errno::NOENT) => return,
            Err(e) => return self.failed(name, e),
        };
        if depth == DEPTH {
            return self.move_up(parent, name);
        }
        loop {
            let seen = self.contents(&fd, depth + 1);
            match fs::unlinkat(parent, name, AtFlags::REMOVEDIR) {
                Ok(()) | Err(Errno::NOENT) => return,
                // A file system may skip entries while others are removed: look again.
                Err(Errno::NOTEMPTY) if seen > 0 && self.first.is_none() => {}
                Err(e) => return self.failed(name, e),
            }
        }
    }

    /// Removes what is in a directory and returns how many entries there were.
    fn contents(&mut self, fd: &OwnedFd, depth: usize) -> usize {
        let mut seen = 0;
        let entries = match fs::Dir::read_from(fd) {
            Ok(entries) => entries,
            Err(e) => {
                self.failed(c"", e);
                return 0;
            }
        };
        for entry in entries {
            match entry {
                Ok(entry) if [c".", c".."].contains(&entry.file_name()) => {}
                Ok(entry) => {
                    seen += 1;
                    self.entry(fd, entry.file_name(), depth);
                }
                Err(e) => {
                    self.failed(c"", e);
                    break;
                }
            }
        }
        seen
    }

    fn move_up(&mut self, parent: &OwnedFd, name: &CStr) {
        let moved = temporary();
        match fs::renameat(parent, name, &self.top.fd, &moved) {
            Ok(()) => self.moved.extend(CString::new(moved)),
            Err(e) => self.failed(name, e),
        }
    }

    fn failed(&mut self, name: &CStr, e: Errno) {
        let act = match e {
            Errno::XDEV | Errno::BUSY => "remove (something is mounted there)",
            _ => "remove",
        };
        let path = self.top.path.join(self.root);
        let below = path.join("**").join(name.to_string_lossy().as_ref());
        self.first.get_or_insert_with(|| match name.to_str() {
            Ok(name) if name == self.root => error(act, &path, e),
            _ => error(act, &below, e),
        });
    }
}
