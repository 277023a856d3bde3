//! Volumes that the sandbox makes: in memory, directories of claims, and those that mount units have mounted.

use crate::host::files::{Dir, FileError};
use crate::host::mounts::{self, MountError};
use crate::model::layout::Layout;
use crate::model::name::{ObjectKey, PodUid};
use crate::model::sandbox::{MemoryVolume, MountedVolume};
use std::path::Path;

/// Why a volume is not there.
#[derive(Debug, thiserror::Error)]
pub(super) enum StorageError {
    #[error("cannot make volume {0} in memory")]
    Memory(String, #[source] FileError),
    #[error("the directory of claim {0} is not in order")]
    Claim(ObjectKey, #[source] FileError),
    #[error("{what} is not mounted at {path}: see systemctl status of that path")]
    NotMounted { what: String, path: String },
    #[error(transparent)]
    Mount(#[from] MountError),
}

/// Mounts a tmpfs for a volume; one that is there stays, with what is in it.
pub(super) fn memory(
    layout: &Layout,
    uid: &PodUid,
    volume: &MemoryVolume,
) -> Result<(), StorageError> {
    let at = layout.memory_volume(uid, &volume.name);
    let failed = |source| StorageError::Memory(volume.name.to_string(), source);
    // Above it nobody but root gets through.
    Dir::create(&layout.run.join("pods"))
        .and_then(|pods| pods.create_sub(uid.as_str(), 0o700))
        .and_then(|pod| pod.create_sub("memory", 0o700))
        .and_then(|memory| memory.create_sub(volume.name.as_str(), 0o777))
        .map_err(failed)?;
    if !mounts::is_mount_point(&at)? {
        mounts::memory(&at, volume.size.map(|size| size.0))?;
    }
    Ok(())
}

/// The directory of a claim, open to all as an emptyDir is; those above it are not, so that only those get there who
/// have it mounted. One that is there stays as it is.
pub(super) fn claim(layout: &Layout, claim: &ObjectKey) -> Result<(), StorageError> {
    let make = || -> Result<(), FileError> {
        let volumes = Dir::create(&layout.state)?.create_sub("volumes", 0o700)?;
        let namespace = volumes.create_sub(claim.namespace.as_str(), 0o700)?;
        match namespace.has(claim.name.as_str())? {
            true => Ok(()),
            false => namespace.create_sub(claim.name.as_str(), 0o777).map(drop),
        }
    };
    make().map_err(|source| StorageError::Claim(claim.clone(), source))
}

/// A mount unit that was wanted may have failed: then there is only a directory.
pub(super) fn mounted(volume: &MountedVolume) -> Result<(), StorageError> {
    match mounts::is_mount_point(Path::new(&volume.path)) {
        Ok(true) => Ok(()),
        _ => Err(StorageError::NotMounted {
            what: volume.spec.what.clone(),
            path: volume.path.clone(),
        }),
    }
}

/// Takes away what is in memory. What fails is given back, and does not keep the rest.
pub(super) fn release(layout: &Layout, uid: &PodUid) -> Vec<MountError> {
    let root = layout.pod_run(uid).join("memory");
    let found = std::fs::read_dir(root).into_iter().flatten();
    let paths = found.filter_map(|entry| Some(entry.ok()?.path()));
    paths
        .filter_map(|path| mounts::detach_all(&path).err())
        .collect()
}
