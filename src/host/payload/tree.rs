//! Trees of keys: the kubelet's way with `..data`, and the plain store of a secret.

use super::LIMIT;
use crate::host::files::{Dir, FileError};
use crate::model::observed::Digest;
use crate::model::payload::tree_digest;
use crate::unit::hex;
use std::collections::{BTreeMap, BTreeSet};

/// The link that names the directory in force.
const DATA: &str = "..data";
/// The bit of a directory whose entries get its group.
const SET_GROUP: u32 = 0o2000;

/// Writes a tree, or completes it. Readers see all old keys or all new ones.
pub(super) fn write(
    parent: &Dir,
    name: &str,
    files: &BTreeMap<String, Vec<u8>>,
) -> Result<(), FileError> {
    check_keys(parent, files)?;
    // What the sandbox has given to a group stays that group's.
    let group = match parent.sub(name)? {
        Some(tree) => tree.mode()? & SET_GROUP,
        None => 0,
    };
    let tree = parent.create_sub(name, 0o755 | group)?;
    let current = format!("..{}", hex(&tree_digest(files)));
    if tree.read_link(DATA)?.as_deref() != Some(&current) {
        // What has this name and is not in force was cut short.
        tree.remove_tree(&current)?;
        let keys = tree.create_sub(&current, 0o755 | group)?;
        for (key, bytes) in files {
            keys.write(key, bytes, 0o644)?;
        }
    }
    for key in files.keys() {
        let target = format!("{DATA}/{key}");
        if tree.read_link(key)?.as_deref() != Some(&target) {
            // Something else than a file or link would be in the way of the rename.
            tree.remove_tree(key)?;
            tree.symlink(key, &target)?;
        }
    }
    if tree.read_link(DATA)?.as_deref() != Some(&current) {
        tree.symlink(DATA, &current)?;
    }
    for (entry, _) in tree.entries()? {
        if entry != DATA && entry != current && !files.contains_key(&entry) {
            tree.remove_tree(&entry)?;
        }
    }
    Ok(())
}

/// The digest of a tree that is complete; `None` of one that is not, or is no tree.
pub(super) fn digest(tree: &Dir) -> Result<Option<Digest>, FileError> {
    let Some(current) = tree.read_link(DATA)? else {
        return Ok(None);
    };
    let Some(digest) = current.strip_prefix("..").and_then(from_hex) else {
        return Ok(None);
    };
    let Some(keys) = tree.sub(&current)? else {
        return Ok(None);
    };
    let mut expected = names(&keys)?;
    expected.extend([DATA.to_owned(), current]);
    Ok((names(tree)? == expected).then_some(digest))
}

fn names(dir: &Dir) -> Result<BTreeSet<String>, FileError> {
    Ok(dir.entries()?.into_iter().map(|(name, _)| name).collect())
}

/// Writes the store of a secret: a directory of plain files for root only, put in place as a whole.
pub(super) fn write_store(
    parent: &Dir,
    name: &str,
    files: &BTreeMap<String, Vec<u8>>,
) -> Result<(), FileError> {
    check_keys(parent, files)?;
    let new = format!(".new-{name}");
    parent.remove_tree(&new)?;
    let keys = parent.create_sub(&new, 0o700)?;
    for (key, bytes) in files {
        keys.write(key, bytes, 0o400)?;
    }
    match parent.has(name)? {
        true => parent.exchange(&new, name)?,
        false => parent.rename(&new, name)?,
    }
    parent.remove_tree(&new)
}

/// Reads the store of a secret; `None` when there is none.
pub(super) fn read_store(
    parent: &Dir,
    name: &str,
) -> Result<Option<BTreeMap<String, Vec<u8>>>, FileError> {
    let Some(store) = parent.sub(name)? else {
        return Ok(None);
    };
    let mut files = BTreeMap::new();
    for (key, _) in store.entries()? {
        if let Some(bytes) = store.read(&key, LIMIT)? {
            files.insert(key, bytes);
        }
    }
    Ok(Some(files))
}

/// `..` at the front of a key is what the tree itself uses.
fn check_keys(parent: &Dir, files: &BTreeMap<String, Vec<u8>>) -> Result<(), FileError> {
    for key in files.keys() {
        parent.check(key)?;
        if key.starts_with("..") {
            return Err(parent.error("use the key", key, std::io::ErrorKind::InvalidInput));
        }
    }
    Ok(())
}

fn from_hex(text: &str) -> Option<Digest> {
    let mut digest = Digest::default();
    if text.len() != digest.len() * 2 || !text.is_ascii() {
        return None;
    }
    for (index, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[index * 2..index * 2 + 2], 16).ok()?;
    }
    Some(digest)
}
