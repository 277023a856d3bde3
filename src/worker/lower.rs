//! At the shutdown of the host, a pod of some priority waits for those of lower priority to end.
//!
//! All that is needed is in files: priorities in the targets of pods, and whether processes are left in the control
//! groups of their slices. Only pods with a priority above 0 wait, and only for lower ones, so that no two wait for each
//! other.

use super::own_unit::OwnUnit;
use crate::chain;
use crate::host::files::FileError;
use crate::host::units::UnitDir;
use crate::host::{cgroup, last_run};
use crate::model::layout::Layout;
use crate::model::name::UnitName;
use crate::model::priority::{LONGEST_WAIT, PRIORITY_KEY};
use crate::unit::UnitFile;
use crate::unit::identity::SECTION;
use crate::unit::names::PodUnits;
use std::time::Instant;

/// Returns when the host does not shut down, when no pod of lower priority is left, and at the latest after ten minutes.
pub(super) fn wait(unit: &UnitName) {
    match last_run::is_shutting_down() {
        Ok(true) => {}
        Ok(false) => return,
        // The order matters less than the end.
        Err(error) => return log::warn!("{}", chain::line(&error)),
    }
    let layout = super::layout();
    let own = match OwnUnit::read(&layout, unit) {
        Ok(own) => own,
        Err(error) => return log::warn!("{}", chain::line(&error)),
    };
    let priority = own
        .optional(PRIORITY_KEY)
        .and_then(|text| text.parse().ok());
    let lower = match lower(&layout, priority.unwrap_or(0)) {
        Ok(lower) if lower.is_empty() => return,
        Ok(lower) => lower,
        Err(error) => return log::warn!("{}", chain::line(&error)),
    };
    log::info!(
        "pod {} ends after those of lower priority",
        own.identity.pod
    );
    let until = Instant::now() + LONGEST_WAIT;
    for slice in lower {
        match cgroup::wait_empty(&slice, until) {
            Ok(true) => {}
            Ok(false) => log::warn!("{slice} has not ended in {} s", LONGEST_WAIT.as_secs()),
            Err(error) => log::warn!("cannot wait for {slice} to end: {error}"),
        }
    }
}

/// The slices of pods with a lower priority.
fn lower(layout: &Layout, priority: i32) -> Result<Vec<UnitName>, FileError> {
    let Some(units) = UnitDir::open(layout)? else {
        return Ok(Vec::new());
    };
    let of = |file: &UnitFile| file.value(SECTION, PRIORITY_KEY)?.parse::<i32>().ok();
    let pods = units.pods()?.into_iter();
    let lower = pods.filter(|(_, file)| of(file).unwrap_or(0) < priority);
    Ok(lower
        .map(|(identity, _)| PodUnits::new(&identity.pod).slice())
        .collect())
}
