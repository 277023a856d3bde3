//! `vks hook`: the lifecycle hooks of a container, as `ExecStartPost=` and `ExecStop=` of its unit.

use super::args::{Allowed, ArgumentError, Arguments, Json};
use super::check::{CheckError, Target, request, run_command};
use super::ending::{self, EndError};
use super::{journal, lower};
use crate::model::event;
use crate::model::name::UnitName;
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
    /// Not called by a unit.
    #[error("MAINPID is not set: vks hook is for units to call")]
    NoMainPid,
    /// The hook after the start; the container has been ended for it.
    #[error("PostStartHook failed")]
    PostStart(#[source] CheckError),
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
    let allowed = ["--grace", "--pre-stop", "--signal", "--unit"].map(Allowed::Value);
    let mut args = Arguments::parse(args, &allowed)?;
    let verb: String = args.next("post-start or pre-stop")?;
    let unit: Option<UnitName> = args.option("--unit")?;
    // What only waits, for others or for the container's end, has none.
    let hook: Option<Json<Hook>> = match verb == "pre-stop" {
        true => args.next_optional("HOOK")?,
        false => Some(args.next("HOOK")?),
    };
    let hook = hook.map(|Json(hook)| hook);
    let grace: u64 = args
        .option("--grace")?
        .ok_or(ArgumentError::Missing("--grace"))?;
    let grace = Duration::from_secs(grace);
    let pre_stop: Option<Json<Hook>> = args.option("--pre-stop")?;
    let signal: Option<StopSignal> = args.option("--signal")?;
    let signal = signal.unwrap_or_default();
    args.end()?;
    let pid = super::main_pid();
    let runtime = super::runtime().map_err(HookError::Runtime)?;
    match (verb.as_str(), pid) {
        ("post-start", None) => Err(HookError::NoMainPid),
        ("post-start", Some(pid)) => runtime.block_on(async {
            let Some(hook) = hook else { return Ok(()) };
            let Err(error) = run_hook(&hook, Target { pid }).await else {
                return Ok(());
            };
            log::warn!(
                MESSAGE_ID = event::MESSAGE_ID, KUBERNETES_REASON = "FailedPostStartHook";
                "PostStartHook failed"
            );
            // Not by systemd, which runs no ExecStop= for a container that has not started.
            let pre_stop = pre_stop.map(|Json(hook)| hook);
            ending::end(pid, pre_stop.as_ref(), signal, grace, None).await?;
            Err(HookError::PostStart(error))
        }),
        // systemd calls ExecStop= also when the container has ended by itself: there is nothing to ask of it then.
        ("pre-stop", None) => Ok(()),
        ("pre-stop", Some(pid)) => {
            if let Some(unit) = unit {
                lower::wait(&unit);
            }
            Ok(runtime.block_on(ending::end(pid, hook.as_ref(), signal, grace, None))?)
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
