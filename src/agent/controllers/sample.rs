//! What controllers would begin with: for `vks render`, `vks verify` and the examples.

use super::make;
use crate::config::Settings;
use crate::model::controller::ControllerSpec;
use crate::model::controller::record::{Moment, Record};
use crate::model::desired::Desired;
use crate::model::name::UnitName;
use crate::plan::controllers::{Decision, Room, cron, decide};
use crate::plan::{RENDER_SEED, new_uid};
use crate::unit::UnitFile;

/// Adds the pods that controllers make first to what is wanted, as if the host had nothing of them. Gives back the units
/// that are not of pods.
pub fn sample(desired: &mut Desired, settings: &Settings) -> Vec<(UnitName, UnitFile)> {
    let mut units = Vec::new();
    let now = Moment {
        wall: 0,
        boot: "".into(),
        up: 0,
    };
    for controller in desired.controllers.clone().into_values() {
        let record = Record {
            uid: new_uid(&controller.key.object, RENDER_SEED),
            created: now.clone(),
            source: controller.source.clone(),
            gone: false,
            revisions: Vec::new(),
            settled: None,
            progress: None,
            job: None,
            cron: None,
        };
        let room = Room {
            controller: &controller,
            record: &record,
            pods: &[],
            taken: &|_| false,
            now: &now,
        };
        if let ControllerSpec::CronJob(spec) = &controller.spec {
            units.extend(cron::units(&room, spec, &settings.program));
        }
        let Decision { create, .. } = decide(&room);
        let pods = create
            .iter()
            .filter_map(|pod| make(pod, &controller.source).ok());
        desired.pods.extend(pods.map(|pod| (pod.key.clone(), pod)));
    }
    units
}
