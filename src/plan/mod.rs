//! The heart: (Desired, Observed, Settings) to a Plan. Pure: no input or output, no clock, no async.
//!
//! [`plan`] looks at each pod by itself and gives the steps that bring it from what is to what ought to be, in
//! order. After the steps have run, planning again gives none. [`units`] says what a pod becomes,
//! [`diff`] what of that is missing or out of date.

pub mod admission;
mod claims;
pub mod controllers;
pub mod diff;
pub mod env;
mod ephemeral;
pub mod eviction;
mod files;
pub mod given;
pub mod grace;
pub mod images;
pub mod in_place;
mod life;
pub mod network;
mod priority;
pub mod reclaim;
pub mod resource_ref;
pub mod resources;
pub mod room;
pub mod security;
pub mod shares;
mod starts;
pub mod step;
pub mod units;
mod update;
pub mod volumes;

#[cfg(test)]
mod simulate;
#[cfg(test)]
mod tests;

use crate::config::Settings;
use crate::model::desired::Desired;
use crate::model::name::{PodKey, PodUid, UnitName};
use crate::model::observed::Observed;
use crate::model::status::Blocked;
use network::addresses::Promised;
use std::collections::{BTreeMap, BTreeSet};
use step::PodPlan;

/// The seed of what is only shown: `vks render`, and the examples.
pub const RENDER_SEED: &[u8] = b"example";

/// What to do on the host.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    /// Pods with something to do. They do not depend on each other.
    pub pods: BTreeMap<PodKey, PodPlan>,
    /// Pods that are wanted and cannot be started or changed now, as a whole or some of their containers, and why; what
    /// runs of them is kept. Never empty lists.
    pub blocked: BTreeMap<PodKey, Vec<Blocked>>,
    /// Of pods whose units are given, those units that are not as this vks would write them. Never empty lists.
    pub differing: BTreeMap<PodKey, Vec<UnitName>>,
}

impl Plan {
    /// Whether nothing is to be done.
    pub fn is_empty(&self) -> bool {
        self.pods.is_empty()
    }
}

/// Plans all pods that are wanted or observed.
pub fn plan(desired: &Desired, observed: &Observed, settings: &Settings, seed: &[u8]) -> Plan {
    let there = observed.pods.keys().chain(observed.left.keys());
    let keys: BTreeSet<&PodKey> = desired.pods.keys().chain(there).collect();
    plan_pods(
        keys,
        desired,
        observed,
        settings,
        seed,
        &mut Promised::new(),
    )
}

/// Plans some pods. `seed` makes the identities of new pods: random for a host, fixed for examples. Addresses that
/// steps give to pods are added to `promised`; whoever runs the steps takes them out when the pod can be observed.
pub fn plan_pods<'a>(
    keys: impl IntoIterator<Item = &'a PodKey>,
    desired: &Desired,
    observed: &Observed,
    settings: &Settings,
    seed: &[u8],
    promised: &mut Promised,
) -> Plan {
    let mut plan = Plan::default();
    for key in keys {
        match diff::plan_pod(key, desired, observed, settings, seed, promised) {
            Ok((pod, blocked)) => {
                if !pod.differs.is_empty() {
                    plan.differing.insert(key.clone(), pod.differs.clone());
                }
                if !pod.steps.is_empty() {
                    if !pod.addresses.is_empty() {
                        promised.insert(key.clone(), pod.addresses.clone());
                    }
                    plan.pods.insert(key.clone(), pod);
                }
                if !blocked.is_empty() {
                    plan.blocked.insert(key.clone(), blocked);
                }
            }
            Err(blocked) => {
                plan.blocked.insert(key.clone(), vec![blocked]);
            }
        }
    }
    plan
}

/// The identity of a new pod, in the form of a UUID, from a seed and the pod's name.
pub fn new_uid(key: &PodKey, seed: &[u8]) -> PodUid {
    let mut text = seed.to_vec();
    text.extend_from_slice(key.to_string().as_bytes());
    let hex = crate::unit::hex(&crate::unit::digest(&text));
    let parts = [
        &hex[0..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..32],
    ];
    #[expect(clippy::expect_used, reason = "hex digits and dashes, 36 bytes")]
    parts.join("-").parse().expect("a UUID is a valid uid")
}
