//! What a host remembers of a controller, in one small file: the history of its templates, and what of a Job is done.
//!
//! Everything else follows from its manifest and from the pods that are there.

use crate::model::name::PodUid;
use crate::model::pod::SourcePath;
use crate::model::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A moment by all the clocks of a host, so that a time that passed can be told after the clock was set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// By the calendar: may be set to anything at any time. In microseconds.
    pub wall: u64,
    /// Which boot of the host.
    pub boot: Box<str>,
    /// Since that boot, time asleep included. In microseconds.
    pub up: u64,
}

impl Moment {
    /// By the calendar.
    pub fn timestamp(&self) -> Option<Timestamp> {
        Timestamp::from_micros(self.wall)
    }

    /// The time from `earlier` to this moment. Within a boot the calendar does not count; over a boot it does, and it
    /// is at least the time since the boot.
    pub fn since(&self, earlier: &Self) -> Duration {
        let micros = if self.boot == earlier.boot {
            self.up.saturating_sub(earlier.up)
        } else {
            self.wall.saturating_sub(earlier.wall).max(self.up)
        };
        Duration::from_micros(micros)
    }
}

/// What is remembered of a controller.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// This life of it.
    pub uid: PodUid,
    /// When the host first saw it.
    pub created: Moment,
    /// Where it came from.
    pub source: SourcePath,
    /// It was removed, and pods of it are still there: one of the same name is another.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub gone: bool,
    /// Its templates, oldest first; the last one is in force.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub revisions: Vec<Revision>,
    /// Of a StatefulSet: the hash of the template that all pods had when the last update was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled: Option<Box<str>>,
    /// The last step forward of a rollout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
    /// Of a Job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobRecord>,
    /// Of a CronJob.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cron: Option<CronRecord>,
}

/// A template that is or was in force.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Revision {
    /// Counted from 1; a template that comes into force again gets the next number.
    pub number: u64,
    /// See [`super::Template::hash`].
    pub hash: Box<str>,
    /// See [`super::Template::json`].
    pub template: Box<str>,
    /// The annotation `kubernetes.io/change-cause` of the controller at that time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Box<str>>,
}

/// How far a rollout has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// When it last came further.
    pub at: Moment,
    /// The template it is about.
    pub hash: Box<str>,
    /// Pods of that template, those that are ready and available, and those of others.
    pub counts: [u32; 4],
    /// All pods are of that template and available.
    #[serde(default)]
    pub done: bool,
}

/// What of a Job is done. Written before a counted pod is removed, so that each end is counted once.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct JobRecord {
    /// When it became active (again).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<Moment>,
    /// Pods that ended well; of an indexed Job the size of `completed`.
    #[serde(default)]
    pub succeeded: u32,
    /// Pods that failed.
    #[serde(default)]
    pub failed: u32,
    /// Failures that count towards the limit.
    #[serde(default)]
    pub counted_failures: u32,
    /// Indexes that ended well.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub completed: BTreeSet<u32>,
    /// Indexes that are not tried again.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub failed_indexes: BTreeSet<u32>,
    /// Failures of each index.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub index_failures: BTreeMap<u32, u32>,
    /// Pods that have been counted and are still there.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub counted: BTreeSet<PodUid>,
    /// Pods that are removed before their end: how they end does not count, unless it is well.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub dropped: BTreeSet<PodUid>,
    /// The number of the next pod.
    #[serde(default)]
    pub next: u32,
    /// Failures since the last good end, of all pods or of each index, and when the last was: they delay the next pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<LastFailure>,
    /// The same by index, when failures are counted so.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub last_failures: BTreeMap<u32, LastFailure>,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<JobEnd>,
    /// It was removed after its time to live; its manifest, which is not vks' to remove, is still there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub expired: bool,
}

/// Failures in a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastFailure {
    /// How many.
    pub streak: u32,
    /// When the last was seen.
    pub at: Moment,
}

/// How a Job ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobEnd {
    /// Well.
    pub complete: bool,
    /// When.
    pub at: Moment,
    /// One word, such as `BackoffLimitExceeded`.
    pub reason: Box<str>,
    /// A sentence.
    pub message: Box<str>,
}

/// What a CronJob has done.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CronRecord {
    /// The last time in its schedule that is dealt with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Timestamp>,
    /// When a Job of it last ended well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_success: Option<Timestamp>,
}
