//! Volumes that the sandbox makes: in memory, directories of claims, and those that mount units have mounted.

use crate::host::files::{Dir, FileError};
use crate::host::mounts::{self, MountError};
use crate::host::rootfs::{self, RootError};
use crate::model::layout::Layout;
use crate::model::name::{ObjectKey, PodUid};
use crate::model::sandbox::{ImageVolume, MemoryVolume, MountedVolume};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};

/// Why a volume is not there.
#[derive(Debug, thiserror::Error)]
pub(super) enum StorageError {
    #[error("cannot make volume {0} in memory")]
    Memory(String, #[source] FileError),
    #[error("the directory of claim {0} is not in order")]
    Claim(ObjectKey, #[source] FileError),
    #[error("{what} is not mounted at {path}: see systemctl status of that path")]
    NotMounted { what: String, path: String },
    #[error("cannot make a place for the image of volume {0}")]
    ImagePlace(String, #[source] FileError),
    #[error("cannot show the image of volume {0}")]
    Image(String, #[source] RootError),
    #[error(transparent)]
    Mount(#[from] MountError),
}

/// A directory to mount a volume at, with its mode. Above it nobody but root gets through.
fn place(
    layout: &Layout,
    uid: &PodUid,
    kind: &str,
    (name, mode): (&str, u32),
) -> Result<(), FileError> {
    Dir::create(&layout.run.join("pods"))?
        .create_sub(uid.as_str(), 0o700)?
        .create_sub(kind, 0o700)?
        .create_sub(name, mode)
        .map(drop)
}

/// Mounts a tmpfs for a volume; one that is there stays, with what is in it.
pub(super) fn memory(
    layout: &Layout,
    uid: &PodUid,
    volume: &MemoryVolume,
) -> Result<(), StorageError> {
    let at = layout.memory_volume(uid, &volume.name);
    let failed = |source| StorageError::Memory(volume.name.to_string(), source);
    place(layout, uid, "memory", (volume.name.as_str(), 0o777)).map_err(failed)?;
    if !mounts::is_mount_point(&at)? {
        mounts::memory(&at, volume.size.map(|size| size.0))?;
    }
    Ok(())
}

/// Mounts the layers of an image over each other; a volume that is there stays.
pub(super) fn image(
    layout: &Layout,
    uid: &PodUid,
    volume: &ImageVolume,
) -> Result<(), StorageError> {
    let at = layout.image_volume(uid, &volume.name);
    let failed = |source| StorageError::ImagePlace(volume.name.to_string(), source);
    place(layout, uid, "images", (volume.name.as_str(), 0o755)).map_err(failed)?;
    if mounts::is_mount_point(&at)? {
        return Ok(());
    }
    let highest_first: Vec<PathBuf> = volume.layers.iter().rev().map(PathBuf::from).collect();
    let users = layout.pod_namespace(uid, "user");
    let mounted = match std::fs::File::open(users) {
        Ok(users) => {
            // Beside the volume: no volume has such a name.
            place(layout, uid, "images", ("..layers", 0o700)).map_err(failed)?;
            let at_hand = at.with_file_name("..layers");
            rootfs::overlay_mapped(&highest_first, None, &at, (users.as_fd(), &at_hand))
        }
        Err(_) => rootfs::overlay(&highest_first, None, &at),
    };
    mounted.map_err(|source| StorageError::Image(volume.name.to_string(), source))
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

/// Takes away what is in memory, and images. What fails is given back, and does not keep the rest.
pub(super) fn release(layout: &Layout, uid: &PodUid) -> Vec<MountError> {
    let roots = ["memory", "images"].map(|kind| layout.pod_run(uid).join(kind));
    let found = roots
        .into_iter()
        .filter_map(|root| std::fs::read_dir(root).ok());
    let found = found.flatten();
    let paths = found.filter_map(|entry| Some(entry.ok()?.path()));
    paths
        .filter_map(|path| mounts::detach_all(&path).err())
        .collect()
}
