//! How much a service is exposed, in the judgement of systemd: `systemd-analyze security --offline=true`.
//!
//! One process judges the services of a whole listing. It is shown copies: it takes a colon in the name of a file for something
//! else, and asking for units by name would have process 1 tell every property of each.

use super::files::{Dir, FileError};
use super::units::UnitDir;
use crate::model::layout::Layout;
use crate::model::name::UnitName;
use crate::unit::read::MAX_BYTES;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Exposure of a service in tenths: 0 is shut in as far as can be, 100 not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Exposure(pub u8);

impl fmt::Display for Exposure {
    /// As systemd writes it: `3.8`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0 / 10, self.0 % 10)
    }
}

/// Why nothing could be judged.
#[derive(Debug, thiserror::Error)]
pub enum ExposureError {
    /// Unit files, or copies of them.
    #[error(transparent)]
    Units(#[from] FileError),
    /// No directory for copies.
    #[error("cannot make {0}")]
    Place(PathBuf, #[source] io::Error),
    /// The program.
    #[error("cannot run systemd-analyze")]
    Run(#[source] io::Error),
}

/// Judges services by their files and the drop-ins that people have made for them. Those that have no file, or that systemd does
/// not understand, are left out. Blocks for some tens of milliseconds.
///
/// # Errors
/// When systemd-analyze is not there, or nothing can be written below the directory for temporary files.
pub fn judge(
    layout: &Layout,
    units: &[UnitName],
) -> Result<BTreeMap<UnitName, Exposure>, ExposureError> {
    let Some(dir) = UnitDir::open(layout)? else {
        return Ok(BTreeMap::new());
    };
    let copies = Copies::make()?;
    let mut files = Vec::new();
    for (number, unit) in units.iter().enumerate() {
        let Some(file) = dir.file(unit)? else {
            continue;
        };
        let name = format!("{number}.service");
        // What comes later in a file holds, as a drop-in does.
        let text = format!("{file}\n{}", drop_ins(layout, unit)?);
        copies.dir.write(&name, text.as_bytes(), 0o600)?;
        files.push(copies.path.join(name));
    }
    if files.is_empty() {
        return Ok(BTreeMap::new());
    }
    let said = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--no-pager"])
        .args(&files)
        .env("LC_ALL", "C")
        .env("SYSTEMD_COLORS", "0")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .map_err(ExposureError::Run)?;
    // It fails when it does not understand one of them, and has judged the others all the same.
    let judged = judged(&String::from_utf8_lossy(&said.stdout));
    let named = judged
        .into_iter()
        .filter_map(|(number, exposure)| Some((units.get(number)?.clone(), exposure)));
    Ok(named.collect())
}

/// The directory of the copies, which goes when this does.
struct Copies {
    path: PathBuf,
    dir: Dir,
}

impl Copies {
    fn make() -> Result<Self, ExposureError> {
        let template = std::env::temp_dir().join("vks-exposure-XXXXXX");
        let path = nix::unistd::mkdtemp(&template)
            .map_err(|error| ExposureError::Place(template, error.into()))?;
        let dir = Dir::create(&path)?;
        Ok(Self { path, dir })
    }
}

impl Drop for Copies {
    fn drop(&mut self) {
        // What stays is some text of units that anybody may read.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// What the drop-ins of a unit say, in systemd's order: by name, and of one name that which is named first here.
fn drop_ins(layout: &Layout, unit: &UnitName) -> Result<String, FileError> {
    let places = [
        Path::new("/etc/systemd/system.control"),
        Path::new("/run/systemd/system.control"),
        &layout.given,
        &layout.units,
        Path::new("/run/systemd/system"),
    ];
    let mut found = BTreeMap::new();
    for place in places {
        let path = place.join(format!("{unit}.d"));
        // Links are followed: on NixOS all of it are links.
        let Some(dir) = path.canonicalize().ok().map(|path| Dir::open(&path)) else {
            continue;
        };
        let Some(dir) = dir? else { continue };
        for (name, _) in dir.entries()? {
            if !name.ends_with(".conf") || found.contains_key(&name) {
                continue;
            }
            let Ok(text) = std::fs::read_to_string(path.join(&name)) else {
                continue;
            };
            if text.len() <= MAX_BYTES {
                found.insert(name, text);
            }
        }
    }
    let texts: Vec<String> = found.into_values().collect();
    Ok(texts.join("\n"))
}

/// What is said of which copy, by its number.
fn judged(said: &str) -> BTreeMap<usize, Exposure> {
    said.lines().filter_map(line).collect()
}

/// `-> Overall exposure level for 7.service: 3.8 OK :-)`.
fn line(line: &str) -> Option<(usize, Exposure)> {
    let (_, told) = line.split_once("exposure level for ")?;
    let (name, level) = told.split_once(".service: ")?;
    let (whole, tenths) = level.split_whitespace().next()?.split_once('.')?;
    let (whole, tenths) = (whole.parse::<u8>().ok()?, tenths.parse::<u8>().ok()?);
    let exposure = (tenths < 10).then(|| whole.checked_mul(10)?.checked_add(tenths))??;
    Some((name.parse().ok()?, Exposure(exposure)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_of_each_table_is_the_judgement() {
        let said = "  NAME                DESCRIPTION                 EXPOSURE\n\
                    x RootDirectory=      Service runs within the host's root directory  0.1\n\
                    \n\
                    -> Overall exposure level for 0.service: 9.4 UNSAFE :-{\n\
                    \u{2192} Overall exposure level for 12.service: 10.0 DANGEROUS \u{1f628}\n\
                    -> Overall exposure level for 3.service: 0.2 SAFE :-}\n";
        let found: Vec<(usize, String)> = judged(said)
            .into_iter()
            .map(|(number, exposure)| (number, exposure.to_string()))
            .collect();
        let wanted = [(0, "9.4"), (3, "0.2"), (12, "10.0")];
        assert_eq!(found, wanted.map(|(n, text)| (n, text.to_owned())));
    }

    #[test]
    fn what_is_no_judgement_is_none() {
        for said in [
            "",
            "-> Overall exposure level for a.service: 9.4 UNSAFE",
            "-> Overall exposure level for 1.service:",
            "-> Overall exposure level for 1.service: n/a",
            "-> Overall exposure level for 1.service: 3.14 OK",
            "-> Overall exposure level for 1.service: 90.4 OK",
        ] {
            assert!(judged(said).is_empty(), "{said}");
        }
    }
}
