//! One controller after the other: what is known of it is put together, and what is decided becomes writes.

use super::facts::{self, Seen};
use super::write::Writes;
use super::{Controllers, Outcome, is_of, jobs, make, new_uid, timers};
use crate::config::Settings;
use crate::model::controller::cron::CronJobSpec;
use crate::model::controller::fact::PodFact;
use crate::model::controller::record::{Moment, Record};
use crate::model::controller::{Controller, ControllerKey, ControllerKind, ControllerSpec};
use crate::model::name::{PodKey, PodUid};
use crate::model::pod::Pod;
use crate::plan::controllers::{Decision, Room, cron};
use crate::source::{Directories, What};
use std::collections::{BTreeMap, BTreeSet};

impl Controllers {
    /// A controller that no manifest wants any more. Where that is not sure, all stays as it is.
    pub(super) fn gone(
        &mut self,
        key: &ControllerKey,
        sources: &Directories,
        outcome: &mut Outcome,
    ) -> Writes {
        self.statuses.remove(key);
        self.told.remove(key);
        let theirs = self.seen.values().filter(|seen| seen.owner == *key);
        let pods: BTreeSet<PodKey> = theirs.map(|seen| seen.fact.key.clone()).collect();
        let mut writes = Writes {
            pods: sources
                .derived()
                .iter()
                .filter(|(_, pod)| is_of(pod, key))
                .map(|(key, _)| (key.clone(), None))
                .collect(),
            ..Writes::default()
        };
        let Some(record) = self.records.get(key) else {
            if key.kind == ControllerKind::CronJob {
                outcome.timers.insert(key.clone());
            }
            return writes;
        };
        if sources.desired().holds(&record.source) {
            // What was to be made is not made, what is there stays.
            writes.kept = true;
            return writes;
        }
        if key.kind == ControllerKind::CronJob {
            outcome.timers.insert(key.clone());
            writes.delete = jobs::of(key, &record.uid, sources)
                .map(|job| job.key.clone())
                .collect();
        }
        if pods.is_empty() {
            writes.forget = true;
        } else if !record.gone {
            writes.record = Some(Record {
                gone: true,
                ..record.clone()
            });
        }
        writes
    }

    /// What is remembered of a controller, or what there is to begin with. Pods without a record are taken on.
    pub(super) fn record(&self, controller: &Controller, now: &Moment) -> Record {
        let key = &controller.key;
        let known = self.records.get(key).filter(|record| !record.gone);
        if let Some(record) = known {
            return Record {
                source: controller.source.clone(),
                ..record.clone()
            };
        }
        let lost = !self.records.contains_key(key);
        let mut pods = self.seen.values().filter(|seen| lost && seen.owner == *key);
        let adopted = pods.find_map(|seen| seen.fact.owner_uid.parse().ok());
        Record {
            uid: adopted.unwrap_or_else(|| new_uid(key, now)),
            created: now.clone(),
            source: controller.source.clone(),
            gone: false,
            revisions: Vec::new(),
            settled: None,
            progress: None,
            job: None,
            cron: None,
        }
    }

    /// The pods of this life of a controller.
    pub(super) fn pods_of(
        &self,
        key: &ControllerKey,
        record: &Record,
        sources: &Directories,
        now: &Moment,
    ) -> Vec<PodFact> {
        let job = record.job.as_ref();
        let dropped = |uid: &PodUid| job.is_some_and(|job| job.dropped.contains(uid));
        let theirs = self.seen.values().filter(|seen| {
            seen.owner == *key
                && *seen.fact.owner_uid == *record.uid.as_str()
                && sources
                    .defined_in(&What::Pod(seen.fact.key.clone()))
                    .is_none()
        });
        let fact = |seen: &Seen| PodFact {
            ready_for: seen.ready_for(now),
            leaving: seen.fact.deleted
                || self.doomed.contains(&seen.fact.uid)
                || dropped(&seen.fact.uid),
            // What the Job has let go itself is no loss to it.
            deleted: seen.fact.deleted && !dropped(&seen.fact.uid),
            ..seen.fact.clone()
        };
        // Those that are being made count: else another would be made in their place.
        let derived = sources.derived();
        let pending = self.pending.iter().filter_map(|pod| derived.get(pod));
        let pending = pending.filter(|pod| is_of(pod, key));
        let pending = pending.filter_map(facts::pending);
        let pending = pending.filter(|fact| *fact.owner_uid == *record.uid.as_str());
        theirs.map(fact).chain(pending).collect()
    }

    /// What a decision on pods comes to.
    pub(super) fn pods(
        &mut self,
        controller: &Controller,
        decision: Decision,
        sources: &Directories,
        settings: &Settings,
    ) -> Writes {
        let key = &controller.key;
        self.tell(
            key,
            decision.status.stuck.as_ref().map(|(_, text)| text.clone()),
        );
        let mut wanted: BTreeMap<PodKey, Pod> = BTreeMap::new();
        for seen in self.seen.values() {
            if seen.owner == *key && decision.keep.contains(&seen.fact.uid) {
                let mut pod = Pod::clone(&seen.pod);
                pod.source = controller.source.clone();
                wanted.insert(pod.key.clone(), pod);
            }
        }
        let kept =
            |pod: &Pod| facts::pending(pod).is_some_and(|fact| decision.keep.contains(&fact.uid));
        let pending = self
            .pending
            .iter()
            .filter_map(|pod| sources.derived().get(pod));
        for pod in pending.filter(|pod| is_of(pod, key) && kept(pod)) {
            wanted.insert(pod.key.clone(), pod.clone());
        }
        for new in &decision.create {
            match make(new, &controller.source) {
                Ok(pod) => drop(wanted.insert(new.key.clone(), pod)),
                Err(problem) => self.tell(key, Some(problem)),
            }
        }
        let before = sources.derived().iter().filter(|(_, pod)| is_of(pod, key));
        let mut pods: BTreeMap<PodKey, Option<Pod>> =
            before.map(|(key, _)| (key.clone(), None)).collect();
        pods.extend(wanted.into_iter().map(|(key, pod)| (key, Some(pod))));
        let job = controller.spec.clone();
        let counts = matches!(job, ControllerSpec::Job(_));
        let ended = |record: &Record| record.job.as_ref().is_some_and(|job| job.end.is_some());
        let was = self.records.get(key);
        if ended(&decision.record) && !was.is_some_and(ended) {
            // A CronJob waits for the end of its Jobs.
            self.dirty.extend(jobs::parent(controller));
        }
        let own = settings.layout.manifests();
        let expired = decision.expired && controller.source.0.starts_with(&own);
        Writes {
            record: (was != Some(&decision.record)).then_some(decision.record),
            sync: counts,
            pods,
            delete: expired.then(|| key.clone()).into_iter().collect(),
            ..Writes::default()
        }
    }

    pub(super) fn cron_job(
        &mut self,
        room: &Room<'_>,
        spec: &CronJobSpec,
        sources: &Directories,
    ) -> Writes {
        let key = &room.controller.key;
        let zone = timers::zone(spec);
        let jobs: Vec<cron::JobFact> = jobs::of(key, &room.record.uid, sources)
            .map(|job| jobs::fact(job, &self.records))
            .collect();
        let decision = cron::decide(room, spec, &zone, &jobs);
        self.tell(key, decision.note.clone());
        let status = self.statuses.entry(key.clone()).or_default();
        status.cron = decision.status;
        let delete = decision.delete.into_iter().map(|object| ControllerKey {
            kind: ControllerKind::Job,
            object,
        });
        Writes {
            record: (self.records.get(key) != Some(&decision.record)).then_some(decision.record),
            sync: true,
            create: decision.create,
            delete: delete.collect(),
            ..Writes::default()
        }
    }
}
