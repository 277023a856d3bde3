//! Views of a host that changes: each change costs what it touches, not what there is.

use super::host::{Host, ViewError};
use super::report::{keys, one, problems};
use super::{Filter, PodView, View};
use crate::host::signals::Changes;
use crate::host::unit_dir::UnitDir;
use crate::model::desired::Desired;
use crate::model::name::{PodKey, UnitName};
use crate::model::observed::Observed;
use crate::observe::pace::Pace;
use crate::source::{self, Directories, WatchError, Watcher};
use futures_util::FutureExt as _;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Views of some pods: the first at once, then one each time something may have changed.
#[derive(Debug)]
pub struct Watch {
    host: Host,
    filter: Filter,
    units: Changes,
    unit_files: UnitDir,
    /// Where word is left of conditions that were set.
    triggers: UnitDir,
    observed: Observed,
    manifests: Option<Manifests>,
    pods: BTreeMap<PodKey, Arc<PodView>>,
    pace: Pace,
    begun: bool,
}

/// What is wanted of the host.
#[derive(Debug)]
struct Manifests {
    watcher: Watcher,
    sources: Directories,
}

/// What to look at again.
enum News {
    Everything,
    Units(BTreeSet<UnitName>),
    Files(source::Changed),
}

impl Watch {
    /// With `manifests`, pods that are wanted and not there yet are seen too.
    pub(super) async fn start(
        host: Host,
        filter: Filter,
        manifests: bool,
    ) -> Result<Self, ViewError> {
        // Listening begins before the first look, so that nothing falls between them.
        let units = Changes::subscribe(&host.systemd).await?;
        let unit_files =
            UnitDir::watch(&host.settings.layout.units).map_err(ViewError::UnitFiles)?;
        let triggers =
            UnitDir::watch(&host.settings.layout.triggers()).map_err(ViewError::UnitFiles)?;
        let manifests = async {
            if !manifests {
                return Ok(None);
            }
            let mut directories = host.settings.manifest_dirs();
            directories.push(host.settings.layout.pod_images());
            let watcher = Watcher::new(directories)?;
            let sources = host.sources().await?;
            Ok(Some(Manifests { watcher, sources }))
        };
        let (observed, manifests) = tokio::try_join!(host.observe(&filter), manifests)?;
        let mut watch = Self {
            host,
            filter,
            units,
            unit_files,
            triggers,
            observed,
            manifests,
            pods: BTreeMap::new(),
            pace: Pace::default(),
            begun: false,
        };
        watch.view_all();
        Ok(watch)
    }

    /// The next view. Not to be called again after it was dropped midway: a change may be lost with it.
    pub async fn next(&mut self) -> Result<View, ViewError> {
        if self.begun {
            let news = tokio::select! {
                changed = self.units.next() => match changed? {
                    // While systemd reloads, it announces everything, and news among it is not told apart.
                    changed if changed.reloaded => News::Everything,
                    changed => News::Units(changed.units),
                },
                units = self.unit_files.next() => News::Units(units.map_err(ViewError::UnitFiles)?),
                units = self.triggers.next() => News::Units(units.map_err(ViewError::UnitFiles)?),
                files = changed(&mut self.manifests) => News::Files(files?),
            };
            match news {
                News::Everything => {
                    self.observed = self.host.observe(&self.filter).await?;
                    self.view_all();
                }
                News::Units(units) => self.look_again(units).await?,
                News::Files(changed) => self.read_again(changed),
            }
        }
        self.begun = true;
        Ok(View {
            pods: self.pods.values().cloned().collect(),
            problems: problems(self.desired()),
        })
    }

    async fn look_again(&mut self, mut units: BTreeSet<UnitName>) -> Result<(), ViewError> {
        self.pace.wait(Duration::ZERO).await;
        units.extend(self.more_units()?);
        let begin = Instant::now();
        let observer = &self.host.observer;
        let keys = observer.pods_of(&self.observed, &units).await?;
        let keys = keys.into_iter().filter(|key| self.filter.admits(key));
        let mut pods: BTreeMap<PodKey, _> = keys.map(|key| (key, BTreeSet::new())).collect();
        // They are looked for whosever they are, so one pod is enough to name them.
        if let Some(named) = pods.values_mut().next() {
            named.clone_from(&units);
        }
        let observed = &mut self.observed;
        observer.follow(observed, &pods, &units).await?;
        self.view(pods.into_keys());
        self.pace.looked(begin);
        Ok(())
    }

    /// News that have come meanwhile and are no others than what is looked at now.
    fn more_units(&mut self) -> Result<BTreeSet<UnitName>, ViewError> {
        let mut more = BTreeSet::new();
        if let Some(units) = self.unit_files.next().now_or_never() {
            more.extend(units.map_err(ViewError::UnitFiles)?);
        }
        if let Some(changed) = self.units.unless_reloaded() {
            more.extend(changed?);
        }
        Ok(more)
    }

    fn view_all(&mut self) {
        let all = keys(&self.observed, self.desired());
        let all: BTreeSet<PodKey> = all.into_iter().cloned().collect();
        self.pods.retain(|key, _| all.contains(key));
        self.view(all);
    }

    /// Views some pods anew: to do that for all of them at each change would cost more than to see the change.
    fn view(&mut self, keys: impl IntoIterator<Item = PodKey>) {
        for key in keys {
            let (desired, settings) = (self.desired(), &self.host.settings);
            match one(&key, &self.filter, &self.observed, desired, settings) {
                Some(pod) => drop(self.pods.insert(key, Arc::new(pod))),
                None => drop(self.pods.remove(&key)),
            }
        }
    }

    fn desired(&self) -> Option<&Desired> {
        let manifests = self.manifests.as_ref();
        manifests.map(|manifests| manifests.sources.desired())
    }

    /// Files that may have changed are few and small: reading them does not hold anything up.
    fn read_again(&mut self, changed: source::Changed) {
        let Some(Manifests { sources, .. }) = &mut self.manifests else {
            return;
        };
        let changes = if changed.everything {
            sources.load()
        } else {
            let paths: Vec<_> = changed.paths.into_iter().collect();
            sources.refresh(&paths)
        };
        match changes.everything {
            true => self.view_all(),
            false => self.view(changes.pods),
        }
    }
}

/// Waits for a change of manifests; for ever where they do not matter.
async fn changed(manifests: &mut Option<Manifests>) -> Result<source::Changed, WatchError> {
    match manifests {
        Some(manifests) => manifests.watcher.next().await,
        None => std::future::pending().await,
    }
}
