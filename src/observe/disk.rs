//! What the disk says of pods. Everything here blocks.
//!
//! The unit directory must be readable; what a single pod's directory does not give is as if it were not there, so
//! that one pod with a bad file does not hide the others.

use crate::host::conditions;
use crate::host::files::{Dir, FileError};
use crate::host::payload;
use crate::host::units::{Listing, UnitDir};
use crate::model::identity::{Identity, UnitRole};
use crate::model::layout::Layout;
use crate::model::name::{ContainerName, ObjectKey, PodKey, PodUid, UnitName};
use crate::model::observed::{Digest, Runs};
use crate::model::pod::SourcePath;
use crate::model::status::SetConditions;
use crate::model::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::SystemTime;

/// The largest file of run records that is read; [`Runs::KEPT`] records are far smaller.
const RECORDS: usize = 1 << 20;

/// Unit files and the directories of the pods they belong to.
#[derive(Debug, Default)]
pub(super) struct Disk {
    pub(super) listing: Listing,
    pub(super) pods: BTreeMap<PodUid, PodDir>,
    /// Of a look at some pods: every unit name that was looked for.
    pub(super) looked_at: BTreeSet<UnitName>,
    /// Of a look at everything: directories that pods with given units have left.
    pub(super) left: BTreeMap<PodKey, (PodUid, SourcePath)>,
}

/// The directory of one life of a pod.
#[derive(Debug, Default, PartialEq)]
pub(super) struct PodDir {
    pub(super) created: Option<Timestamp>,
    pub(super) payloads: BTreeMap<String, Digest>,
    pub(super) runs: BTreeMap<ContainerName, Runs>,
    pub(super) deadline_exceeded: bool,
    pub(super) deleted: bool,
    pub(super) conditions: SetConditions,
    pub(super) reload_needed: bool,
}

/// Everything.
pub(super) fn all(layout: &Layout) -> Result<Disk, FileError> {
    let listing = match UnitDir::open(layout)? {
        Some(units) => units.list()?,
        None => Listing::default(),
    };
    let mut disk = with_pods(layout, listing, BTreeSet::new());
    disk.left = left(layout, &disk.pods)?;
    Ok(disk)
}

/// The directories of pods without a unit that say whose they are.
fn left(
    layout: &Layout,
    pods: &BTreeMap<PodUid, PodDir>,
) -> Result<BTreeMap<PodKey, (PodUid, SourcePath)>, FileError> {
    let Some(dirs) = Dir::open(&layout.state.join("pods"))? else {
        return Ok(BTreeMap::new());
    };
    let uids = dirs.entries()?.into_iter();
    let uids = uids.filter_map(|(name, _)| name.parse::<PodUid>().ok());
    let left = uids
        .filter(|uid| !pods.contains_key(uid))
        .filter_map(|uid| {
            let text = std::fs::read_to_string(layout.given_mark(&uid)).ok()?;
            let (key, source) = text.split_once('\n')?;
            let (namespace, name) = key.split_once('/')?;
            let key = ObjectKey {
                namespace: namespace.parse().ok()?,
                name: name.parse().ok()?,
            };
            Some((key, (uid, SourcePath(source.into()))))
        });
    Ok(left.collect())
}

/// Some units and those that the pod targets among them want.
pub(super) fn some(layout: &Layout, names: BTreeSet<UnitName>) -> Result<Disk, FileError> {
    let mut listing = Listing::default();
    let mut looked_at = names.clone();
    if let Some(units) = UnitDir::open(layout)? {
        let mut todo: Vec<UnitName> = names.into_iter().collect();
        while let Some(name) = todo.pop() {
            // One that cannot be read is reported when all are listed.
            let Ok(found) = units.read(&name) else {
                continue;
            };
            if !found.is_empty() && units.is_enabled(&name)? {
                listing.enabled.insert(name);
            }
            for unit in found.iter().filter(|unit| unit.identity.is_some()) {
                let wanted = unit.wants.iter();
                todo.extend(
                    wanted
                        .filter(|name| looked_at.insert((*name).clone()))
                        .cloned(),
                );
            }
            listing.units.extend(found);
        }
    }
    Ok(with_pods(layout, listing, looked_at))
}

/// How many units and links to them the unit directory has.
pub(super) fn count(layout: &Layout) -> Result<usize, FileError> {
    match UnitDir::open(layout)? {
        Some(units) => units.count(),
        None => Ok(0),
    }
}

/// The pods that unit files belong to.
pub(super) fn owners(layout: &Layout, names: &[UnitName]) -> Result<BTreeSet<PodKey>, FileError> {
    let Some(units) = UnitDir::open(layout)? else {
        return Ok(BTreeSet::new());
    };
    let found = names
        .iter()
        .flat_map(|name| units.read(name).unwrap_or_default());
    let identities = found.filter_map(|unit| unit.identity);
    let pods = identities.filter(|identity| identity.role != UnitRole::Cron);
    Ok(pods.map(|identity| identity.pod).collect())
}

/// The uids that have a directory, on disk or on tmpfs.
pub(super) fn pod_dirs(layout: &Layout) -> Result<BTreeSet<PodUid>, FileError> {
    let mut found = BTreeSet::new();
    for root in [&layout.state, &layout.run] {
        if let Some(pods) = Dir::open(&root.join("pods"))? {
            let names = pods.entries()?.into_iter();
            found.extend(names.filter_map(|(name, _)| name.parse::<PodUid>().ok()));
        }
    }
    Ok(found)
}

fn with_pods(layout: &Layout, listing: Listing, looked_at: BTreeSet<UnitName>) -> Disk {
    let uid = |identity: &Identity| identity.uid.clone();
    let units = listing.units.iter();
    let uids: BTreeSet<PodUid> = units
        .filter_map(|unit| unit.identity.as_ref().map(uid))
        .collect();
    let pods = uids.into_iter().map(|uid| {
        let dir = pod_dir(layout, &uid);
        (uid, dir)
    });
    Disk {
        pods: pods.collect(),
        listing,
        looked_at,
        left: BTreeMap::new(),
    }
}

fn pod_dir(layout: &Layout, uid: &PodUid) -> PodDir {
    let unread = |error| log::debug!("pod {uid}: {error}");
    PodDir {
        created: created(&layout.pod(uid)),
        payloads: payload::read(layout, uid)
            .map_err(unread)
            .unwrap_or_default(),
        runs: runs(&layout.pod(uid)).map_err(unread).unwrap_or_default(),
        conditions: conditions::read(layout, uid)
            .map_err(unread)
            .unwrap_or_default(),
        deadline_exceeded: layout.deadline_exceeded(uid).exists(),
        deleted: layout.deleted(uid).exists(),
        reload_needed: layout.reload_needed(uid).exists(),
    }
}

/// When the directory was made. A file system that does not keep that tells when it was last changed, which
/// for a pod's directory is soon after.
fn created(pod: &Path) -> Option<Timestamp> {
    let meta = std::fs::metadata(pod).ok()?;
    let time = meta.created().or_else(|_| meta.modified()).ok()?;
    let since = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Timestamp::from_micros(u64::try_from(since.as_micros()).ok()?)
}

fn runs(pod: &Path) -> Result<BTreeMap<ContainerName, Runs>, FileError> {
    let mut found = BTreeMap::new();
    let Some(dir) = Dir::open(&pod.join("runs"))? else {
        return Ok(found);
    };
    for (file, _) in dir.entries()? {
        let container = file
            .strip_suffix(".json")
            .and_then(|name| name.parse().ok());
        let Some(container) = container else { continue };
        let runs = dir.read(&file, RECORDS).ok().flatten();
        match runs.map(|bytes| serde_json::from_slice::<Runs>(&bytes)) {
            Some(Ok(runs)) => drop(found.insert(container, runs)),
            Some(Err(error)) => log::debug!("{}/runs/{file}: {error}", pod.display()),
            None => {}
        }
    }
    Ok(found)
}
