//! What the loop waits for.

use super::SETTLE;
use crate::agent::AgentError;
use crate::config::Settings;
use crate::host::clock::Alarm;
use crate::host::signals::{Changed, Changes};
use crate::host::systemd::SystemdError;
use crate::host::unit_dir::UnitDir;
use crate::observe::pace::Pace;
use futures_util::FutureExt as _;
use std::time::Instant;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::sleep_until;

/// What controllers wake up by: time, and the timers of CronJobs.
pub fn controls(settings: &Settings) -> Result<(Alarm, UnitDir), AgentError> {
    let failed = |act| move |source| AgentError::File { act, source };
    let alarm = Alarm::new().map_err(failed("make a timer"))?;
    let dir = settings.layout.triggers();
    std::fs::create_dir_all(&dir).map_err(failed("make the directory of triggers"))?;
    let triggers = UnitDir::watch(&dir).map_err(failed("watch the directory of triggers"))?;
    Ok((alarm, triggers))
}

/// Hears of a signal.
pub fn handler(kind: SignalKind) -> Result<Signal, AgentError> {
    signal(kind).map_err(|source| AgentError::File {
        act: "install a signal handler",
        source,
    })
}

/// Hears of the signals that end the agent.
pub fn ends() -> Result<[Signal; 2], AgentError> {
    Ok([
        handler(SignalKind::terminate())?,
        handler(SignalKind::interrupt())?,
    ])
}

/// Names what has failed.
pub fn timer(source: std::io::Error) -> AgentError {
    AgentError::File {
        act: "wait for a timer",
        source,
    }
}

/// Waits until then; for ever without a time.
pub async fn wait_until(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time.into()).await,
        None => std::future::pending().await,
    }
}

/// News of units, with those that come soon after: what one start causes comes as a dozen signals, and looked at together
/// they cost one look.
pub async fn settled(
    first: Result<Changed, SystemdError>,
    signals: &mut Changes,
    pace: &Pace,
) -> Result<Changed, AgentError> {
    let mut changed = first.map_err(AgentError::Systemd)?;
    pace.wait(SETTLE).await;
    if let Some(more) = signals.next().now_or_never() {
        let more = more.map_err(AgentError::Systemd)?;
        changed.units.extend(more.units);
        changed.reloaded |= more.reloaded;
    }
    Ok(changed)
}
