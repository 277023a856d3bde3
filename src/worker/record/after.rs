//! What the end of one container means for the others of its pod, without the agent.

use super::place;
use crate::chain;
use crate::host::files::{Dir, FileError};
use crate::host::last_run::{self, LastRunError};
use crate::model::layout::Layout;
use crate::model::name::{ContainerName, UnitName};
use crate::worker::own_unit::OwnUnit;

/// The key with the services of the pod that a rule starts again, in order.
const ALL_KEY: &str = "All";
/// The keys with the mains of a pod, and the services of its sidecars in the order of their end.
const MAINS_KEY: &str = "Mains";
const SIDECARS_KEY: &str = "Sidecars";

/// Why the others were not told.
#[derive(Debug, thiserror::Error)]
pub(super) enum AfterError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Systemd(#[from] LastRunError),
}

/// Starts all containers of the pod again: systemd ends them in reverse order and starts them in order, init
/// containers first. Those that had ended for good run too.
///
/// One that has ended, but whose own record has not come so far as to mark it done, would not run if the mark came after
/// this: so both are done under the pod's lock, and see [`mark_done`].
pub(super) fn restart_all(layout: &Layout, own: &OwnUnit) -> Result<(), AfterError> {
    let pod = Dir::create(&layout.pod(&own.identity.uid))?;
    pod.lock()?;
    pod.remove_tree("done")?;
    last_run::restart_all(&units(own, ALL_KEY))?;
    Ok(())
}

/// Marks a container that has ended for good, unless a rule of another one has just asked for its restart. Written
/// through to the disk: after a power loss the container would run once more.
pub(super) fn mark_done(
    layout: &Layout,
    own: &OwnUnit,
    unit: &UnitName,
    name: &ContainerName,
) -> Result<(), AfterError> {
    let uid = &own.identity.uid;
    let pod = Dir::create(&layout.pod(uid))?;
    pod.lock()?;
    match last_run::is_restarting(unit) {
        Ok(true) => return Ok(()),
        Ok(false) => {}
        // It has ended for good as far as anybody knows.
        Err(error) => log::warn!("{}", chain::line(&error)),
    }
    let (dir, file) = place(&layout.done(uid, name))?;
    dir.create_file(&file, 0o644)?;
    // Others need not wait for the disk.
    drop(pod);
    Ok(dir.sync()?)
}

/// Ends the sidecars when no main will run again.
pub(super) fn end_sidecars(layout: &Layout, own: &OwnUnit) -> Result<(), AfterError> {
    let uid = &own.identity.uid;
    let mains = own.optional(MAINS_KEY).unwrap_or_default();
    let mut mains = mains
        .split_whitespace()
        .filter_map(|name| name.parse::<ContainerName>().ok());
    let done = |name: ContainerName| -> Result<bool, FileError> {
        let (dir, file) = place(&layout.done(uid, &name))?;
        dir.has(&file)
    };
    let all = mains.try_fold(true, |all, name| Ok::<_, FileError>(all && done(name)?))?;
    if all {
        for unit in units(own, SIDECARS_KEY) {
            last_run::stop(&unit)?;
        }
    }
    Ok(())
}

fn units(own: &OwnUnit, key: &'static str) -> Vec<UnitName> {
    let text = own.optional(key).unwrap_or_default();
    let units = text.split_whitespace().filter_map(|unit| unit.parse().ok());
    units.collect()
}
