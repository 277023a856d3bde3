//! Jobs: pods that run to their end, `<name>-<n>` or, where each has an index, `<name>-<index>-<n>`.
//!
//! The rules are those of Kubernetes' job controller (pkg/controller/job). [`count`](mod@count) turns pods that have ended into
//! numbers, each once; [`end`] says whether the Job is over; here is what runs meanwhile.

mod count;
mod end;

use super::{Decision, NewPod, Room};
use crate::model::controller::COMPLETION_INDEX;
use crate::model::controller::fact::PodFact;
use crate::model::controller::job::JobSpec;
use crate::model::controller::record::{JobEnd, JobRecord, LastFailure, Moment};
use crate::model::controller::status::JobStatus;
use crate::model::name::PodUid;
use crate::model::status::Phase;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// After the first failure the next pod waits for this long, after each further one twice as long.
const DELAY: Duration = Duration::from_secs(10);
/// The longest wait.
const LONGEST_DELAY: Duration = Duration::from_secs(600);
/// Pods that have ended and are kept to be looked at, the last ones.
const KEPT: usize = 100;

pub(super) fn decide(room: &Room<'_>, spec: &JobSpec) -> Decision {
    let mut decision = Decision::keep_all(room);
    decision.keep.clear();
    let mut job = room.record.job.clone().unwrap_or_default();
    // One that ended well on its way out has done its work; one that failed there was made to. One that somebody deleted
    // has failed, since it may never come to an end (isPodFailed in pkg/controller/job).
    let counts = |pod: &&PodFact| match pod.phase {
        Phase::Succeeded => true,
        _ => pod.deleted || !pod.leaving && pod.is_over(),
    };
    let over = room.pods.iter().copied().filter(counts);
    let verdict = count::count(room, spec, &mut job, over);
    let live = room.live();
    if job.end.is_none() {
        job.end = end::end(room, spec, &job, &live, verdict);
    }
    let mut running = Vec::new();
    if let Some(end) = &job.end {
        let end = end.clone();
        expire(spec, &mut job, &end, room.now, &mut decision);
    } else if spec.suspend {
        job.started = None;
    } else {
        let started = job.started.get_or_insert_with(|| room.now.clone());
        if let Some(limit) = spec.active_deadline {
            let left = limit.saturating_sub(room.now.since(started));
            decision.wake_after(left.max(Duration::from_millis(1)));
        }
        running = Work {
            room,
            spec,
            job: &job,
        }
        .keep(&live);
        let missing = Work {
            room,
            spec,
            job: &job,
        }
        .missing(&running, &mut decision);
        decision.create = missing;
    }
    if !job.expired {
        decision.keep.extend(ended(room));
    }
    decision
        .keep
        .extend(running.iter().map(|pod| pod.uid.clone()));
    job.dropped
        .retain(|uid| room.pods.iter().any(|pod| pod.uid == *uid));
    let dropped = live.iter().filter(|pod| !decision.keep.contains(&pod.uid));
    job.dropped.extend(dropped.map(|pod| pod.uid.clone()));
    let active = running.len() + decision.create.len();
    decision.status.job = status(room, &job, active);
    decision.status.desired = spec.completions.unwrap_or(1);
    decision.status.ready = count_of(running.iter().filter(|pod| pod.is_ready()).count());
    decision.record.job = Some(job);
    decision
}

fn count_of(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// After its time to live a Job that has ended goes, with its pods.
fn expire(
    spec: &JobSpec,
    job: &mut JobRecord,
    end: &JobEnd,
    now: &Moment,
    decision: &mut Decision,
) {
    let Some(ttl) = spec.ttl else { return };
    match ttl.checked_sub(now.since(&end.at)) {
        Some(left) if !left.is_zero() => decision.wake_after(left),
        _ => {
            job.expired = true;
            decision.expired = true;
        }
    }
}

/// The last pods that have ended: to be looked at.
fn ended<'r>(room: &'r Room<'_>) -> impl Iterator<Item = PodUid> + 'r {
    let mut over: Vec<&PodFact> = room.stay().filter(|pod| pod.is_over()).collect();
    over.sort_by_key(|pod| (pod.finished, pod.instance));
    let gone = over.len().saturating_sub(KEPT);
    over.into_iter().skip(gone).map(|pod| pod.uid.clone())
}

fn status(room: &Room<'_>, job: &JobRecord, active: usize) -> JobStatus {
    let until = job.end.as_ref().map_or(room.now, |end| &end.at);
    JobStatus {
        active: count_of(active),
        succeeded: job.succeeded,
        failed: job.failed,
        completed_indexes: ranges(&job.completed),
        failed_indexes: ranges(&job.failed_indexes),
        started: job.started.as_ref().and_then(Moment::timestamp),
        seconds: job
            .started
            .as_ref()
            .map(|start| until.since(start).as_secs()),
    }
}

/// Numbers as `0-2,5` (batch/v1 JobStatus.completedIndexes).
fn ranges(numbers: &BTreeSet<u32>) -> String {
    let mut text = Vec::new();
    let mut numbers = numbers.iter().copied().peekable();
    while let Some(first) = numbers.next() {
        let mut last = first;
        while let Some(next) = numbers.next_if_eq(&(last + 1)) {
            last = next;
        }
        text.push(match first == last {
            true => first.to_string(),
            false => format!("{first}-{last}"),
        });
    }
    text.join(",")
}

/// How long the next pod waits after failures, from now.
fn delay(failure: Option<&LastFailure>, now: &Moment) -> Duration {
    let Some(failure) = failure.filter(|failure| failure.streak > 0) else {
        return Duration::ZERO;
    };
    let doubled = 1_u32.checked_shl(failure.streak - 1).unwrap_or(u32::MAX);
    let whole = DELAY.saturating_mul(doubled).min(LONGEST_DELAY);
    whole.saturating_sub(now.since(&failure.at))
}

struct Work<'r, 'a> {
    room: &'r Room<'a>,
    spec: &'r JobSpec,
    job: &'r JobRecord,
}

impl<'a> Work<'_, 'a> {
    /// Pods that may go on.
    fn keep(&self, live: &[&'a PodFact]) -> Vec<&'a PodFact> {
        let mut keep: Vec<&PodFact> = live.to_vec();
        // The ones that have come furthest first.
        keep.sort_by_key(|pod| (!pod.is_ready(), pod.instance));
        if self.spec.indexed {
            let mut seen = BTreeSet::new();
            keep.retain(|pod| {
                let index = pod.index.filter(|index| self.is_open(*index));
                index.is_some_and(|index| seen.insert(index))
            });
        }
        // Without a number of completions, those that run when one has ended well may end by themselves.
        let most = match self.spec.completions {
            None if self.job.succeeded > 0 => usize::MAX,
            None => as_usize(self.spec.parallelism),
            Some(all) => {
                let left = all.saturating_sub(self.job.succeeded);
                as_usize(left.min(self.spec.parallelism))
            }
        };
        keep.truncate(most);
        keep
    }

    /// An index that has neither ended well nor been given up.
    fn is_open(&self, index: u32) -> bool {
        let all = self.spec.completions.unwrap_or(0);
        index < all
            && !self.job.completed.contains(&index)
            && !self.job.failed_indexes.contains(&index)
    }

    /// Pods to be made now.
    fn missing(&self, running: &[&PodFact], decision: &mut Decision) -> Vec<NewPod> {
        let wanted = match self.spec.completions {
            None if self.job.succeeded > 0 => 0,
            None => self.spec.parallelism,
            Some(all) => self
                .spec
                .parallelism
                .min(all.saturating_sub(self.job.succeeded)),
        };
        let leaving = self
            .room
            .pods
            .iter()
            .filter(|pod| pod.leaving && !pod.is_over());
        let leaving = match self.spec.replace_only_failed {
            true => leaving.count(),
            false => 0,
        };
        let missing = as_usize(wanted).saturating_sub(running.len() + leaving);
        match self.spec.indexed {
            true => self.by_index(running, missing, decision),
            false => self.by_number(missing, decision),
        }
    }

    fn next(&self) -> u32 {
        let used = self.room.pods.iter().map(|pod| pod.instance + 1).max();
        self.job.next.max(used.unwrap_or(0))
    }

    fn by_number(&self, missing: usize, decision: &mut Decision) -> Vec<NewPod> {
        if missing == 0 || !self.is_time(self.job.last_failure.as_ref(), decision) {
            return Vec::new();
        }
        let name = &self.room.controller.key.object.name;
        let numbers = (self.next()..).take(missing);
        let pods = numbers.filter_map(|n| self.pod(format!("{name}-{n}"), n));
        pods.collect()
    }

    fn by_index(
        &self,
        running: &[&PodFact],
        missing: usize,
        decision: &mut Decision,
    ) -> Vec<NewPod> {
        let by_index = self.spec.backoff_limit_per_index.is_some();
        let all = self.job.last_failure.as_ref();
        if missing == 0 || !by_index && !self.is_time(all, decision) {
            return Vec::new();
        }
        let busy: BTreeSet<u32> = running.iter().filter_map(|pod| pod.index).collect();
        let held: BTreeSet<u32> = match self.spec.replace_only_failed {
            true => self
                .room
                .pods
                .iter()
                .filter(|p| !p.is_over())
                .filter_map(|p| p.index)
                .collect(),
            false => BTreeSet::new(),
        };
        let indexes = (0..self.spec.completions.unwrap_or(0))
            .filter(|i| self.is_open(*i) && !busy.contains(i) && !held.contains(i));
        let mut pods = Vec::new();
        for index in indexes {
            if pods.len() == missing {
                break;
            }
            if !by_index || self.is_time(self.job.last_failures.get(&index), decision) {
                pods.extend(self.indexed_pod(index, self.next() + count_of(pods.len())));
            }
        }
        pods
    }

    /// Whether the wait after failures is over; asks again when it is.
    fn is_time(&self, failure: Option<&LastFailure>, decision: &mut Decision) -> bool {
        let left = delay(failure, self.room.now);
        if !left.is_zero() {
            decision.wake_after(left);
        }
        left.is_zero()
    }

    fn pod(&self, name: String, number: u32) -> Option<NewPod> {
        let key = self.room.key(&name)?;
        if !self.room.is_free(&key) {
            return None;
        }
        let (template, job) = (&self.spec.template, &self.room.controller.key.object.name);
        let mut pod = self.room.pod(key, &template.json, &template.hash, number);
        let uid = self.room.record.uid.to_string();
        for (label, value) in [
            ("batch.kubernetes.io/job-name", job.to_string()),
            ("job-name", job.to_string()),
            ("batch.kubernetes.io/controller-uid", uid.clone()),
            ("controller-uid", uid),
        ] {
            if value.len() <= 63 {
                pod.labels.insert(label.to_owned(), value);
            }
        }
        Some(pod)
    }

    fn indexed_pod(&self, index: u32, number: u32) -> Option<NewPod> {
        let name = &self.room.controller.key.object.name;
        let mut pod = self.pod(format!("{name}-{index}-{number}"), number)?;
        let value = index.to_string();
        pod.labels
            .insert(COMPLETION_INDEX.to_owned(), value.clone());
        pod.annotations
            .insert(COMPLETION_INDEX.to_owned(), value.clone());
        pod.variables = BTreeMap::from([("JOB_COMPLETION_INDEX".to_owned(), value)]);
        pod.hostname = Some(format!("{name}-{index}"));
        Some(pod)
    }
}

fn as_usize(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
