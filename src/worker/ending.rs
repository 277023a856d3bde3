//! The end of a container with one budget: hook, SIGTERM and the wait for it share the grace period
//! (kubelet: killContainer), which systemd's own settings would grant to each of them.

use super::check::Target;
use super::hook::run_hook;
use crate::chain;
use crate::host::last_run::{self, LastRunError};
use crate::host::process::{Process, ProcessError};
use crate::model::event;
use crate::model::name::{ContainerName, UnitName};
use crate::model::probe::Hook;
use crate::model::process::StopSignal;
use rustix::process::Signal;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// What a container has between SIGTERM and SIGKILL, even when its hook has used up the grace period
/// (kubelet: minimumGracePeriodInSeconds).
const LEAST: Duration = Duration::from_secs(2);

/// Why a container could not be ended.
#[derive(Debug, thiserror::Error)]
pub enum EndError {
    /// Its main process.
    #[error("cannot end the container")]
    Process(#[from] ProcessError),
    /// A signal that only systemd can send.
    #[error("cannot end the container")]
    Systemd(#[from] LastRunError),
    /// The thread that waits for it is gone.
    #[error("the wait for the container's end was interrupted")]
    Interrupted,
}

/// Runs the hook, asks the main process to end by its stop signal, and kills it when the grace period is over. Returns when it has ended.
/// A hook that fails or takes too long is told, and changes nothing: of `container` by name, when it is not the
/// container's own unit that calls, to whose messages systemd adds the name.
pub async fn end(
    pid: u32,
    hook: Option<&Hook>,
    signal: StopSignal,
    grace: Duration,
    container: Option<&ContainerName>,
) -> Result<(), EndError> {
    let Some(process) = Process::open(pid)? else {
        return Ok(());
    };
    let begun = Instant::now();
    if let Some(hook) = hook {
        match timeout_at(begun + grace, run_hook(hook, Target { pid })).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                failed(container, "PreStopHook failed");
                log::info!("the preStop hook failed: {}", chain::line(&error));
            }
            Err(_) => {
                let seconds = grace.as_secs();
                failed(
                    container,
                    &format!("PreStopHook did not end within the grace period of {seconds} s"),
                );
            }
        }
    }
    let left = (begun + grace)
        .saturating_duration_since(Instant::now())
        .max(LEAST);
    let wait = tokio::task::spawn_blocking(move || {
        ask(&process, signal)?;
        if !process.wait_exit(left)? {
            process.signal(Signal::KILL)?;
            process.wait_exit(left)?;
        }
        Ok(())
    });
    wait.await.map_err(|_| EndError::Interrupted)?
}

/// Sends the stop signal. One of the real-time kind is systemd's to send: there is no safe call for it here.
fn ask(process: &Process, signal: StopSignal) -> Result<(), EndError> {
    if let Some(named) = Signal::from_named_raw(signal.number()) {
        process.signal(named)?;
        return Ok(());
    }
    if process.has_exited()? {
        return Ok(());
    }
    let unit = process
        .service()?
        .and_then(|name| name.parse::<UnitName>().ok());
    match unit {
        Some(unit) => last_run::signal(&unit, signal.number())?,
        // Not in a unit any more, whoever moved it: what every program understands.
        None => drop(process.signal(Signal::TERM)?),
    }
    Ok(())
}

fn failed(container: Option<&ContainerName>, text: &str) {
    match container {
        Some(name) => log::warn!(
            MESSAGE_ID = event::MESSAGE_ID, KUBERNETES_REASON = "FailedPreStopHook",
            KUBERNETES_CONTAINER = name.as_str();
            "{text}"
        ),
        None => log::warn!(
            MESSAGE_ID = event::MESSAGE_ID, KUBERNETES_REASON = "FailedPreStopHook";
            "{text}"
        ),
    }
}
