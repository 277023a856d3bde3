//! `vks probe startup`: the startup probe, as `ExecStartPost=` of a container. As long as it runs the unit is
//! starting: what comes after a sidecar waits, and the other probes do not begin.

use super::args::{Allowed, ArgumentError, Arguments, Json};
use super::check::{CheckError, Target, check};
use super::ending::{self, EndError};
use super::journal;
use crate::chain;
use crate::host::process::{Process, ProcessError};
use crate::model::event;
use crate::model::probe::{Hook, Probe};
use crate::model::process::StopSignal;
use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval, sleep};

/// Why the container has not started.
#[derive(Debug, thiserror::Error)]
enum StartupError {
    #[error("cannot understand the arguments of vks probe")]
    Arguments(#[from] ArgumentError),
    #[error("MAINPID is not set: vks probe is for units to call")]
    NoMainPid,
    #[error("cannot watch the container")]
    Process(#[from] ProcessError),
    #[error("the container ended before its startup probe succeeded")]
    Ended,
    #[error("Container {0} failed startup probe, will be restarted")]
    Failed(String, #[source] CheckError),
    #[error(transparent)]
    End(#[from] EndError),
    #[error("cannot start the event loop")]
    Runtime(#[source] std::io::Error),
}

/// Runs the verb.
pub fn main(args: &[OsString]) -> ExitCode {
    journal::install(None);
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => super::fail(&error, matches!(error, StartupError::Arguments(_))),
    }
}

fn run(args: &[OsString]) -> Result<(), StartupError> {
    let allowed = ["--container", "--grace", "--pre-stop", "--signal"].map(Allowed::Value);
    let mut args = Arguments::parse(args, &allowed)?;
    let verb: String = args.next("startup")?;
    let Json(probe): Json<Probe> = args.next("PROBE")?;
    let container: String = args.option("--container")?.unwrap_or_default();
    let grace: u64 = args
        .option("--grace")?
        .ok_or(ArgumentError::Missing("--grace"))?;
    let pre_stop: Option<Json<Hook>> = args.option("--pre-stop")?;
    let signal: Option<StopSignal> = args.option("--signal")?;
    args.end()?;
    if verb != "startup" {
        return Err(ArgumentError::TooMany(verb).into());
    }
    let pid = super::main_pid().ok_or(StartupError::NoMainPid)?;
    let process = Process::open(pid)?.ok_or(StartupError::Ended)?;
    let runtime = super::runtime().map_err(StartupError::Runtime)?;
    let grace = probe
        .termination_grace
        .unwrap_or(Duration::from_secs(grace));
    let result = runtime.block_on(async {
        // systemd does not end ExecStartPost= when the main process dies: without this watch, a dead container
        // would be probed to the last try.
        let ended = tokio::task::spawn_blocking(move || wait(&process));
        let failed = tokio::select! {
            result = tries(&probe, Target { pid }) => match result {
                Ok(()) => return Ok(()),
                Err(error) => error,
            },
            _ = ended => return Err(StartupError::Ended),
        };
        let failed = StartupError::Failed(container, failed);
        log::info!(MESSAGE_ID = event::MESSAGE_ID, KUBERNETES_REASON = "Killing"; "{failed}");
        // Here, not by systemd: it knows one grace period for all ends, and no hook for a container that has not started.
        let pre_stop = pre_stop.map(|Json(hook)| hook);
        ending::end(
            pid,
            pre_stop.as_ref(),
            signal.unwrap_or_default(),
            grace,
            None,
        )
        .await?;
        Err(failed)
    });
    // The thread that watches the container must not be waited for.
    runtime.shutdown_background();
    result
}

fn wait(process: &Process) -> Result<(), ProcessError> {
    while !process.wait_exit(std::time::Duration::from_secs(3600))? {}
    Ok(())
}

/// Asks until the probe has succeeded, or failed for good.
async fn tries(probe: &Probe, target: Target) -> Result<(), CheckError> {
    sleep(probe.initial_delay).await;
    let mut ticks = interval(probe.period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut good, mut bad) = (0, 0);
    loop {
        ticks.tick().await;
        match check(&probe.check, target, probe.timeout).await {
            Ok(warning) => {
                if let Some(warning) = warning {
                    log::warn!(
                        MESSAGE_ID = event::MESSAGE_ID, KUBERNETES_REASON = "ProbeWarning";
                        "Startup probe warning: {warning}"
                    );
                }
                (good, bad) = (good + 1, 0);
            }
            Err(error) => {
                (good, bad) = (0, bad + 1);
                log::warn!(
                    MESSAGE_ID = event::MESSAGE_ID, KUBERNETES_REASON = "Unhealthy";
                    "Startup probe failed: {}", chain::line(&error)
                );
                if bad >= probe.failure_threshold {
                    return Err(error);
                }
            }
        }
        if good >= probe.success_threshold {
            return Ok(());
        }
    }
}
