//! What a pod's directory holds besides records: written from [`Payload`]s, read back as digests.
//!
//! A config map or secret volume looks as a kubelet makes it, so that a reader sees all keys change at once:
//!
//! ```text
//! volumes/conf/..<digest in hex>/key     the content
//!              ..data -> ..<digest>      swapped by a rename
//!              key -> ..data/key
//! ```
//!
//! A path such as `dir/key` is below `..data/dir`, and `dir` is the link. A tree of objects that do not change has a name of
//! planning's choice in the place of the digest.
//!
//! A secret volume stands twice: such a tree in `secrets/<volume>` on disk, for root only, which outlives a reboot, and
//! one on the pod's tmpfs while its sandbox is up. [`restore_secrets`] makes the second from the first.
//!
//! The parent directories are 0700. Containers see volumes by mounts, for which the way above does not count;
//! other users of the host do not see them at all, so what is in a volume can be 0644 (the API's default
//! mode) or, of an emptyDir, 0777.

mod read;
mod tree;

use super::files::{Dir, FileError};
use crate::model::layout::Layout;
use crate::model::name::PodUid;
use crate::model::observed::Digest;
use crate::model::payload::{Files, Payload, PayloadContent};
pub use read::read;
use std::path::Path;

/// The largest key or environment file that is read back. Sources accept far less.
const LIMIT: usize = 16 << 20;

/// Why a payload could not be written or removed.
#[derive(Debug, thiserror::Error)]
pub enum PayloadError {
    /// A file of it.
    #[error("a payload of pod {0} is not in place")]
    File(PodUid, #[source] FileError),
    /// The path is not one of those in the layout.
    #[error("{0:?} is no place for a payload below a pod's directory")]
    Path(String),
}

/// Writes a payload. Doing it again changes nothing; after a crash it repairs what was cut short.
pub fn write(layout: &Layout, uid: &PodUid, payload: &Payload) -> Result<(), PayloadError> {
    let (kind, name) = split(&payload.path)?;
    let wrong = || Err(PayloadError::Path(payload.path.clone()));
    let parent =
        || -> Result<Dir, FileError> { Dir::create(&layout.pod(uid))?.create_sub(kind, 0o700) };
    let digest = payload.content.digest();
    let written = match (&payload.content, kind) {
        (
            PayloadContent::Tree {
                files,
                secret: false,
                ..
            },
            "volumes",
        ) => parent().and_then(|parent| tree::write(&parent, name, files, digest, false)),
        (
            PayloadContent::Tree {
                files,
                secret: true,
                ..
            },
            "secrets",
        ) => parent().and_then(|parent| {
            tree::write(&parent, name, files, digest, true)?;
            write_secret(layout, uid, name, files, digest)
        }),
        (PayloadContent::EnvFile(bytes), "env") => {
            parent().and_then(|parent| parent.write(name, bytes, 0o400))
        }
        (PayloadContent::Termination, "termination") => {
            parent().and_then(|parent| parent.create_file(name, 0o666).map(drop))
        }
        (PayloadContent::EmptyDir, "volumes") => {
            parent().and_then(|parent| empty_dir(&parent, name))
        }
        _ => return wrong(),
    };
    written.map_err(|source| PayloadError::File(uid.clone(), source))
}

/// An emptyDir that is there is left as it is: its containers may have changed its mode.
fn empty_dir(parent: &Dir, name: &str) -> Result<(), FileError> {
    match parent.has(name)? {
        true => Ok(()),
        false => parent.create_sub(name, 0o777).map(drop),
    }
}

/// Writes a secret volume to the pod's tmpfs, if that is there.
fn write_secret(
    layout: &Layout,
    uid: &PodUid,
    volume: &str,
    files: &Files,
    digest: Digest,
) -> Result<(), FileError> {
    match Dir::open(&layout.pod_run(uid))? {
        Some(run) => {
            let parent = run.create_sub("secrets", 0o700)?;
            tree::write(&parent, volume, files, digest, false)
        }
        None => Ok(()),
    }
}

/// Writes every secret volume of a pod from its store on disk to its tmpfs directory, which must be there.
pub fn restore_secrets(layout: &Layout, uid: &PodUid) -> Result<(), PayloadError> {
    let restore = || -> Result<(), FileError> {
        let Some(pod) = Dir::open(&layout.pod(uid))? else {
            return Ok(());
        };
        let Some(store) = pod.sub("secrets")? else {
            return Ok(());
        };
        for name in read::volumes(&store)? {
            let Some(kept) = store.sub(&name)? else {
                continue;
            };
            if let Some(digest) = tree::digest(&kept)? {
                write_secret(layout, uid, &name, &tree::files(&kept)?, digest)?;
            }
        }
        Ok(())
    };
    restore().map_err(|source| PayloadError::File(uid.clone(), source))
}

/// Removes a payload by its path; nothing there is no error.
pub fn remove(layout: &Layout, uid: &PodUid, path: &str) -> Result<(), PayloadError> {
    let (kind, name) = split(path)?;
    let remove_in = |root: &Path| -> Result<(), FileError> {
        match Dir::open(root)? {
            Some(root) => match root.sub(kind)? {
                Some(parent) => parent.remove_tree(name),
                None => Ok(()),
            },
            None => Ok(()),
        }
    };
    let removed = match kind {
        "secrets" => remove_in(&layout.pod_run(uid)).and_then(|()| remove_in(&layout.pod(uid))),
        _ => remove_in(&layout.pod(uid)),
    };
    removed.map_err(|source| PayloadError::File(uid.clone(), source))
}

/// Removes a pod's directories on disk and tmpfs with payloads and records. What is still mounted below stays
/// and is an error.
pub fn remove_pod_dir(layout: &Layout, uid: &PodUid) -> Result<(), PayloadError> {
    let remove = |path: &Path| -> Result<(), FileError> {
        let Some((parent, name)) = path.parent().zip(path.file_name()) else {
            return Ok(());
        };
        match Dir::open(parent)? {
            Some(parent) => parent.remove_tree(&name.to_string_lossy()),
            None => Ok(()),
        }
    };
    remove(&layout.pod_run(uid))
        .and_then(|()| remove(&layout.pod(uid)))
        .map_err(|source| PayloadError::File(uid.clone(), source))
}

/// The kind and name in a path such as `env/web`.
fn split(path: &str) -> Result<(&str, &str), PayloadError> {
    let wrong = || PayloadError::Path(path.to_owned());
    let (kind, name) = path.split_once('/').ok_or_else(wrong)?;
    let known = ["volumes", "secrets", "env", "termination"].contains(&kind);
    // A name that begins with a dot is one of ours in the making.
    match known && !name.is_empty() && !name.starts_with('.') && !name.contains('/') {
        true => Ok((kind, name)),
        false => Err(wrong()),
    }
}

#[cfg(test)]
mod tests;
