//! The drop-ins that systemd writes when a property of a unit is set: `/run/systemd/system.control/<unit>.d/50-<Key>.conf`.
//!
//! They go before the unit's file, also before one that is written later, so they are removed once the file says the
//! same.

use super::files::{Dir, FileError};
use crate::model::name::UnitName;
use std::path::Path;

/// Where systemd writes them (systemd.unit(5)).
const CONTROL: &str = "/run/systemd/system.control";

/// Removes those of some keys of a unit, and their directory when it is empty then. What is not there is fine.
pub fn remove<'k>(unit: &UnitName, keys: impl Iterator<Item = &'k str>) -> Result<(), FileError> {
    let Some(control) = Dir::open(Path::new(CONTROL))? else {
        return Ok(());
    };
    let name = format!("{unit}.d");
    let Some(drop_ins) = control.sub(&name)? else {
        return Ok(());
    };
    for key in keys {
        drop_ins.remove(&format!("50-{key}.conf"))?;
    }
    match drop_ins.entries()?.is_empty() {
        true => control.remove_tree(&name),
        false => Ok(()),
    }
}
