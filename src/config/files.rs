//! Which settings files count, and in which order: systemd's rules for `X.conf` and `X.conf.d/`.

use super::fragment::Fragment;
use super::{ConfigError, check, file};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use toml::de::DeTable;

/// Where settings lie, the least important first.
const DIRECTORIES: [&str; 3] = ["usr/lib/vks", "run/vks", "etc/vks"];
/// The largest settings file, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// The settings files below `root` in the order in which they are laid over each other: the most important
/// `vks.toml`, then the drop-ins by name, of which one masks those of its name in less important directories.
///
/// # Errors
/// When a directory of drop-ins is there and cannot be read.
pub fn list(root: &Path) -> Result<Vec<PathBuf>, ConfigError> {
    let mut main = None;
    let mut drop_ins: BTreeMap<OsString, PathBuf> = BTreeMap::new();
    for dir in DIRECTORIES.map(|dir| root.join(dir)) {
        let path = dir.join("vks.toml");
        if path.symlink_metadata().is_ok() {
            main = Some(path);
        }
        for path in in_directory(&dir.join("vks.toml.d"))? {
            if let Some(name) = path.file_name() {
                drop_ins.insert(name.to_owned(), path);
            }
        }
    }
    Ok(main.into_iter().chain(drop_ins.into_values()).collect())
}

fn in_directory(dir: &Path) -> Result<Vec<PathBuf>, ConfigError> {
    let entries = match dir.read_dir() {
        Ok(entries) => entries.collect::<Result<Vec<_>, _>>(),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => Err(error),
    };
    let entries = entries.map_err(|source| ConfigError::Directory {
        path: dir.to_owned(),
        source,
    })?;
    let is_toml = |path: &PathBuf| {
        path.extension()
            .is_some_and(|extension| extension == "toml")
            && !path
                .file_name()
                .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
    };
    Ok(entries
        .into_iter()
        .map(|entry| entry.path())
        .filter(is_toml)
        .collect())
}

/// Reads one settings file. A link to `/dev/null` says nothing: that is how a file of less importance is masked.
///
/// # Errors
/// When it cannot be read, or says something that is not known.
pub fn read(path: &Path) -> Result<Fragment, ConfigError> {
    if path
        .canonicalize()
        .is_ok_and(|path| path == Path::new("/dev/null"))
    {
        return Ok(Fragment::default());
    }
    let bytes = file::read(path, MAX_FILE).map_err(|source| ConfigError::File {
        path: path.to_owned(),
        source,
    })?;
    let wrong = |at: usize, message: String| ConfigError::Text {
        path: path.to_owned(),
        line: 1 + bytes.iter().take(at).filter(|&&b| b == b'\n').count(),
        message,
    };
    let text = std::str::from_utf8(&bytes).map_err(|error| {
        let message = "is not UTF-8 text: save the file as UTF-8".to_owned();
        wrong(error.valid_up_to(), message)
    })?;
    let fragment = toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        wrong(at, error.message().to_owned())
    })?;
    check(&fragment)
        .map_err(|(field, message)| wrong(place(text, field), format!("{field}: {message}")))?;
    Ok(fragment)
}

/// Where `section.key` is in a text.
fn place(text: &str, field: &str) -> usize {
    let key = || {
        let (section, key) = field.split_once('.')?;
        let document = DeTable::parse(text).ok()?;
        let section = document.get_ref().get(section)?.get_ref().get(key)?;
        Some(section.span().start)
    };
    key().unwrap_or_default()
}
