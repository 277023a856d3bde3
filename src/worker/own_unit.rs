//! A unit reads its own file: what planning told it is in `[X-kubernetes]`.

use crate::model::identity::Identity;
use crate::model::layout::Layout;
use crate::model::name::UnitName;
use crate::unit::UnitFile;
use crate::unit::escape::from_one_line;
use crate::unit::identity::{self, IdentityError, SECTION};
use crate::unit::read::{self, MAX_BYTES, ReadError};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// Where unit files can lie besides the layout's own place, in systemd's order.
const UNIT_DIRECTORIES: [&str; 4] = [
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
];

/// Why a unit could not learn about itself.
#[derive(Debug, thiserror::Error)]
pub enum OwnUnitError {
    /// No directory has the file.
    #[error("there is no unit file of {0} in {units}", units = .1.display())]
    NotFound(UnitName, PathBuf),
    /// It could not be read.
    #[error("cannot read {path}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// It is not a unit file.
    #[error("cannot understand {path}", path = path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: ReadError,
    },
    /// It does not say whose it is.
    #[error("cannot tell whose unit {path} is", path = path.display())]
    Identity {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: IdentityError,
    },
    /// It has no `[X-kubernetes]`: it is not a unit of vks.
    #[error("{path} has no [{SECTION}] section: it is not a unit of vks", path = .0.display())]
    Foreign(PathBuf),
    /// A key that this verb needs.
    #[error("[{SECTION}] {key}= of {path} is missing or malformed", path = path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// The key.
        key: &'static str,
        /// What is wrong with its JSON.
        source: Option<serde_json::Error>,
    },
}

/// A unit file of vks and whose it is.
#[derive(Debug)]
pub struct OwnUnit {
    /// Who it belongs to.
    pub identity: Identity,
    path: PathBuf,
    file: UnitFile,
}

impl OwnUnit {
    /// Finds and reads the file of a unit.
    pub fn read(layout: &Layout, unit: &UnitName) -> Result<Self, OwnUnitError> {
        let (path, text) = find(layout, unit)?;
        let file = match read::read(&text) {
            Ok(file) => file,
            Err(source) => return Err(OwnUnitError::Syntax { path, source }),
        };
        match identity::read(&file) {
            Ok(Some(identity)) => Ok(Self {
                identity,
                path,
                file,
            }),
            Ok(None) => Err(OwnUnitError::Foreign(path)),
            Err(source) => Err(OwnUnitError::Identity { path, source }),
        }
    }

    /// A key of `[X-kubernetes]` as text.
    pub fn text(&self, key: &'static str) -> Result<String, OwnUnitError> {
        let value = self.file.value(SECTION, key).map(from_one_line);
        value.ok_or_else(|| self.wrong(key, None))
    }

    /// A key of `[X-kubernetes]` as text, if it is there.
    pub fn optional(&self, key: &'static str) -> Option<String> {
        self.file.value(SECTION, key).map(from_one_line)
    }

    /// `TimeoutStopSec=`, as planning writes it: how long `ExecStop=`, the end, and `ExecStopPost=` may each take.
    pub fn stop_timeout(&self) -> Option<std::time::Duration> {
        let seconds = self.file.value("Service", "TimeoutStopSec")?;
        let seconds = seconds.strip_suffix('s')?.parse().ok()?;
        Some(std::time::Duration::from_secs(seconds))
    }

    /// A key of `[X-kubernetes]` that holds JSON.
    pub fn json<T: serde::de::DeserializeOwned>(
        &self,
        key: &'static str,
    ) -> Result<T, OwnUnitError> {
        serde_json::from_str(&self.text(key)?).map_err(|source| self.wrong(key, Some(source)))
    }

    /// The error for a key whose value is of no use.
    pub fn wrong(&self, key: &'static str, source: Option<serde_json::Error>) -> OwnUnitError {
        OwnUnitError::Key {
            path: self.path.clone(),
            key,
            source,
        }
    }
}

fn find(layout: &Layout, unit: &UnitName) -> Result<(PathBuf, String), OwnUnitError> {
    let directories = UNIT_DIRECTORIES.iter().map(Path::new);
    for directory in std::iter::once(layout.units.as_path()).chain(directories) {
        let path = directory.join(unit.as_str());
        match read_text(&path) {
            Ok(text) => return Ok((path, text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(OwnUnitError::Io { path, source }),
        }
    }
    Err(OwnUnitError::NotFound(unit.clone(), layout.units.clone()))
}

/// Reads no more than a unit file may have; one byte too many makes the reader complain.
fn read_text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let limit = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX);
    File::open(path)?
        .take(limit + 1)
        .read_to_string(&mut text)?;
    Ok(text)
}
