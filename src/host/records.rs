//! Records of controllers: a small JSON file each, whole or not at all.

use super::files::{Dir, FileError};
use crate::model::controller::record::Record;
use crate::model::controller::{ControllerKey, ControllerKind};
use crate::model::layout::Layout;
use crate::model::name::ObjectKey;
use crate::unit::{digest, hex};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The largest record that is read.
const LIMIT: usize = 32 << 20;

/// A record with whose it is.
#[derive(Serialize, Deserialize)]
struct File {
    kind: String,
    namespace: String,
    name: String,
    #[serde(flatten)]
    record: Record,
}

/// The file an object is kept in, by its kind in lower case: also that of manifests which vks keeps itself.
pub fn object_file(kind: &str, object: &ObjectKey) -> String {
    let full = format!("{kind}.{}.{}.json", object.namespace, object.name);
    match full.len() {
        0..=200 => full,
        _ => format!("{kind}.{}.json", hex(&digest(full.as_bytes()))),
    }
}

fn file_name(key: &ControllerKey) -> String {
    object_file(key.kind.word(), &key.object)
}

/// All records; those that cannot be understood are left out and named.
///
/// # Errors
/// When the directory cannot be read.
pub fn read(layout: &Layout) -> Result<(BTreeMap<ControllerKey, Record>, Vec<String>), FileError> {
    let (mut records, mut damaged) = (BTreeMap::new(), Vec::new());
    let Some(dir) = Dir::open(&layout.controllers())? else {
        return Ok((records, damaged));
    };
    for (name, _) in dir.entries()? {
        if !name.ends_with(".json") {
            continue;
        }
        let bytes = dir.read(&name, LIMIT)?.unwrap_or_default();
        match serde_json::from_slice::<File>(&bytes).ok().and_then(owned) {
            Some((key, record)) => drop(records.insert(key, record)),
            None => damaged.push(name),
        }
    }
    Ok((records, damaged))
}

fn owned(file: File) -> Option<(ControllerKey, Record)> {
    let mut kinds = ControllerKind::ALL.into_iter();
    let kind = kinds.find(|kind| kind.word() == file.kind)?;
    let object = ObjectKey {
        namespace: file.namespace.parse().ok()?,
        name: file.name.parse().ok()?,
    };
    Some((ControllerKey { kind, object }, file.record))
}

/// Writes a record; `sync` makes it safe from a power loss when this returns.
///
/// # Errors
/// When it cannot be written: the one before is then still there.
pub fn write(
    layout: &Layout,
    key: &ControllerKey,
    record: &Record,
    sync: bool,
) -> Result<(), FileError> {
    let dir = Dir::create(&layout.controllers())?;
    let file = File {
        kind: key.kind.word().to_owned(),
        namespace: key.object.namespace.to_string(),
        name: key.object.name.to_string(),
        record: record.clone(),
    };
    // Text, numbers and sets always have a JSON form.
    let bytes = serde_json::to_vec(&file).unwrap_or_default();
    dir.write(&file_name(key), &bytes, 0o600)?;
    if sync {
        dir.sync()?;
    }
    Ok(())
}

/// Forgets a controller.
///
/// # Errors
/// When the file cannot be removed.
pub fn remove(layout: &Layout, key: &ControllerKey) -> Result<(), FileError> {
    if let Some(dir) = Dir::open(&layout.controllers())? {
        dir.remove(&file_name(key))?;
    }
    Ok(())
}
