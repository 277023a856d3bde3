//! How exposed pods are: a column of `vks get pods -o wide`.
//!
//! systemd is asked once for each version of a unit, with all that are new together: in `-w`, what goes on asks nothing.

use super::view::PodView;
use crate::host::exposure::{Exposure, judge};
use crate::model::identity::UnitRole;
use crate::model::layout::Layout;
use crate::model::name::UnitName;
use crate::model::observed::Digest;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A unit as its file is.
type Version = (UnitName, Digest);

/// What systemd has said so far; nothing of a unit where it could not be asked.
#[derive(Debug, Default)]
pub struct Exposures {
    known: BTreeMap<Version, Option<Exposure>>,
}

impl Exposures {
    /// Asks of the units that are new, and forgets those that are gone.
    pub async fn learn(&mut self, pods: &[Arc<PodView>], layout: &Layout) {
        let there: BTreeSet<Version> = pods.iter().flat_map(|pod| versions(pod)).collect();
        self.known.retain(|version, _| there.contains(version));
        let new: Vec<Version> = there
            .into_iter()
            .filter(|version| !self.known.contains_key(version))
            .collect();
        if new.is_empty() {
            return;
        }
        let units: Vec<UnitName> = new.iter().map(|(unit, _)| unit.clone()).collect();
        let layout = layout.clone();
        let asked = tokio::task::spawn_blocking(move || judge(&layout, &units)).await;
        // A table is no place to say why: the column does, by having no figures.
        let mut said = asked.ok().and_then(Result::ok).unwrap_or_default();
        for version in new {
            let exposure = said.remove(&version.0);
            self.known.insert(version, exposure);
        }
    }

    /// That of the container that is exposed most; `<none>` for a pod without units, `<unknown>` where systemd says nothing.
    pub fn of(&self, pod: &PodView) -> String {
        let all: Option<Vec<Exposure>> = versions(pod)
            .map(|version| self.known.get(&version).copied().flatten())
            .collect();
        match all.map(|all| all.into_iter().max()) {
            None => "<unknown>".to_owned(),
            Some(None) => "<none>".to_owned(),
            Some(Some(most)) => most.to_string(),
        }
    }
}

/// The units of its containers that have files.
fn versions(pod: &PodView) -> impl Iterator<Item = Version> + '_ {
    let units = pod.observed.iter().flat_map(|is| &is.units);
    units.filter_map(|(name, unit)| {
        let role = unit.identity.as_ref().map(|identity| &identity.role);
        let is_container = matches!(role, Some(UnitRole::Container { .. }));
        is_container.then_some((name.clone(), unit.digest?))
    })
}
