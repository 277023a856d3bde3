//! CronJobs: which Jobs begin and go now, and the timer that makes vks look.
//!
//! What is due follows from the schedule, the last time that was dealt with and the clock, not from the timer having
//! fired: a timer that was missed, or a vks that was away, costs nothing but time. A Job's name has its time in the
//! schedule, so that each time has one Job whatever is cut short.

use super::Room;
use super::schedule::{last_between, next_after};
use crate::model::controller::cron::{Bits, Concurrency, CronJobSpec, Schedule};
use crate::model::controller::record::{CronRecord, JobEnd, Record};
use crate::model::controller::status::CronStatus;
use crate::model::controller::{OWNER, OWNER_UID};
use crate::model::identity::{Identity, UnitRole};
use crate::model::name::{ObjectKey, UnitName};
use crate::model::time::Timestamp;
use crate::unit::names::PodUnits;
use crate::unit::{UnitFile, identity};
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

/// A clock that was set back by less is taken to be right: times that have had their run have no second one. One set
/// back by more was wrong before, and times are counted from now on.
const SET_BACK: Duration = Duration::from_secs(3 * 3600);

/// A Job of a CronJob.
#[derive(Debug, Clone, PartialEq)]
pub struct JobFact {
    /// Namespace and name.
    pub key: ObjectKey,
    /// Its time in the schedule.
    pub scheduled: Option<Timestamp>,
    /// How it ended, if it has.
    pub end: Option<JobEnd>,
}

/// What is to be done for a CronJob.
#[derive(Debug, Clone, PartialEq)]
pub struct CronDecision {
    /// A Job to be made: its key and its manifest as JSON.
    pub create: Option<(ObjectKey, String)>,
    /// Jobs to be removed.
    pub delete: BTreeSet<ObjectKey>,
    /// What is to be remembered, after the Job has been made.
    pub record: Record,
    /// What people are told.
    pub status: CronStatus,
    /// Worth a line in the journal.
    pub note: Option<String>,
}

/// Decides for one CronJob. `zone` is that of the spec, or the host's.
pub fn decide(
    room: &Room<'_>,
    spec: &CronJobSpec,
    zone: &TimeZone,
    jobs: &[JobFact],
) -> CronDecision {
    let mut record = room.record.clone();
    let cron = record.cron.get_or_insert_default();
    let successes = jobs
        .iter()
        .filter_map(|job| job.end.as_ref().filter(|end| end.complete));
    let success = successes.filter_map(|end| end.at.timestamp()).max();
    cron.last_success = cron.last_success.max(success);
    let mut decision = CronDecision {
        create: None,
        delete: expired(spec, jobs),
        status: CronStatus::default(),
        note: None,
        record,
    };
    if let Some(now) = room.now.timestamp() {
        run(room, spec, zone, jobs, now, &mut decision);
    }
    decision.status = status(spec, zone, jobs, room, &decision);
    decision
}

fn run(
    room: &Room<'_>,
    spec: &CronJobSpec,
    zone: &TimeZone,
    jobs: &[JobFact],
    now: Timestamp,
    decision: &mut CronDecision,
) {
    let created = room.record.created.timestamp();
    let cron = decision.record.cron.get_or_insert_default();
    let mut since = cron.last.or(created).unwrap_or(now);
    if since.since(now) > SET_BACK {
        decision.note = Some(format!("the clock was set back: times from {now} on count"));
        cron.last = Some(now);
        since = now;
    }
    if spec.suspend {
        return;
    }
    let Some(due) = last_between(&spec.schedule, zone, since, now) else {
        return;
    };
    if spec
        .starting_deadline
        .is_some_and(|limit| now.since(due) > limit)
    {
        decision.note = Some(format!(
            "the run of {due} is left out: it is too late for it"
        ));
        cron.last = Some(due);
        return;
    }
    let active: Vec<&JobFact> = jobs.iter().filter(|job| job.end.is_none()).collect();
    let made = jobs.iter().any(|job| job.scheduled == Some(due));
    match spec.concurrency {
        _ if made => {}
        // It is due as long as it is not too late for it: tried again when a Job ends.
        Concurrency::Forbid if !active.is_empty() => return,
        Concurrency::Replace => decision
            .delete
            .extend(active.iter().map(|job| job.key.clone())),
        Concurrency::Forbid | Concurrency::Allow => {}
    }
    cron.last = Some(due);
    if !made {
        decision.create = job(room, spec, due);
    }
}

/// The Job of a time: `<name>-<minutes since 1970>`, as in Kubernetes.
fn job(room: &Room<'_>, spec: &CronJobSpec, due: Timestamp) -> Option<(ObjectKey, String)> {
    let key = &room.controller.key;
    let name = format!("{}-{}", key.object.name, due.micros() / 60_000_000);
    let mut template: Value = serde_json::from_str(&spec.job).ok()?;
    let mut annotations = match template["metadata"]["annotations"].take() {
        Value::Object(annotations) => annotations,
        _ => Map::new(),
    };
    let mut put = |key: &str, value: String| drop(annotations.insert(key.to_owned(), value.into()));
    put(
        "batch.kubernetes.io/cronjob-scheduled-timestamp",
        due.to_string(),
    );
    put(OWNER, key.owner());
    put(OWNER_UID, room.record.uid.to_string());
    let job = json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name,
            "namespace": key.object.namespace.as_str(),
            "labels": template["metadata"]["labels"].take(),
            "annotations": annotations,
        },
        "spec": template["spec"].take(),
    });
    let object = ObjectKey {
        namespace: key.object.namespace.clone(),
        name: name.parse().ok()?,
    };
    Some((object, job.to_string()))
}

/// Jobs that have ended and are more than are kept.
fn expired(spec: &CronJobSpec, jobs: &[JobFact]) -> BTreeSet<ObjectKey> {
    let beyond = |complete: bool, keep: u32| {
        let ended = |job: &&JobFact| job.end.as_ref().is_some_and(|end| end.complete == complete);
        let mut ended: Vec<&JobFact> = jobs.iter().filter(ended).collect();
        ended.sort_by_key(|job| (job.scheduled, job.key.clone()));
        let gone = ended
            .len()
            .saturating_sub(usize::try_from(keep).unwrap_or(usize::MAX));
        ended.into_iter().take(gone).map(|job| job.key.clone())
    };
    let good = beyond(true, spec.keep_successful);
    good.chain(beyond(false, spec.keep_failed)).collect()
}

fn status(
    spec: &CronJobSpec,
    zone: &TimeZone,
    jobs: &[JobFact],
    room: &Room<'_>,
    decision: &CronDecision,
) -> CronStatus {
    let CronRecord { last, last_success } = decision.record.cron.clone().unwrap_or_default();
    let gone = |job: &&JobFact| job.end.is_none() && !decision.delete.contains(&job.key);
    let active = jobs.iter().filter(gone).map(|job| job.key.name.to_string());
    let new = decision.create.iter().map(|(key, _)| key.name.to_string());
    CronStatus {
        active: active.chain(new).collect(),
        last,
        next: room
            .now
            .timestamp()
            .filter(|_| !spec.suspend)
            .and_then(|now| next_after(&spec.schedule, zone, now)),
        last_success,
    }
}

/// The timer of a CronJob and the service it starts; none while it is suspended. `program` is the vks that units run.
pub fn units(room: &Room<'_>, spec: &CronJobSpec, program: &str) -> Vec<(UnitName, UnitFile)> {
    if spec.suspend {
        return Vec::new();
    }
    let key = &room.controller.key.object;
    let names = PodUnits::new(key);
    let mut timer = file("Schedule", room);
    for line in calendar(&spec.schedule, spec.time_zone.as_deref()) {
        timer.push("Timer", "OnCalendar", line);
    }
    timer.push("Timer", "AccuracySec", "100ms");
    timer.push("Timer", "Unit", names.cron().to_string());
    let mut service = file("Next run", room);
    service.push("Service", "Type", "oneshot");
    service.push("Service", "SyslogIdentifier", "vks");
    let unit = names.cron().to_string();
    let argv = [program, "due", &unit];
    service.push(
        "Service",
        "ExecStart",
        crate::unit::escape::command_line(":", argv),
    );
    for file in [&mut timer, &mut service] {
        let identity = Identity {
            addresses: Vec::new(),
            pod: key.clone(),
            uid: room.record.uid.clone(),
            role: UnitRole::Cron,
            source: room.controller.source.clone(),
            spec_hash: "".into(),
            manifest: None,
        };
        identity::write(file, &identity);
    }
    vec![(names.cron_timer(), timer), (names.cron(), service)]
}

fn file(what: &str, room: &Room<'_>) -> UnitFile {
    let mut file = UnitFile {
        header: vec![
            "Made by vks; changes here are lost. To change this unit: systemctl edit".to_owned(),
        ],
        ..UnitFile::default()
    };
    let about = format!("{what} of {}", room.controller.key);
    file.push(
        "Unit",
        "Description",
        crate::unit::escape::specifiers(&about),
    );
    file.push("Unit", "Documentation", "man:vks-units(7)");
    file
}

/// The schedule in systemd's words (systemd.time(7)): two lines when either of days and weekdays is enough.
pub fn calendar(schedule: &Schedule, zone: Option<&str>) -> Vec<String> {
    let field = |bits: Bits, all: std::ops::Range<u32>| match all.clone().all(|n| bits.has(n)) {
        true => "*".to_owned(),
        false => {
            let numbers: Vec<String> = bits.numbers().map(|n| format!("{n:02}")).collect();
            numbers.join(",")
        }
    };
    let names = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
    let weekdays: Vec<&str> = (0_u32..)
        .zip(names)
        .filter(|(n, _)| schedule.weekdays.has(*n))
        .map(|(_, name)| name)
        .collect();
    let weekdays = match weekdays.len() {
        7 => String::new(),
        _ => format!("{} ", weekdays.join(",")),
    };
    let days = field(schedule.days, 1..32);
    let zone = zone.map(|zone| format!(" {zone}")).unwrap_or_default();
    let line = |weekdays: &str, days: &str| {
        let months = field(schedule.months, 1..13);
        let (hours, minutes) = (field(schedule.hours, 0..24), field(schedule.minutes, 0..60));
        format!("{weekdays}*-{months}-{days} {hours}:{minutes}:00{zone}")
    };
    match schedule.either_day {
        true => vec![line("", &days), line(&weekdays, "*")],
        false => vec![line(&weekdays, &days)],
    }
}
