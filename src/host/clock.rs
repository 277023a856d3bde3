//! The clocks of the host: what time it is, and waking up in time.

use crate::model::controller::record::Moment;
use crate::model::time::Timestamp;
use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
    timerfd_create, timerfd_settime,
};
use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, SystemTime};
use tokio::io::unix::AsyncFd;

/// Which boot this is (random(4)).
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// The moment by all clocks. Where the boot cannot be told, it is one of its own.
pub fn now() -> Moment {
    let wall = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let boot = std::fs::read_to_string(BOOT_ID).unwrap_or_default();
    let up = clock_gettime(ClockId::Boottime);
    let up = u64::try_from(up.tv_sec).unwrap_or(0) * 1_000_000
        + u64::try_from(up.tv_nsec).unwrap_or(0) / 1_000;
    Moment {
        wall: u64::try_from(wall.as_micros()).unwrap_or(u64::MAX),
        boot: boot.trim().into(),
        up,
    }
}

/// What time it is. Before 1970 it is the first moment of it.
pub fn timestamp() -> Timestamp {
    let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let micros = u64::try_from(wall.unwrap_or_default().as_micros()).unwrap_or(u64::MAX);
    Timestamp::from_micros(micros.max(1)).unwrap_or(Timestamp::FIRST)
}

/// An alarm clock that goes on while the host sleeps, and does not care when its clock is set (timerfd_create(2),
/// `CLOCK_BOOTTIME`).
#[derive(Debug)]
pub struct Alarm {
    fd: AsyncFd<OwnedFd>,
}

impl Alarm {
    /// One that is not set. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When the process has no more file descriptors.
    #[expect(
        deprecated,
        reason = "what is to take its place is unsafe; of an OwnedFd, which nothing else closes, it is sound"
    )]
    pub fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let fd = timerfd_create(TimerfdClockId::Boottime, flags)?;
        Ok(Self {
            fd: AsyncFd::new(fd)?,
        })
    }

    /// Goes off after this time, or never.
    ///
    /// # Errors
    /// None that the kernel documents for a timer that is there.
    pub fn set(&self, after: Option<Duration>) -> io::Result<()> {
        let zero = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // All zero would switch it off.
        let after = after.map(|after| after.max(Duration::from_millis(1)));
        let it_value = after.map_or(zero, |after| Timespec {
            tv_sec: i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: after.subsec_nanos().into(),
        });
        let spec = Itimerspec {
            it_interval: zero,
            it_value,
        };
        timerfd_settime(self.fd.get_ref(), TimerfdTimerFlags::empty(), &spec)?;
        Ok(())
    }

    /// Waits until it goes off. Cancel-safe.
    ///
    /// # Errors
    /// When the event loop is going down.
    pub async fn next(&self) -> io::Result<()> {
        loop {
            let mut ready = self.fd.readable().await?;
            let mut count = [0; 8];
            match rustix::io::read(self.fd.get_ref(), &mut count) {
                Ok(_) => return Ok(()),
                Err(rustix::io::Errno::AGAIN) => ready.clear_ready(),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_alarm_goes_off_once() {
        let alarm = Alarm::new().unwrap();
        alarm.set(Some(Duration::from_millis(5))).unwrap();
        let before = now();
        alarm.next().await.unwrap();
        assert!(now().since(&before) >= Duration::from_millis(4));
        alarm.set(None).unwrap();
        let again = tokio::time::timeout(Duration::from_millis(20), alarm.next());
        assert!(again.await.is_err());
    }
}
