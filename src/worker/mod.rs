//! What units call: verbs of the `vks` program that people do not see in its help.
//!
//! | command line | unit setting | does |
//! |---|---|---|
//! | `vks enter --pid PID [--tty] -- CMD...` | (exec, exec probes, hooks) | becomes a program in the container of a process |
//! | `vks record UNIT` | `ExecStopPost=` of containers | writes down how the run ended, marks a container that is done |
//! | `vks record UNIT --exited-ok` | `ExecStartPost=` of init containers | the same for a good end |
//!
//! `UNIT` is the unit's own name (`%n`).
//!
//! Errors go to the journal in one line each ([`journal`]), the exit code is 1, and 2 for arguments that are
//! not understood. A verb starts in about a millisecond: no runtime, no configuration and no bus unless it
//! needs them.

pub mod args;
pub mod enter;
pub mod journal;
pub mod own_unit;
pub mod record;

use crate::config::Settings;
use crate::model::layout::Layout;
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

/// Runs a verb that units call; `None` when the arguments (the program's name first) name none.
pub fn dispatch(argv: &[OsString]) -> Option<ExitCode> {
    let verb = argv.get(1)?.to_str()?;
    let args = argv.get(2..)?;
    Some(match verb {
        "enter" => enter::main(args),
        "record" => record::main(args),
        _ => return None,
    })
}

/// Where things lie for the verbs: as the settings say. When those cannot be read, a pod must run nevertheless:
/// where things lie by default.
fn layout() -> Layout {
    match Settings::load(Path::new("/")) {
        Ok(settings) => settings.layout,
        Err(error) => {
            log::warn!("the default paths are used: {}", journal::chain(&error));
            Layout::default()
        }
    }
}

/// Logs why a verb failed and gives its exit code: 2 when its arguments were not understood, else 1.
fn fail(error: &dyn std::error::Error, arguments: bool) -> ExitCode {
    log::error!("{}", journal::chain(error));
    ExitCode::from(if arguments { 2 } else { 1 })
}
