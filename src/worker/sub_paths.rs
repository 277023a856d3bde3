//! `vks subpaths UNIT`: shows parts of volumes where a container mounts them from, before each of its starts; with
//! `--hide`, takes them away again when it has them.
//!
//! A container may be changing its volume while another one of the pod starts. What is found is bound to a place
//! that only root reaches, and systemd mounts that. Commands of a unit with mounts have a mount namespace of their own,
//! also with `+` in front, so the host's is joined first.

use super::args::{Allowed, ArgumentError, Arguments};
use super::journal;
use super::own_unit::{OwnUnit, OwnUnitError};
use super::sandbox::mount_points::{self, MountPointError};
use crate::host::files::{Dir, FileError};
use crate::host::mounts::{self, MountError};
use crate::host::namespace::{self, NamespaceError};
use crate::host::process::{Process, ProcessError};
use crate::host::volume_path::{Found, Volume, VolumePathError};
use crate::model::layout::Layout;
use crate::model::name::{PodUid, UnitName};
use crate::model::root::ROOT_KEY;
use crate::model::sandbox::{MountPoint, SUB_PATHS_KEY, SubPath};
use nix::sched::CloneFlags;
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

/// Why a part of a volume is not where the container expects it.
#[derive(Debug, thiserror::Error)]
enum SubPathError {
    #[error("cannot understand the arguments of vks subpaths")]
    Arguments(#[from] ArgumentError),
    #[error(transparent)]
    OwnUnit(#[from] OwnUnitError),
    #[error("failed to prepare subPath for volumeMount {mount:?}")]
    Volume {
        mount: String,
        source: VolumePathError,
    },
    #[error("the place for volumeMount {mount:?} is not in order")]
    Place { mount: String, source: FileError },
    #[error("cannot join the mounts of the host")]
    Host(#[source] NamespaceError),
    #[error("cannot find the first process of the host")]
    First(#[source] ProcessError),
    #[error("there is no first process: /proc is not the host's")]
    NoFirst,
    #[error(transparent)]
    Mount(#[from] MountError),
    #[error(transparent)]
    MountPoint(#[from] MountPointError),
}

/// Runs the verb.
pub fn main(args: &[OsString]) -> ExitCode {
    let layout = super::layout();
    let (own, hide) = match own_unit(&layout, args) {
        Ok(own) => own,
        Err(error) => {
            journal::install(None);
            return super::fail(&error, matches!(error, SubPathError::Arguments(_)));
        }
    };
    journal::install(Some(&own.identity));
    let done = match hide {
        true => hide_all(&own),
        false => show_all(&layout, &own),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => super::fail(&error, false),
    }
}

fn own_unit(layout: &Layout, args: &[OsString]) -> Result<(OwnUnit, bool), SubPathError> {
    let mut args = Arguments::parse(args, &[Allowed::Flag("--hide")])?;
    let unit: UnitName = args.next("UNIT")?;
    args.end()?;
    Ok((OwnUnit::read(layout, &unit)?, args.flag("--hide")))
}

/// Later commands of the unit find empty places: they have no use for the volume.
fn hide_all(own: &OwnUnit) -> Result<(), SubPathError> {
    let parts: Vec<SubPath> = own.json(SUB_PATHS_KEY)?;
    join_host()?;
    let mut bound = parts.iter().filter(|part| !part.copy);
    bound.try_for_each(|part| Ok(mounts::detach_all(Path::new(&part.at))?))
}

fn join_host() -> Result<(), SubPathError> {
    let first = Process::open(1).map_err(SubPathError::First)?;
    let first = first.ok_or(SubPathError::NoFirst)?;
    namespace::join(&first, CloneFlags::CLONE_NEWNS).map_err(SubPathError::Host)
}

fn show_all(layout: &Layout, own: &OwnUnit) -> Result<(), SubPathError> {
    let parts: Vec<SubPath> = own.json(SUB_PATHS_KEY)?;
    join_host()?;
    // Above them nobody but root gets through.
    let pods = layout.run.join("pods");
    Dir::create(&pods)
        .and_then(|pods| pods.create_sub(own.identity.uid.as_str(), 0o700))
        .map_err(|source| SubPathError::Place {
            mount: "*".to_owned(),
            source,
        })?;
    // A root of its own has no mount points on the host.
    let rooted = own.optional(ROOT_KEY).is_some();
    parts
        .iter()
        .try_for_each(|part| show(layout, &own.identity.uid, part, rooted))
}

fn show(layout: &Layout, uid: &PodUid, part: &SubPath, rooted: bool) -> Result<(), SubPathError> {
    let failed = |source| SubPathError::Volume {
        mount: part.mount_path.clone(),
        source,
    };
    let volume = Volume::open(Path::new(&part.volume)).map_err(failed)?;
    let found = volume.find(&part.path, !part.copy).map_err(failed)?;
    let at = Path::new(&part.at);
    mounts::detach_all(at)?;
    place(at, &found, part.copy).map_err(|source| SubPathError::Place {
        mount: part.mount_path.clone(),
        source,
    })?;
    if !part.copy {
        found.show(at).map_err(failed)?;
    }
    if rooted {
        return Ok(());
    }
    let point = MountPoint {
        path: part.mount_path.clone(),
        like: Some(part.at.clone()),
    };
    Ok(mount_points::make(layout, uid, &[point])?)
}

/// In the place of what an earlier start has left: a copy, or something empty to mount on.
fn place(at: &Path, found: &Found, copy: bool) -> Result<(), FileError> {
    let (Some(parent), Some(name)) = (at.parent(), at.file_name().and_then(|name| name.to_str()))
    else {
        return Ok(());
    };
    let parent = Dir::create(parent)?;
    parent.remove_tree(name)?;
    match (copy, found.is_dir()) {
        (true, _) => found.copy_to(&parent, name),
        (false, true) => parent.create_sub(name, 0o700).map(drop),
        (false, false) => parent.create_file(name, 0o600).map(drop),
    }
}

/// Takes away all that was shown for a pod. What fails is given back, and does not keep the rest.
pub(super) fn release(layout: &Layout, uid: &PodUid) -> Vec<MountError> {
    let root = layout.pod_run(uid).join("sub");
    let entries = |path: &Path| {
        let found = std::fs::read_dir(path).into_iter().flatten();
        found.filter_map(|entry| Some(entry.ok()?.path()))
    };
    let mut errors = Vec::new();
    for container in entries(&root) {
        for at in entries(&container) {
            errors.extend(mounts::detach_all(&at).err());
        }
    }
    errors
}
