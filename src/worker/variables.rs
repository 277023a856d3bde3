//! `vks variables UNIT`: takes variables of a container from files in volumes of its pod, before each of its starts.
//!
//! Such a file is written by another container, mostly an init container. What is wanted of it goes into an environment file
//! that only root reads; systemd reads that anew for each command of a unit, so that the program has what this one has
//! written. A container may be changing its volume meanwhile, so the file is looked for as for `vks subpaths`.

use super::args::{ArgumentError, Arguments};
use super::journal;
use super::own_unit::{OwnUnit, OwnUnitError};
use crate::host::files::{Dir, FileError};
use crate::host::volume_path::{Volume, VolumePathError};
use crate::model::env_file::{self, EnvFileError, FILE_KEYS_KEY, FileKey};
use crate::model::identity::UnitRole;
use crate::model::layout::Layout;
use crate::model::name::{ContainerName, UnitName};
use crate::unit::escape::environment_file_line;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

/// The largest file that is read, in bytes.
const LIMIT: usize = 1 << 20;

/// Why a container does not have its variables.
#[derive(Debug, thiserror::Error)]
enum VariablesError {
    #[error("cannot understand the arguments of vks variables")]
    Arguments(#[from] ArgumentError),
    #[error(transparent)]
    OwnUnit(#[from] OwnUnitError),
    #[error("{0} is not the unit of a container")]
    NotAContainer(UnitName),
    #[error("cannot take variable {name} from file {path:?}")]
    Volume {
        name: String,
        path: String,
        source: VolumePathError,
    },
    #[error("cannot take variable {name} from file {path:?}: it is not text")]
    NotText { name: String, path: String },
    #[error("cannot take variable {name} from file {path:?}")]
    Syntax {
        name: String,
        path: String,
        source: EnvFileError,
    },
    #[error(
        "cannot take variable {name} from file {path:?}: it has no key {key:?}; write it there, or say optional: true"
    )]
    NoKey {
        name: String,
        path: String,
        key: String,
    },
    #[error("cannot write down the variables of container {0}")]
    Write(ContainerName, #[source] FileError),
}

/// Runs the verb.
pub fn main(args: &[OsString]) -> ExitCode {
    let layout = super::layout();
    let (own, container) = match own_unit(&layout, args) {
        Ok(found) => found,
        Err(error) => {
            journal::install(None);
            return super::fail(&error, matches!(error, VariablesError::Arguments(_)));
        }
    };
    journal::install(Some(&own.identity));
    match run(&layout, &own, &container) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => super::fail(&error, false),
    }
}

fn own_unit(
    layout: &Layout,
    args: &[OsString],
) -> Result<(OwnUnit, ContainerName), VariablesError> {
    let mut args = Arguments::parse(args, &[])?;
    let unit: UnitName = args.next("UNIT")?;
    args.end()?;
    let own = OwnUnit::read(layout, &unit)?;
    match own.identity.role.clone() {
        UnitRole::Container { name, .. } => Ok((own, name)),
        _ => Err(VariablesError::NotAContainer(unit)),
    }
}

fn run(layout: &Layout, own: &OwnUnit, container: &ContainerName) -> Result<(), VariablesError> {
    let wanted: Vec<FileKey> = own.json(FILE_KEYS_KEY)?;
    let mut found = BTreeMap::new();
    for key in &wanted {
        if let Some(value) = look_up(key)? {
            found.insert(key.name.as_str(), value);
        }
    }
    let lines = found
        .iter()
        .map(|(name, value)| environment_file_line(name, value));
    let text: String = lines.collect();
    write(layout, own, container, &text)
        .map_err(|source| VariablesError::Write(container.clone(), source))
}

/// The value, if there must be or is one. Like the kubelet, takes an empty one for none.
fn look_up(wanted: &FileKey) -> Result<Option<String>, VariablesError> {
    let (name, path) = (|| wanted.name.clone(), || wanted.path.clone());
    let failed = |source| VariablesError::Volume {
        name: name(),
        path: path(),
        source,
    };
    let volume = Volume::open(Path::new(&wanted.volume)).map_err(failed)?;
    let bytes = match volume.find(&wanted.path, false) {
        Err(error) if wanted.optional && error.is_absence() => return Ok(None),
        found => found.and_then(|found| found.read(LIMIT)).map_err(failed)?,
    };
    let text = String::from_utf8(bytes).ok();
    let text = text.filter(|text| !text.contains('\0'));
    let text = text.ok_or_else(|| VariablesError::NotText {
        name: name(),
        path: path(),
    })?;
    let value = env_file::value(&text, &wanted.key).map_err(|source| VariablesError::Syntax {
        name: name(),
        path: path(),
        source,
    })?;
    match value.filter(|value| !value.is_empty()) {
        None if !wanted.optional => Err(VariablesError::NoKey {
            name: name(),
            path: path(),
            key: wanted.key.clone(),
        }),
        value => Ok(value),
    }
}

/// Where only root gets through.
fn write(
    layout: &Layout,
    own: &OwnUnit,
    container: &ContainerName,
    text: &str,
) -> Result<(), FileError> {
    let pods = Dir::create(&layout.run.join("pods"))?;
    let pod = pods.create_sub(own.identity.uid.as_str(), 0o700)?;
    let dir = pod.create_sub("env", 0o700)?;
    dir.write(container.as_str(), text.as_bytes(), 0o600)
}
