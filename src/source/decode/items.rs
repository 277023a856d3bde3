//! Keys of config maps and secrets as files: which, where, and with what mode.

use super::check::data_key;
use super::field::{Field, Fields};
use super::known;
use crate::model::volume::{Items, KeyToPath};
use std::collections::BTreeSet;

/// `items` and `defaultMode` of a volume.
pub fn items(volume: &mut Fields<'_>) -> Option<Items> {
    let keys = keys(volume);
    let mode = mode(volume, "defaultMode");
    Some(Items {
        keys: keys?,
        mode: mode?,
    })
}

/// `items`: each path once.
pub fn keys(source: &mut Fields<'_>) -> Option<Vec<KeyToPath>> {
    let mut paths = BTreeSet::new();
    source.list("items", |field| {
        let mut f = field.fields(known::NONE)?;
        let key = f.require("key").and_then(|x| {
            let key = x.text()?;
            data_key(key).map_err(|message| x.problem(message)).ok()?;
            Some(key.to_owned())
        });
        let path = f.require("path").and_then(|x| file_path(&x));
        let mode = mode(&mut f, "mode");
        f.finish();
        let item = KeyToPath {
            key: key?,
            path: path?,
            mode: mode?,
        };
        once(&field, &mut paths, &item.path)?;
        Some(item)
    })
}

/// Refuses a path that another item has.
pub fn once(field: &Field<'_>, paths: &mut BTreeSet<String>, path: &str) -> Option<()> {
    if !paths.insert(path.to_owned()) {
        field.problem(format!(
            "the path {path:?} is there twice: change or remove one"
        ));
        return None;
    }
    Some(())
}

/// Permission bits, 0 to 0777.
pub fn mode(table: &mut Fields<'_>, key: &'static str) -> Option<Option<u32>> {
    table.optional(key, |x| {
        let mode = x.integer(0, 0o777)?;
        u32::try_from(mode).ok()
    })
}

/// A path below a volume: relative, without `..`, and not beginning with `..`, which the volume uses itself.
pub fn file_path(field: &Field<'_>) -> Option<String> {
    let path = relative_path(field)?;
    if path.starts_with("..") {
        field.problem("must not begin with '..': rename it");
        return None;
    }
    Some(path)
}

/// A relative path without `..`; repeated slashes, `.` and a final slash are taken away.
pub fn relative_path(field: &Field<'_>) -> Option<String> {
    let text = field.line()?;
    let parts: Vec<&str> = text
        .split('/')
        .filter(|part| !matches!(*part, "" | "."))
        .collect();
    let problem = if text.starts_with('/') {
        "must be a relative path: remove the '/' in front"
    } else if parts.contains(&"..") {
        "must not contain '..': write the path without it"
    } else if text.len() > 4095 {
        "is longer than 4095 bytes: use a shorter path"
    } else if parts.is_empty() {
        "is empty: name a file or directory"
    } else {
        return Some(parts.join("/"));
    };
    field.problem(problem);
    None
}
