//! What people are told of a controller.

use crate::model::time::Timestamp;

/// The status of a controller.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ControllerStatus {
    /// Pods it should have.
    pub desired: u32,
    /// Pods that are there and not on their way out.
    pub current: u32,
    /// Those that are ready.
    pub ready: u32,
    /// Those of the template in force.
    pub updated: u32,
    /// Those that are available.
    pub available: u32,
    /// Of a rollout: why it does not go on, in one word and a sentence.
    pub stuck: Option<(&'static str, String)>,
    /// Of a Job.
    pub job: JobStatus,
    /// Of a CronJob.
    pub cron: CronStatus,
}

/// Of a Job.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobStatus {
    /// Pods that run or wait.
    pub active: u32,
    /// Ended well.
    pub succeeded: u32,
    /// Failed.
    pub failed: u32,
    /// Indexes, as `0-2,5`.
    pub completed_indexes: String,
    /// The same of those given up.
    pub failed_indexes: String,
    /// When it became active.
    pub started: Option<Timestamp>,
    /// How long it has been or was active, in seconds.
    pub seconds: Option<u64>,
}

/// Of a CronJob.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CronStatus {
    /// Names of Jobs that have not ended.
    pub active: Vec<String>,
    /// The last time that was dealt with.
    pub last: Option<Timestamp>,
    /// The next.
    pub next: Option<Timestamp>,
    /// When a Job last ended well.
    pub last_success: Option<Timestamp>,
}
