//! What the agent knows, and which pods it has yet to look at.
//!
//! Level-triggered: an event only says *where* to look. What is done follows from what is found there, so a
//! lost, doubled or late event changes nothing in the end.

use super::backoff::Backoff;
use crate::config::Settings;
use crate::model::desired::{Desired, Problem};
use crate::model::event;
use crate::model::name::{PodKey, UnitName};
use crate::model::observed::{ActiveState, Observed};
use crate::model::status::Blocked;
use crate::plan::network::addresses::Promised;
use crate::plan::step::Reason;
use crate::plan::{Plan, plan_pods};
use crate::unit::digest;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// The agent's knowledge.
#[derive(Debug)]
pub struct State {
    /// Settings in force.
    pub settings: Settings,
    /// What is.
    pub observed: Observed,
    /// Pods to plan.
    dirty: BTreeSet<PodKey>,
    /// Pods whose steps are being run.
    busy: BTreeSet<PodKey>,
    backoff: Backoff,
    blocked: BTreeMap<PodKey, Vec<Blocked>>,
    told: BTreeSet<Problem>,
    /// Orphans that a reload was tried for.
    tidied: BTreeSet<UnitName>,
    /// Addresses of the pods whose steps are being run.
    promised: Promised,
    /// Makes the identities of new pods.
    seed: Vec<u8>,
    /// Pods of which there may be something new to tell; not gathered while nobody takes them.
    news: Option<BTreeSet<PodKey>>,
    /// Pods whose images are to be looked at.
    images: BTreeSet<PodKey>,
}

impl State {
    /// Everything is to be planned.
    pub fn new(settings: Settings, desired: &Desired, observed: Observed, seed: Vec<u8>) -> Self {
        let news = settings.cluster.as_ref().map(|_| BTreeSet::new());
        let mut state = Self {
            settings,
            observed,
            dirty: BTreeSet::new(),
            busy: BTreeSet::new(),
            backoff: Backoff::default(),
            blocked: BTreeMap::new(),
            told: BTreeSet::new(),
            tidied: BTreeSet::new(),
            promised: Promised::new(),
            seed,
            news,
            images: BTreeSet::new(),
        };
        state.mark_all(desired);
        state
    }

    /// All pods, wanted or there, are to be planned.
    pub fn mark_all(&mut self, desired: &Desired) {
        let there = self.observed.pods.keys().chain(self.observed.left.keys());
        let all = desired.pods.keys().chain(there);
        let all: Vec<PodKey> = all.cloned().collect();
        self.images.extend(all.iter().cloned());
        self.images.extend(desired.images.keys().cloned());
        self.mark(all);
    }

    /// Something about these pods has changed on the host.
    pub fn mark(&mut self, keys: impl IntoIterator<Item = PodKey>) {
        for key in keys {
            self.note(&key);
            self.dirty.insert(key);
        }
    }

    fn note(&mut self, key: &PodKey) {
        if let Some(news) = &mut self.news {
            news.insert(key.clone());
        }
    }

    /// The pods of which there may be something new since this was asked for the last time; none for a host that is no
    /// node.
    pub fn take_news(&mut self) -> BTreeSet<PodKey> {
        self.news.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Why a pod, or a container of it, cannot be started.
    pub fn blocked(&self, key: &PodKey) -> &[Blocked] {
        self.blocked.get(key).map(Vec::as_slice).unwrap_or_default()
    }

    /// What is wanted of these pods has changed: earlier failures do not count.
    pub fn mark_wanted(&mut self, keys: impl IntoIterator<Item = PodKey>) {
        for key in keys {
            self.backoff.forget(&key);
            self.note(&key);
            self.images.insert(key.clone());
            self.dirty.insert(key);
        }
    }

    /// The pods whose images may be others than when this was last asked.
    pub fn take_image_changes(&mut self) -> BTreeSet<PodKey> {
        std::mem::take(&mut self.images)
    }

    /// The pods that can be planned now.
    fn ready(&mut self, now: Instant) -> Vec<PodKey> {
        let free = |key: &&PodKey| !self.busy.contains(*key) && self.backoff.allows(key, now);
        let ready: Vec<PodKey> = self.dirty.iter().filter(free).cloned().collect();
        for key in &ready {
            self.dirty.remove(key);
        }
        ready
    }

    /// Plans what can be planned. The pods in the plan are busy until [`State::done`].
    pub fn plan(&mut self, desired: &Desired, now: Instant) -> Plan {
        let ready = self.ready(now);
        let plan = plan_pods(
            &ready,
            desired,
            &self.observed,
            &self.settings,
            &self.seed,
            &mut self.promised,
        );
        let goes = |reason| matches!(reason, Reason::Remove | Reason::Replace);
        if plan.pods.values().any(|pod| goes(pod.reason)) {
            // What comes under a name that was there is another pod: nobody may take it for the one before. A pod whose
            // making is tried again stays the same.
            self.seed = digest(&self.seed).to_vec();
        }
        for key in &ready {
            if plan.pods.contains_key(key) {
                self.busy.insert(key.clone());
                self.backoff.attempted(key, now);
            }
            if plan.blocked.contains_key(key) || self.blocked.contains_key(key) {
                self.note(key);
            }
            match plan.blocked.get(key) {
                Some(why) => self.block(key, why),
                None => {
                    self.blocked.remove(key);
                }
            }
        }
        plan
    }

    fn block(&mut self, key: &PodKey, why: &[Blocked]) {
        let known = self.blocked.get(key).map(Vec::as_slice).unwrap_or_default();
        let new = why.iter().filter(|blocked| !known.contains(blocked));
        // Of images that are not here yet, whoever fetches them tells.
        for blocked in new.filter(|blocked| !blocked.is_of_image()) {
            let container = blocked.container.as_ref().map_or("", |name| name.as_str());
            let (reason, prefix) = match blocked.container {
                Some(_) => ("Failed", "Error: "),
                None => ("FailedMount", ""),
            };
            log::warn!(
                MESSAGE_ID = event::MESSAGE_ID, KUBERNETES_REASON = reason,
                KUBERNETES_NAMESPACE = key.namespace.as_str(), KUBERNETES_POD = key.name.as_str(),
                KUBERNETES_CONTAINER = container;
                "{prefix}{}", blocked.message
            );
            log::info!("pod {key}: {}: what runs of it is kept", blocked.reason);
        }
        self.blocked.insert(key.clone(), why.to_vec());
    }

    /// The steps of a pod have been run, well or not: look at it again.
    pub fn done(&mut self, key: PodKey) {
        self.busy.remove(&key);
        self.promised.remove(&key);
        // What it had may be what others wait for: an address, a port of the host.
        self.dirty.extend(self.blocked.keys().cloned());
        self.note(&key);
        self.images.insert(key.clone());
        self.dirty.insert(key);
    }

    /// Whether its steps are being run: the host's news about it wait for their end.
    pub fn is_busy(&self, key: &PodKey) -> bool {
        self.busy.contains(key)
    }

    /// Nothing is being done or waits to be done at once.
    pub fn at_rest(&self) -> bool {
        self.busy.is_empty() && self.dirty.is_empty()
    }

    /// Whether systemd has units of pods that are gone, others than at the last time this was asked: those that a
    /// reload does not make it forget are not tried again.
    pub fn has_new_orphans(&mut self) -> bool {
        let new = !self.observed.orphans.is_subset(&self.tidied);
        self.tidied.clone_from(&self.observed.orphans);
        new
    }

    /// When the next pod that waits may be tried again.
    pub fn next_try(&self) -> Option<Instant> {
        self.backoff
            .next(self.dirty.iter().filter(|key| !self.busy.contains(*key)))
    }

    /// Says each problem with the manifests once.
    pub fn tell_problems(&mut self, desired: &Desired) {
        let now: BTreeSet<Problem> = desired.problems.iter().cloned().collect();
        for problem in now.difference(&self.told) {
            log::warn!("{problem}; what runs from it is kept");
        }
        self.told = now;
    }

    /// The line for `systemctl status`.
    pub fn summary(&self, desired: &Desired) -> String {
        let up = self.observed.pods.values().filter(|pod| {
            pod.units
                .values()
                .any(|unit| unit.state.active == ActiveState::Active)
        });
        let mut text = format!("{} pods wanted, {} up", desired.pods.len(), up.count());
        for (count, what) in [
            (self.blocked.len(), "blocked"),
            (desired.problems.len(), "problems in manifests"),
            (self.observed.strays.len(), "units without identity"),
        ] {
            if count > 0 {
                text.push_str(&format!(", {count} {what}"));
            }
        }
        text
    }
}
