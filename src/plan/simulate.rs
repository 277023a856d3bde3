//! A host that does what steps say: enough of one to prove that a plan, once run, leaves nothing to plan.

use super::step::{PodPlan, Step};
use crate::model::identity::{Identity, UnitRole};
use crate::model::name::{PodKey, UnitName};
use crate::model::observed::{ActiveState, Observed, ObservedPod, ObservedUnit, UnitState};
use crate::model::time::Timestamp;
use crate::unit::read::read;
use crate::unit::{UnitFile, digest, identity};
use std::collections::BTreeMap;

/// A host: what is observed of it, and the unit files.
#[derive(Debug, Default, Clone)]
pub struct Host {
    pub observed: Observed,
    files: BTreeMap<UnitName, UnitFile>,
    /// Everything that was ever stopped, in order.
    pub stopped: Vec<UnitName>,
    pub reloads: usize,
    pub resizes: usize,
}

impl Host {
    pub fn run(&mut self, key: &PodKey, plan: &PodPlan) {
        for step in &plan.steps {
            self.step(key, plan, step);
        }
        let gone = |pod: &ObservedPod| pod.units.values().all(|unit| unit.digest.is_none());
        if self.observed.pods.get(key).is_some_and(gone) {
            self.observed.pods.remove(key);
        }
    }

    /// Runs the first `count` steps only, as an agent does that is killed.
    pub fn run_part(&mut self, key: &PodKey, plan: &PodPlan, count: usize) {
        let steps = plan.steps.iter().take(count).cloned().collect();
        self.run(
            key,
            &PodPlan {
                steps,
                ..plan.clone()
            },
        );
    }

    fn pod(&mut self, key: &PodKey, plan: &PodPlan) -> &mut ObservedPod {
        self.observed
            .pods
            .entry(key.clone())
            .or_insert_with(|| ObservedPod {
                uid: plan.uid.clone(),
                created: None,
                source: crate::model::pod::SourcePath("/etc/vks/pods.d/x.yaml".into()),
                manifest: None,
                addresses: Vec::new(),
                enabled: false,
                units: BTreeMap::new(),
                payloads: BTreeMap::new(),
                runs: BTreeMap::new(),
                deadline_exceeded: false,
                deleted: false,
                conditions: BTreeMap::new(),
                reload_needed: false,
                given: None,
            })
    }

    fn step(&mut self, key: &PodKey, plan: &PodPlan, step: &Step) {
        match step {
            Step::WriteUnit { unit, text, reload } => self.write(key, plan, unit, text, *reload),
            Step::RemoveUnit(unit) => {
                self.files.remove(unit);
                self.pod(key, plan).units.remove(unit);
            }
            Step::Enable(_) => self.pod(key, plan).enabled = true,
            Step::Disable(_) => self.pod(key, plan).enabled = false,
            Step::WritePayload(payload) => {
                let entry = (payload.path.clone(), payload.content.digest());
                self.pod(key, plan).payloads.extend([entry]);
            }
            Step::RemovePayload(path) => {
                self.pod(key, plan).payloads.remove(path);
            }
            Step::MarkGiven(..) => {
                self.pod(key, plan).created = Timestamp::from_micros(1);
            }
            Step::CreatePodDirectory
            | Step::ClearDone(_)
            | Step::ClearMarks
            | Step::MakeInput(_) => {}
            Step::RemovePodDirectory => {
                let pod = self.pod(key, plan);
                pod.payloads.clear();
                pod.runs.clear();
            }
            Step::Reload => {
                self.reloads += 1;
                self.pod(key, plan).reload_needed = false;
            }
            Step::Resize(_) => {
                self.resizes += 1;
                self.pod(key, plan).reload_needed = false;
            }
            Step::Start(unit) => self.start(key, plan, unit),
            Step::Stop(unit) => self.stop(key, plan, unit),
        }
    }

    fn write(&mut self, key: &PodKey, plan: &PodPlan, unit: &UnitName, text: &str, reload: bool) {
        let file = read(text).unwrap();
        let id: Identity = identity::read(&file).unwrap().unwrap();
        assert_eq!(id.pod, *key, "a step writes a unit of another pod");
        let pod = self.pod(key, plan);
        pod.source = id.source.clone();
        pod.addresses.clone_from(&id.addresses);
        if let Some(manifest) = &id.manifest {
            pod.manifest = Some(manifest.clone());
        }
        let entry = pod
            .units
            .entry(unit.clone())
            .or_insert_with(|| ObservedUnit {
                digest: None,
                loaded_digest: None,
                fixed_digest: None,
                identity: None,
                state: UnitState::default(),
            });
        entry.digest = Some(digest(text.as_bytes()));
        entry.loaded_digest = Some(file.loaded_digest());
        entry.fixed_digest = Some(file.fixed_digest());
        entry.identity = Some(id);
        pod.reload_needed |= reload;
        self.files.insert(unit.clone(), file);
    }

    fn set(&mut self, key: &PodKey, plan: &PodPlan, unit: &UnitName, active: ActiveState) {
        assert!(
            active != ActiveState::Active || !self.pod(key, plan).reload_needed,
            "{unit} is started from a definition that is out of date"
        );
        if let Some(found) = self.pod(key, plan).units.get_mut(unit) {
            found.state.loaded = true;
            found.state.active = active;
        }
    }

    fn start(&mut self, key: &PodKey, plan: &PodPlan, unit: &UnitName) {
        self.set(key, plan, unit, ActiveState::Active);
        let Some(file) = self.files.get(unit).cloned() else {
            panic!("{unit} has no file")
        };
        for wanted in file
            .values("Unit", "Wants")
            .chain(file.values("Unit", "Requires"))
        {
            self.set(key, plan, &wanted.parse().unwrap(), ActiveState::Active);
        }
    }

    fn stop(&mut self, key: &PodKey, plan: &PodPlan, unit: &UnitName) {
        let whole = unit.as_str().ends_with(".slice");
        let names: Vec<UnitName> = self.pod(key, plan).units.keys().cloned().collect();
        for name in names {
            let with_target = unit.as_str().ends_with(".target")
                && self.files[&name]
                    .values("Unit", "PartOf")
                    .any(|part| part == unit.as_str());
            if whole || with_target || name == *unit {
                self.stopped.push(name.clone());
                self.set(key, plan, &name, ActiveState::Inactive);
            }
        }
    }

    /// Roles of the units that were stopped.
    pub fn container_stops(&self) -> Vec<String> {
        let containers = self.stopped.iter().filter(|name| {
            let role = self
                .files
                .get(name)
                .and_then(|file| identity::read(file).ok().flatten());
            matches!(role.map(|id| id.role), Some(UnitRole::Container { .. }))
        });
        containers.map(ToString::to_string).collect()
    }
}
