//! Pods of a Job that have ended become numbers, each pod once.
//!
//! A pod is known by its uid. Its end is counted together with its uid in one record, which is written before the pod is
//! removed; the uid is forgotten when the pod is no longer there. However often this runs, and whatever was cut short,
//! a pod is counted once.

use super::Room;
use crate::model::controller::fact::PodFact;
use crate::model::controller::job::{FailureAction, FailureCondition, JobSpec};
use crate::model::controller::record::{JobRecord, LastFailure, Moment};
use crate::model::status::Phase;

/// Counts the pods that have ended. A rule of the failure policy may end the Job: gives back what it says.
pub(super) fn count<'a>(
    room: &Room<'_>,
    spec: &JobSpec,
    job: &mut JobRecord,
    over: impl Iterator<Item = &'a PodFact>,
) -> Option<String> {
    let mut verdict = None;
    let next = room.pods.iter().map(|pod| pod.instance + 1).max();
    job.next = job.next.max(next.unwrap_or(0));
    job.counted
        .retain(|uid| room.pods.iter().any(|pod| pod.uid == *uid));
    let mut over: Vec<&PodFact> = over.collect();
    over.sort_by_key(|pod| (pod.finished, pod.instance));
    for pod in over {
        if !job.counted.insert(pod.uid.clone()) {
            continue;
        }
        match pod.phase {
            Phase::Succeeded => success(spec, job, pod),
            _ => {
                verdict = failure(room, spec, job, pod).or(verdict);
            }
        }
    }
    verdict
}

fn success(spec: &JobSpec, job: &mut JobRecord, pod: &PodFact) {
    match (spec.indexed, pod.index) {
        (true, Some(index)) => {
            job.completed.insert(index);
            job.failed_indexes.remove(&index);
            job.last_failures.remove(&index);
            job.succeeded = u32::try_from(job.completed.len()).unwrap_or(u32::MAX);
        }
        // A pod of the time when the Job had no indexes, or has them no more.
        (true, None) => {}
        (false, _) => job.succeeded += 1,
    }
    job.last_failure = None;
}

fn failure(room: &Room<'_>, spec: &JobSpec, job: &mut JobRecord, pod: &PodFact) -> Option<String> {
    let rule = spec.failure_rules.iter().enumerate();
    let rule = rule.into_iter().find_map(|(number, rule)| {
        let why = fits(&rule.when, pod)?;
        Some((number, rule.action, why))
    });
    let told = |number: usize, why: &str| {
        format!(
            "{why} for pod {} matching FailJob rule at index {number}",
            pod.key
        )
    };
    job.failed += 1;
    match rule {
        Some((number, FailureAction::FailJob, why)) => return Some(told(number, &why)),
        Some((_, FailureAction::Ignore, _)) => {
            job.failed -= 1;
            return None;
        }
        Some((_, FailureAction::FailIndex, _)) => {
            job.failed_indexes.extend(pod.index);
        }
        Some((_, FailureAction::Count, _)) | None => count_failure(spec, job, pod, room.now),
    }
    None
}

fn count_failure(spec: &JobSpec, job: &mut JobRecord, pod: &PodFact, now: &Moment) {
    job.counted_failures += 1;
    again(job.last_failure.get_or_insert(none(now)), now);
    let (Some(limit), Some(index)) = (spec.backoff_limit_per_index, pod.index) else {
        return;
    };
    let failures = job.index_failures.entry(index).or_default();
    *failures += 1;
    if *failures > limit {
        job.failed_indexes.insert(index);
    }
    again(job.last_failures.entry(index).or_insert(none(now)), now);
}

fn none(now: &Moment) -> LastFailure {
    LastFailure {
        streak: 0,
        at: now.clone(),
    }
}

fn again(failure: &mut LastFailure, now: &Moment) {
    failure.streak += 1;
    failure.at = now.clone();
}

/// Why a condition fits a pod that has failed; `None` when it does not.
fn fits(when: &FailureCondition, pod: &PodFact) -> Option<String> {
    match when {
        FailureCondition::Disrupted => pod
            .disrupted
            .then(|| "the condition DisruptionTarget".to_owned()),
        FailureCondition::ExitCodes {
            container,
            codes,
            among,
        } => {
            let mut ends = pod.exits.iter().filter(|(name, code)| {
                *code != 0 && container.as_ref().is_none_or(|wanted| wanted == name)
            });
            let (name, code) = ends.find(|(_, code)| codes.contains(code) == *among)?;
            Some(format!("Container {name} failed with exit code {code}"))
        }
    }
}
