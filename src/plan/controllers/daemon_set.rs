//! DaemonSets: on one host, one pod `<name>-<hash of the template>-<n>`.

use super::{Decision, Room, deployment, revisions};
use crate::model::controller::{DaemonSetSpec, DeploymentSpec, Share, Strategy};
use std::time::Duration;

pub(super) fn decide(room: &Room<'_>, spec: &DaemonSetSpec) -> Decision {
    let strategy = match spec.strategy {
        // Beside the old one only where that is asked for: a node has one pod of a DaemonSet (pkg/controller/daemon).
        Strategy::Rolling { max_surge, .. } if !max_surge.is_zero() => Strategy::Rolling {
            max_surge: Share::Count(1),
            max_unavailable: Share::Count(0),
        },
        _ => Strategy::Recreate,
    };
    let stays = room.live().into_iter().next();
    let mut decision = deployment::decide(
        room,
        &DeploymentSpec {
            replicas: 1,
            template: spec.template.clone(),
            strategy,
            min_ready: spec.min_ready,
            paused: false,
            progress_deadline: Duration::from_secs(u64::from(u32::MAX)),
            history: spec.history,
        },
    );
    // One that is on its way out is still the pod of this node, whatever its template.
    if room.pods.iter().any(|pod| pod.leaving && !pod.is_over()) {
        decision.create.clear();
    }
    if let (Strategy::OnDelete, Some(stays)) = (spec.strategy, stays) {
        decision.keep = [stays.uid.clone()].into();
        decision.create.clear();
        decision.record = revisions::turn(room, &spec.template, spec.history);
    }
    decision
}
