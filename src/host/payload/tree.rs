//! Trees of files: the kubelet's way with `..data` (pkg/volume/util/atomic_writer.go).

use super::LIMIT;
use crate::host::files::{Dir, FileError};
use crate::model::observed::Digest;
use crate::model::payload::{Files, TreeFile};
use crate::unit::hex;
use rustix::fs::FileType;
use std::collections::{BTreeMap, BTreeSet};

/// The link that names the directory in force.
const DATA: &str = "..data";
/// In a store, the modes that the files have in the copy: in the store itself they are for root.
const MODES: &str = "..modes";
/// The bit of a directory whose entries get its group.
const SET_GROUP: u32 = 0o2000;

/// Writes a tree, or completes it. Readers see all old files or all new ones. What is in force under the name of this
/// digest stays as it is.
pub(super) fn write(
    parent: &Dir,
    name: &str,
    files: &Files,
    digest: Digest,
    store: bool,
) -> Result<(), FileError> {
    check_paths(parent, files)?;
    // What the sandbox has given to a group stays that group's.
    let group = match parent.sub(name)? {
        Some(tree) => tree.mode()? & SET_GROUP,
        None => 0,
    };
    let tree = parent.create_sub(name, 0o755 | group)?;
    let current = format!("..{}", hex(&digest));
    if tree.read_link(DATA)?.as_deref() != Some(&current) {
        // What has this name and is not in force was cut short.
        tree.remove_tree(&current)?;
        let new = tree.create_sub(&current, 0o755 | group)?;
        for (path, file) in files {
            match store {
                true => put(&new, path, &for_root(file), 0)?,
                false => put(&new, path, file, group)?,
            }
        }
        if store {
            let modes: BTreeMap<&str, u32> =
                files.iter().map(|(p, f)| (p.as_str(), f.mode)).collect();
            // Plain data: cannot fail.
            new.write(
                MODES,
                &serde_json::to_vec(&modes).unwrap_or_default(),
                0o400,
            )?;
        }
    }
    let tops: BTreeSet<&str> = files.keys().filter_map(|path| top(path)).collect();
    for top in &tops {
        let target = format!("{DATA}/{top}");
        if tree.read_link(top)?.as_deref() != Some(&target) {
            // Something else than a file or link would be in the way of the rename.
            tree.remove_tree(top)?;
            tree.symlink(top, &target)?;
        }
    }
    if tree.read_link(DATA)?.as_deref() != Some(&current) {
        tree.symlink(DATA, &current)?;
    }
    for (entry, _) in tree.entries()? {
        if entry != DATA && entry != current && !tops.contains(entry.as_str()) {
            tree.remove_tree(&entry)?;
        }
    }
    Ok(())
}

/// As it lies in the store.
fn for_root(file: &TreeFile) -> TreeFile {
    TreeFile {
        mode: 0o400,
        ..file.clone()
    }
}

fn top(path: &str) -> Option<&str> {
    path.split('/').next()
}

/// Writes a file and the directories above it. In a volume that has a group, files are readable by it (kubelet:
/// `SetVolumeOwnership`).
fn put(dir: &Dir, path: &str, file: &TreeFile, group: u32) -> Result<(), FileError> {
    let readable = if group == 0 { 0 } else { 0o440 };
    match path.split_once('/') {
        Some((first, rest)) => put(&dir.create_sub(first, 0o755 | group)?, rest, file, group),
        None => dir.write(path, &file.bytes, file.mode | readable),
    }
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
    expected.remove(MODES);
    expected.extend([DATA.to_owned(), current]);
    Ok((names(tree)? == expected).then_some(digest))
}

fn names(dir: &Dir) -> Result<BTreeSet<String>, FileError> {
    Ok(dir.entries()?.into_iter().map(|(name, _)| name).collect())
}

/// The files of a tree that is complete.
pub(super) fn files(tree: &Dir) -> Result<Files, FileError> {
    let mut files = Files::new();
    if let Some(current) = tree.read_link(DATA)?
        && let Some(dir) = tree.sub(&current)?
    {
        collect(&dir, "", &mut files)?;
        let modes = files
            .remove(MODES)
            .map(|file| file.bytes)
            .unwrap_or_default();
        let modes: BTreeMap<String, u32> = serde_json::from_slice(&modes).unwrap_or_default();
        for (path, mode) in modes {
            if let Some(file) = files.get_mut(&path) {
                file.mode = mode;
            }
        }
    }
    Ok(files)
}

fn collect(dir: &Dir, prefix: &str, files: &mut Files) -> Result<(), FileError> {
    for (name, kind) in dir.entries()? {
        let path = format!("{prefix}{name}");
        if kind == FileType::Directory {
            if let Some(below) = dir.sub(&name)? {
                collect(&below, &format!("{path}/"), files)?;
            }
        } else if let Some((bytes, mode)) = dir.read_with_mode(&name, LIMIT)? {
            files.insert(path, TreeFile { bytes, mode });
        }
    }
    Ok(())
}

/// `..` at the front of a path is what the tree itself uses.
fn check_paths(parent: &Dir, files: &Files) -> Result<(), FileError> {
    for path in files.keys() {
        path.split('/').try_for_each(|part| parent.check(part))?;
        if path.starts_with("..") {
            return Err(parent.error("use the path", path, std::io::ErrorKind::InvalidInput));
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
