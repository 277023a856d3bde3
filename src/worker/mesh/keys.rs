//! Where keys are: files that only root reads, credentials of the unit, and the one that vks makes.

use crate::host::files::{Dir, FileError};
use crate::host::wireguard;
use crate::model::layout::Layout;
use crate::model::wireguard::{KeyError, KeySource, SecretKey};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// A key has 44 characters; some more for white space.
const MOST: u64 = 1024;

/// There is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyReadError {
    /// A file of a key that cannot be read.
    #[error("cannot read the key in {path}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: crate::config::file::ReadError,
    },
    /// A file of a key that others than its owner can read.
    #[error("{path} can be read by others: chmod 600 {path}", path = .0.display())]
    Open(PathBuf),
    /// What is there is no key.
    #[error("{0} holds no key")]
    Content(String, #[source] KeyError),
    /// The unit was given no such credential.
    #[error(
        "there is no credential {0}: put it where systemd looks for credentials (systemd-creds(1)), such as \
             /etc/credstore, and restart the unit"
    )]
    Credential(String),
    /// A secret that is not stored with the pod.
    #[error("there is no stored secret for a key: run vks apply for this pod")]
    Secret,
    /// A new key could not be written down.
    #[error("cannot keep the new key of this host")]
    Keep(#[source] FileError),
}

/// Reads a key from a file or a credential; one of a secret is read at `stored`.
pub fn read(source: &KeySource, stored: Option<&Path>) -> Result<SecretKey, KeyReadError> {
    match source {
        KeySource::File(path) => file(path),
        KeySource::Credential(name) => {
            let missing = || KeyReadError::Credential(name.clone());
            let directory = std::env::var_os("CREDENTIALS_DIRECTORY").ok_or_else(missing)?;
            let path = PathBuf::from(directory).join(name);
            if !path.exists() {
                return Err(missing());
            }
            file(&path)
        }
        KeySource::Secret { .. } => file(stored.ok_or(KeyReadError::Secret)?),
    }
}

/// The same; a credential that this process was not given is the key that the device `has`. systemd gives credentials to
/// what a unit starts, not to what it reloads with (seen with 257), and they are what they were until the unit starts anew.
pub fn read_or(
    source: &KeySource,
    stored: Option<&Path>,
    has: Option<&SecretKey>,
) -> Result<SecretKey, KeyReadError> {
    match (read(source, stored), has) {
        (Err(KeyReadError::Credential(_)), Some(key)) => Ok(key.clone()),
        (read, _) => read,
    }
}

fn file(path: &Path) -> Result<SecretKey, KeyReadError> {
    let failed = |source| KeyReadError::File {
        path: path.to_owned(),
        source,
    };
    let bytes = crate::config::file::read(path, MOST).map_err(failed)?;
    let meta = path.metadata();
    if meta.is_ok_and(|meta| meta.mode() & 0o077 != 0 && !is_credential(path)) {
        return Err(KeyReadError::Open(path.to_owned()));
    }
    let text = String::from_utf8_lossy(&bytes);
    let shown = || path.display().to_string();
    text.parse()
        .map_err(|error| KeyReadError::Content(shown(), error))
}

/// systemd gives credentials by access control lists, which look like a group's rights.
fn is_credential(path: &Path) -> bool {
    std::env::var_os("CREDENTIALS_DIRECTORY").is_some_and(|dir| path.starts_with(dir))
}

/// This host's key; made at the first time. `has` is the device's.
pub fn own(
    source: Option<&KeySource>,
    layout: &Layout,
    has: Option<&SecretKey>,
) -> Result<SecretKey, KeyReadError> {
    if let Some(source) = source {
        return read_or(source, None, has);
    }
    let path = layout.mesh_key();
    match file(&path) {
        Err(KeyReadError::File {
            source: crate::config::file::ReadError::Gone,
            ..
        }) => {}
        other => return other,
    }
    let (Some(state), Some(name)) = (path.parent().and_then(Path::parent), path.file_name()) else {
        return file(&path);
    };
    let key = wireguard::generate();
    let write = || {
        let dir = Dir::create(state)?.create_sub("wireguard", 0o700)?;
        dir.write(
            &name.to_string_lossy(),
            format!("{}\n", key.expose()).as_bytes(),
            0o600,
        )?;
        dir.sync()
    };
    write().map_err(KeyReadError::Keep)?;
    Ok(key)
}
