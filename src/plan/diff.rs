//! What is against what ought to be, for one pod.
//!
//! The rules, in their order:
//! 1. A pod whose source cannot be read is left as it is: absence is no reason to stop it, and another file
//!    that defines it now is no reason to change it.
//! 2. A pod that cannot be rendered (the config map of a volume is missing) keeps what runs; so does a container that
//!    cannot, and the others go on without it.
//! 3. A pod of another uid, or with another sandbox or other init containers, is stopped as a whole first.
//! 4. A pod whose deletion has begun is stopped, and kept as it then is.
//! 5. Else each container stands alone: what changed is stopped, written and started again, nothing else is.
//! 6. A pod whose units are given by the host's configuration is filled, and otherwise left to it.
//! 7. What should run and does not is started; what is finished stays finished.

use super::life::{create, end, nothing, remove};
use super::network::addresses::{Others, Promised, choose};
use super::network::ports::free_ports;
use super::step::{PodPlan, Reason};
use super::units::{render_at, render_given};
use super::update::Update;
use crate::config::Settings;
use crate::model::desired::Desired;
use crate::model::name::PodKey;
use crate::model::observed::{ActiveState, Given, Observed, ObservedPod, ObservedUnit};
use crate::model::pod::Pod;
use crate::model::status::Blocked;
use crate::unit::names::PodUnits;
use std::net::IpAddr;

/// The plan for one pod, with no steps when all is as it should be, and why some of its containers have to wait. An
/// error when all of it has to.
pub fn plan_pod(
    key: &PodKey,
    desired: &Desired,
    observed: &Observed,
    settings: &Settings,
    seed: &[u8],
    promised: &Promised,
) -> Result<(PodPlan, Vec<Blocked>), Blocked> {
    let all = |plan| Ok((plan, Vec::new()));
    let addresses = |pod, kept: &[IpAddr]| {
        let others = Others {
            observed: Some(observed),
            promised: Some(promised),
        };
        choose(pod, kept, others, &settings.network)
    };
    if let Some((uid, source)) = observed.left.get(key)
        && !desired.holds(source)
    {
        return all(super::given::remove_left(uid));
    }
    match (desired.pods.get(key), observed.pods.get(key)) {
        (None, None) => all(nothing(super::new_uid(key, seed))),
        (None, Some(is)) if desired.holds(&is.source) => all(nothing(is.uid.clone())),
        // Whoever has given its units takes them away.
        (None, Some(is)) if is.given.is_some() => all(nothing(is.uid.clone())),
        (None, Some(is)) => all(remove(key, is, Reason::Remove)),
        (Some(pod), None) if pod.ending.is_some() => all(nothing(super::new_uid(key, seed))),
        (Some(pod), None) => {
            free_ports(pod, desired, observed)?;
            let uid = pod.uid.clone().unwrap_or_else(|| super::new_uid(key, seed));
            let addresses = addresses(pod, &[])?;
            let mut want = render_at(pod, &uid, &addresses, desired, settings)?;
            let blocked = std::mem::take(&mut want.blocked);
            Ok((create(pod, want, observed), blocked))
        }
        // Another file defines it now, but the one it runs from cannot be read: that may define it still.
        (Some(pod), Some(is)) if pod.source != is.source && desired.holds(&is.source) => {
            all(nothing(is.uid.clone()))
        }
        (Some(pod), Some(is)) => {
            if let Some(given) = &is.given {
                return given_pod((pod, is), given, desired, settings);
            }
            if pod.uid.as_ref().is_some_and(|uid| *uid != is.uid) {
                return all(remove(key, is, Reason::Replace));
            }
            if pod.ending.is_some() {
                return all(end(key, is));
            }
            let addresses = addresses(pod, &is.addresses)?;
            let mut want = render_at(pod, &is.uid, &addresses, desired, settings)?;
            super::ephemeral::keep(is, &mut want);
            let plan = Update {
                pod,
                is,
                want: &want,
                names: PodUnits::new(key),
            }
            .plan();
            Ok((plan, want.blocked))
        }
    }
}

fn given_pod(
    (pod, is): (&Pod, &ObservedPod),
    given: &Given,
    desired: &Desired,
    settings: &Settings,
) -> Result<(PodPlan, Vec<Blocked>), Blocked> {
    let want = render_given(pod, &is.uid, &is.addresses, desired, settings)?;
    let plan = Update {
        pod,
        is,
        want: &want,
        names: PodUnits::new(&pod.key),
    }
    .plan_given(given);
    Ok((plan, want.blocked))
}

/// Runs, is about to, or is being seen to by systemd.
pub(super) fn is_up(unit: &ObservedUnit) -> bool {
    unit.state.job
        || !matches!(
            unit.state.active,
            ActiveState::Inactive | ActiveState::Failed
        )
}
