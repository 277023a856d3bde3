//! The seccomp profiles of the host: `/etc/vks/seccomp`, which a container names with type `Localhost`.

use super::ConfigError;
use super::file::{self, ReadError};
use std::collections::BTreeMap;
use std::path::Path;

/// The largest profile. Docker's own has 12 kB.
const LIMIT: u64 = 1 << 20;
/// How many directories deep profiles may lie.
const DEPTH: usize = 4;

/// All profiles below `root`, by their path below `/etc/vks/seccomp`. What they say is checked when a container
/// names them. No directory: no profiles.
pub fn read(root: &Path) -> Result<BTreeMap<String, String>, ConfigError> {
    let mut found = BTreeMap::new();
    let top = root.join("etc/vks/seccomp");
    if top.is_dir() {
        collect(&top, "", DEPTH, &mut found)?;
    }
    Ok(found)
}

fn collect(
    dir: &Path,
    prefix: &str,
    depth: usize,
    found: &mut BTreeMap<String, String>,
) -> Result<(), ConfigError> {
    let failed = |source| ConfigError::Directory {
        path: dir.to_owned(),
        source,
    };
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            continue;
        };
        let name = format!("{prefix}{name}");
        if path.is_dir() {
            if depth > 1 {
                collect(&path, &format!("{name}/"), depth - 1, found)?;
            }
            continue;
        }
        match file::read(&path, LIMIT) {
            Ok(bytes) => {
                found.insert(name, String::from_utf8_lossy(&bytes).into_owned());
            }
            // It went away, or is no file: whoever names it is told that there is none.
            Err(ReadError::Gone | ReadError::Dangling | ReadError::NotRegular) => {}
            Err(source) => return Err(ConfigError::File { path, source }),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::scratch::Scratch;

    #[test]
    fn profiles_are_known_by_their_path() {
        let scratch = Scratch::new("seccomp");
        assert_eq!(read(scratch.root()).unwrap(), BTreeMap::new());
        scratch.put("etc/vks/seccomp/a.json", "{}");
        scratch.put("etc/vks/seccomp/web/b.json", "[]");
        let found = read(scratch.root()).unwrap();
        let pairs: Vec<_> = found
            .iter()
            .map(|(k, v)| (k.as_str(), v.as_str()))
            .collect();
        assert_eq!(pairs, [("a.json", "{}"), ("web/b.json", "[]")]);
    }
}
