//! A layer's archive becomes a directory in the form that overlayfs takes.
//!
//! Archives come from strangers and are unpacked by root, so nothing in them is believed. Every name is resolved by the
//! kernel below the open directory of the layer ([`tree`]): an absolute path, `..`, a link that leads out end inside. Of
//! attributes only those are kept that containers need ([`entry`]). What an archive may cost has limits ([`Limits`]).
//! The directory is a temporary one of the store's, which is thrown away after any error.
//!
//! Whiteouts (`.wh.NAME`, `.wh..wh..opq`: image-spec layer.md) become character devices 0:0 and
//! `trusted.overlay.opaque`; other names that begin with `.wh..wh.` are bookkeeping of AUFS and left out. Device nodes are
//! left out: a container's `/dev` is not from its image.

mod entry;
mod tree;

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod huge;
#[cfg(test)]
mod tests;

use entry::{Entry, Kind, Names};
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use tree::Tree;

/// What one layer may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the uncompressed archive.
    pub bytes: u64,
    /// Files, directories, links and whiteouts.
    pub entries: u64,
}

impl Default for Limits {
    /// 32 GiB and a million entries.
    fn default() -> Self {
        Self {
            bytes: 32 << 30,
            entries: 1_000_000,
        }
    }
}

/// What a layer became.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Bytes of files.
    pub bytes: u64,
    /// Entries that are there.
    pub entries: u64,
    /// Device nodes that were left out.
    pub devices: u64,
}

/// Why a layer was not unpacked.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// The archive could not be read: it is cut short, or its compression is broken.
    #[error("cannot read the archive")]
    Read(#[source] io::Error),
    /// It asks for what no layer may.
    #[error("{what}: {}", path.display())]
    Hostile {
        /// What it is.
        what: &'static str,
        /// Where in the archive.
        path: PathBuf,
    },
    /// It is bigger than allowed.
    #[error("the layer has more than {limit} {what}")]
    TooBig {
        /// Of what it has too much.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// No space left where it is unpacked.
    #[error("no space left to unpack {}", path.display())]
    NoSpace {
        /// The entry.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// A file could not be made.
    #[error("cannot make {} of the layer", path.display())]
    Make {
        /// The entry.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

/// Reads no more than it may.
struct Bounded<R> {
    inner: R,
    left: u64,
    exceeded: bool,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left.saturating_add(1)).unwrap_or(usize::MAX);
        let end = buffer.len().min(most);
        let read = self.inner.read(&mut buffer[..end])?;
        match self.left.checked_sub(read as u64) {
            Some(left) => self.left = left,
            None => {
                self.exceeded = true;
                return Err(io::Error::other("more than a layer may have"));
            }
        }
        Ok(read)
    }
}

/// Unpacks an uncompressed archive into a directory that is empty and whose owner nobody but root can be. Reads
/// to the end of the input, so that whoever computes its digest has seen all of it.
pub fn unpack(archive: impl Read, into: &OwnedFd, limits: Limits) -> Result<Stats, UnpackError> {
    let mut bounded = Bounded {
        inner: archive,
        left: limits.bytes,
        exceeded: false,
    };
    let done = entries(&mut bounded, into, limits);
    let done = match done {
        Ok(stats) => io::copy(&mut bounded, &mut io::sink())
            .map(|_| stats)
            .map_err(UnpackError::Read),
        Err(error) => Err(error),
    };
    match bounded.exceeded {
        true => Err(UnpackError::TooBig {
            what: "bytes",
            limit: limits.bytes,
        }),
        false => done,
    }
}

fn entries(archive: impl Read, into: &OwnedFd, limits: Limits) -> Result<Stats, UnpackError> {
    let mut archive = tar::Archive::new(archive);
    let mut tree = Tree::new(into);
    let mut names = Names::default();
    let mut stats = Stats::default();
    // Raw: long names and attributes come as entries of their own, whose size is for us to judge.
    for raw in archive.entries().map_err(UnpackError::Read)?.raw(true) {
        let mut raw = raw.map_err(UnpackError::Read)?;
        let Some(entry) = names.next(&mut raw)? else {
            continue;
        };
        stats.entries += 1;
        if stats.entries > limits.entries {
            return Err(UnpackError::TooBig {
                what: "entries",
                limit: limits.entries,
            });
        }
        place(&mut tree, &entry, &mut raw, &mut stats)?;
    }
    tree.finish();
    Ok(stats)
}

fn place(
    tree: &mut Tree<'_>,
    entry: &Entry,
    content: &mut impl Read,
    stats: &mut Stats,
) -> Result<(), UnpackError> {
    match &entry.kind {
        Kind::Directory => tree.directory(entry),
        Kind::File => {
            stats.bytes += entry.size;
            tree.file(entry, content)
        }
        Kind::Symlink(target) => tree.symlink(entry, target),
        Kind::HardLink(target) => tree.hard_link(entry, target),
        Kind::Pipe => tree.pipe(entry),
        Kind::Whiteout(name) => tree.whiteout(entry, name),
        Kind::Opaque => tree.opaque(entry),
        Kind::Device => {
            stats.devices += 1;
            Ok(())
        }
        Kind::LeftOut => Ok(()),
    }
}

fn hostile(what: &'static str, path: &Path) -> UnpackError {
    UnpackError::Hostile {
        what,
        path: path.to_owned(),
    }
}

fn make_error(path: &Path, errno: rustix::io::Errno) -> UnpackError {
    use rustix::io::Errno;
    let path = path.to_owned();
    match errno {
        Errno::NOSPC | Errno::DQUOT => UnpackError::NoSpace {
            path,
            source: errno.into(),
        },
        Errno::LOOP => UnpackError::Hostile {
            what: "links that lead in a circle",
            path,
        },
        Errno::NOTDIR => UnpackError::Hostile {
            what: "a path through something that is no directory",
            path,
        },
        Errno::NAMETOOLONG => UnpackError::Hostile {
            what: "a name that is too long",
            path,
        },
        _ => UnpackError::Make {
            path,
            source: errno.into(),
        },
    }
}
