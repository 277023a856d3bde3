//! StatefulSets: pods `<name>-<ordinal>`, each with claims of its own, started upwards and updated downwards.
//!
//! The rules are those of Kubernetes (pkg/controller/statefulset/stateful_set_control.go), with one difference: a pod of
//! an old template that does not serve is replaced at once, so that a broken update can be taken back.

use super::{Decision, NewPod, Room, revisions};
use crate::model::controller::StatefulSetSpec;
use crate::model::controller::fact::PodFact;
use crate::model::controller::record::{Record, Revision};
use crate::model::controller::status::ControllerStatus;
use crate::model::name::PodUid;
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn decide(room: &Room<'_>, spec: &StatefulSetSpec) -> Decision {
    let mut record = revisions::turn(room, &spec.template, spec.history);
    let target = spec.template.hash.clone();
    record.settled.get_or_insert_with(|| target.clone());
    let set = Set {
        room,
        spec,
        record: &record,
        target: &target,
        pods: room.pods.iter().map(|pod| (pod.instance, *pod)).collect(),
    };
    let (create, mut remove, calm) = set.grow();
    if calm {
        remove.extend(set.shrink());
    }
    remove.extend(set.update());
    let status = set.status();
    let live = room.live();
    let keep = live.iter().map(|pod| pod.uid.clone());
    let keep = keep.filter(|uid| !remove.contains(uid)).collect();
    let settled = status.updated == spec.replicas && status.ready == spec.replicas;
    if settled {
        record.settled = Some(target);
    }
    let mut decision = Decision {
        keep,
        create,
        record,
        status,
        wake: None,
        expired: false,
    };
    decision.wake_for(live.iter(), spec.min_ready);
    decision
}

struct Set<'r, 'a> {
    room: &'r Room<'a>,
    spec: &'r StatefulSetSpec,
    record: &'r Record,
    target: &'r str,
    pods: BTreeMap<u32, &'a PodFact>,
}

impl<'a> Set<'_, 'a> {
    fn ordinals(&self) -> std::ops::Range<u32> {
        self.spec.first..self.spec.first.saturating_add(self.spec.replicas)
    }

    /// A pod that serves.
    fn is_up(&self, pod: &PodFact) -> bool {
        !pod.leaving && !pod.is_over() && pod.is_available(self.spec.min_ready)
    }

    /// What is missing, pods that ended and make place, and whether all that came before is up.
    fn grow(&self) -> (Vec<NewPod>, BTreeSet<PodUid>, bool) {
        let (mut create, mut remove) = (Vec::new(), BTreeSet::new());
        let mut calm = true;
        for ordinal in self.ordinals() {
            if !calm && !self.spec.parallel {
                break;
            }
            match self.pods.get(&ordinal) {
                Some(pod) if pod.is_over() => {
                    remove.insert(pod.uid.clone());
                    calm = false;
                }
                Some(pod) => calm &= self.is_up(pod),
                None => {
                    create.extend(self.pod(ordinal));
                    calm = false;
                }
            }
        }
        (create, remove, calm || self.spec.parallel)
    }

    /// Pods beyond the last ordinal: the highest first, one after the other unless parallel.
    fn shrink(&self) -> BTreeSet<PodUid> {
        let range = self.ordinals();
        let mut beyond = self
            .pods
            .iter()
            .rev()
            .filter(|(ordinal, _)| !range.contains(ordinal));
        let uid = |(_, pod): (&u32, &&PodFact)| pod.uid.clone();
        match self.spec.parallel {
            true => beyond.map(uid).collect(),
            false => beyond.next().map(uid).into_iter().collect(),
        }
    }

    /// Pods of an old template that may go now.
    fn update(&self) -> BTreeSet<PodUid> {
        let Some(partition) = self.spec.partition else {
            return BTreeSet::new();
        };
        let range = self.ordinals();
        let up = |ordinal: &u32| self.pods.get(ordinal).is_some_and(|pod| self.is_up(pod));
        let missing = range.clone().filter(|ordinal| !up(ordinal)).count();
        let most = self
            .spec
            .max_unavailable
            .of(self.spec.replicas, true)
            .max(1);
        let mut may_go = usize::try_from(most)
            .unwrap_or(usize::MAX)
            .saturating_sub(missing);
        let lowest = self.spec.first.saturating_add(partition);
        let mut gone = BTreeSet::new();
        for ordinal in (lowest..range.end).rev() {
            let old = self
                .pods
                .get(&ordinal)
                .filter(|pod| *pod.revision != *self.target);
            let Some(pod) = old else { continue };
            match self.is_up(pod) {
                false => drop(gone.insert(pod.uid.clone())),
                true if may_go > 0 => {
                    may_go -= 1;
                    gone.insert(pod.uid.clone());
                }
                // One by one from the top: those below wait.
                true => may_go = 0,
            }
        }
        gone
    }

    /// A pod for an ordinal, unless its name is still taken.
    fn pod(&self, ordinal: u32) -> Option<NewPod> {
        let set = &self.room.controller.key.object.name;
        let key = self.room.key(&format!("{set}-{ordinal}"))?;
        if !self.room.is_free(&key) {
            return None;
        }
        let revision = self.revision(ordinal)?;
        let (template, hash) = (&revision.template, &revision.hash);
        let mut pod = self.room.pod(key, template, hash, ordinal);
        let labels = [
            (
                "statefulset.kubernetes.io/pod-name",
                pod.key.name.to_string(),
            ),
            ("apps.kubernetes.io/pod-index", ordinal.to_string()),
            ("controller-revision-hash", format!("{set}-{hash}")),
        ];
        for (label, value) in labels {
            // A label's value has at most 63 bytes; a name may have more.
            if value.len() <= 63 {
                pod.labels.insert(label.to_owned(), value);
            }
        }
        let claims = self.spec.claims.iter();
        pod.claims = claims
            .map(|claim| &claim.name)
            .map(|name| (name.clone(), format!("{name}-{set}-{ordinal}")))
            .collect();
        Some(pod)
    }

    /// Below the partition the template that was settled, above it the one in force.
    fn revision(&self, ordinal: u32) -> Option<&Revision> {
        let below = self.spec.partition.unwrap_or(0);
        let of = |hash: &str| self.record.revisions.iter().find(|r| *r.hash == *hash);
        let settled = self.record.settled.as_deref();
        let settled = settled.filter(|_| ordinal < self.spec.first.saturating_add(below));
        settled.and_then(of).or_else(|| of(self.target))
    }

    fn status(&self) -> ControllerStatus {
        let range = self.ordinals();
        let live: Vec<&PodFact> = self.room.live();
        let number = |test: &dyn Fn(&PodFact) -> bool| {
            let found = live
                .iter()
                .filter(|pod| range.contains(&pod.instance) && test(pod));
            u32::try_from(found.count()).unwrap_or(u32::MAX)
        };
        ControllerStatus {
            desired: self.spec.replicas,
            current: u32::try_from(live.len()).unwrap_or(u32::MAX),
            ready: number(&PodFact::is_ready),
            updated: number(&|pod| *pod.revision == *self.target),
            available: number(&|pod| self.is_up(pod)),
            ..ControllerStatus::default()
        }
    }
}
