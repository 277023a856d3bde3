//! Layers mounted over each other by overlayfs.

use super::RootError;
use crate::host::idmap;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use rustix::fs::CWD;
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, fsconfig_create,
    fsconfig_set_string, fsmount, fsopen, move_mount,
};
use std::io;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

/// What mount(2) takes of options: a page, with room for the rest.
const MOST_OPTIONS: usize = 4000;

/// What is written over layers, and a directory for overlayfs itself beside it.
#[derive(Debug, Clone, Copy)]
pub struct Written<'a> {
    /// Where it is.
    pub upper: &'a Path,
    /// On the same file system.
    pub work: &'a Path,
}

/// The same, of layers whose files belong to the users of a namespace. `at_hand` is an empty directory, where the layers are
/// mounted for as long as it takes.
pub fn overlay_mapped(
    layers: &[PathBuf],
    written: Option<Written<'_>>,
    at: &Path,
    (users, at_hand): (BorrowedFd<'_>, &Path),
) -> Result<(), RootError> {
    let failed = |source: io::Error| RootError::Layers {
        at: at.to_owned(),
        source,
    };
    let mut mounted = Vec::new();
    let mut mount_all = || {
        for (index, layer) in layers.iter().enumerate() {
            let tree = idmap::mapped(layer, users, false);
            let tree = tree.map_err(|source| super::unmapped(source, layer, "/"))?;
            let place = at_hand.join(index.to_string());
            std::fs::create_dir(&place).map_err(failed)?;
            idmap::attach(&tree, &place).map_err(|errno| failed(errno.into()))?;
            mounted.push(place);
        }
        overlay(&mounted, written, at)
    };
    let done = mount_all();
    for place in &mounted {
        // overlayfs has mounts of its own of them by now.
        let _ = umount2(place, MntFlags::MNT_DETACH);
        let _ = std::fs::remove_dir(place);
    }
    done
}

/// Mounts layers, the highest first in `layers`, with a directory for what is written over them; without one, to read
/// only.
pub fn overlay(
    layers: &[PathBuf],
    written: Option<Written<'_>>,
    at: &Path,
) -> Result<(), RootError> {
    let failed = |source: io::Error| RootError::Layers {
        at: at.to_owned(),
        source,
    };
    match by_one(layers, written, at) {
        Ok(()) => return Ok(()),
        // Before Linux 6.8: all in one text.
        Err(Errno::INVAL | Errno::NOSYS) => {}
        Err(errno) => return Err(failed(errno.into())),
    }
    let escaped = |path: &Path| {
        let text = path.display().to_string();
        text.replace('\\', "\\\\")
            .replace(':', "\\:")
            .replace(',', "\\,")
    };
    let lower: Vec<String> = layers.iter().map(|layer| escaped(layer)).collect();
    let mut options = format!("lowerdir={}", lower.join(":"));
    let mut flags = MsFlags::MS_RDONLY;
    if let Some(Written { upper, work }) = written {
        options += &format!(",upperdir={},workdir={}", escaped(upper), escaped(work));
        flags = MsFlags::empty();
    }
    if options.len() > MOST_OPTIONS {
        return Err(RootError::TooMany(layers.len()));
    }
    let kind = Some("overlay");
    mount(kind, at, kind, flags, Some(options.as_str())).map_err(|errno| failed(errno.into()))
}

fn by_one(layers: &[PathBuf], written: Option<Written<'_>>, at: &Path) -> rustix::io::Result<()> {
    let fs = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
    for layer in layers {
        fsconfig_set_string(&fs, "lowerdir+", layer)?;
    }
    let mut attributes = MountAttrFlags::MOUNT_ATTR_RDONLY;
    if let Some(Written { upper, work }) = written {
        fsconfig_set_string(&fs, "upperdir", upper)?;
        fsconfig_set_string(&fs, "workdir", work)?;
        attributes = MountAttrFlags::empty();
    }
    fsconfig_create(&fs)?;
    let made = fsmount(&fs, FsMountFlags::FSMOUNT_CLOEXEC, attributes)?;
    move_mount(&made, "", CWD, at, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
}
