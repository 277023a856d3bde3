//! Archives that are meant to fill a host: a million entries, 10 GB of zeros in 10 MB. The short form has the same at a
//! smaller size; with `VKS_HOSTILE=1` the limits are those of vks and everything is there in full (a minute or two, built for
//! release; an inode for each entry is needed below `TMPDIR`).

use super::tests::{Scratch, is_root};
use super::{Limits, UnpackError, unpack};
use crate::host::oci::layer::decompressed;
use flate2::{Compression, write::GzEncoder};
use std::fs::File;
use std::io::{self, Cursor, Read, Write as _};
use std::os::unix::fs::MetadataExt as _;
use tar::{EntryType, Header};

fn whole() -> bool {
    std::env::var_os("VKS_HOSTILE").is_some()
}

fn header(path: &str, kind: EntryType, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_path(path).unwrap();
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(size);
    header.set_cksum();
    header
}

/// So many empty files, a thousand to a directory, which nobody ever has all at once.
struct Entries {
    left: std::ops::Range<u64>,
    now: Cursor<Vec<u8>>,
}

impl Read for Entries {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.now.read(buffer)?;
            if read > 0 {
                return Ok(read);
            }
            let Some(index) = self.left.next() else {
                return Ok(0);
            };
            let name = format!("d{}/f{index}", index / 1000);
            let header = header(&name, EntryType::Regular, 0);
            self.now = Cursor::new(header.as_bytes().to_vec());
        }
    }
}

fn entries(count: u64) -> Entries {
    Entries {
        left: 0..count,
        now: Cursor::default(),
    }
}

#[test]
fn a_million_entries_are_the_most() {
    if !is_root() {
        return;
    }
    let limits = match whole() {
        true => Limits::default(),
        false => Limits {
            entries: 3000,
            ..Limits::default()
        },
    };
    let scratch = Scratch::new("entries");
    let layer = || File::open(scratch.at("")).unwrap().into();
    let stats = unpack(entries(limits.entries), &layer(), limits).unwrap();
    assert_eq!(stats.entries, limits.entries);
    let last = limits.entries - 1;
    assert!(scratch.at(&format!("d{}/f{last}", last / 1000)).is_file());
    let scratch = Scratch::new("entries-more");
    let layer = || File::open(scratch.at("")).unwrap().into();
    let error = unpack(entries(limits.entries + 1), &layer(), limits).unwrap_err();
    assert!(
        matches!(
            error,
            UnpackError::TooBig {
                what: "entries",
                ..
            }
        ),
        "{error}"
    );
}

/// A file of zeros as a small blob: members of gzip, each of which is a megabyte.
fn zeros(size: u64) -> impl Read {
    let squeezed = |bytes: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let first = squeezed(header("zeros", EntryType::Regular, size).as_bytes());
    let member = squeezed(&vec![0; 1 << 20]);
    let count = usize::try_from(size >> 20).unwrap();
    Cursor::new(first).chain(Cursor::new(member.repeat(count)))
}

#[test]
fn zeros_take_no_room() {
    if !is_root() {
        return;
    }
    let size: u64 = if whole() { 10 << 30 } else { 64 << 20 };
    let scratch = Scratch::new("zeros");
    let layer = || File::open(scratch.at("")).unwrap().into();
    let blob = decompressed(zeros(size)).unwrap();
    let stats = unpack(blob, &layer(), Limits::default()).unwrap();
    assert_eq!((stats.bytes, stats.entries), (size, 1));
    let file = std::fs::metadata(scratch.at("zeros")).unwrap();
    assert_eq!(file.len(), size);
    assert!(file.blocks() * 512 < 1 << 20, "{} blocks", file.blocks());
    // More than a layer may have.
    let scratch = Scratch::new("zeros-more");
    let layer = || File::open(scratch.at("")).unwrap().into();
    let limits = Limits {
        bytes: size - 1,
        ..Limits::default()
    };
    let blob = decompressed(zeros(size)).unwrap();
    let error = unpack(blob, &layer(), limits).unwrap_err();
    assert!(
        matches!(error, UnpackError::TooBig { what: "bytes", .. }),
        "{error}"
    );
}
