//! `vks probe startup`: the startup probe, as `ExecStartPost=` of a container. As long as it runs the unit is
//! starting: what comes after a sidecar waits, and the other probes do not begin.

use super::args::{ArgumentError, Arguments};
use super::check::{CheckError, Target, check};
use super::journal::{self, chain};
use crate::host::process::{Process, ProcessError};
use crate::model::probe::Probe;
use std::ffi::OsString;
use std::process::ExitCode;
use tokio::time::{MissedTickBehavior, interval, sleep};

/// Why the container has not started.
#[derive(Debug, thiserror::Error)]
enum StartupError {
    #[error("cannot understand the arguments of vks probe")]
    Arguments(#[from] ArgumentError),
    #[error("cannot understand the probe")]
    Json(#[from] serde_json::Error),
    #[error("MAINPID is not set: vks probe is for units to call")]
    NoMainPid,
    #[error("cannot watch the container")]
    Process(#[from] ProcessError),
    #[error("the container ended before its startup probe succeeded")]
    Ended,
    #[error("container failed startup probe, will be restarted as its restart policy says")]
    Failed(#[source] CheckError),
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
    let mut args = Arguments::parse(args, &[])?;
    let verb: String = args.next("startup")?;
    let json: String = args.next("PROBE")?;
    args.end()?;
    if verb != "startup" {
        return Err(ArgumentError::TooMany(verb).into());
    }
    let probe: Probe = serde_json::from_str(&json)?;
    let pid = super::main_pid().ok_or(StartupError::NoMainPid)?;
    let process = Process::open(pid)?.ok_or(StartupError::Ended)?;
    let runtime = super::runtime().map_err(StartupError::Runtime)?;
    let result = runtime.block_on(async {
        // systemd does not end ExecStartPost= when the main process dies: without this watch, a dead container
        // would be probed to the last try.
        let ended = tokio::task::spawn_blocking(move || wait(&process));
        tokio::select! {
            result = tries(&probe, Target { pid }) => result,
            _ = ended => Err(StartupError::Ended),
        }
    });
    // The thread that watches the container must not be waited for.
    runtime.shutdown_background();
    result
}

fn wait(process: &Process) -> Result<(), ProcessError> {
    while !process.wait_exit(std::time::Duration::from_secs(3600))? {}
    Ok(())
}

async fn tries(probe: &Probe, target: Target) -> Result<(), StartupError> {
    sleep(probe.initial_delay).await;
    let mut ticks = interval(probe.period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut good, mut bad) = (0, 0);
    loop {
        ticks.tick().await;
        match check(&probe.check, target, probe.timeout).await {
            Ok(()) => (good, bad) = (good + 1, 0),
            Err(error) => {
                (good, bad) = (0, bad + 1);
                log::warn!("Startup probe failed: {}", chain(&error));
                if bad >= probe.failure_threshold {
                    return Err(StartupError::Failed(error));
                }
            }
        }
        if good >= probe.success_threshold {
            return Ok(());
        }
    }
}
