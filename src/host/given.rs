//! Units of pods that are part of the host's configuration: a directory that somebody else writes.
//!
//! On NixOS it is a link into the store, and what is in it are links again, so that all of it changes at once. It is the
//! host's own, and nothing of it comes from a pod: links in it are followed.

use super::files::{Dir, FileError};
use crate::model::layout::Layout;
use crate::model::name::UnitName;
use crate::unit::identity::{GIVEN_KEY, SECTION};
use crate::unit::names::{self, DECLARED};
use crate::unit::read::MAX_BYTES;
use crate::unit::{self, UnitFile};
use std::fs::File;
use std::io::Read as _;
use std::path::PathBuf;

/// The directory.
#[derive(Debug)]
pub struct Given {
    path: PathBuf,
}

impl Given {
    /// `None` when the configuration brings no pods: [`DECLARED`] says that it does, and costs one look where it is not.
    pub fn open(layout: &Layout) -> Option<Self> {
        let path = layout.given.clone();
        path.join(DECLARED).exists().then_some(Self { path })
    }

    /// The names of all files that may be units of a pod.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn names(&self) -> Result<Vec<UnitName>, FileError> {
        let Some(dir) = Dir::open(&self.path)? else {
            return Ok(Vec::new());
        };
        let entries = dir.entries()?.into_iter();
        let units = entries.filter(|(name, kind)| names::is_ours(name) && !kind.is_dir());
        Ok(units.filter_map(|(name, _)| name.parse().ok()).collect())
    }

    /// The text of a unit, if it is there and says that it is given: a copy that `systemctl edit --full` has made is not.
    pub fn read(&self, name: &UnitName) -> Option<Vec<u8>> {
        let limit = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX);
        let mut bytes = Vec::new();
        let file = File::open(self.path.join(name.as_str())).ok()?;
        file.take(limit + 1).read_to_end(&mut bytes).ok()?;
        let file = parse(&bytes)?;
        file.value(SECTION, GIVEN_KEY).is_some().then_some(bytes)
    }

    /// The same as a value.
    pub fn file(&self, name: &UnitName) -> Option<UnitFile> {
        parse(&self.read(name)?)
    }
}

fn parse(bytes: &[u8]) -> Option<UnitFile> {
    unit::read::read(std::str::from_utf8(bytes).ok()?).ok()
}
