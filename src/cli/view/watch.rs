//! Views of a host that changes: each change costs what it touches, not what there is.

use super::host::{Host, ViewError};
use super::report::assemble;
use super::{Filter, View};
use crate::host::signals::{Changed, Changes};
use crate::model::name::{PodKey, UnitName};
use crate::model::observed::Observed;
use crate::source::{self, Directories, Watcher};
use std::collections::{BTreeMap, BTreeSet};

/// Views of some pods: the first at once, then one each time something may have changed.
#[derive(Debug)]
pub struct Watch {
    host: Host,
    filter: Filter,
    units: Changes,
    files: Watcher,
    observed: Observed,
    sources: Directories,
    begun: bool,
}

/// What to look at again.
enum News {
    Units(Changed),
    Files(source::Changed),
}

impl Watch {
    pub(super) async fn start(host: Host, filter: Filter) -> Result<Self, ViewError> {
        // Listening begins before the first look, so that nothing falls between them.
        let units = Changes::subscribe(&host.systemd).await?;
        let files = Watcher::new(host.settings.manifest_dirs())?;
        let (observed, sources) = tokio::try_join!(host.observe(&filter), host.sources())?;
        Ok(Self {
            host,
            filter,
            units,
            files,
            observed,
            sources,
            begun: false,
        })
    }

    /// The next view. Not to be called again after it was dropped midway: a change may be lost with it.
    pub async fn next(&mut self) -> Result<View, ViewError> {
        if self.begun {
            let news = tokio::select! {
                units = self.units.next() => News::Units(units?),
                files = self.files.next() => News::Files(files?),
            };
            match news {
                News::Units(changed) => self.look_again(changed).await?,
                News::Files(changed) => self.read_again(changed),
            }
        }
        self.begun = true;
        let settings = &self.host.settings;
        Ok(assemble(
            &self.filter,
            &self.observed,
            Some(self.sources.desired()),
            settings,
        ))
    }

    async fn look_again(&mut self, changed: Changed) -> Result<(), ViewError> {
        if changed.reloaded {
            // While systemd reloads, it announces everything, and what is news among it is not told apart.
            self.observed = self.host.observe(&self.filter).await?;
            return Ok(());
        }
        let observer = &self.host.observer;
        let keys = observer.pods_of(&self.observed, &changed.units).await?;
        let pods: BTreeMap<PodKey, BTreeSet<UnitName>> = keys
            .into_iter()
            .filter(|key| self.filter.admits(key))
            .map(|key| (key, changed.units.clone()))
            .collect();
        Ok(observer.refresh(&mut self.observed, &pods).await?)
    }

    /// Files that may have changed are few and small: reading them does not hold anything up.
    fn read_again(&mut self, changed: source::Changed) {
        if changed.everything {
            self.sources.load();
        } else {
            let paths: Vec<_> = changed.paths.into_iter().collect();
            self.sources.refresh(&paths);
        }
    }
}
