//! Mount points on the host: made for a pod, and removed when no pod needs them ([`super::ownership`]).
//!
//! Records of all pods lie in one directory; a lock on a file in it keeps pods that come and go at the same
//! time apart. What is made is written down before it is made.

use super::ownership::{self, Made, Record};
use crate::host::files::{Dir, FileError};
use crate::model::layout::Layout;
use crate::model::name::PodUid;
use crate::model::sandbox::MountPoint;
use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Component, Path, PathBuf};

/// The lock; no pod's uid begins with a dot.
const LOCK: &str = ".lock";
/// The largest record that is read: some ten thousand paths.
const LIMIT: usize = 4 << 20;

/// Why mount points were not made or removed.
#[derive(Debug, thiserror::Error)]
pub(in crate::worker) enum MountPointError {
    #[error("cannot lock {path}", path = path.display())]
    Lock { path: PathBuf, source: io::Error },
    #[error("cannot remember which mount points were made")]
    File(#[from] FileError),
    #[error("mount path {0:?} is not an absolute path without ..")]
    Path(String),
    #[error("cannot look at mount path {path}", path = path.display())]
    Look { path: PathBuf, source: io::Error },
    #[error(
        "cannot make mount point {path}: make it beforehand, or mount on another path",
        path = path.display()
    )]
    Make { path: PathBuf, source: io::Error },
    #[error("cannot remove mount point {path}", path = path.display())]
    Remove { path: PathBuf, source: io::Error },
}

/// Makes what is missing of the mount points of a pod.
pub(in crate::worker) fn make(
    layout: &Layout,
    uid: &PodUid,
    mount_points: &[MountPoint],
) -> Result<(), MountPointError> {
    let records = Records::open(layout)?;
    let mut own = records.read(uid)?.unwrap_or_default();
    for point in mount_points {
        let path = resolved(&point.path)?;
        // Looked at now and not earlier: what it is like may just have been made.
        let file = point
            .like
            .as_ref()
            .is_some_and(|like| !Path::new(like).is_dir());
        let missing = ownership::missing(&path, file, |path| path.exists());
        own.take_in([path], missing);
    }
    records.write(uid, &own)?;
    own.made.iter().try_for_each(make_one)
}

/// Removes what was made for a pod and nobody else uses, and forgets the rest. What could not be removed
/// is given back, and remembered if something is mounted on it.
pub(super) fn release(layout: &Layout, uid: &PodUid) -> Vec<MountPointError> {
    // A pod that has no record has nothing to release, and most pods have none.
    if !layout.mountpoints(uid).exists() {
        return Vec::new();
    }
    match Records::open(layout).and_then(|records| records.release(uid)) {
        Ok(errors) => errors,
        Err(error) => vec![error],
    }
}

struct Records {
    dir: Dir,
    /// Held as long as this lives.
    _lock: File,
}

impl Records {
    fn open(layout: &Layout) -> Result<Self, MountPointError> {
        let path = layout.state.join("mountpoints");
        let dir = Dir::create(&path)?;
        let path = path.join(LOCK);
        let lock = || {
            let lock = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .open(&path)?;
            lock.lock()?;
            Ok(lock)
        };
        let _lock = lock().map_err(|source| MountPointError::Lock {
            path: path.clone(),
            source,
        })?;
        Ok(Self { dir, _lock })
    }

    /// A record that cannot be understood is as good as none: what it made stays.
    fn read(&self, uid: &PodUid) -> Result<Option<Record>, MountPointError> {
        let bytes = self.dir.read(uid.as_str(), LIMIT)?;
        Ok(bytes.map(|bytes| {
            serde_json::from_slice(&bytes).unwrap_or_else(|error| {
                log::warn!("the mount points of pod {uid} are forgotten: {error}");
                Record::default()
            })
        }))
    }

    fn write(&self, uid: &PodUid, record: &Record) -> Result<(), MountPointError> {
        // Plain data: fails only for paths that are not UTF-8, and those come from JSON.
        let bytes = serde_json::to_vec(record).unwrap_or_default();
        Ok(self.dir.write(uid.as_str(), &bytes, 0o644)?)
    }

    fn others(&self, own: &PodUid) -> Result<BTreeMap<PodUid, Record>, MountPointError> {
        let mut others = BTreeMap::new();
        for (name, _) in self.dir.entries()? {
            let Ok(uid) = name.parse::<PodUid>() else {
                continue;
            };
            if uid != *own
                && let Some(record) = self.read(&uid)?
            {
                others.insert(uid, record);
            }
        }
        Ok(others)
    }

    fn release(&self, uid: &PodUid) -> Result<Vec<MountPointError>, MountPointError> {
        let Some(own) = self.read(uid)? else {
            return Ok(Vec::new());
        };
        let mut others = self.others(uid)?;
        let plan = ownership::release(&own, &others);
        // Heirs first: in between, both know of it and neither loses it.
        for (heir, made) in plan.hand_over {
            if let Some(record) = others.get_mut(&heir) {
                record.take_in([], made);
                self.write(&heir, record)?;
            }
        }
        let mut errors = Vec::new();
        let mut kept = Record::default();
        for made in plan.remove {
            if let Err(source) = remove_one(&made) {
                let path = made.path.clone();
                errors.push(MountPointError::Remove { path, source });
                kept.made.insert(0, made);
            }
        }
        match kept.made.is_empty() {
            true => drop(self.dir.remove(uid.as_str())?),
            false => self.write(uid, &kept)?,
        }
        Ok(errors)
    }
}

/// A mount path with the links in what there is of it resolved, so that two names of one place are one.
fn resolved(path: &str) -> Result<PathBuf, MountPointError> {
    let given = Path::new(path);
    let plain = |part| matches!(part, Component::RootDir | Component::Normal(_));
    if !given.is_absolute() || !given.components().all(plain) {
        return Err(MountPointError::Path(path.to_owned()));
    }
    // Without double or trailing slashes.
    let given: PathBuf = given.components().collect();
    for ancestor in given.ancestors() {
        match fs::canonicalize(ancestor) {
            Ok(real) => {
                let below = given.strip_prefix(ancestor).unwrap_or(Path::new(""));
                return Ok(real.components().chain(below.components()).collect());
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => {
                let path = ancestor.to_owned();
                return Err(MountPointError::Look { path, source });
            }
        }
    }
    Ok(given)
}

fn make_one(made: &Made) -> Result<(), MountPointError> {
    let result = match made.file {
        true => OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o644)
            .open(&made.path)
            .map(drop),
        false => DirBuilder::new().mode(0o755).create(&made.path),
    };
    match result {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        result => result.map_err(|source| MountPointError::Make {
            path: made.path.clone(),
            source,
        }),
    }
}

/// Removes it if it is still as it was made. What somebody has put something into is theirs now.
fn remove_one(made: &Made) -> io::Result<()> {
    let removed = match made.file {
        true => match fs::symlink_metadata(&made.path) {
            Ok(found) if found.is_file() && found.len() == 0 => fs::remove_file(&made.path),
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        },
        false => fs::remove_dir(&made.path),
    };
    match removed {
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound
                    | io::ErrorKind::DirectoryNotEmpty
                    | io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(())
        }
        result => result,
    }
}

#[cfg(test)]
mod tests;
