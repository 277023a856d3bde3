//! Images that stay, and those that go.

use super::{FetchError, nix::roots, now};
use crate::config::Settings;
use crate::host::files::FileError;
use crate::host::oci::Store;
use crate::host::{deb, image_files as files, nix_store};
use crate::model::image::record::{RefRecord, canonical, digest_name};
use crate::model::image::resolved::{Content, State};
use crate::model::oci::Digest;
use crate::model::time::Timestamp;
use crate::plan::images::collect::{Disk, Kept, collect};
use rustix::fs::{FlockOperation, flock};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;

/// An image that is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Its file.
    pub file: String,
    /// What is known of it.
    pub record: RefRecord,
    /// The pods that name it, as `namespace/name`.
    pub pods: Vec<String>,
    /// When it was fetched, or a pod last had it.
    pub used: Timestamp,
}

/// All images that are here, with the pods that have been given them.
///
/// # Errors
/// When they cannot be read.
pub fn all(settings: &Settings) -> Result<Vec<Image>, FetchError> {
    let layout = &settings.layout;
    let mut users: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (pod, images) in files::read_pods(layout)? {
        for held in images.images.into_values() {
            if let State::Ready(resolved) = held.state {
                let pods = users.entry(canonical(&resolved.reference)).or_default();
                pods.push(pod.to_string());
            }
        }
    }
    let records = files::read_refs(layout)?;
    let images = records.into_iter().map(|(file, record)| {
        let mut pods = users
            .get(&canonical(&record.resolved.reference))
            .cloned()
            .unwrap_or_default();
        pods.dedup();
        let used = files::used(layout, &file).unwrap_or(record.fetched);
        Image {
            used: used.max(record.fetched),
            file,
            record,
            pods,
        }
    });
    Ok(images.collect())
}

/// Removes an image: what is known of it, and what only it needs.
///
/// # Errors
/// When something of it cannot be removed. What is known of it then stays.
pub fn remove(image: &Image, settings: &Settings) -> Result<(), FetchError> {
    let resolved = &image.record.resolved;
    match &resolved.content {
        Content::Deb(found) if found.own => deb::remove(&found.package)?,
        Content::Nix(_) => {
            let link = digest_name(&canonical(&resolved.reference));
            nix_store::let_go(&roots(settings), &link)?;
        }
        _ => {}
    }
    files::remove_ref(&settings.layout, &image.file)?;
    if matches!(resolved.content, Content::Oci(_)) {
        empty_store(settings)?;
    }
    Ok(())
}

/// Removes from the store what no name is of and no pod runs from, such as what a name was of before. While something is
/// being fetched nothing is: it may have no name yet.
fn empty_store(settings: &Settings) -> Result<(), FetchError> {
    let Some(_busy) = busy(settings, true)? else {
        return Ok(());
    };
    let layout = &settings.layout;
    let named = files::read_refs(layout)?
        .into_iter()
        .map(|(_, record)| record.resolved);
    let pods = files::read_pods(layout)?.into_iter();
    let held = pods.flat_map(|(_, images)| images.images.into_values());
    let held = held.filter_map(|held| match held.state {
        State::Ready(resolved) => Some(resolved),
        State::Waiting { .. } => None,
    });
    let wanted: BTreeSet<Digest> = named
        .chain(held)
        .filter_map(|resolved| match resolved.content {
            Content::Oci(image) => Some(image.digest),
            _ => None,
        })
        .collect();
    let store = Store::open(&layout.images())?;
    for stored in store.images()? {
        if !wanted.contains(&stored.image.digest) {
            store.remove(&stored.image.digest)?;
        }
    }
    Ok(())
}

/// Held by whoever brings images; alone by whoever removes some, who gets `None` while others bring them.
pub(super) fn busy(settings: &Settings, alone: bool) -> Result<Option<File>, FetchError> {
    let failed = |source| FetchError::System("lock the images", source);
    let fetches = &settings.layout.fetches();
    std::fs::create_dir_all(fetches).map_err(failed)?;
    let file = File::create(fetches.join("images.lock")).map_err(failed)?;
    let how = match alone {
        true => FlockOperation::NonBlockingLockExclusive,
        false => FlockOperation::LockShared,
    };
    match flock(&file, how) {
        Ok(()) => Ok(Some(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(failed(error.into())),
    }
}

/// Removes the images that no pod names and that are old, or that the disk has no room for. Packages of the host stay:
/// others than pods may have come to use them. Gives what has gone.
///
/// # Errors
/// When images cannot be read, or one cannot be removed.
pub fn tidy(settings: &Settings) -> Result<Vec<Image>, FetchError> {
    let images = all(settings)?;
    let free = images
        .iter()
        .filter(|image| !matches!(image.record.resolved.content, Content::Deb(_)));
    let kept: Vec<Kept> = free
        .map(|image| Kept {
            file: &image.file,
            record: &image.record,
            named: !image.pods.is_empty(),
            used: image.used,
        })
        .collect();
    let going = collect(&kept, disk(settings)?, now(), &settings.images);
    let going: Vec<Image> = images
        .iter()
        .filter(|image| going.contains(&image.file.as_str()))
        .cloned()
        .collect();
    for image in &going {
        log::info!(
            "image {} is removed: no pod names it",
            image.record.resolved.reference
        );
        remove(image, settings)?;
    }
    empty_store(settings)?;
    Ok(going)
}

/// The disk that images are on.
fn disk(settings: &Settings) -> Result<Disk, FileError> {
    // It may be one of its own, for images alone. A directory that is not there has no images to remove.
    let found = rustix::fs::statvfs(settings.layout.images());
    Ok(found.map_or(Disk { total: 0, used: 0 }, |found| Disk {
        total: found.f_blocks.saturating_mul(found.f_frsize),
        used: found
            .f_blocks
            .saturating_sub(found.f_bavail)
            .saturating_mul(found.f_frsize),
    }))
}
