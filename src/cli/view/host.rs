//! The host, asked.

use super::report::assemble;
use super::watch::Watch;
use super::{Filter, View};
use crate::agent::AgentError;
use crate::agent::pass::check_version;
use crate::config::Settings;
use crate::host::systemd::{Systemd, SystemdError};
use crate::model::name::PodKey;
use crate::model::observed::Observed;
use crate::observe::{ObserveError, Observer};
use crate::source::{Directories, WatchError};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Why the host could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// systemd.
    #[error(transparent)]
    Systemd(#[from] SystemdError),
    /// What the host has.
    #[error(transparent)]
    Observe(#[from] ObserveError),
    /// The directories of manifests.
    #[error(transparent)]
    Sources(#[from] WatchError),
    /// The directory of unit files cannot be watched.
    #[error("cannot watch unit files: raise the sysctl fs.inotify.max_user_instances")]
    UnitFiles(#[source] std::io::Error),
    /// The thread that reads manifests ended early.
    #[error("reading manifests was interrupted")]
    Interrupted,
}

/// A host that can be asked. Clones share the connection.
#[derive(Debug, Clone)]
pub struct Host {
    pub(super) systemd: Systemd,
    pub(super) observer: Observer,
    pub(super) settings: Arc<Settings>,
}

impl Host {
    /// Connects to systemd.
    pub async fn open(settings: &Settings) -> Result<Self, ViewError> {
        let systemd = Systemd::connect(None).await?;
        Ok(Self {
            observer: Observer::new(systemd.clone(), settings.layout.clone()),
            systemd,
            settings: Arc::new(settings.clone()),
        })
    }

    /// The same for who does not need to know since when containers run and as which processes.
    pub fn of_states(&self) -> Self {
        Self {
            observer: self.observer.of_states(),
            ..self.clone()
        }
    }

    /// Refuses a host that pods cannot run on, before anything is written.
    pub async fn check(&self) -> Result<(), AgentError> {
        check_version(&self.systemd).await.map(drop)
    }

    /// What the host has now, and what manifests want of it.
    pub async fn view(&self, filter: &Filter) -> Result<View, ViewError> {
        let (mut observed, sources) = tokio::try_join!(self.observe(filter), self.sources())?;
        // Whether such a pod can have an address or a port of the host, the others tell.
        let waits = |key: &PodKey| {
            let pod = sources.desired().pods.get(key);
            pod.is_some_and(|pod| !pod.spec.host_network) && !observed.pods.contains_key(key)
        };
        if filter.keys().is_some_and(|keys| keys.iter().any(waits)) {
            observed = self.observer.all().await?;
        }
        Ok(assemble(
            filter,
            &observed,
            Some(sources.desired()),
            &self.settings,
        ))
    }

    /// What the host has now. Manifests are read only when it has not all that is asked for by name, to tell
    /// pods that wait from those that do not exist.
    pub async fn running(&self, filter: &Filter) -> Result<View, ViewError> {
        let observed = self.observe(filter).await?;
        let view = assemble(filter, &observed, None, &self.settings);
        if view.pods.len() >= filter.names.len() {
            return Ok(view);
        }
        let sources = self.sources().await?;
        Ok(assemble(
            filter,
            &observed,
            Some(sources.desired()),
            &self.settings,
        ))
    }

    /// Has systemd read its unit files again.
    pub async fn reload(&self) -> Result<(), ViewError> {
        Ok(self.systemd.reload().await?)
    }

    /// Views of these pods from now on.
    pub async fn watch(&self, filter: Filter) -> Result<Watch, ViewError> {
        Watch::start(self.clone(), filter, true).await
    }

    /// The same without reading manifests: pods are seen from when the host has something of them.
    pub async fn watch_running(&self, filter: Filter) -> Result<Watch, ViewError> {
        Watch::start(self.clone(), filter, false).await
    }

    /// Everything, or only the pods that are named: their cost does not depend on how many others there are.
    pub(in crate::cli) async fn observe(&self, filter: &Filter) -> Result<Observed, ViewError> {
        match filter.keys() {
            None => Ok(self.observer.all().await?),
            Some(keys) => {
                let mut observed = Observed::default();
                let keys = keys.into_iter().map(|key| (key, BTreeSet::new())).collect();
                self.observer.refresh(&mut observed, &keys).await?;
                Ok(observed)
            }
        }
    }

    /// All manifests, read on a thread that may block.
    pub(in crate::cli) async fn sources(&self) -> Result<Directories, ViewError> {
        let images = self.settings.layout.pod_images();
        let mut directories = Directories::new(self.settings.manifest_dirs()).with_images(images);
        let load = move || {
            directories.load();
            directories
        };
        let loaded = tokio::task::spawn_blocking(load).await;
        loaded.map_err(|_| ViewError::Interrupted)
    }
}
