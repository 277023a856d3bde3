//! Telling systemd that the loop turns (`WatchdogSec=`).
//!
//! The runtime's own timers wake it more often than they go off, to sort what is due later; a timer of the kernel does not,
//! and this is the only one that a host at rest has running.

use super::notify;
use crate::host::clock::Alarm;
use futures_util::FutureExt as _;
use std::io;
use std::time::Duration;

/// Due as often as systemd wishes; never when it does not watch.
#[derive(Debug)]
pub struct Watchdog {
    alarm: Alarm,
    period: Option<Duration>,
}

impl Watchdog {
    /// Begins to count. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When the process has no more file descriptors.
    pub fn start() -> io::Result<Self> {
        let (alarm, period) = (Alarm::new()?, notify::watchdog_period());
        alarm.set(period)?;
        Ok(Self { alarm, period })
    }

    /// Waits until it is due, and tells. Cancel-safe.
    ///
    /// # Errors
    /// When the event loop is going down.
    pub async fn beat(&self) -> io::Result<()> {
        self.alarm.next().await?;
        notify::watchdog();
        self.alarm.set(self.period)
    }

    /// The same without waiting.
    ///
    /// # Errors
    /// When the event loop is going down.
    pub fn beat_if_due(&self) -> io::Result<()> {
        self.beat().now_or_never().unwrap_or(Ok(()))
    }
}
