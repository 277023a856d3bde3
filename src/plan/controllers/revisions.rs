//! The templates a controller has had.

use super::Room;
use crate::model::controller::Template;
use crate::model::controller::record::{Record, Revision};
use std::collections::BTreeSet;

/// Why a template came into force, in the words of whoever changed it.
const CAUSE: &str = "kubernetes.io/change-cause";

/// What is remembered when this template is in force. One that was in force before comes to the end, with a new number.
/// Of templates that no pod has any more, `history` are kept.
pub(super) fn turn(room: &Room<'_>, template: &Template, history: u32) -> Record {
    let mut record = room.record.clone();
    let cause = room.controller.annotations.get(CAUSE);
    let cause: Option<Box<str>> = cause.map(|text| text.as_str().into());
    let number = record.revisions.iter().map(|r| r.number).max().unwrap_or(0);
    match record.revisions.last_mut() {
        Some(last) if last.hash == template.hash => last.cause = cause,
        _ => {
            record.revisions.retain(|r| r.hash != template.hash);
            record.revisions.push(Revision {
                number: number + 1,
                hash: template.hash.clone(),
                template: template.json.clone(),
                cause,
            });
        }
    }
    prune(room, &mut record, history);
    record
}

fn prune(room: &Room<'_>, record: &mut Record, history: u32) {
    let mut used: BTreeSet<&str> = room.pods.iter().map(|pod| &*pod.revision).collect();
    let settled = record.settled.clone();
    used.extend(settled.as_deref());
    let last = record.revisions.len().saturating_sub(1);
    let idle = |(index, revision): (usize, &Revision)| {
        (index < last && !used.contains(&*revision.hash)).then_some(revision.number)
    };
    let idle: Vec<u64> = record
        .revisions
        .iter()
        .enumerate()
        .filter_map(idle)
        .collect();
    let keep = usize::try_from(history).unwrap_or(usize::MAX);
    let gone = &idle[..idle.len().saturating_sub(keep)];
    record.revisions.retain(|r| !gone.contains(&r.number));
}
