//! Controllers at work: what [`crate::plan::controllers`] decides, carried out.
//!
//! ```text
//!  pods seen (facts) --+                              +--> records, written first
//!  manifests ----------+--> decide (pure), for each --+--> Jobs of CronJobs: manifests
//!  records, the time --+    that something is new of  +--> pods: put among what manifests want
//!                                                     +--> timers of CronJobs
//! ```
//!
//! What controllers decide becomes part of what is wanted ([`Directories::derive`]); from there on their pods are pods
//! like others. Nothing here has to be remembered over a restart but the records.

pub mod facts;
mod jobs;
mod sample;
mod timers;
mod write;

pub use sample::sample;
pub use timers::{TimerPlan, timers};

use crate::config::Settings;
use crate::host::clock;
use crate::model::controller::fact::PodFact;
use crate::model::controller::record::{Moment, Record};
use crate::model::controller::status::ControllerStatus;
use crate::model::controller::{Controller, ControllerKey, ControllerKind, ControllerSpec};
use crate::model::name::{PodKey, PodUid};
use crate::model::observed::Observed;
use crate::model::pod::{Pod, SourcePath};
use crate::plan::controllers::{Decision, NewPod, Room, cron, decide};
use crate::source::{Changes, Directories, Instance, What, instance};
use facts::Seen;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use write::Writes;

/// After a failure, in microseconds.
const RETRY: u64 = 10_000_000;
/// Rounds of deciding before the rest waits for the next look.
const ROUNDS: usize = 8;

/// What the agent knows of controllers.
#[derive(Debug, Default)]
pub struct Controllers {
    records: BTreeMap<ControllerKey, Record>,
    seen: BTreeMap<PodKey, Seen>,
    /// Pods that were decided to go.
    doomed: BTreeSet<PodUid>,
    /// Controllers to look at.
    dirty: BTreeSet<ControllerKey>,
    /// What the last decision said.
    statuses: BTreeMap<ControllerKey, ControllerStatus>,
    /// When to look again though nothing has changed, in microseconds since the boot.
    wakes: BTreeMap<ControllerKey, u64>,
    /// Lines that were said already.
    told: BTreeMap<ControllerKey, String>,
}

/// What a look at the controllers has led to.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Pods that are wanted otherwise than before.
    pub pods: BTreeSet<PodKey>,
    /// CronJobs whose timers have to be seen to.
    pub timers: BTreeSet<ControllerKey>,
}

impl Controllers {
    /// With what earlier agents have written down.
    pub fn new(records: BTreeMap<ControllerKey, Record>) -> Self {
        Self {
            dirty: records.keys().cloned().collect(),
            records,
            ..Self::default()
        }
    }

    /// What is remembered.
    pub fn records(&self) -> &BTreeMap<ControllerKey, Record> {
        &self.records
    }

    /// What the last decision on each said.
    pub fn statuses(&self) -> &BTreeMap<ControllerKey, ControllerStatus> {
        &self.statuses
    }

    /// All controllers are to be looked at, and all pods.
    pub fn mark_all(&mut self, sources: &Directories, observed: &Observed) {
        self.dirty
            .extend(sources.desired().controllers.keys().cloned());
        self.dirty.extend(self.records.keys().cloned());
        let crons = observed
            .timers
            .values()
            .filter_map(|unit| unit.identity.as_ref());
        self.dirty.extend(crons.map(|identity| ControllerKey {
            kind: ControllerKind::CronJob,
            object: identity.pod.clone(),
        }));
        let keys: BTreeSet<PodKey> = observed
            .pods
            .keys()
            .chain(self.seen.keys())
            .cloned()
            .collect();
        self.mark_pods(&keys, observed);
    }

    /// Looks at a controller again after a while.
    pub fn retry(&mut self, key: ControllerKey) {
        self.wakes.insert(key, clock::now().up + RETRY);
    }

    /// Something about these controllers has changed.
    pub fn mark(&mut self, keys: impl IntoIterator<Item = ControllerKey>) {
        self.dirty.extend(keys);
    }

    /// CronJobs may be due.
    pub fn mark_cron_jobs(&mut self) {
        let crons = self
            .records
            .keys()
            .filter(|key| key.kind == ControllerKind::CronJob);
        self.dirty.extend(crons.cloned());
    }

    /// These pods were looked at again.
    pub fn mark_pods<'a>(
        &mut self,
        keys: impl IntoIterator<Item = &'a PodKey>,
        observed: &Observed,
    ) {
        let now = clock::now();
        for key in keys {
            let before = self.seen.remove(key);
            let after = facts::seen(key, observed, before.as_ref(), &now);
            for seen in [&before, &after].into_iter().flatten() {
                self.dirty.insert(seen.owner.clone());
            }
            if let Some(before) = &before
                && after
                    .as_ref()
                    .is_none_or(|after| after.fact.uid != before.fact.uid)
            {
                self.doomed.remove(&before.fact.uid);
            }
            self.seen.extend(after.map(|seen| (key.clone(), seen)));
        }
    }

    /// Marks those whose time has come; the time until the next.
    pub fn wake(&mut self) -> Option<Duration> {
        let up = clock::now().up;
        let due: Vec<ControllerKey> = self
            .wakes
            .iter()
            .filter(|(_, at)| **at <= up)
            .map(|(key, _)| key.clone())
            .collect();
        for key in due {
            self.wakes.remove(&key);
            self.dirty.insert(key);
        }
        let next = self.wakes.values().min()?;
        Some(Duration::from_micros(next.saturating_sub(up)))
    }

    /// Whether there is nothing to decide.
    pub fn is_idle(&self) -> bool {
        self.dirty.is_empty()
    }

    /// Decides for all that something is new of, and puts the pods they want among what is wanted. Blocks on small files.
    /// The caller holds the lock, unless it is only to see what would be done: then nothing is written (`dry`).
    pub fn work(
        &mut self,
        sources: &mut Directories,
        observed: &Observed,
        settings: &Settings,
        dry: bool,
    ) -> Outcome {
        let mut outcome = Outcome::default();
        // A CronJob makes Jobs, those make pods, and their end is news for the CronJob: four rounds, and some to spare.
        for _ in 0..ROUNDS {
            let dirty = std::mem::take(&mut self.dirty);
            if dirty.is_empty() {
                break;
            }
            for key in dirty {
                let mut writes = self.one(&key, sources, observed, settings, &mut outcome);
                writes.key = Some(key.clone());
                if dry {
                    self.accept(&key, writes, sources, &mut outcome);
                    continue;
                }
                if let Err(error) = writes.run(&settings.layout) {
                    log::error!("{key}: {}, will retry", crate::chain::line(&error));
                    self.retry(key);
                    continue;
                }
                let changes = match writes.touched(&settings.layout) {
                    none if none.is_empty() => Changes::default(),
                    touched => sources.refresh(&touched),
                };
                if changes.everything {
                    self.mark_all(sources, observed);
                }
                outcome.pods.extend(changes.pods);
                self.mark(changes.controllers);
                self.accept(&key, writes, sources, &mut outcome);
            }
        }
        outcome
    }

    fn one(
        &mut self,
        key: &ControllerKey,
        sources: &Directories,
        observed: &Observed,
        settings: &Settings,
        outcome: &mut Outcome,
    ) -> Writes {
        let now = clock::now();
        self.wakes.remove(key);
        let Some(controller) = sources.desired().controllers.get(key) else {
            return self.gone(key, sources, outcome);
        };
        let record = self.record(controller, &now);
        let pods = self.pods_of(key, &record, sources, &now);
        let facts: Vec<&PodFact> = pods.iter().collect();
        let ours = |pod: &PodKey| facts.iter().any(|fact| fact.key == *pod);
        let taken = |pod: &PodKey| {
            let theirs = observed.pods.contains_key(pod) && !ours(pod);
            theirs || sources.defined_in(&What::Pod(pod.clone())).is_some()
        };
        let room = Room {
            controller,
            record: &record,
            pods: &facts,
            taken: &taken,
            now: &now,
        };
        let decision = decide(&room);
        self.statuses.insert(key.clone(), decision.status.clone());
        if let Some(after) = decision.wake {
            let micros = u64::try_from(after.as_micros()).unwrap_or(u64::MAX);
            self.wakes
                .insert(key.clone(), now.up.saturating_add(micros));
        }
        match &controller.spec {
            ControllerSpec::CronJob(spec) => {
                outcome.timers.insert(key.clone());
                self.cron_job(&room, spec, sources)
            }
            _ => self.pods(controller, decision, sources, settings),
        }
    }

    /// A controller that no manifest wants any more. Where that is not sure, all stays as it is.
    fn gone(
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
                .filter(|(_, pod)| {
                    owner(pod) == Some(key.owner().as_str())
                        && pod.key.namespace == key.object.namespace
                })
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
    fn record(&self, controller: &Controller, now: &Moment) -> Record {
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
    fn pods_of(
        &self,
        key: &ControllerKey,
        record: &Record,
        sources: &Directories,
        now: &Moment,
    ) -> Vec<PodFact> {
        let dropped = record.job.as_ref().map(|job| &job.dropped);
        let theirs = self.seen.values().filter(|seen| {
            seen.owner == *key
                && *seen.fact.owner_uid == *record.uid.as_str()
                && sources
                    .defined_in(&What::Pod(seen.fact.key.clone()))
                    .is_none()
        });
        let fact = |seen: &Seen| PodFact {
            ready_for: seen.ready_for(now),
            leaving: self.doomed.contains(&seen.fact.uid)
                || dropped.is_some_and(|dropped| dropped.contains(&seen.fact.uid)),
            ..seen.fact.clone()
        };
        theirs.map(fact).collect()
    }

    /// What a decision on pods comes to.
    fn pods(
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
        for new in &decision.create {
            match make(new, &controller.source) {
                Ok(pod) => drop(wanted.insert(new.key.clone(), pod)),
                Err(problem) => self.tell(key, Some(problem)),
            }
        }
        let before = sources.derived().iter().filter(|(_, pod)| {
            owner(pod) == Some(key.owner().as_str()) && pod.key.namespace == key.object.namespace
        });
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

    fn cron_job(
        &mut self,
        room: &Room<'_>,
        spec: &crate::model::controller::cron::CronJobSpec,
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

    /// What was written down comes into force.
    fn accept(
        &mut self,
        key: &ControllerKey,
        writes: Writes,
        sources: &mut Directories,
        outcome: &mut Outcome,
    ) {
        if writes.forget {
            self.records.remove(key);
        }
        if let Some(record) = writes.record {
            self.records.insert(key.clone(), record);
        }
        // Also pods that this agent has found and never wanted.
        let held = self.records.get(key).filter(|_| !writes.kept);
        for seen in self
            .seen
            .values()
            .filter(|seen| held.is_some() && seen.owner == *key)
        {
            if !writes.pods.get(&seen.fact.key).is_some_and(Option::is_some)
                && self.doomed.insert(seen.fact.uid.clone())
            {
                outcome.pods.insert(seen.fact.key.clone());
            }
        }
        outcome.pods.extend(sources.derive(writes.pods));
    }

    /// Says a line once.
    fn tell(&mut self, key: &ControllerKey, line: Option<String>) {
        match line {
            Some(line) if self.told.get(key) != Some(&line) => {
                log::warn!("{key}: {line}");
                self.told.insert(key.clone(), line);
            }
            Some(_) => {}
            None => drop(self.told.remove(key)),
        }
    }
}

/// The value of the annotation that names what made a pod.
fn owner(pod: &Pod) -> Option<&str> {
    pod.annotations
        .get(crate::model::controller::OWNER)
        .map(String::as_str)
}

fn new_uid(key: &ControllerKey, now: &Moment) -> PodUid {
    let seed = format!("{key} {} {} {}", now.boot, now.up, now.wall);
    crate::plan::new_uid(&key.object, seed.as_bytes())
}

/// A pod as decided.
fn make(new: &NewPod, source: &SourcePath) -> Result<Pod, String> {
    let of = Instance {
        key: &new.key,
        labels: &new.labels,
        annotations: &new.annotations,
        variables: &new.variables,
        hostname: new.hostname.as_deref(),
        claims: &new.claims,
    };
    let made = instance(&new.template, of, source.clone());
    made.map_err(|problems| {
        let first = problems
            .first()
            .map(ToString::to_string)
            .unwrap_or_default();
        format!("pod {} cannot be made: {first}", new.key)
    })
}

/// Shared with views: an agent's knowledge, from files alone.
pub fn read(settings: &Settings) -> Controllers {
    let (records, damaged) = crate::host::records::read(&settings.layout).unwrap_or_else(|error| {
        log::error!("{}", crate::chain::line(&error));
        Default::default()
    });
    for name in damaged {
        log::error!("the record {name} cannot be understood: what it remembered is begun anew");
    }
    Controllers::new(records)
}
