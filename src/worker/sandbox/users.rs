//! The users of a pod with `hostUsers: false`: a range of ids that no other pod has, and the namespaces that belong to it.
//!
//! Which range it is matters to nobody: what containers write into volumes is owned there as they see it themselves
//! ([`crate::host::idmap`]), and their own layer is made anew for each run. So the first free one is taken when the sandbox
//! comes up, and given back when it goes.

use crate::host::files::{Dir, FileError};
use crate::host::mounts::{self, MountError};
use crate::host::users::{self, COUNT, FIRST, Places, RANGES, UsersError};
use crate::model::layout::Layout;
use crate::model::name::PodUid;
use crate::model::sandbox::Users;

/// The longest uid of a pod.
const LONGEST: usize = 1024;

/// Why a pod has no users of its own.
#[derive(Debug, thiserror::Error)]
pub(super) enum RangeError {
    #[error("cannot choose the ids of the pod")]
    File(#[from] FileError),
    #[error(transparent)]
    Mount(#[from] MountError),
    #[error("all {RANGES} ranges of ids are taken")]
    None,
    #[error(transparent)]
    Users(#[from] UsersError),
}

/// Makes them; what is there stays.
pub(super) fn up(layout: &Layout, uid: &PodUid, users: &Users) -> Result<(), RangeError> {
    let run = Dir::create(&layout.run)?;
    let own = run
        .create_sub("pods", 0o755)?
        .create_sub(uid.as_str(), 0o700)?
        .create_sub("ns", 0o700)?;
    let ns = |kind| layout.pod_namespace(uid, kind);
    if ns("user").exists() && mounts::is_namespace(&ns("user"))? {
        return Ok(());
    }
    let first = take(layout, uid)?;
    own.write("user-range", format!("{first}\n").as_bytes(), 0o600)?;
    let places = Places {
        user: &ns("user"),
        ipc: &ns("ipc"),
        uts: &ns("uts"),
        network: &layout.network_namespace(uid),
    };
    Ok(users::create(places, first, users.nested)?)
}

/// The first id of a range that is the pod's, or becomes so.
fn take(layout: &Layout, uid: &PodUid) -> Result<u32, RangeError> {
    let ranges = Dir::create(&layout.run)?.create_sub("users", 0o700)?;
    ranges.lock()?;
    let mut free = None;
    for first in (0..RANGES).map(|index| FIRST + index * COUNT) {
        let whose = ranges.read(&first.to_string(), LONGEST)?;
        match whose.as_deref() {
            Some(whose) if whose == uid.as_str().as_bytes() => return Ok(first),
            // Of a pod that was taken away by force, perhaps: whose directory is not there has no processes.
            Some(whose) if lives(layout, whose) => {}
            _ if free.is_none() => free = Some(first),
            // Ranges are given in order: past a gap there may be the pod's own, past the end none.
            None => break,
            Some(_) => {}
        }
    }
    let first = free.ok_or(RangeError::None)?;
    ranges.write(&first.to_string(), uid.as_str().as_bytes(), 0o600)?;
    Ok(first)
}

fn lives(layout: &Layout, whose: &[u8]) -> bool {
    let uid = std::str::from_utf8(whose)
        .ok()
        .and_then(|uid| uid.parse().ok());
    uid.is_some_and(|uid: PodUid| layout.pod_namespace(&uid, "user").exists())
}

/// Gives the range back.
pub(super) fn release(layout: &Layout, uid: &PodUid) -> Result<(), RangeError> {
    let Some(ranges) = Dir::open(&layout.run.join("users"))? else {
        return Ok(());
    };
    let Ok(text) = std::fs::read_to_string(layout.pod_namespace(uid, "user-range")) else {
        return Ok(());
    };
    Ok(ranges.remove_tree(text.trim())?)
}
