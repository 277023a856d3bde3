//! batch/v1 CronJob.

use std::time::Duration;

/// batch/v1 CronJobSpec.
#[derive(Debug, Clone, PartialEq)]
pub struct CronJobSpec {
    /// When.
    pub schedule: Schedule,
    /// A zone of the tz database; `None` is the host's own.
    pub time_zone: Option<String>,
    /// A run that could not begin so long after its time is left out.
    pub starting_deadline: Option<Duration>,
    /// What happens when the run before has not ended.
    pub concurrency: Concurrency,
    /// No runs now.
    pub suspend: bool,
    /// Jobs that ended well and are kept (default 3).
    pub keep_successful: u32,
    /// Jobs that failed and are kept (default 1).
    pub keep_failed: u32,
    /// `metadata` (labels and annotations) and `spec` of the Jobs, as one line of JSON.
    pub job: Box<str>,
}

/// What happens when the run before has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Concurrency {
    /// They run beside each other.
    Allow,
    /// The new one waits for its end.
    Forbid,
    /// It is ended.
    Replace,
}

/// A set of small numbers: bit n stands for n.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bits(pub u64);

impl Bits {
    /// Whether a number is in it.
    pub fn has(self, number: u32) -> bool {
        number < 64 && self.0 >> number & 1 == 1
    }

    /// The numbers, in order.
    pub fn numbers(self) -> impl Iterator<Item = u32> {
        (0..64).filter(move |number| self.has(*number))
    }
}

/// A cron expression, field by field (crontab(5)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// 0 to 59.
    pub minutes: Bits,
    /// 0 to 23.
    pub hours: Bits,
    /// 1 to 31.
    pub days: Bits,
    /// 1 to 12.
    pub months: Bits,
    /// 0 to 6, Sunday being 0.
    pub weekdays: Bits,
    /// Days and weekdays are both given: either is enough.
    pub either_day: bool,
}
