//! What systemd is told of the agent (sd_notify(3)). Outside of a unit nothing happens.

use sd_notify::NotifyState;
use std::time::Duration;

/// Everything has been read and acted on once.
pub fn ready() {
    send(&[NotifyState::Ready]);
}

/// The line `systemctl status` shows.
pub fn status(text: &str) {
    send(&[NotifyState::Status(text)]);
}

/// The configuration is being read again; [`ready`] ends it.
pub fn reloading() {
    if let Ok(time) = NotifyState::monotonic_usec_now() {
        send(&[NotifyState::Reloading, time]);
    }
}

/// The agent is ending.
pub fn stopping() {
    send(&[NotifyState::Stopping]);
}

/// The loop turns.
pub fn watchdog() {
    send(&[NotifyState::Watchdog]);
}

/// How often [`watchdog`] is due: half of `WatchdogSec=`; `None` when systemd does not watch.
pub fn watchdog_period() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|limit| limit / 2)
}

fn send(state: &[NotifyState]) {
    // Nobody can be told that telling failed.
    let _ = sd_notify::notify(state);
}
