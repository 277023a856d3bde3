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

mod decide;
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
use crate::model::controller::{ControllerKey, ControllerKind, ControllerSpec};
use crate::model::name::{PodKey, PodUid};
use crate::model::observed::Observed;
use crate::model::pod::{Pod, SourcePath};
use crate::plan::controllers::{NewPod, Room, decide};
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
    /// Pods that were decided to be and have not been seen yet.
    pending: BTreeSet<PodKey>,
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
            if observed.pods.contains_key(key) {
                self.pending.remove(key);
            }
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
        for (pod, wanted) in &writes.pods {
            match wanted {
                Some(_) if !self.seen.contains_key(pod) => drop(self.pending.insert(pod.clone())),
                _ => drop(self.pending.remove(pod)),
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

/// Whether a controller has made a pod.
fn is_of(pod: &Pod, key: &ControllerKey) -> bool {
    let owner = pod.annotations.get(crate::model::controller::OWNER);
    owner.is_some_and(|owner| *owner == key.owner()) && pod.key.namespace == key.object.namespace
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
