//! The `vks` program: arguments in, exit code out. Everything else is in the library.
//!
//! The only place that turns errors into text and exit codes: 0 done, 1 failed or not found, 2 arguments not
//! understood, and of `exec` and the hidden verbs the code of the program they run.

mod chain;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;
use vks::cli::{CliError, Outcome};

fn main() -> ExitCode {
    let argv: Vec<OsString> = std::env::args_os().collect();
    // What units call comes first: it must not depend on how people's arguments are parsed.
    if let Some(code) = vks::worker::dispatch(&argv) {
        return code;
    }
    match vks::cli::run(argv) {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Code(code)) => code.into(),
        Err(CliError::Arguments(error)) => {
            // Help goes to standard output, complaints to standard error: clap knows which this is.
            let _ = error.print();
            u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
        }
        Err(error) if error.is_closed_pipe() => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {}", chain::line(&error));
            ExitCode::from(if error.is_usage() { 2 } else { 1 })
        }
    }
}
