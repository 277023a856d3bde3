//! What is remembered of images: small files in JSON, whole or not at all.

use super::files::{Dir, FileError};
use crate::model::image::ImageRef;
use crate::model::image::fetch::{Outcome, Request};
use crate::model::image::record::{PodRecord, RefRecord, pod_file, ref_file};
use crate::model::image::resolved::{Content, PodImages, Resolved};
use crate::model::layout::Layout;
use crate::model::name::PodKey;
use crate::model::time::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// The largest file that is read.
const LIMIT: usize = 8 << 20;

/// Writes the images of a pod; removes the file when there are none.
///
/// # Errors
/// When it cannot be written: the one before is then still there.
pub fn write_pod(
    layout: &Layout,
    pod: &PodKey,
    images: Option<&PodImages>,
) -> Result<(), FileError> {
    let dir = Dir::create(&layout.pod_images())?;
    let name = pod_file(pod);
    match images {
        Some(images) => put(&dir, &name, &PodRecord::new(pod, images), 0o644),
        None => dir.remove(&name).map(drop),
    }
}

/// The images of all pods. Damaged files are left out.
///
/// # Errors
/// When the directory cannot be read.
pub fn read_pods(layout: &Layout) -> Result<Vec<(PodKey, PodImages)>, FileError> {
    let mut pods = Vec::new();
    let Some(dir) = Dir::open(&layout.pod_images())? else {
        return Ok(pods);
    };
    for (name, _) in dir.entries()? {
        let record: Option<PodRecord> = get(&dir, &name).ok().flatten();
        pods.extend(record.map(PodRecord::into_images));
    }
    Ok(pods)
}

/// What is known of an image that is here; `None` when nothing is.
///
/// # Errors
/// When the directory cannot be read. A damaged file counts as none.
pub fn read_ref(layout: &Layout, reference: &ImageRef) -> Result<Option<RefRecord>, FileError> {
    match Dir::open(&layout.image_refs())? {
        Some(dir) => get(&dir, &ref_file(reference)),
        None => Ok(None),
    }
}

/// All images that are here, by the names of their files.
///
/// # Errors
/// When the directory cannot be read. Damaged files are left out.
pub fn read_refs(layout: &Layout) -> Result<Vec<(String, RefRecord)>, FileError> {
    let mut records = Vec::new();
    let Some(dir) = Dir::open(&layout.image_refs())? else {
        return Ok(records);
    };
    for (name, _) in dir.entries()? {
        if let Some(record) = get(&dir, &name)
            .ok()
            .flatten()
            .filter(|_| name.ends_with(".json"))
        {
            records.push((name, record));
        }
    }
    records.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(records)
}

/// Remembers an image. Who had access to the same content still has.
///
/// # Errors
/// When it cannot be written.
pub fn write_ref(layout: &Layout, record: RefRecord) -> Result<RefRecord, FileError> {
    let reference = record.resolved.reference.clone();
    let record = match read_ref(layout, &reference)? {
        Some(before) => record.after(&before),
        None => record,
    };
    let dir = Dir::create(&layout.image_refs())?;
    put(&dir, &ref_file(&reference), &record, 0o600)?;
    Ok(record)
}

/// Makes the directory of what is known of images, if there is none yet.
///
/// # Errors
/// When it cannot be made.
pub fn make_refs(layout: &Layout) -> Result<(), FileError> {
    Dir::create(&layout.image_refs()).map(drop)
}

/// Forgets an image.
///
/// # Errors
/// When its file cannot be removed.
pub fn remove_ref(layout: &Layout, file: &str) -> Result<bool, FileError> {
    match Dir::open(&layout.image_refs())? {
        Some(dir) => dir.remove(file),
        None => Ok(false),
    }
}

/// Notes that an image was of use until now.
///
/// # Errors
/// When its file cannot be written.
pub fn touch_ref(layout: &Layout, reference: &ImageRef) -> Result<(), FileError> {
    match (
        Dir::open(&layout.image_refs())?,
        read_ref(layout, reference)?,
    ) {
        (Some(dir), Some(record)) => put(&dir, &ref_file(reference), &record, 0o600),
        _ => Ok(()),
    }
}

/// When the file of an image was written: when the image was fetched, or last of use.
pub fn used(layout: &Layout, file: &str) -> Option<Timestamp> {
    let data = std::fs::metadata(layout.image_refs().join(file)).ok()?;
    let micros = data.mtime() * 1_000_000 + data.mtime_nsec() / 1_000;
    Timestamp::from_micros(u64::try_from(micros).ok()?)
}

/// Whether the content of an image is still what it was when it was recorded.
pub fn is_there(layout: &Layout, resolved: &Resolved) -> bool {
    match &resolved.content {
        Content::Host { .. } | Content::Dir { .. } => true,
        Content::Oci(image) => {
            let mut layers = image.layers.iter();
            layers.all(|one| layout.layer(one).is_dir())
        }
        Content::Nix(nix) => {
            let program = nix.program.as_deref().unwrap_or(&nix.path);
            Path::new(&nix.path).exists() && Path::new(program).exists()
        }
        Content::Deb(deb) => super::deb::stamp(&deb.package) == Some(deb.stamp),
    }
}

/// Leaves a request for `vks fetch`, and nothing of what came of one before.
///
/// # Errors
/// When it cannot be written.
pub fn write_request(layout: &Layout, request: &Request) -> Result<(), FileError> {
    let dir = Dir::create(&layout.run)?.create_sub("fetch", 0o700)?;
    let id = request.id();
    dir.remove(&result_file(&id))?;
    put(&dir, &format!("{id}.json"), request, 0o600)
}

/// Takes a request, and removes it: it may hold credentials.
///
/// # Errors
/// When it cannot be read.
pub fn take_request(layout: &Layout, id: &str) -> Result<Option<Request>, FileError> {
    let Some(dir) = Dir::open(&layout.fetches())? else {
        return Ok(None);
    };
    let name = format!("{id}.json");
    let request = get(&dir, &name)?;
    dir.remove(&name)?;
    Ok(request)
}

/// Leaves what has come of a request.
///
/// # Errors
/// When it cannot be written.
pub fn write_result(layout: &Layout, id: &str, outcome: &Outcome) -> Result<(), FileError> {
    let dir = Dir::create(&layout.fetches())?;
    put(&dir, &result_file(id), outcome, 0o600)
}

/// Takes what has come of a request; `None` when nothing has.
///
/// # Errors
/// When it cannot be read.
pub fn take_result(layout: &Layout, id: &str) -> Result<Option<Outcome>, FileError> {
    let Some(dir) = Dir::open(&layout.fetches())? else {
        return Ok(None);
    };
    let outcome = get(&dir, &result_file(id))?;
    dir.remove(&result_file(id))?;
    Ok(outcome)
}

fn result_file(id: &str) -> String {
    format!("{id}.result.json")
}

fn get<T: DeserializeOwned>(dir: &Dir, name: &str) -> Result<Option<T>, FileError> {
    let bytes = dir.read(name, LIMIT)?;
    Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}

fn put(dir: &Dir, name: &str, value: &impl Serialize, mode: u32) -> Result<(), FileError> {
    // Text, numbers and sets always have a JSON form.
    let bytes = serde_json::to_vec(value).unwrap_or_default();
    dir.write(name, &bytes, mode)
}
