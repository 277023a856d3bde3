//! `vks subpaths UNIT`: shows parts of volumes where a container mounts them from, before each of its starts.
//!
//! A container may be changing its volume while another one of the pod starts. What is found is bound to a place
//! that only root reaches, and systemd mounts that. Commands of a unit with mounts have a mount namespace of their own,
//! also with `+` in front, so the host's is joined first.

use super::args::{ArgumentError, Arguments};
use super::journal;
use super::own_unit::{OwnUnit, OwnUnitError};
use super::sandbox::mount_points::{self, MountPointError};
use crate::host::files::{Dir, FileError};
use crate::host::mounts::{self, MountError};
use crate::host::namespace::{self, NamespaceError};
use crate::host::process::{Process, ProcessError};
use crate::host::volume_path::{Volume, VolumePathError};
use crate::model::layout::Layout;
use crate::model::name::{PodUid, UnitName};
use crate::model::sandbox::{MountPoint, SUB_PATHS_KEY, SubPath};
use nix::sched::CloneFlags;
use std::ffi::OsString;
use std::io;
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
    #[error("what an earlier run left at {at} is in the way")]
    Old { at: String, source: io::Error },
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
    let own = match own_unit(&layout, args) {
        Ok(own) => own,
        Err(error) => {
            journal::install(None);
            return super::fail(&error, matches!(error, SubPathError::Arguments(_)));
        }
    };
    journal::install(Some(&own.identity));
    match show_all(&layout, &own) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => super::fail(&error, false),
    }
}

fn own_unit(layout: &Layout, args: &[OsString]) -> Result<OwnUnit, SubPathError> {
    let mut args = Arguments::parse(args, &[])?;
    let unit: UnitName = args.next("UNIT")?;
    args.end()?;
    Ok(OwnUnit::read(layout, &unit)?)
}

fn show_all(layout: &Layout, own: &OwnUnit) -> Result<(), SubPathError> {
    let parts: Vec<SubPath> = own.json(SUB_PATHS_KEY)?;
    let first = Process::open(1).map_err(SubPathError::First)?;
    let first = first.ok_or(SubPathError::NoFirst)?;
    namespace::join(&first, CloneFlags::CLONE_NEWNS).map_err(SubPathError::Host)?;
    // Above them nobody but root gets through.
    let pods = layout.run.join("pods");
    Dir::create(&pods)
        .and_then(|pods| pods.create_sub(own.identity.uid.as_str(), 0o700))
        .map_err(|source| SubPathError::Place {
            mount: "*".to_owned(),
            source,
        })?;
    parts
        .iter()
        .try_for_each(|part| show(layout, &own.identity.uid, part))
}

fn show(layout: &Layout, uid: &PodUid, part: &SubPath) -> Result<(), SubPathError> {
    let failed = |source| SubPathError::Volume {
        mount: part.mount_path.clone(),
        source,
    };
    let volume = Volume::open(Path::new(&part.volume)).map_err(failed)?;
    let found = volume.find(&part.path, part.make).map_err(failed)?;
    let at = Path::new(&part.at);
    clear(at)?;
    place(at, found.is_dir()).map_err(|source| SubPathError::Place {
        mount: part.mount_path.clone(),
        source,
    })?;
    found.show(at).map_err(failed)?;
    let point = MountPoint {
        path: part.mount_path.clone(),
        like: Some(part.at.clone()),
    };
    Ok(mount_points::make(layout, uid, &[point])?)
}

/// Takes away what an earlier start has shown there.
fn clear(at: &Path) -> Result<(), SubPathError> {
    mounts::detach_all(at)?;
    let removed = match std::fs::symlink_metadata(at) {
        Ok(found) if found.is_dir() => std::fs::remove_dir(at),
        Ok(_) => std::fs::remove_file(at),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    };
    removed.map_err(|source| SubPathError::Old {
        at: at.display().to_string(),
        source,
    })
}

/// Makes an empty directory or file to mount on.
fn place(at: &Path, directory: bool) -> Result<(), FileError> {
    let (Some(parent), Some(name)) = (at.parent(), at.file_name().and_then(|name| name.to_str()))
    else {
        return Ok(());
    };
    let parent = Dir::create(parent)?;
    match directory {
        true => parent.create_sub(name, 0o700).map(drop),
        false => parent.create_file(name, 0o600).map(drop),
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
