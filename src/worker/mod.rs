//! What units call: verbs of the `vks` program that people do not see in its help.
//!
//! | command line | unit setting | does |
//! |---|---|---|
//! | `vks enter --pid PID [--tty] -- CMD...` | (exec, exec probes, hooks) | becomes a program in the container of a process |
//!
//! Errors go to the journal in one line each ([`journal`]), the exit code is 1, and 2 for arguments that are
//! not understood. A verb starts in about a millisecond: no runtime, no configuration and no bus unless it
//! needs them.

pub mod args;
pub mod enter;
pub mod journal;
pub mod own_unit;

use crate::model::layout::Layout;
use std::ffi::OsString;
use std::process::ExitCode;

/// Runs a verb that units call; `None` when the arguments (the program's name first) name none.
pub fn dispatch(argv: &[OsString]) -> Option<ExitCode> {
    let verb = argv.get(1)?.to_str()?;
    let args = argv.get(2..)?;
    Some(match verb {
        "enter" => enter::main(args),
        _ => return None,
    })
}

/// Where things lie for the verbs.
fn layout() -> Layout {
    Layout::default()
}
