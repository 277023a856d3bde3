//! Deployments, StatefulSets, DaemonSets, Jobs and CronJobs, as people look at them.
//!
//! What is shown is decided here from the same things and by the same rules as in the agent, and nothing is written: so
//! it is right also while no agent runs.

mod change;
mod columns;
mod describe;
mod get;
mod object;

pub use change::change;
pub use columns::Columns;
pub use describe::describe;
pub use get::{Print, Wanted, get, wait};
pub use object::object;

use super::context::Context;
use super::error::CliError;
use super::selector::Selector;
use super::view::{Filter, Host};
use crate::agent::controllers::{self, Controllers};
use crate::config::Settings;
use crate::model::controller::record::Record;
use crate::model::controller::status::ControllerStatus;
use crate::model::controller::{Controller, ControllerKey, ControllerKind, OWNER};
use crate::model::name::{Namespace, ObjectName, PodKey};
use crate::source::{Directories, What};
use std::collections::BTreeSet;
use std::time::Duration;

/// The controllers of a host at one moment.
pub struct Look {
    sources: Directories,
    controllers: Controllers,
}

/// A controller at one moment.
#[derive(Clone, Copy)]
pub struct Shown<'a> {
    /// What is wanted.
    pub controller: &'a Controller,
    /// What is remembered; `None` before an agent has seen it.
    pub record: Option<&'a Record>,
    /// How it stands.
    pub status: &'a ControllerStatus,
}

/// Which controllers are meant.
#[derive(Debug, Clone, Default)]
pub struct Which {
    /// Only in this namespace.
    pub namespace: Option<Namespace>,
    /// Only with these names, unless empty.
    pub names: Vec<ObjectName>,
    /// Only with labels that match.
    pub selector: Selector,
}

impl Which {
    fn admits(&self, controller: &Controller) -> bool {
        let key = &controller.key.object;
        self.namespace.as_ref().is_none_or(|n| *n == key.namespace)
            && (self.names.is_empty() || self.names.contains(&key.name))
            && self.selector.matches(&controller.labels)
    }
}

impl Look {
    /// Looks at the host now.
    pub async fn at(host: &Host, settings: &Settings) -> Result<Self, CliError> {
        let everything = Filter::default();
        let (observed, sources) = tokio::try_join!(host.observe(&everything), host.sources())?;
        let settings = settings.clone();
        let work = tokio::task::spawn_blocking(move || {
            let (mut sources, mut controllers) = (sources, controllers::read(&settings));
            controllers.mark_all(&sources, &observed);
            controllers.work(&mut sources, &observed, &settings, true);
            (sources, controllers)
        });
        let (sources, controllers) = work
            .await
            .map_err(|_| super::view::ViewError::Interrupted)?;
        Ok(Self {
            sources,
            controllers,
        })
    }

    /// The same for a verb that has no connection yet.
    pub async fn now(context: &Context) -> Result<Self, CliError> {
        let host = Host::open(&context.settings).await?;
        Self::at(&host, &context.settings).await
    }

    /// Those of a kind that are meant.
    pub fn all<'a>(&'a self, kind: ControllerKind, which: &'a Which) -> Vec<Shown<'a>> {
        let all = self.sources.desired().controllers.values();
        let meant = all.filter(|c| c.key.kind == kind && which.admits(c));
        meant.filter_map(|c| self.shown(c)).collect()
    }

    /// One of them.
    pub fn one(&self, key: &ControllerKey) -> Option<Shown<'_>> {
        self.shown(self.sources.desired().controllers.get(key)?)
    }

    fn shown<'a>(&'a self, controller: &'a Controller) -> Option<Shown<'a>> {
        let record = self.controllers.records().get(&controller.key);
        // It has outlived its time, though its manifest, which is not vks' own, is still there.
        let expired = record.and_then(|record| record.job.as_ref());
        if expired.is_some_and(|job| job.expired) {
            return None;
        }
        Some(Shown {
            controller,
            record,
            status: self.controllers.statuses().get(&controller.key)?,
        })
    }

    /// When time alone may change something.
    pub fn wake(&mut self) -> Option<Duration> {
        self.controllers.wake()
    }
}

/// The resource in kubectl's words, such as `deployments.apps`.
pub fn resource(kind: ControllerKind) -> &'static str {
    match kind {
        ControllerKind::Deployment => "deployments.apps",
        ControllerKind::StatefulSet => "statefulsets.apps",
        ControllerKind::DaemonSet => "daemonsets.apps",
        ControllerKind::Job => "jobs.batch",
        ControllerKind::CronJob => "cronjobs.batch",
    }
}

/// The singular of it, such as `deployment.apps`.
pub fn one_of(kind: ControllerKind) -> String {
    let group = kind.api_version().split('/').next().unwrap_or_default();
    format!("{}.{group}", kind.word())
}

/// There is none of this name.
pub fn not_found(kind: ControllerKind, name: &ObjectName, context: &Context) -> CliError {
    CliError::NotFound {
        kind: resource(kind),
        name: name.clone(),
        namespace: context.namespace.clone(),
    }
}

/// The pods that controllers have made and that are there, those of Jobs of CronJobs too.
pub async fn pods_of(
    what: &[What],
    sources: &Directories,
    host: &Host,
) -> Result<BTreeSet<PodKey>, CliError> {
    let keys = what.iter().filter_map(|what| match what {
        What::Controller(key) => Some(key.clone()),
        _ => None,
    });
    let mut keys: BTreeSet<ControllerKey> = keys.collect();
    if keys.is_empty() {
        return Ok(BTreeSet::new());
    }
    let owner =
        |owner: Option<&str>, namespace: &Namespace| ControllerKey::from_owner(owner?, namespace);
    let jobs = sources.desired().controllers.values().filter(|controller| {
        let text = controller.annotations.get(OWNER).map(String::as_str);
        owner(text, &controller.key.object.namespace).is_some_and(|owner| keys.contains(&owner))
    });
    let jobs: Vec<ControllerKey> = jobs.map(|job| job.key.clone()).collect();
    keys.extend(jobs);
    let view = host.running(&Filter::default()).await?;
    let theirs = view.pods.iter().filter(|pod| {
        let text = pod.manifest["metadata"]["annotations"][OWNER].as_str();
        owner(text, &pod.report.key.namespace).is_some_and(|owner| keys.contains(&owner))
    });
    Ok(theirs.map(|pod| pod.report.key.clone()).collect())
}
