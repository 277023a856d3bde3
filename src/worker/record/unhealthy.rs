//! The mark that a run is being ended because its liveness probe failed.
//!
//! A container that ends well on SIGTERM looks as if it were done, and with restart policy OnFailure would never
//! run again. The prober leaves this mark before it sends the signal; the record of that very run then counts
//! the end as one that was asked for.

use super::{Dir, FileError, place};
use crate::model::layout::Layout;
use crate::model::name::{ContainerName, PodUid};

/// An invocation has 32 digits.
const LIMIT: usize = 64;

/// Leaves the mark for a run.
pub fn mark(
    layout: &Layout,
    uid: &PodUid,
    container: &ContainerName,
    invocation: &str,
) -> Result<(), FileError> {
    let (dir, file) = place(&layout.unhealthy(uid, container))?;
    dir.write(&file, invocation.as_bytes(), 0o644)
}

/// Whether this run has the mark. It is taken away, also one that an earlier run has left.
pub(super) fn take(
    layout: &Layout,
    uid: &PodUid,
    container: &ContainerName,
    invocation: &str,
) -> Result<bool, FileError> {
    let path = layout.unhealthy(uid, container);
    let parent = path.parent().map_or(Ok(None), Dir::open)?;
    let (Some(dir), Some(file)) = (parent, path.file_name()) else {
        return Ok(false);
    };
    let file = file.to_string_lossy();
    let marked = dir.read(&file, LIMIT)?;
    if marked.is_some() {
        dir.remove(&file)?;
    }
    Ok(marked.is_some_and(|marked| marked == invocation.as_bytes()))
}
