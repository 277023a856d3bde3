//! What an archive says, one entry at a time: names of any of the formats, checked, and the attributes that are kept.

use super::{UnpackError, hostile};
use std::ffi::{CString, OsStr};
use std::io::Read;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use tar::{EntryType, Header, PaxExtensions};

/// A long name, or all attributes of an entry, have at most so many bytes.
const MOST_BYTES: u64 = 1 << 20;
/// Linux' PATH_MAX.
const LONGEST_PATH: usize = 4096;
/// Linux' XATTR_SIZE_MAX.
const LONGEST_ATTRIBUTE: usize = 64 << 10;
/// Extended attributes of one entry.
const MOST_ATTRIBUTES: usize = 64;

/// An entry, with its path below the layer.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// Relative, without `.` and `..`; empty for the layer itself. Of whiteouts: where they take effect.
    pub path: PathBuf,
    pub kind: Kind,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// Seconds since 1970.
    pub mtime: i64,
    /// Of a file.
    pub size: u64,
    pub attributes: Vec<(CString, Vec<u8>)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Directory,
    File,
    Symlink(CString),
    /// A path as [`Entry::path`].
    HardLink(PathBuf),
    Pipe,
    Device,
    /// Takes away what the layers below have of this name in the directory.
    Whiteout(CString),
    /// Takes away all that they have in the directory.
    Opaque,
    LeftOut,
}

/// Gathers what comes before an entry: long names (GNU) and extensions (PAX).
#[derive(Debug, Default)]
pub(super) struct Names {
    long_name: Option<Vec<u8>>,
    long_link: Option<Vec<u8>>,
    pax: Option<Vec<u8>>,
}

impl Names {
    /// The entry, or nothing when this one only says something about the next.
    pub(super) fn next<R: Read>(
        &mut self,
        raw: &mut tar::Entry<'_, R>,
    ) -> Result<Option<Entry>, UnpackError> {
        let kind = raw.header().entry_type();
        let slot = match kind {
            EntryType::GNULongName => &mut self.long_name,
            EntryType::GNULongLink => &mut self.long_link,
            EntryType::XHeader => &mut self.pax,
            EntryType::XGlobalHeader => return Ok(None),
            _ => {
                let names = std::mem::take(self);
                return names.entry(raw).map(Some);
            }
        };
        let size = raw.size();
        if size > MOST_BYTES {
            let path = PathBuf::from(OsStr::from_bytes(&raw.path_bytes()));
            return Err(hostile("a name or attributes of more than 1 MiB", &path));
        }
        let mut bytes = Vec::new();
        raw.read_to_end(&mut bytes).map_err(UnpackError::Read)?;
        *slot = Some(bytes);
        Ok(None)
    }

    fn entry<R: Read>(self, raw: &tar::Entry<'_, R>) -> Result<Entry, UnpackError> {
        let header = raw.header();
        let extensions = Extensions::read(self.pax.as_deref().unwrap_or_default());
        let until_nul = |bytes: Vec<u8>| {
            let end = bytes.iter().position(|byte| *byte == 0);
            bytes[..end.unwrap_or(bytes.len())].to_vec()
        };
        let name = extensions
            .path
            .or(self.long_name.map(until_nul))
            .unwrap_or_else(|| raw.path_bytes().into_owned());
        let link = extensions
            .link
            .or(self.long_link.map(until_nul))
            .or_else(|| raw.link_name_bytes().map(|name| name.into_owned()));
        let path = inside(&name)?;
        let number = |of: Option<u64>, else_of: std::io::Result<u64>| match of.or(else_of.ok()) {
            Some(number) => u32::try_from(number).ok().filter(|n| *n != u32::MAX),
            None => None,
        };
        let owner = || hostile("an owner that is no number of a user or group", &path);
        let uid = number(extensions.uid, header.uid()).ok_or_else(owner)?;
        let gid = number(extensions.gid, header.gid()).ok_or_else(owner)?;
        if extensions.size.is_some_and(|size| size != raw.size()) {
            // Its content ends where only the extension says.
            return Err(hostile("a file of more than 8 GiB in a PAX archive", &path));
        }
        let mut attributes = extensions.attributes;
        let (path, kind) = kind(header, path, link)?;
        if !matches!(kind, Kind::File | Kind::Directory) {
            attributes.clear();
        }
        if attributes.len() > MOST_ATTRIBUTES {
            return Err(hostile("too many extended attributes", &path));
        }
        Ok(Entry {
            mode: header.mode().map_err(UnpackError::Read)? & 0o7777,
            mtime: i64::try_from(extensions.mtime.unwrap_or(header.mtime().unwrap_or(0)))
                .unwrap_or(0),
            size: raw.size(),
            path,
            kind,
            uid,
            gid,
            attributes,
        })
    }
}

fn kind(
    header: &Header,
    path: PathBuf,
    link: Option<Vec<u8>>,
) -> Result<(PathBuf, Kind), UnpackError> {
    let name = path.file_name().map(OsStr::as_bytes).unwrap_or_default();
    if let Some(hidden) = name.strip_prefix(b".wh.") {
        let directory = path.parent().unwrap_or(Path::new("")).to_owned();
        let kind = match hidden {
            b".wh..opq" => Kind::Opaque,
            _ if hidden.starts_with(b".wh.") => Kind::LeftOut,
            b"" | b"." | b".." => return Err(hostile("a whiteout of no name", &path)),
            name => Kind::Whiteout(
                CString::new(name).map_err(|_| hostile("a name with a zero byte", &path))?,
            ),
        };
        return Ok((directory, kind));
    }
    let target = || match &link {
        Some(link) if !link.is_empty() && link.len() < LONGEST_PATH => Ok(link.as_slice()),
        _ => Err(hostile(
            "a link to nowhere, or with a target that is too long",
            &path,
        )),
    };
    let kind = match header.entry_type() {
        EntryType::Directory => Kind::Directory,
        // How archives older than the format say that it is a directory.
        EntryType::Regular if header.path_bytes().ends_with(b"/") => Kind::Directory,
        EntryType::Regular | EntryType::Continuous => Kind::File,
        EntryType::Symlink => Kind::Symlink(
            CString::new(target()?).map_err(|_| hostile("a link with a zero byte", &path))?,
        ),
        EntryType::Link => Kind::HardLink(inside(target()?)?),
        EntryType::Fifo => Kind::Pipe,
        EntryType::Char | EntryType::Block => Kind::Device,
        EntryType::GNUSparse => return Err(hostile("a sparse file", &path)),
        _ => return Err(hostile("an entry of a kind that no layer has", &path)),
    };
    if path.as_os_str().is_empty() && kind != Kind::Directory {
        return Err(hostile("an entry with no name", &path));
    }
    Ok((path, kind))
}

/// A path of the archive below the layer: a leading `/` and `.` mean nothing, `..` is refused.
fn inside(name: &[u8]) -> Result<PathBuf, UnpackError> {
    let shown = PathBuf::from(OsStr::from_bytes(&name[..name.len().min(LONGEST_PATH)]));
    if name.len() >= LONGEST_PATH {
        return Err(hostile("a path that is too long", &shown));
    }
    if name.contains(&0) {
        return Err(hostile("a name with a zero byte", &shown));
    }
    let mut path = PathBuf::new();
    for part in name.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => return Err(hostile("a path with '..'", &shown)),
            part => path.push(OsStr::from_bytes(part)),
        }
    }
    Ok(path)
}

/// What PAX says of an entry, as far as it counts.
#[derive(Debug, Default)]
struct Extensions {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    uid: Option<u64>,
    gid: Option<u64>,
    size: Option<u64>,
    mtime: Option<u64>,
    attributes: Vec<(CString, Vec<u8>)>,
}

impl Extensions {
    fn read(bytes: &[u8]) -> Self {
        let mut found = Self::default();
        let number = |value: &[u8]| std::str::from_utf8(value).ok()?.parse().ok();
        for record in PaxExtensions::new(bytes).flatten() {
            let value = record.value_bytes();
            match record.key_bytes() {
                b"path" => found.path = Some(value.to_vec()),
                b"linkpath" => found.link = Some(value.to_vec()),
                b"uid" => found.uid = number(value),
                b"gid" => found.gid = number(value),
                b"size" => found.size = number(value),
                b"mtime" => {
                    let whole = value.split(|byte| *byte == b'.').next();
                    found.mtime = whole.and_then(number);
                }
                key => {
                    let name = key.strip_prefix(b"SCHILY.xattr.");
                    let kept = name.filter(|name| is_kept(name));
                    if let Some(Ok(name)) = kept.map(CString::new)
                        && value.len() <= LONGEST_ATTRIBUTE
                    {
                        found.attributes.push((name, value.to_vec()));
                    }
                }
            }
        }
        found
    }
}

/// Capabilities of programs and what users may set. Not `trusted.`, where overlayfs keeps what it believes, nor labels of
/// the host's security module, nor access lists by numbers of this host.
fn is_kept(name: &[u8]) -> bool {
    name == b"security.capability" || (name.starts_with(b"user.") && name.len() <= 255)
}
