//! `vks hook`: the lifecycle hooks of a container, as `ExecStartPost=` and `ExecStop=` of its unit.

use super::args::{Allowed, ArgumentError, Arguments};
use super::check::{CheckError, Target, request, run_command};
use super::ending::{self, EndError};
use super::journal;
use crate::model::probe::Hook;
use crate::model::process::StopSignal;
use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

/// Why a hook was not run, or did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum HookError {
    /// The arguments.
    #[error("cannot understand the arguments of vks hook")]
    Arguments(#[from] ArgumentError),
    /// The hook's JSON.
    #[error("cannot understand the hook")]
    Json(#[from] serde_json::Error),
    /// Not called by a unit.
    #[error("MAINPID is not set: vks hook is for units to call")]
    NoMainPid,
    /// The hook itself.
    #[error("{0} failed")]
    Failed(&'static str, #[source] CheckError),
    /// The end of the container.
    #[error(transparent)]
    End(#[from] EndError),
    /// No event loop.
    #[error("cannot start the event loop")]
    Runtime(#[source] std::io::Error),
}

/// Runs the verb.
pub fn main(args: &[OsString]) -> ExitCode {
    journal::install(None);
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => super::fail(&error, matches!(error, HookError::Arguments(_))),
    }
}

fn run(args: &[OsString]) -> Result<(), HookError> {
    let mut args = Arguments::parse(
        args,
        &[Allowed::Value("--grace"), Allowed::Value("--signal")],
    )?;
    let verb: String = args.next("post-start or pre-stop")?;
    let json: String = args.next("HOOK")?;
    let grace: Option<u64> = args.option("--grace")?;
    let signal: Option<StopSignal> = args.option("--signal")?;
    args.end()?;
    let hook: Hook = serde_json::from_str(&json)?;
    let pid = super::main_pid();
    let runtime = super::runtime().map_err(HookError::Runtime)?;
    match (verb.as_str(), pid) {
        ("post-start", None) => Err(HookError::NoMainPid),
        ("post-start", Some(pid)) => {
            let started = runtime.block_on(run_hook(&hook, Target { pid }));
            started.map_err(|error| HookError::Failed("PostStartHook", error))
        }
        // systemd calls ExecStop= also when the container has ended by itself: there is nothing to ask of it then.
        ("pre-stop", None) => Ok(()),
        ("pre-stop", Some(pid)) => {
            let grace = Duration::from_secs(grace.ok_or(ArgumentError::Missing("--grace"))?);
            Ok(runtime.block_on(ending::end(
                pid,
                Some(&hook),
                signal.unwrap_or_default(),
                grace,
            ))?)
        }
        (other, _) => Err(ArgumentError::TooMany(other.to_owned()).into()),
    }
}

/// Runs a hook once, for as long as it takes.
pub async fn run_hook(hook: &Hook, target: Target) -> Result<(), CheckError> {
    match hook {
        Hook::Exec { command } => run_command(command, target).await,
        Hook::HttpGet(get) => request(get, target).await,
        Hook::Sleep { duration } => {
            tokio::time::sleep(*duration).await;
            Ok(())
        }
    }
}
