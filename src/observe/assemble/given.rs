//! Pods whose units are part of the host's configuration, told apart from those that vks writes.

use super::States;
use crate::host::units::UnitOnDisk;
use crate::model::identity::{Identity, UnitRole};
use crate::model::name::PodKey;
use crate::model::observed::{ActiveState, Given};
use crate::unit::names::PodUnits;

/// Takes out of a pod's units those that vks has written, when the pod's target is given; they are of an earlier life.
/// `None` when it is not given.
pub(super) fn split(units: &mut Vec<(UnitOnDisk, Identity)>) -> Option<Given> {
    let is_given =
        |(unit, identity): &(UnitOnDisk, Identity)| unit.given && identity.role == UnitRole::Pod;
    if !units.iter().any(is_given) {
        // Without the target they are nobody's: a unit that stays behind does not make a pod.
        units.retain(|(unit, _)| !unit.given);
        return None;
    }
    let own: Vec<_> = units.extract_if(.., |(unit, _)| !unit.given).collect();
    let uid = own.first().map(|(_, identity)| identity.uid.clone());
    let names = own.into_iter().map(|(unit, _)| unit.name).collect();
    Some(Given {
        earlier: uid.map(|uid| (uid, names)),
    })
}

/// Nothing of a pod without unit files is up: its slice and its target are down.
pub(super) fn has_ended(key: &PodKey, states: &States) -> bool {
    let names = PodUnits::new(key);
    [names.slice(), names.target()].iter().all(|name| {
        states.get(name).is_none_or(|state| {
            !state.job && matches!(state.active, ActiveState::Inactive | ActiveState::Failed)
        })
    })
}
