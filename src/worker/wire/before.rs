//! Forwarding: switched on for pods, written down, and put back as it was.
//!
//! IPv4 is switched on interface by interface, so that what is forwarded only since then can be told: `opened`.
//! IPv6 knows only all or none; interfaces that learn their addresses from routers go on doing so.

use super::WireError;
use crate::config::Settings;
use crate::host::files::Dir;
use crate::model::network::OURS;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

const CONF: [&str; 2] = ["/proc/sys/net/ipv4/conf", "/proc/sys/net/ipv6/conf"];
/// The most bytes of notes: some for every interface.
const MOST: usize = 16 << 20;

/// What was changed, and how it was.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Before {
    /// Interfaces that did not forward IPv4.
    pub(super) opened: Vec<String>,
    /// Settings of the kernel by path.
    pub(super) sysctls: BTreeMap<PathBuf, String>,
}

impl Before {
    pub(super) fn read(settings: &Settings) -> Result<Option<Self>, WireError> {
        read_json(&settings.layout.host_before(), MOST)
    }

    /// Notes a setting that is to change; not again if it is noted.
    fn note(&mut self, path: PathBuf, value: String) {
        self.sysctls.entry(path).or_insert(value);
    }
}

/// A change of a setting.
type Raise = (PathBuf, &'static str);

/// Switches forwarding on where it is off. What was is on disk before anything changes.
pub(super) fn open(settings: &Settings) -> Result<Before, WireError> {
    let mut before = Before::read(settings)?.unwrap_or_default();
    let mut raises: Vec<Raise> = Vec::new();
    for prefix in &settings.network.pods {
        match prefix.is_ipv4() {
            true => ipv4(&mut before, &mut raises),
            false => ipv6(&mut before, &mut raises),
        }
    }
    // Also when there is nothing to change: it says that the host's part is up.
    let json = serde_json::to_vec(&before).unwrap_or_default();
    let dir = Dir::create(&settings.layout.run).map_err(WireError::Before)?;
    dir.write("network.json", &json, 0o600)
        .map_err(WireError::Before)?;
    for (path, value) in raises {
        write(&path, value)?;
    }
    Ok(before)
}

fn ipv4(before: &mut Before, raises: &mut Vec<Raise>) {
    let [conf, _] = CONF;
    for link in links(conf) {
        let path = Path::new(conf).join(&link).join("forwarding");
        if value(&path).as_deref() == Some("0") {
            before.note(path.clone(), "0".to_owned());
            raises.push((path, "1"));
            if link != "default" && !before.opened.contains(&link) {
                before.opened.push(link);
            }
        }
    }
}

fn ipv6(before: &mut Before, raises: &mut Vec<Raise>) {
    let [_, conf] = CONF;
    let all = Path::new(conf).join("all/forwarding");
    if value(&all).as_deref() != Some("0") {
        return;
    }
    for link in links(conf) {
        let link = Path::new(conf).join(link);
        // 1: as long as the interface does not forward; 2: always.
        let accept = link.join("accept_ra");
        if value(&accept).as_deref() == Some("1") {
            before.note(accept.clone(), "1".to_owned());
            raises.push((accept, "2"));
        }
        // Changed by what is done to all of them.
        let forwarding = link.join("forwarding");
        if let Some(value) = value(&forwarding) {
            before.note(forwarding, value);
        }
    }
    before.note(all.clone(), "0".to_owned());
    raises.push((all, "1"));
}

/// Interfaces that are not ours, and `default`, which stands for those to come.
fn links(conf: &str) -> Vec<String> {
    let entries = fs::read_dir(conf).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| !matches!(name.as_str(), "all" | "lo") && !name.starts_with(OURS))
        .collect()
}

fn value(path: &Path) -> Option<String> {
    fs::read_to_string(path)
        .ok()
        .map(|text| text.trim().to_owned())
}

/// Sets a value of the kernel; of an interface that is not there, nothing.
pub(in crate::worker) fn write(path: &Path, value: &str) -> Result<(), WireError> {
    let open = OpenOptions::new().write(true).open(path);
    let written = open.and_then(|mut file| file.write_all(value.as_bytes()));
    match written {
        // An interface that has gone needs nothing.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(WireError::Sysctl {
            path: path.to_owned(),
            source,
        }),
        Ok(()) => Ok(()),
    }
}

/// Puts everything back. What concerns all interfaces first: it changes each of them.
pub(super) fn close(settings: &Settings) -> Result<(), WireError> {
    let Some(before) = Before::read(settings)? else {
        return Ok(());
    };
    let all = |path: &&PathBuf| path.ends_with("all/forwarding");
    let first = before.sysctls.iter().filter(|(path, _)| all(path));
    let then = before.sysctls.iter().filter(|(path, _)| !all(path));
    for (path, value) in first.chain(then) {
        write(path, value)?;
    }
    let dir = Dir::create(&settings.layout.run).map_err(WireError::Before)?;
    dir.remove("network.json").map_err(WireError::Before)?;
    Ok(())
}

/// A file of ours; none if there is none.
pub(super) fn read_json<T: serde::de::DeserializeOwned>(
    path: &Path,
    most: usize,
) -> Result<Option<T>, WireError> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Ok(None);
    };
    let dir = Dir::open(parent).map_err(WireError::Before)?;
    let bytes = match dir {
        Some(dir) => dir
            .read(&name.to_string_lossy(), most)
            .map_err(WireError::Before)?,
        None => None,
    };
    bytes
        .map(|bytes| serde_json::from_slice(&bytes))
        .transpose()
        .map_err(|source| WireError::Damaged {
            path: path.to_owned(),
            source,
        })
}
