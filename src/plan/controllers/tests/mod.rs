//! Controllers against a host that does what they decide, and whatever else hosts do.

mod cron;
mod jobs;
mod rollouts;
mod tables;

use super::*;
use crate::model::controller::job::JobSpec;
use crate::model::controller::{ControllerKey, ControllerKind, Template};
use crate::model::name::ObjectKey;
use crate::model::pod::SourcePath;
use crate::model::status::Phase;

pub const DAY: u64 = 24 * 3_600_000_000;

pub fn template(hash: &str) -> Template {
    Template {
        json: format!("{{\"metadata\":{{}},\"spec\":\"{hash}\"}}").into(),
        hash: hash.into(),
        labels: BTreeMap::new(),
    }
}

pub fn controller(kind: ControllerKind, spec: ControllerSpec) -> Controller {
    Controller {
        key: ControllerKey {
            kind,
            object: ObjectKey {
                namespace: "n".parse().unwrap(),
                name: "c".parse().unwrap(),
            },
        },
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        source: SourcePath("/c.yaml".into()),
        manifest: "{}".into(),
        spec,
    }
}

pub fn job(completions: u32, parallelism: u32) -> JobSpec {
    JobSpec {
        template: template("t"),
        restarts: false,
        parallelism,
        completions: Some(completions),
        indexed: false,
        backoff_limit: 6,
        backoff_limit_per_index: None,
        max_failed_indexes: None,
        active_deadline: None,
        ttl: None,
        suspend: false,
        failure_rules: Vec::new(),
        success_rules: Vec::new(),
        replace_only_failed: false,
    }
}

/// A host with one controller.
pub struct World {
    pub controller: Controller,
    pub record: Record,
    pub pods: Vec<PodFact>,
    pub now: Moment,
    pub last: Option<Decision>,
    /// Every pod that ever ended well, and badly.
    pub good: Vec<PodUid>,
    pub bad: Vec<PodUid>,
    lives: u32,
}

impl World {
    pub fn new(kind: ControllerKind, spec: ControllerSpec) -> Self {
        let now = Moment {
            wall: 60 * 365 * DAY,
            boot: "one".into(),
            up: DAY,
        };
        let controller = controller(kind, spec);
        Self {
            record: Record {
                uid: "owner".parse().unwrap(),
                created: now.clone(),
                source: controller.source.clone(),
                gone: false,
                revisions: Vec::new(),
                settled: None,
                progress: None,
                job: None,
                cron: None,
            },
            controller,
            pods: Vec::new(),
            now,
            last: None,
            good: Vec::new(),
            bad: Vec::new(),
            lives: 0,
        }
    }

    pub fn decide(&self) -> Decision {
        let pods: Vec<&PodFact> = self.pods.iter().collect();
        decide(&Room {
            controller: &self.controller,
            record: &self.record,
            pods: &pods,
            taken: &|_| false,
            now: &self.now,
        })
    }

    /// Decides and does all of it; pods that go are on their way until [`World::finish_leaving`].
    pub fn turn(&mut self) {
        let decision = self.decide();
        self.write(&decision);
        self.act(&decision);
        self.last = Some(decision);
    }

    pub fn write(&mut self, decision: &Decision) {
        // A record has been through a file.
        let text = serde_json::to_string(&decision.record).unwrap();
        self.record = serde_json::from_str(&text).unwrap();
        assert_eq!(self.record, decision.record);
    }

    pub fn act(&mut self, decision: &Decision) {
        for pod in &mut self.pods {
            pod.leaving |= !decision.keep.contains(&pod.uid);
        }
        for new in &decision.create {
            assert!(
                self.pods.iter().all(|pod| pod.key != new.key),
                "{} twice",
                new.key
            );
            self.lives += 1;
            let text = |name: &str| new.annotations.get(name).cloned();
            self.pods.push(PodFact {
                key: new.key.clone(),
                uid: format!("u{}", self.lives).parse().unwrap(),
                owner_uid: "owner".into(),
                revision: text(REVISION).unwrap().into(),
                instance: text(INSTANCE).unwrap().parse().unwrap(),
                index: text(crate::model::controller::COMPLETION_INDEX).map(|i| i.parse().unwrap()),
                phase: Phase::Pending,
                ready_for: None,
                leaving: false,
                deleted: false,
                restarts: 0,
                exits: Vec::new(),
                disrupted: false,
                finished: None,
            });
        }
    }

    /// Pods on their way out are gone.
    pub fn finish_leaving(&mut self) {
        self.pods.retain(|pod| !pod.leaving);
    }

    /// An agent that is killed forgets which pods are on their way; what a record says of them stays.
    pub fn kill_agent(&mut self) {
        let dropped = self.record.job.clone().unwrap_or_default().dropped;
        for pod in &mut self.pods {
            pod.leaving = dropped.contains(&pod.uid);
        }
    }

    pub fn live(&self) -> impl Iterator<Item = &PodFact> {
        self.pods
            .iter()
            .filter(|pod| !pod.leaving && !pod.is_over())
    }

    pub fn ready(&mut self, number: usize) {
        let pods = self
            .pods
            .iter_mut()
            .filter(|pod| !pod.leaving && !pod.is_over());
        let mut waiting = pods.filter(|pod| pod.ready_for.is_none());
        if let Some(pod) = waiting.nth(number) {
            pod.phase = Phase::Running;
            pod.ready_for = Some(Duration::ZERO);
        }
    }

    /// The so-manieth pod that runs ends.
    pub fn end(&mut self, number: usize, exit: i32) {
        let finished = self.now.timestamp();
        let mut live = self
            .pods
            .iter_mut()
            .filter(|pod| !pod.leaving && !pod.is_over());
        let Some(pod) = live.nth(number) else { return };
        pod.ready_for = None;
        pod.finished = finished;
        pod.exits = vec![("main".parse().unwrap(), exit)];
        pod.phase = if exit == 0 {
            Phase::Succeeded
        } else {
            Phase::Failed
        };
        let list = if exit == 0 {
            &mut self.good
        } else {
            &mut self.bad
        };
        list.push(pod.uid.clone());
    }

    /// Time passes, the host may have slept meanwhile.
    pub fn pass(&mut self, seconds: u64) {
        self.now.up += seconds * 1_000_000;
        self.now.wall += seconds * 1_000_000;
        for pod in &mut self.pods {
            pod.ready_for = pod
                .ready_for
                .map(|time| time + Duration::from_secs(seconds));
        }
    }

    /// Everything stops; what was to run once has failed.
    pub fn reboot(&mut self) {
        self.kill_agent();
        self.now.boot = format!("{}x", self.now.boot).into();
        self.now.up = 1_000_000;
        for pod in &mut self.pods {
            pod.ready_for = None;
            if !pod.is_over() && self.controller.key.kind == ControllerKind::Job && !pod.leaving {
                pod.phase = Phase::Failed;
                pod.disrupted = true;
                pod.exits = vec![("main".parse().unwrap(), 143)];
                self.bad.push(pod.uid.clone());
            }
        }
    }

    pub fn names(&self) -> Vec<String> {
        self.live().map(|pod| pod.key.name.to_string()).collect()
    }
}
