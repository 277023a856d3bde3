//! What was seen becomes reports.

use super::{Filter, PodView, View};
use crate::agent;
use crate::config::Settings;
use crate::model::desired::{Desired, Problem};
use crate::model::name::PodKey;
use crate::model::observed::Observed;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The pods that are meant, as they stand: those the host has, and those that are wanted and not there yet.
/// Without `desired` nothing is said of what is wanted.
pub fn assemble(
    filter: &Filter,
    observed: &Observed,
    desired: Option<&Desired>,
    settings: &Settings,
) -> View {
    let pods = keys(observed, desired)
        .into_iter()
        .filter_map(|key| one(key, filter, observed, desired, settings));
    View {
        pods: pods.map(Arc::new).collect(),
        problems: problems(desired),
    }
}

/// All pods that the host has or that are wanted.
pub fn keys<'a>(observed: &'a Observed, desired: Option<&'a Desired>) -> BTreeSet<&'a PodKey> {
    let wanted = desired.into_iter().flat_map(|desired| desired.pods.keys());
    observed.pods.keys().chain(wanted).collect()
}

/// What is wrong with manifests.
pub fn problems(desired: Option<&Desired>) -> Vec<Problem> {
    desired
        .map(|desired| desired.problems.clone())
        .unwrap_or_default()
}

/// One pod as it stands; `None` when it is not meant, or neither there nor wanted.
pub fn one(
    key: &PodKey,
    filter: &Filter,
    observed: &Observed,
    desired: Option<&Desired>,
    settings: &Settings,
) -> Option<PodView> {
    let selects = |labels: &_| filter.selects(labels);
    let view = || agent::view::one(key, observed, desired, settings, selects);
    filter.admits(key).then(view)?
}
