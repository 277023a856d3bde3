//! A host that does the steps of a first plan, to see that the second is empty.

use super::Became;
use serde_json::Value;
use std::collections::BTreeMap;
use vks::model::observed::{ActiveState, Observed, ObservedPod, ObservedUnit, UnitState};
use vks::model::time::Timestamp;
use vks::plan::plan;
use vks::plan::step::Step;
use vks::unit::read::read;
use vks::unit::{digest, identity};

/// Plans a pod, does what the plan says, and plans again.
pub fn planned_once(became: &Became, manifest: &Value) {
    let seed = b"seed";
    let first = plan(
        &became.desired,
        &Observed::default(),
        &became.settings,
        seed,
    );
    assert!(first.blocked.is_empty(), "{:?}\n{manifest}", first.blocked);
    let steps = first
        .pods
        .get(&became.pod.key)
        .unwrap_or_else(|| panic!("nothing to do for {manifest}"));
    let mut pod = ObservedPod {
        addresses: steps.addresses.clone(),
        uid: steps.uid.clone(),
        created: Some(Timestamp::parse("2026-01-01T00:00:00Z").unwrap()),
        source: became.pod.source.clone(),
        manifest: None,
        enabled: false,
        units: BTreeMap::new(),
        payloads: BTreeMap::new(),
        runs: BTreeMap::new(),
        deadline_exceeded: false,
        deleted: false,
        conditions: BTreeMap::new(),
        reload_needed: false,
        given: None,
    };
    for step in &steps.steps {
        run(&mut pod, step, manifest);
    }
    let observed = Observed {
        pods: BTreeMap::from([(became.pod.key.clone(), pod)]),
        ..Observed::default()
    };
    let second = plan(&became.desired, &observed, &became.settings, seed);
    assert!(
        second.is_empty() && second.blocked.is_empty(),
        "planned again: {second:?}\n{manifest}"
    );
}

/// Does a step.
fn run(pod: &mut ObservedPod, step: &Step, manifest: &Value) {
    match step {
        Step::WriteUnit { unit, text, .. } => {
            let file = read(text).unwrap();
            let id = identity::read(&file).unwrap().unwrap();
            pod.manifest = id.manifest.clone().or(pod.manifest.take());
            let observed = ObservedUnit {
                digest: Some(digest(text.as_bytes())),
                loaded_digest: Some(file.loaded_digest()),
                fixed_digest: Some(file.fixed_digest()),
                identity: Some(id),
                state: UnitState {
                    loaded: true,
                    active: ActiveState::Active,
                    ..UnitState::default()
                },
            };
            pod.units.insert(unit.clone(), observed);
        }
        Step::WritePayload(payload) => {
            pod.payloads
                .insert(payload.path.clone(), payload.content.digest());
        }
        Step::Enable(_) => pod.enabled = true,
        Step::Stop(_)
        | Step::RemoveUnit(_)
        | Step::RemovePayload(_)
        | Step::RemovePodDirectory
        | Step::Reload => {
            panic!("{step:?} in the first plan of {manifest}")
        }
        _ => {}
    }
}
