//! `vks users [--nested]`: makes the user namespace of a pod, and those that belong to it, and waits until its input ends. The
//! sandbox, which starts it, has bound them to files by then ([`crate::host::users`]).
//!
//! Without `--nested`, there are no user namespaces inside: the filter of system calls must let containers of such a pod join
//! theirs, so it is not what keeps them from making more.

use super::args::{Allowed, ArgumentError, Arguments};
use super::journal;
use crate::host::users;
use std::ffi::OsString;
use std::io::{self, Read as _, Write as _};
use std::process::ExitCode;

#[derive(Debug, thiserror::Error)]
enum MakeError {
    #[error("cannot understand the arguments of vks users")]
    Arguments(#[from] ArgumentError),
    #[error("cannot make a user namespace")]
    Unshare(#[source] io::Error),
    #[error("cannot wait for the sandbox")]
    Wait(#[source] io::Error),
}

/// Runs the verb.
pub fn main(args: &[OsString]) -> ExitCode {
    journal::install(None);
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => super::fail(&error, matches!(error, MakeError::Arguments(_))),
    }
}

fn run(args: &[OsString]) -> Result<(), MakeError> {
    let args = Arguments::parse(args, &[Allowed::Flag("--nested")])?;
    args.end()?;
    users::unshare_all().map_err(MakeError::Unshare)?;
    if !args.flag("--nested")
        && let Err(error) = users::nest_no_more()
    {
        log::warn!(
            "the pod may make user namespaces of its own: cannot set user.max_user_namespaces: {error}"
        );
    }
    let mut out = io::stdout();
    out.write_all(b"\n")
        .and_then(|()| out.flush())
        .map_err(MakeError::Wait)?;
    io::stdin()
        .read_to_end(&mut Vec::new())
        .map_err(MakeError::Wait)?;
    Ok(())
}
