//! Deployments: equal pods `<name>-<hash of the template>-<n>`, two generations side by side while one replaces the other.
//!
//! The rules are those of Kubernetes' deployment controller (pkg/controller/deployment: rolling.go, recreate.go,
//! sync.go, progress.go), without ReplicaSets between Deployment and pods.

use super::{Decision, NewPod, Room, revisions};
use crate::model::controller::fact::PodFact;
use crate::model::controller::record::{Progress, Record, Revision};
use crate::model::controller::status::ControllerStatus;
use crate::model::controller::{DeploymentSpec, Strategy};
use std::cmp::Reverse;

/// The label with the hash of a pod's template.
const HASH_LABEL: &str = "pod-template-hash";

pub(super) fn decide(room: &Room<'_>, spec: &DeploymentSpec) -> Decision {
    let begun = !room.record.revisions.is_empty();
    let record = match spec.paused && begun {
        true => room.record.clone(),
        false => revisions::turn(room, &spec.template, spec.history),
    };
    let Some(target) = record.revisions.last().cloned() else {
        return Decision::keep_all(room);
    };
    let rollout = Rollout::new(room, spec, &target);
    let change = match spec.strategy {
        _ if spec.paused => rollout.paused(),
        Strategy::Recreate => rollout.recreate(),
        Strategy::Rolling { .. } | Strategy::OnDelete => rollout.roll(),
    };
    let from = match &change.from {
        Some(hash) => record.revisions.iter().find(|r| *r.hash == **hash),
        None => Some(&target),
    };
    let create = from.map(|revision| rollout.make(revision, change.create));
    let keep = rollout.new.iter().chain(&rollout.old);
    let keep = keep.filter(|pod| !change.remove.contains(&pod.uid));
    let mut decision = Decision {
        keep: keep.map(|pod| pod.uid.clone()).collect(),
        create: create.unwrap_or_default(),
        record,
        status: rollout.status(),
        wake: None,
        expired: false,
    };
    decision.wake_for(rollout.live.iter(), spec.min_ready);
    rollout.judge(&mut decision);
    decision
}

/// What is to change.
#[derive(Default)]
struct Change {
    create: u32,
    /// Another template than the one in force.
    from: Option<Box<str>>,
    remove: Vec<crate::model::name::PodUid>,
}

struct Rollout<'r, 'a> {
    room: &'r Room<'a>,
    spec: &'r DeploymentSpec,
    target: &'r Revision,
    live: Vec<&'a PodFact>,
    /// Of the template in force, the ones to keep first.
    new: Vec<&'a PodFact>,
    /// Of other templates, the same way.
    old: Vec<&'a PodFact>,
}

fn count<T>(items: &[T]) -> u32 {
    u32::try_from(items.len()).unwrap_or(u32::MAX)
}

impl<'r, 'a> Rollout<'r, 'a> {
    fn new(room: &'r Room<'a>, spec: &'r DeploymentSpec, target: &'r Revision) -> Self {
        let live = room.live();
        let (mut new, mut old): (Vec<_>, Vec<_>) =
            live.iter().partition(|pod| pod.revision == target.hash);
        let worth = |pod: &&PodFact| {
            let available = pod.is_available(spec.min_ready);
            (Reverse((available, pod.is_ready())), pod.instance)
        };
        new.sort_by_key(worth);
        old.sort_by_key(worth);
        Self {
            room,
            spec,
            target,
            live,
            new,
            old,
        }
    }

    fn available(&self, pods: &[&PodFact]) -> u32 {
        let available = pods.iter().filter(|p| p.is_available(self.spec.min_ready));
        u32::try_from(available.count()).unwrap_or(u32::MAX)
    }

    /// The last so many of a list: those that are worth least.
    fn last(pods: &[&PodFact], number: u32) -> Vec<crate::model::name::PodUid> {
        let number = usize::try_from(number).unwrap_or(usize::MAX);
        let rest = &pods[pods.len().saturating_sub(number)..];
        rest.iter().map(|pod| pod.uid.clone()).collect()
    }

    /// As many more, or fewer, of the template in force as it takes.
    fn scale(&self) -> Change {
        Change {
            create: self.spec.replicas.saturating_sub(count(&self.new)),
            remove: Self::last(
                &self.new,
                count(&self.new).saturating_sub(self.spec.replicas),
            ),
            from: None,
        }
    }

    /// No pod of the new template while there is anything of an old one, even on its way out.
    fn recreate(&self) -> Change {
        let pods = self.room.pods.iter();
        let mut others = pods.filter(|pod| pod.revision != self.target.hash);
        let mut change = self.scale();
        if others.any(|pod| pod.leaving || !pod.is_over()) {
            change.create = 0;
        }
        change.remove.extend(self.old.iter().map(|p| p.uid.clone()));
        change
    }

    fn roll(&self) -> Change {
        let replicas = self.spec.replicas;
        let (surge, unavailable) = self.bounds();
        let total = count(&self.live);
        let mut change = self.scale();
        if !self.old.is_empty() {
            change.create = change.create.min((replicas + surge).saturating_sub(total));
        }
        let least = replicas.saturating_sub(unavailable);
        let new_away = count(&self.new) - self.available(&self.new);
        let may_go = total.saturating_sub(least).saturating_sub(new_away);
        let old_up = self.available(&self.old);
        let (up, away) = self
            .old
            .split_at(usize::try_from(old_up).unwrap_or(usize::MAX));
        // Those that do not serve go first: they are no loss.
        let broken = may_go.min(count(away));
        change.remove.extend(Self::last(away, broken));
        let spare = self.available(&self.live).saturating_sub(least);
        let spare = spare.min(may_go - broken);
        change.remove.extend(Self::last(up, spare));
        change
    }

    fn bounds(&self) -> (u32, u32) {
        let Strategy::Rolling {
            max_surge,
            max_unavailable,
        } = self.spec.strategy
        else {
            return (0, 1);
        };
        let surge = max_surge.of(self.spec.replicas, true);
        let unavailable = max_unavailable.of(self.spec.replicas, false);
        match (surge, unavailable) {
            // Both rounded to nothing: it must be able to go on.
            (0, 0) => (0, 1),
            bounds => bounds,
        }
    }

    /// Only the number of pods follows the manifest, generations stay as they are.
    fn paused(&self) -> Change {
        let replicas = self.spec.replicas;
        let mixed = !self.old.is_empty() && !self.new.is_empty();
        let (surge, _) = self.bounds();
        let most = if mixed { replicas + surge } else { replicas };
        let total = count(&self.live);
        let mut change = Change {
            create: replicas.saturating_sub(total),
            ..Change::default()
        };
        if self.new.is_empty() {
            change.from = self.old.first().map(|pod| pod.revision.clone());
        }
        let much = total.saturating_sub(most);
        let old = much.min(count(&self.old));
        change.remove = Self::last(&self.old, old);
        change.remove.extend(Self::last(&self.new, much - old));
        change
    }

    /// New pods, with the lowest numbers that are free.
    fn make(&self, revision: &Revision, number: u32) -> Vec<NewPod> {
        let name = &self.room.controller.key.object.name;
        let free = (0..).filter_map(|n| {
            let key = self.room.key(&format!("{name}-{}-{n}", revision.hash))?;
            self.room.is_free(&key).then_some((key, n))
        });
        let wanted = usize::try_from(number).unwrap_or(0);
        let pod = |(key, n)| {
            let room = self.room;
            let mut pod = room.pod(key, &revision.template, &revision.hash, n);
            let hash = revision.hash.to_string();
            pod.labels.insert(HASH_LABEL.to_owned(), hash);
            pod
        };
        // Names that are too long were refused with the manifest: were there none, this would not end.
        let fits = self.room.key(&format!("{name}-{}-1000", revision.hash));
        match fits {
            Some(_) => free.take(wanted).map(pod).collect(),
            None => Vec::new(),
        }
    }

    fn status(&self) -> ControllerStatus {
        let ready = self.live.iter().filter(|pod| pod.is_ready()).count();
        ControllerStatus {
            desired: self.spec.replicas,
            current: count(&self.live),
            ready: u32::try_from(ready).unwrap_or(u32::MAX),
            updated: count(&self.new),
            available: self.available(&self.live),
            ..ControllerStatus::default()
        }
    }

    /// Notes progress, and says when there was none for too long.
    fn judge(&self, decision: &mut Decision) {
        let ready = self.new.iter().filter(|pod| pod.is_ready()).count();
        let counts = [
            count(&self.new),
            u32::try_from(ready).unwrap_or(u32::MAX),
            self.available(&self.new),
            count(&self.old),
        ];
        let replicas = self.spec.replicas;
        let done = counts == [replicas, replicas, replicas, 0] && !self.spec.paused;
        let Record { progress, .. } = &mut decision.record;
        let before = progress
            .as_ref()
            .filter(|before| before.hash == self.target.hash);
        match before {
            // Once done it stays so: a pod that fails later is no failed rollout.
            Some(before) if before.done => {}
            Some(before) if before.counts == counts && !done => {
                let waited = self.room.now.since(&before.at);
                match self.spec.progress_deadline.checked_sub(waited) {
                    _ if self.spec.paused => {}
                    Some(left) if !left.is_zero() => decision.wake_after(left),
                    _ => {
                        let name = &self.room.controller.key.object.name;
                        let text = format!(
                            "deployment {:?} exceeded its progress deadline",
                            name.as_str()
                        );
                        decision.status.stuck = Some(("ProgressDeadlineExceeded", text));
                    }
                }
            }
            _ => {
                *progress = Some(Progress {
                    at: self.room.now.clone(),
                    hash: self.target.hash.clone(),
                    counts,
                    done,
                });
                if !done {
                    decision.wake_after(self.spec.progress_deadline);
                }
            }
        }
    }
}
