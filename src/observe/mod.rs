//! The host to [`Observed`], and [`Observed`] to what people are told.
//!
//! ```text
//!  disk: unit files, links, run records, payloads --+
//!                                                   +-> assemble (pure) -> Observed -> status (pure) -> PodStatus
//!  systemd: states and runs of loaded units --------+
//! ```
//!
//! Nothing is remembered between two looks but the caller's [`Observed`], so whoever looks first sees all.

mod ask;
mod assemble;
mod disk;
pub mod events;
pub mod pace;
pub mod status;

use crate::host::files::FileError;
use crate::host::systemd::{Systemd, SystemdError};
use crate::model::controller::OWNER;
use crate::model::layout::Layout;
use crate::model::name::{PodKey, PodUid, UnitName};
use crate::model::observed::{KeptClaim, Observed, ObservedPod, ObservedUnit, UnitState};
use ask::{asked, has_prober, keep_runs, pattern, pod_level_units, query, units_to_pods};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

/// Names that all of vks' units have.
const PATTERNS: [&str; 3] = ["vks.*", "vks-*", "*-vksmounts-*.mount"];

/// To ask for the state of one unit costs about as much as so many rows of the list of all units.
const ROWS_FOR_ONE: usize = 16;
/// And as much as to compare so many names: what a list of some units does, each with each that there is.
const NAMES_FOR_ONE: usize = 4000;

/// Why the host could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum ObserveError {
    /// The unit directory.
    #[error("cannot read the units of vks")]
    Units(#[from] FileError),
    /// systemd.
    #[error("cannot see what runs")]
    Systemd(#[from] SystemdError),
    /// The thread that reads files ended early.
    #[error("reading files was interrupted")]
    Interrupted,
}

/// What the files of the host say, without systemd: as if nothing ran.
///
/// # Errors
/// When the directory of units cannot be read.
pub fn on_disk(layout: &Layout) -> Result<Observed, ObserveError> {
    Ok(assemble::assemble(disk::all(layout)?, BTreeMap::new()))
}

/// Looks at the host.
#[derive(Debug, Clone)]
pub struct Observer {
    systemd: Systemd,
    layout: Arc<Layout>,
    /// How many units there were when first asked, for those who look at some pods only.
    population: Arc<OnceLock<usize>>,
    runs: Runs,
}

/// Of which containers that run it is asked which process does since when. Where there is a prober, it always is: its answers are
/// about a certain run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Runs {
    All,
    /// Those of pods that a controller has made: it counts from when they run.
    Owned,
    None,
}

impl Observer {
    /// An observer of this systemd and these directories.
    pub fn new(systemd: Systemd, layout: Layout) -> Self {
        let layout = Arc::new(layout);
        Self {
            systemd,
            layout,
            population: Arc::default(),
            runs: Runs::All,
        }
    }

    /// The same for who only wants to know what is ready and what has ended: of a container that runs it is not asked
    /// which process does since when.
    pub fn of_states(&self) -> Self {
        Self {
            runs: Runs::None,
            ..self.clone()
        }
    }

    /// The same for who decides what is to be done and tells nobody else: only pods of controllers matter in that way.
    pub fn of_plans(&self) -> Self {
        Self {
            runs: Runs::Owned,
            ..self.clone()
        }
    }

    /// Everything vks has on this host.
    pub async fn all(&self) -> Result<Observed, ObserveError> {
        let disk = self.read(disk::all);
        let states = async { Ok(self.systemd.list(&PATTERNS).await?) };
        let (disk, states) = tokio::try_join!(disk, states)?;
        let mut observed = assemble::assemble(disk, states);
        self.add_runs(observed.pods.values_mut()).await?;
        Ok(observed)
    }

    /// Looks again at some pods and puts what it finds in place of what `observed` has of them. The cost
    /// depends on these pods alone. With each pod go the names of units that may be new to `observed`; its target,
    /// its slice and those that have a file are looked for in any case.
    pub async fn refresh(
        &self,
        observed: &mut Observed,
        pods: &BTreeMap<PodKey, BTreeSet<UnitName>>,
    ) -> Result<(), ObserveError> {
        self.look(observed, pods, None).await
    }

    /// The same for who has heard of all that happened since `observed` was true: these are the units whose state has
    /// changed. So a run that was known and is none of theirs still is what it was, and is not asked for again.
    pub async fn follow(
        &self,
        observed: &mut Observed,
        pods: &BTreeMap<PodKey, BTreeSet<UnitName>>,
        changed: &BTreeSet<UnitName>,
    ) -> Result<(), ObserveError> {
        self.look(observed, pods, Some(changed)).await
    }

    async fn look(
        &self,
        observed: &mut Observed,
        pods: &BTreeMap<PodKey, BTreeSet<UnitName>>,
        changed: Option<&BTreeSet<UnitName>>,
    ) -> Result<(), ObserveError> {
        let names = pods.iter().map(|(key, extra)| {
            let known = observed.pods.get(key);
            let known = known.into_iter().flat_map(|pod| pod.units.keys().cloned());
            let mut names: BTreeSet<_> = known.chain(extra.iter().cloned()).collect();
            names.extend(pod_level_units(key));
            names
        });
        let names: BTreeSet<UnitName> = names.flatten().collect();
        let disk = self.read(move |layout| disk::some(layout, names)).await?;
        let looked_at = asked(&disk, observed, pods);
        let states = self
            .states(&looked_at, self.known(observed, pods.len()).await?)
            .await?;
        let mut fresh = assemble::assemble(disk, states);
        fresh.pods.retain(|key, _| pods.contains_key(key));
        if let Some(changed) = changed {
            keep_runs(&mut fresh, observed, changed);
        }
        self.add_runs(fresh.pods.values_mut()).await?;
        // Units of the host's configuration go before the manifests do: it is one change, and systemd's reload is its end.
        let changing =
            |key: &PodKey, pod: &ObservedPod| pod.given.is_some() && !fresh.pods.contains_key(key);
        observed
            .pods
            .retain(|key, pod| !pods.contains_key(key) || changing(key, pod));
        observed.left.retain(|key, _| !pods.contains_key(key));
        observed.pods.append(&mut fresh.pods);
        observed.orphans.retain(|unit| !looked_at.contains(unit));
        observed.orphans.append(&mut fresh.orphans);
        Ok(())
    }

    /// Looks again at units of CronJobs.
    pub async fn timers(
        &self,
        observed: &mut Observed,
        units: &BTreeSet<UnitName>,
    ) -> Result<(), ObserveError> {
        let names = units.clone();
        let disk = self.read(move |layout| disk::some(layout, names)).await?;
        let states = self.systemd.states(units).await?;
        let fresh = assemble::assemble(disk, states);
        observed.timers.retain(|unit, _| !units.contains(unit));
        observed.timers.extend(fresh.timers);
        observed.orphans.retain(|unit| !units.contains(unit));
        observed.orphans.extend(fresh.orphans);
        Ok(())
    }

    /// How many units there are, roughly. Who looks at some pods only has seen no others and counts files, once.
    async fn known(&self, observed: &Observed, looked_at: usize) -> Result<usize, ObserveError> {
        if observed.pods.len() > looked_at {
            return Ok(observed.pods.values().map(|pod| pod.units.len()).sum());
        }
        if let Some(count) = self.population.get() {
            return Ok(*count);
        }
        let count = self.read(disk::count).await?;
        Ok(*self.population.get_or_init(|| count))
    }

    /// The states of some of so many units. Many are cheaper as one list of all that there are.
    async fn states(
        &self,
        units: &BTreeSet<UnitName>,
        known: usize,
    ) -> Result<BTreeMap<UnitName, UnitState>, ObserveError> {
        if units.len() * ROWS_FOR_ONE >= known {
            let mut states = self.systemd.list(&PATTERNS).await?;
            states.retain(|unit, _| units.contains(unit));
            return Ok(states);
        }
        if known > NAMES_FOR_ONE {
            return Ok(self.systemd.states(units).await?);
        }
        let names: Vec<String> = units.iter().map(pattern).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut states = self.systemd.list(&names).await?;
        states.retain(|unit, _| units.contains(unit));
        Ok(states)
    }

    /// The pods that some units belong to: by `observed`, or by the file of a unit that is new.
    pub async fn pods_of(
        &self,
        observed: &Observed,
        units: &BTreeSet<UnitName>,
    ) -> Result<BTreeSet<PodKey>, ObserveError> {
        let (mut pods, known) = units_to_pods(observed, units);
        let unknown: Vec<UnitName> = units.difference(&known).cloned().collect();
        if !unknown.is_empty() {
            pods.extend(
                self.read(move |layout| disk::owners(layout, &unknown))
                    .await?,
            );
        }
        Ok(pods)
    }

    /// Directories of pods that have no units: what a crash during creation or removal has left.
    pub async fn leftovers(&self, observed: &Observed) -> Result<BTreeSet<PodUid>, ObserveError> {
        let mut found = self.read(disk::pod_dirs).await?;
        for pod in observed.pods.values() {
            found.remove(&pod.uid);
        }
        Ok(found)
    }

    /// Runs what blocks on files on a thread for that.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Layout) -> Result<T, FileError> + Send + 'static,
    ) -> Result<T, ObserveError> {
        let layout = Arc::clone(&self.layout);
        match tokio::task::spawn_blocking(move || read(&layout)).await {
            Ok(result) => Ok(result?),
            Err(_) => Err(ObserveError::Interrupted),
        }
    }

    /// The claims whose directories go with them.
    pub async fn kept_claims(&self) -> Result<Vec<KeptClaim>, ObserveError> {
        self.read(crate::host::claims::kept).await
    }

    fn asks_runs(&self, pod: &ObservedPod) -> bool {
        let owned = || pod.manifest.as_ref().is_some_and(|m| m.contains(OWNER));
        match self.runs {
            Runs::All => true,
            Runs::Owned => owned() || has_prober(pod),
            Runs::None => has_prober(pod),
        }
    }

    /// Asks for the runs of the containers and probers of these pods, as far as they are not known.
    async fn add_runs(
        &self,
        pods: impl Iterator<Item = &mut ObservedPod>,
    ) -> Result<(), ObserveError> {
        let mut units: BTreeMap<UnitName, &mut ObservedUnit> = BTreeMap::new();
        for pod in pods {
            let all = self.asks_runs(pod);
            let asked = pod.units.iter_mut().filter(|(_, unit)| {
                unit.state.run.is_none() && (all || &*unit.state.sub != "running")
            });
            units.extend(asked.map(|(name, unit)| (name.clone(), unit)));
        }
        let queries: Vec<_> = units
            .iter()
            .filter_map(|(name, unit)| query(name, unit))
            .collect();
        let mut runs = self.systemd.current_runs(queries).await?;
        for (name, unit) in units {
            unit.state.run = runs.remove(&name);
        }
        Ok(())
    }
}
