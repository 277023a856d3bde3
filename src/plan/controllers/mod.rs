//! What controllers want now: (a controller, what is remembered of it, its pods, the time) to pods. Pure.
//!
//! [`decide`] says which of the pods that are there stay, which are to be made, and what is to be remembered. It is asked
//! anew whenever something has changed and remembers nothing itself, so that a decision that was lost is taken again.
//! What is to be remembered must be written down before the rest of a decision is acted on: then a Job's ends are
//! counted once, whatever is killed when.

pub mod cron;
mod daemon_set;
mod deployment;
mod job;
mod revisions;
pub mod schedule;
mod stateful_set;

#[cfg(test)]
mod tests;

use crate::model::controller::fact::PodFact;
use crate::model::controller::record::{Moment, Record};
use crate::model::controller::status::ControllerStatus;
use crate::model::controller::{Controller, ControllerSpec, INSTANCE, OWNER, OWNER_UID, REVISION};
use crate::model::name::{PodKey, PodUid};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What a decision is taken from.
pub struct Room<'a> {
    /// What is wanted.
    pub controller: &'a Controller,
    /// What is remembered.
    pub record: &'a Record,
    /// The pods this life of the controller has made.
    pub pods: &'a [&'a PodFact],
    /// Whether something else than these pods has a name.
    pub taken: &'a dyn Fn(&PodKey) -> bool,
    /// The time.
    pub now: &'a Moment,
}

/// What is to be done for a controller. CronJobs have [`cron::decide`] beside it.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// Pods that are there and stay; the others go.
    pub keep: BTreeSet<PodUid>,
    /// Pods that are to be.
    pub create: Vec<NewPod>,
    /// What is to be remembered, before anything else is done.
    pub record: Record,
    /// What people are told.
    pub status: ControllerStatus,
    /// When to ask again though nothing has changed.
    pub wake: Option<Duration>,
    /// The controller itself has outlived its time: remove it.
    pub expired: bool,
}

/// A pod that is to be made from a template.
#[derive(Debug, Clone, PartialEq)]
pub struct NewPod {
    /// Its name.
    pub key: PodKey,
    /// The template, as one line of JSON.
    pub template: Box<str>,
    /// Labels beside those of the template.
    pub labels: BTreeMap<String, String>,
    /// Annotations beside those of the template.
    pub annotations: BTreeMap<String, String>,
    /// Variables of all containers that do not have them.
    pub variables: BTreeMap<String, String>,
    /// The host name, unless the template has one.
    pub hostname: Option<String>,
    /// Volumes on claims of its own: volume to claim.
    pub claims: BTreeMap<String, String>,
}

impl Decision {
    /// One that changes nothing: all pods stay.
    fn keep_all(room: &Room<'_>) -> Self {
        Self {
            keep: room.stay().map(|pod| pod.uid.clone()).collect(),
            create: Vec::new(),
            record: room.record.clone(),
            status: ControllerStatus::default(),
            wake: None,
            expired: false,
        }
    }

    fn wake_after(&mut self, time: Duration) {
        self.wake = Some(self.wake.map_or(time, |wake| wake.min(time)));
    }

    /// Asks again when pods that are ready become available.
    fn wake_for<'a>(&mut self, pods: impl Iterator<Item = &'a &'a PodFact>, min_ready: Duration) {
        for left in pods.filter_map(|pod| min_ready.checked_sub(pod.ready_for?)) {
            if !left.is_zero() {
                self.wake_after(left);
            }
        }
    }
}

impl<'a> Room<'a> {
    /// Pods that are not on their way out.
    fn stay(&self) -> impl Iterator<Item = &'a PodFact> {
        self.pods.iter().copied().filter(|pod| !pod.leaving)
    }

    /// Those of them that have not ended.
    fn live(&self) -> Vec<&'a PodFact> {
        self.stay().filter(|pod| !pod.is_over()).collect()
    }

    /// The key of a pod, when the name is one.
    fn key(&self, name: &str) -> Option<PodKey> {
        Some(PodKey {
            namespace: self.controller.key.object.namespace.clone(),
            name: name.parse().ok()?,
        })
    }

    /// No pod has this name, of this controller or of others.
    fn is_free(&self, key: &PodKey) -> bool {
        !self.pods.iter().any(|pod| pod.key == *key) && !(self.taken)(key)
    }

    /// A pod of a template, with what every pod of a controller carries.
    fn pod(&self, key: PodKey, template: &str, hash: &str, instance: u32) -> NewPod {
        let annotations = [
            (OWNER, self.controller.key.owner()),
            (OWNER_UID, self.record.uid.to_string()),
            (INSTANCE, instance.to_string()),
            (REVISION, hash.to_owned()),
        ];
        NewPod {
            key,
            template: template.into(),
            labels: BTreeMap::new(),
            annotations: annotations
                .map(|(key, value)| (key.to_owned(), value))
                .into(),
            variables: BTreeMap::new(),
            hostname: None,
            claims: BTreeMap::new(),
        }
    }
}

/// Decides for one controller.
pub fn decide(room: &Room<'_>) -> Decision {
    match &room.controller.spec {
        ControllerSpec::Deployment(spec) => deployment::decide(room, spec),
        ControllerSpec::StatefulSet(spec) => stateful_set::decide(room, spec),
        ControllerSpec::DaemonSet(spec) => daemon_set::decide(room, spec),
        ControllerSpec::Job(spec) => job::decide(room, spec),
        ControllerSpec::CronJob(_) => Decision::keep_all(room),
    }
}
