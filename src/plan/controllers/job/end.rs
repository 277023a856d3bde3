//! Whether a Job is over.

use super::{Room, as_usize};
use crate::model::controller::fact::PodFact;
use crate::model::controller::job::{JobSpec, SuccessRule};
use crate::model::controller::record::{JobEnd, JobRecord};

/// How the Job has ended, if it has. `verdict` is what the failure policy says, `live` the pods that run.
pub(super) fn end(
    room: &Room<'_>,
    spec: &JobSpec,
    job: &JobRecord,
    live: &[&PodFact],
    verdict: Option<String>,
) -> Option<JobEnd> {
    let found = |complete, reason: &str, message: &str| {
        Some(JobEnd {
            complete,
            at: room.now.clone(),
            reason: reason.into(),
            message: message.into(),
        })
    };
    if let Some(message) = verdict {
        return found(false, "PodFailurePolicy", &message);
    }
    if spec.success_rules.iter().any(|rule| is_met(rule, job)) {
        return found(
            true,
            "SuccessPolicy",
            "Matched a rule of the success policy",
        );
    }
    if is_complete(spec, job, live) {
        return found(
            true,
            "CompletionsReached",
            "Reached expected number of succeeded pods",
        );
    }
    if is_past_limit(spec, job, live) {
        return found(
            false,
            "BackoffLimitExceeded",
            "Job has reached the specified backoff limit",
        );
    }
    let late = job.started.as_ref().zip(spec.active_deadline);
    if !spec.suspend && late.is_some_and(|(start, limit)| room.now.since(start) >= limit) {
        return found(
            false,
            "DeadlineExceeded",
            "Job was active longer than specified deadline",
        );
    }
    if spec
        .max_failed_indexes
        .is_some_and(|most| job.failed_indexes.len() > as_usize(most))
    {
        return found(
            false,
            "MaxFailedIndexesExceeded",
            "Job has exceeded the specified maximal number of failed indexes",
        );
    }
    let all = as_usize(spec.completions.unwrap_or(u32::MAX));
    if !job.failed_indexes.is_empty() && job.failed_indexes.len() + job.completed.len() >= all {
        return found(false, "FailedIndexes", "Job has failed indexes");
    }
    None
}

fn is_complete(spec: &JobSpec, job: &JobRecord, live: &[&PodFact]) -> bool {
    match spec.completions {
        Some(all) => job.succeeded >= all,
        None => job.succeeded > 0 && live.is_empty(),
    }
}

/// Pods that are started again by systemd are not replaced: their restarts count.
fn is_past_limit(spec: &JobSpec, job: &JobRecord, live: &[&PodFact]) -> bool {
    if job.counted_failures > spec.backoff_limit {
        return true;
    }
    let restarts: u32 = live.iter().map(|pod| pod.restarts).sum();
    spec.restarts && restarts > 0 && restarts >= spec.backoff_limit
}

fn is_met(rule: &SuccessRule, job: &JobRecord) -> bool {
    let done = |index: &&u32| job.completed.contains(*index);
    let (found, all) = match &rule.indexes {
        Some(indexes) => (indexes.iter().filter(done).count(), indexes.len()),
        None => (job.completed.len(), usize::MAX),
    };
    found >= rule.count.map_or(all, as_usize)
}
