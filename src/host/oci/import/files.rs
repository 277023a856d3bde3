//! The files of an image: in a directory, or in an archive whose entries are read where they lie.

use super::super::layer::decompressed;
use super::super::store::Store;
use super::{ImportError, read_small};
use rustix::fs::{self as rfs, Mode, OFlags, ResolveFlags};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Entries of such an archive: a few for each layer.
const MOST_ENTRIES: usize = 100_000;

pub(super) struct Files {
    path: PathBuf,
    place: Place,
}

enum Place {
    Directory(File),
    /// Where each file begins, and its bytes.
    Archive(File, BTreeMap<String, (u64, u64)>),
}

impl Files {
    /// A compressed archive is decompressed into the store first, up to a limit.
    pub(super) fn open(path: &Path, store: &Store, limit: u64) -> Result<Self, ImportError> {
        let error = |source| ImportError::Open {
            path: path.to_owned(),
            source,
        };
        let file = File::open(path).map_err(error)?;
        let place = match file.metadata().map_err(error)?.is_dir() {
            true => Place::Directory(file),
            false => {
                let file = plain(file, store, limit).map_err(error)?;
                let names = entries(&file).map_err(|source| ImportError::Archive {
                    path: path.to_owned(),
                    source,
                })?;
                Place::Archive(file, names)
            }
        };
        Ok(Self {
            path: path.to_owned(),
            place,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn has(&self, name: &str) -> bool {
        match &self.place {
            Place::Directory(_) => self.open_file(name).is_ok(),
            Place::Archive(_, names) => names.contains_key(name),
        }
    }

    pub(super) fn small(&self, name: &str) -> Result<Vec<u8>, ImportError> {
        let file = self.open_file(name)?;
        read_small(file).map_err(|source| self.error(name, source))
    }

    pub(super) fn open_file(&self, name: &str) -> Result<Box<dyn Read>, ImportError> {
        let opened = || -> io::Result<Box<dyn Read>> {
            match &self.place {
                Place::Directory(directory) => {
                    // Whoever made the layout cannot have other files of the host read.
                    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
                    let inside = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
                    let fd = rfs::openat2(directory, name, flags, Mode::empty(), inside)?;
                    Ok(Box::new(File::from(fd)))
                }
                Place::Archive(file, names) => {
                    let (start, size) = names.get(name).ok_or(io::ErrorKind::NotFound)?;
                    Ok(Box::new(At {
                        file: file.try_clone()?,
                        next: *start,
                        left: *size,
                    }))
                }
            }
        };
        opened().map_err(|source| self.error(name, source))
    }

    pub(super) fn error(&self, name: &str, source: io::Error) -> ImportError {
        ImportError::Read {
            path: self.path.clone(),
            name: name.to_owned(),
            source,
        }
    }
}

/// A part of a file, whoever else reads it.
struct At {
    file: File,
    next: u64,
    left: u64,
}

impl Read for At {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        use std::os::unix::fs::FileExt as _;
        let most = usize::try_from(self.left).unwrap_or(usize::MAX);
        let end = buffer.len().min(most);
        let read = self.file.read_at(&mut buffer[..end], self.next)?;
        self.next += read as u64;
        self.left -= read as u64;
        Ok(read)
    }
}

fn plain(mut file: File, store: &Store, limit: u64) -> io::Result<File> {
    let mut start = [0; 4];
    let read = file.read(&mut start)?;
    file.seek(SeekFrom::Start(0))?;
    let start = &start[..read];
    if !start.starts_with(&[0x1f, 0x8b]) && !start.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        return Ok(file);
    }
    // It has no name, and is gone with this program.
    let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
    let mut whole = File::from(rfs::open(store.root(), flags, Mode::RUSR | Mode::WUSR)?);
    let copied = io::copy(&mut decompressed(file)?.take(limit + 1), &mut whole)?;
    if copied > limit {
        return Err(io::Error::other(format!(
            "more than {limit} bytes when decompressed"
        )));
    }
    whole.seek(SeekFrom::Start(0))?;
    Ok(whole)
}

fn entries(file: &File) -> io::Result<BTreeMap<String, (u64, u64)>> {
    let mut names = BTreeMap::new();
    let mut links = Vec::new();
    let mut archive = tar::Archive::new(file);
    for entry in archive.entries_with_seek()?.raw(true) {
        let entry = entry?;
        let name = |bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes).into_owned();
            text.strip_prefix("./").map(str::to_owned).unwrap_or(text)
        };
        let path = name(&entry.path_bytes());
        let kind = entry.header().entry_type();
        if kind.is_file() {
            names.insert(path, (entry.raw_file_position(), entry.size()));
        } else if kind.is_symlink() || kind.is_hard_link() {
            // Older docker writes a layer that is there twice as a link to the other directory.
            let target = name(&entry.link_name_bytes().unwrap_or_default());
            links.push((path, target));
        }
        if names.len() + links.len() > MOST_ENTRIES {
            return Err(io::Error::other("too many entries"));
        }
    }
    for (path, target) in links {
        let target = target.strip_prefix("../").unwrap_or(&target);
        if let Some(found) = names.get(target).copied() {
            names.insert(path, found);
        }
    }
    Ok(names)
}
