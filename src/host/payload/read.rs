//! What stands in a pod's directory, as digests.

use super::{LIMIT, tree};
use crate::host::files::{Dir, FileError};
use crate::model::layout::Layout;
use crate::model::name::PodUid;
use crate::model::observed::Digest;
use crate::model::payload::{EMPTY_DIR, TERMINATION, file_digest};
use rustix::fs::FileType;
use std::collections::BTreeMap;

/// The payloads that stand complete, by their path below the pod's directory. One that is not complete, or
/// a secret whose copy on tmpfs is not that of its store, is left out, as if it had not been written.
pub fn read(layout: &Layout, uid: &PodUid) -> Result<BTreeMap<String, Digest>, FileError> {
    let mut found = BTreeMap::new();
    let Some(pod) = Dir::open(&layout.pod(uid))? else {
        return Ok(found);
    };
    let mut add = |kind: &str, name: &str, digest: Option<Digest>| {
        found.extend(digest.map(|digest| (format!("{kind}/{name}"), digest)));
    };
    if let Some(parent) = pod.sub("volumes")? {
        for name in volumes(&parent)? {
            add("volumes", &name, volume(&parent, &name)?);
        }
    }
    if let Some(parent) = pod.sub("secrets")? {
        let run = Dir::open(&layout.pod_run(uid))?;
        for name in volumes(&parent)? {
            add("secrets", &name, secret(&parent, run.as_ref(), &name)?);
        }
    }
    if let Some(parent) = pod.sub("env")? {
        for (name, _) in parent.entries()? {
            let bytes = parent.read(&name, LIMIT)?;
            add("env", &name, bytes.map(|bytes| file_digest(&bytes)));
        }
    }
    if let Some(parent) = pod.sub("termination")? {
        for (name, kind) in parent.entries()? {
            add(
                "termination",
                &name,
                (kind == FileType::RegularFile).then_some(TERMINATION),
            );
        }
    }
    found.retain(|path, _| super::split(path).is_ok());
    Ok(found)
}

/// The directories in a directory that are named as volumes are: without a dot in front.
pub(super) fn volumes(parent: &Dir) -> Result<Vec<String>, FileError> {
    let entries = parent.entries()?.into_iter();
    let named =
        entries.filter(|(name, kind)| *kind == FileType::Directory && !name.starts_with('.'));
    Ok(named.map(|(name, _)| name).collect())
}

/// A tree, or an emptyDir. A container can put what it likes into an emptyDir, a link `..data` too, but a
/// tree is never writable by all.
fn volume(parent: &Dir, name: &str) -> Result<Option<Digest>, FileError> {
    let Some(volume) = parent.sub(name)? else {
        return Ok(None);
    };
    if volume.mode()? & 0o022 != 0 || volume.read_link("..data")?.is_none() {
        return Ok(Some(EMPTY_DIR));
    }
    tree::digest(&volume)
}

fn secret(parent: &Dir, run: Option<&Dir>, name: &str) -> Result<Option<Digest>, FileError> {
    let Some(store) = parent.sub(name)? else {
        return Ok(None);
    };
    let digest = tree::digest(&store)?;
    let Some(run) = run else {
        return Ok(digest);
    };
    let copy = match run.sub(&format!("secrets/{name}"))? {
        Some(copy) => tree::digest(&copy)?,
        None => None,
    };
    Ok(digest.filter(|_| copy == digest))
}
