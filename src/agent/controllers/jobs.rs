//! The Jobs of CronJobs.

use crate::model::controller::record::Record;
use crate::model::controller::{Controller, ControllerKey, ControllerKind, OWNER, OWNER_UID};
use crate::model::name::PodUid;
use crate::model::time::Timestamp;
use crate::plan::controllers::cron::JobFact;
use crate::source::Directories;
use std::collections::BTreeMap;

/// Annotation of a Job: its time in the schedule (batch/v1 CronJobScheduledTimestampAnnotation).
const SCHEDULED: &str = "batch.kubernetes.io/cronjob-scheduled-timestamp";

/// The Jobs that this life of a CronJob has made.
pub(super) fn of<'a>(
    cron: &'a ControllerKey,
    uid: &'a PodUid,
    sources: &'a Directories,
) -> impl Iterator<Item = &'a Controller> {
    let jobs = sources.desired().controllers.values();
    jobs.filter(move |job| {
        job.key.kind == ControllerKind::Job
            && parent(job).as_ref() == Some(cron)
            && job.annotations.get(OWNER_UID).map(String::as_str) == Some(uid.as_str())
    })
}

/// The CronJob that has made a Job.
pub(super) fn parent(job: &Controller) -> Option<ControllerKey> {
    let owner = job.annotations.get(OWNER)?;
    let key = ControllerKey::from_owner(owner, &job.key.object.namespace)?;
    (job.key.kind == ControllerKind::Job && key.kind == ControllerKind::CronJob).then_some(key)
}

/// A Job as its CronJob sees it.
pub(super) fn fact(job: &Controller, records: &BTreeMap<ControllerKey, Record>) -> JobFact {
    let record = records.get(&job.key).and_then(|record| record.job.as_ref());
    let scheduled = job.annotations.get(SCHEDULED);
    JobFact {
        key: job.key.object.clone(),
        scheduled: scheduled.and_then(|text| Timestamp::parse(text)),
        end: record.and_then(|record| record.end.clone()),
    }
}
