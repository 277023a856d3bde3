//! `vks begin`: sees to it that an ephemeral container runs once, whatever happens to the host in between.
//!
//! It is the `ExecCondition=` of such a container: the first time it writes an empty book of runs, which `vks record` goes
//! on with, and any other time it ends with 1, for which systemd skips the start.

use super::args::{ArgumentError, Arguments};
use super::journal;
use super::own_unit::{OwnUnit, OwnUnitError};
use crate::host::files::{Dir, FileError};
use crate::model::identity::UnitRole;
use crate::model::layout::Layout;
use crate::model::name::{ContainerName, UnitName};
use crate::model::observed::Runs;
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

/// Why a container does not begin.
#[derive(Debug, thiserror::Error)]
enum BeginError {
    #[error("cannot understand the arguments of vks begin")]
    Arguments(#[from] ArgumentError),
    #[error(transparent)]
    OwnUnit(#[from] OwnUnitError),
    #[error("{0} is not the unit of a container")]
    NotAContainer(UnitName),
    #[error("cannot write down that container {0} has begun")]
    File(ContainerName, #[source] FileError),
}

/// Runs the verb.
pub fn main(args: &[OsString]) -> ExitCode {
    journal::install(None);
    match run(&super::layout(), args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => super::fail(&error, matches!(error, BeginError::Arguments(_))),
    }
}

fn run(layout: &Layout, args: &[OsString]) -> Result<bool, BeginError> {
    let mut args = Arguments::parse(args, &[])?;
    let unit: UnitName = args.next("UNIT")?;
    args.end()?;
    let own = OwnUnit::read(layout, &unit)?;
    let UnitRole::Container { name, .. } = &own.identity.role else {
        return Err(BeginError::NotAContainer(unit));
    };
    let book = layout.runs(&own.identity.uid, name);
    begin(&book).map_err(|source| BeginError::File(name.clone(), source))
}

/// Whether this is the first time. Written through to the disk: after a power loss it must be known.
fn begin(book: &Path) -> Result<bool, FileError> {
    let name = book.file_name().unwrap_or_default().to_string_lossy();
    let dir = Dir::create(book.parent().unwrap_or(Path::new("/")))?;
    if dir.has(&name)? {
        return Ok(false);
    }
    // Plain data with text keys: cannot fail.
    let bytes = serde_json::to_vec(&Runs::default()).unwrap_or_default();
    dir.write(&name, &bytes, 0o644)?;
    dir.sync()?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::scratch::Scratch;

    #[test]
    fn it_begins_once() {
        let scratch = Scratch::new("begin");
        let book = scratch.path("runs/debug");
        assert!(begin(&book).unwrap());
        assert!(!begin(&book).unwrap());
    }
}
