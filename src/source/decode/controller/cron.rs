//! CronJobs.

use super::{job, known, schedule};
use crate::model::controller::cron::{Concurrency, CronJobSpec};
use crate::source::decode::field::Field;
use crate::source::decode::meta;
use crate::source::tree::{Entry, Node, Value, json_line};
use std::time::Duration;

/// `spec` of a CronJob.
pub fn cron_job(field: &Field<'_>) -> Option<CronJobSpec> {
    let mut f = field.fields(known::NONE)?;
    let schedule = f.require("schedule").and_then(|x| schedule::schedule(&x));
    let zone = f.optional("timeZone", |x| time_zone(&x));
    let deadline = f.optional("startingDeadlineSeconds", |x| x.count(0));
    let concurrency = f.optional("concurrencyPolicy", |x| {
        x.one_of(&[
            ("Allow", Concurrency::Allow),
            ("Forbid", Concurrency::Forbid),
            ("Replace", Concurrency::Replace),
        ])
    });
    let suspend = f.flag("suspend");
    let successful = f.optional("successfulJobsHistoryLimit", |x| x.count(0));
    let failed = f.optional("failedJobsHistoryLimit", |x| x.count(0));
    let job = f.require("jobTemplate").and_then(|x| template(&x));
    f.finish();
    Some(CronJobSpec {
        schedule: schedule?,
        time_zone: zone?,
        starting_deadline: deadline?.map(|seconds| Duration::from_secs(u64::from(seconds))),
        concurrency: concurrency?.unwrap_or(Concurrency::Allow),
        suspend: suspend?,
        keep_successful: successful?.unwrap_or(3),
        keep_failed: failed?.unwrap_or(1),
        job: job?.into(),
    })
}

/// A name of the tz database. Whether the host has it is seen when the timer is made.
fn time_zone(field: &Field<'_>) -> Option<String> {
    let name = field.line()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "/_+-".contains(c);
    if name.is_empty() || !name.chars().all(plain) || name == "Local" {
        field.problem("must be a name of the tz database, such as Europe/Berlin or Etc/UTC");
        return None;
    }
    if crate::source::time_zone(name).is_none() {
        field.problem("this host has no such time zone: correct the name, or install tzdata");
        return None;
    }
    Some(name.to_owned())
}

/// A Job template, checked, as text.
fn template(field: &Field<'_>) -> Option<String> {
    let mut f = field.fields(known::NONE)?;
    let meta = meta::template(&mut f);
    let spec = f.require("spec");
    let decoded = spec.as_ref().and_then(job::job);
    f.finish();
    let (labels, annotations) = meta?;
    decoded?;
    let map = |labels: meta::Labels| {
        let text = |(key, value)| entry(key, Value::Text(value));
        Value::Map(labels.into_iter().map(text).collect())
    };
    let metadata = Value::Map(vec![
        entry("labels".to_owned(), map(labels)),
        entry("annotations".to_owned(), map(annotations)),
    ]);
    let whole = Value::Map(vec![
        entry("metadata".to_owned(), metadata),
        entry("spec".to_owned(), spec?.node.value.clone()),
    ]);
    Some(json_line(&Node {
        line: 0,
        value: whole,
    }))
}

fn entry(key: String, value: Value) -> Entry {
    Entry {
        key,
        line: 0,
        node: Node { line: 0, value },
    }
}
