//! What was seen of a pod, as it is shown.

use crate::config::Settings;
use crate::model::controller::{ControllerKey, OWNER};
use crate::model::desired::Desired;
use crate::model::identity::UnitRole;
use crate::model::name::PodKey;
use crate::model::network::Mode;
use crate::model::observed::{ActiveState, Observed, ObservedPod};
use crate::model::pod::Pod;
use crate::model::status::Blocked;
use crate::model::view::PodView;
use crate::observe::status::{Facts, report};
use crate::plan::network::addresses::{Others, choose};
use crate::plan::network::ports::free_ports;
use crate::plan::units::render_at;
use crate::plan::{RENDER_SEED, new_uid};
use crate::source::pod_from_manifest;
use std::collections::BTreeMap;

/// One pod as it stands; `None` when its labels are not meant, or when it is neither there nor wanted. Without `desired`
/// nothing is said of what is wanted.
pub fn one(
    key: &PodKey,
    observed: &Observed,
    desired: Option<&Desired>,
    settings: &Settings,
    selects: impl FnOnce(&BTreeMap<String, String>) -> bool,
) -> Option<PodView> {
    let is = observed.pods.get(key);
    let wanted = desired.and_then(|desired| desired.pods.get(key));
    let pod = pod(is, wanted)?;
    selects(&pod.labels).then(|| view(&pod, observed, is, desired, settings))
}

/// The target is down and containers are on their way.
fn is_stopping(is: &ObservedPod) -> bool {
    let mut units = is.units.values();
    let down = units.any(|unit| {
        let target = matches!(&unit.identity, Some(identity) if identity.role == UnitRole::Pod);
        target
            && matches!(
                unit.state.active,
                ActiveState::Inactive | ActiveState::Deactivating
            )
    });
    down && is
        .units
        .values()
        .any(|unit| unit.state.active == ActiveState::Deactivating)
}

/// What runs, if anything does; else what ought to.
fn pod(is: Option<&ObservedPod>, wanted: Option<&Pod>) -> Option<Pod> {
    let runs = is.and_then(|is| {
        let manifest = is.manifest.as_deref()?;
        pod_from_manifest(manifest, is.source.clone()).ok()
    });
    runs.or_else(|| wanted.cloned())
}

/// Why a pod, or some of its containers, cannot be started now.
fn blocked(pod: &Pod, observed: &Observed, desired: &Desired, settings: &Settings) -> Vec<Blocked> {
    let others = Others {
        observed: Some(observed),
        promised: None,
    };
    let uid = new_uid(&pod.key, RENDER_SEED);
    let kept = observed.pods.get(&pod.key).map(|is| is.addresses.clone());
    let free = match kept {
        None => free_ports(pod, desired, observed),
        Some(_) => Ok(()),
    };
    let rendered = free
        .and_then(|()| choose(pod, &kept.unwrap_or_default(), others, &settings.network))
        .and_then(|addresses| render_at(pod, &uid, &addresses, desired, settings));
    rendered.map_or_else(|blocked| vec![blocked], |rendered| rendered.blocked)
}

fn view(
    pod: &Pod,
    observed: &Observed,
    is: Option<&ObservedPod>,
    desired: Option<&Desired>,
    settings: &Settings,
) -> PodView {
    // What runs is never blocked: it goes on as it is.
    let blocked = match desired.filter(|_| lacks_units(pod, is)) {
        Some(desired) => blocked(pod, observed, desired, settings),
        None => Vec::new(),
    };
    let unwanted = |desired: &Desired, is: &ObservedPod| {
        let owner = pod.annotations.get(OWNER);
        let owner = owner.and_then(|owner| ControllerKey::from_owner(owner, &pod.key.namespace));
        // Which of its pods a controller wants is for the agent to decide: those that are on their way out are told by
        // their units.
        let owned = owner.is_some_and(|owner| desired.controllers.contains_key(&owner));
        match owned {
            true => is.deleted || is_stopping(is),
            false => !desired.pods.contains_key(&pod.key) && !desired.holds(&is.source),
        }
    };
    let terminating = desired
        .zip(is)
        .is_some_and(|(desired, is)| unwanted(desired, is));
    let facts = Facts {
        host_ip: settings.host_ip.clone(),
        host_mode: settings.network.mode == Mode::Host,
    };
    PodView::new(report(pod, is, &blocked, &facts, terminating), is.cloned())
}

/// Whether a container has no unit.
fn lacks_units(pod: &Pod, is: Option<&ObservedPod>) -> bool {
    let units = is.into_iter().flat_map(|is| is.units.values());
    let containers = units.filter(|unit| {
        let role = unit.identity.as_ref().map(|identity| &identity.role);
        matches!(role, Some(UnitRole::Container { .. }))
    });
    containers.count() < pod.spec.all_containers().count()
}
