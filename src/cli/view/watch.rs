//! Views of a host that changes: each change costs what it touches, not what there is.

use super::host::{Host, ViewError};
use super::report::assemble;
use super::{Filter, View};
use crate::host::signals::Changes;
use crate::host::unit_dir::UnitDir;
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
    unit_files: UnitDir,
    files: Watcher,
    observed: Observed,
    sources: Directories,
    begun: bool,
}

/// What to look at again.
enum News {
    Everything,
    Units(BTreeSet<UnitName>),
    Files(source::Changed),
}

impl Watch {
    pub(super) async fn start(host: Host, filter: Filter) -> Result<Self, ViewError> {
        // Listening begins before the first look, so that nothing falls between them.
        let units = Changes::subscribe(&host.systemd).await?;
        let unit_files =
            UnitDir::watch(&host.settings.layout.units).map_err(ViewError::UnitFiles)?;
        let files = Watcher::new(host.settings.manifest_dirs())?;
        let (observed, sources) = tokio::try_join!(host.observe(&filter), host.sources())?;
        Ok(Self {
            host,
            filter,
            units,
            unit_files,
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
                changed = self.units.next() => match changed? {
                    // While systemd reloads, it announces everything, and news among it is not told apart.
                    changed if changed.reloaded => News::Everything,
                    changed => News::Units(changed.units),
                },
                units = self.unit_files.next() => News::Units(units.map_err(ViewError::UnitFiles)?),
                files = self.files.next() => News::Files(files?),
            };
            match news {
                News::Everything => self.observed = self.host.observe(&self.filter).await?,
                News::Units(units) => self.look_again(units).await?,
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

    async fn look_again(&mut self, units: BTreeSet<UnitName>) -> Result<(), ViewError> {
        let observer = &self.host.observer;
        let keys = observer.pods_of(&self.observed, &units).await?;
        let pods: BTreeMap<PodKey, BTreeSet<UnitName>> = keys
            .into_iter()
            .filter(|key| self.filter.admits(key))
            .map(|key| (key, units.clone()))
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
