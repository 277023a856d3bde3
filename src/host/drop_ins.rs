//! The drop-ins that systemd writes when a property of a unit is set: `/run/systemd/system.control/<unit>.d/50-<Key>.conf`.
//!
//! They go before the unit's file, also before one that is written later, so they are removed once the file says the
//! same.

use super::files::{Dir, FileError};
use crate::model::name::UnitName;
use std::collections::BTreeMap;
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

/// The slices of vks that have drop-ins of some keys, and which.
pub fn of_slices<'k>(keys: &[&'k str]) -> Result<BTreeMap<UnitName, Vec<&'k str>>, FileError> {
    let mut found = BTreeMap::new();
    let Some(control) = Dir::open(Path::new(CONTROL))? else {
        return Ok(found);
    };
    for (name, _) in control.entries()? {
        let unit = name.strip_suffix(".slice.d").filter(|stem| {
            // `vks` itself, and those below it.
            stem.strip_prefix("vks")
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        });
        let unit = unit.and_then(|stem| format!("{stem}.slice").parse::<UnitName>().ok());
        let (Some(unit), Some(drop_ins)) = (unit, control.sub(&name)?) else {
            continue;
        };
        let files = drop_ins.entries()?;
        let is_set = |key: &&&str| {
            let file = format!("50-{key}.conf");
            files.iter().any(|(name, _)| *name == file)
        };
        let set: Vec<&str> = keys.iter().filter(is_set).copied().collect();
        if !set.is_empty() {
            found.insert(unit, set);
        }
    }
    Ok(found)
}
