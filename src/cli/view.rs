//! What the command line knows of the host: the one place where it reads it.
//!
//! A [`Host`] is asked for a [`View`], as often as it says that something has changed. Verbs print from
//! views and never look at the host themselves.

use super::object;
use super::selector::Selector;
use crate::config::Settings;
use crate::model::desired::Problem;
use crate::model::identity::UnitRole;
use crate::model::name::{ContainerName, Namespace, ObjectName, UnitName};
use crate::model::observed::{ObservedPod, ObservedUnit};
use crate::model::pod::ContainerRole;
use crate::model::status::{ContainerStatus, PodReport};
use serde_json::Value;

/// Which pods are meant. The default: all of them.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only in this namespace.
    pub namespace: Option<Namespace>,
    /// Only with these names, unless empty.
    pub names: Vec<ObjectName>,
    /// Only with labels that match.
    pub selector: Selector,
}

/// Pods and problems at one moment.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// The pods, by namespace and name.
    pub pods: Vec<PodView>,
    /// What is wrong with manifests: what runs from them is kept.
    pub problems: Vec<Problem>,
}

/// A pod at one moment.
#[derive(Debug, Clone)]
pub struct PodView {
    /// Manifest and status.
    pub report: PodReport,
    /// The manifest, parsed.
    pub manifest: Value,
    /// Its units, records and source; `None` as long as the host has nothing of it.
    pub observed: Option<ObservedPod>,
}

/// The running part of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerHandle {
    /// Its unit.
    pub unit: UnitName,
    /// Its main process, 0 when nothing runs.
    pub main_pid: u32,
    /// InvocationID of the current or last run; empty when there is none.
    pub invocation: Box<str>,
}

/// Why the host could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// Not wired up yet.
    #[error("reading the host is not built yet")]
    Unbuilt,
}

/// A host that can be asked.
#[derive(Debug)]
pub struct Host {}

/// Tells when it may be worth to look again.
#[derive(Debug)]
pub struct Changes {}

impl Host {
    /// Connects to systemd.
    pub async fn open(_: &Settings) -> Result<Self, ViewError> {
        Err(ViewError::Unbuilt)
    }

    /// What the host has now.
    pub async fn view(&self, _: &Filter) -> Result<View, ViewError> {
        Err(ViewError::Unbuilt)
    }

    /// Begins to listen for changes: those from now on are not missed.
    pub async fn changes(&self) -> Result<Changes, ViewError> {
        Err(ViewError::Unbuilt)
    }

    /// The control group of a unit, below the mount point of the hierarchy; `None` when it runs nothing.
    pub async fn control_group(&self, _: &UnitName) -> Result<Option<String>, ViewError> {
        Err(ViewError::Unbuilt)
    }
}

impl Changes {
    /// Returns when something has changed since the last call.
    pub async fn next(&mut self) -> Result<(), ViewError> {
        Err(ViewError::Unbuilt)
    }
}

impl Filter {
    /// Whether a pod is meant.
    pub fn admits(&self, report: &PodReport, manifest: &Value) -> bool {
        let key = &report.key;
        self.namespace.as_ref().is_none_or(|n| *n == key.namespace)
            && (self.names.is_empty() || self.names.contains(&key.name))
            && (self.selector.is_empty()
                || self.selector.matches(&object::text_map(manifest, "labels")))
    }
}

impl PodView {
    /// A pod from its parts.
    pub fn new(report: PodReport, observed: Option<ObservedPod>) -> Self {
        Self {
            manifest: object::manifest(&report),
            report,
            observed,
        }
    }

    /// The containers of the spec: init containers and sidecars in order, then the mains.
    pub fn containers(&self) -> impl Iterator<Item = (ContainerRole, &Value)> {
        let of = |field: &str| {
            self.manifest["spec"][field]
                .as_array()
                .into_iter()
                .flatten()
        };
        let init = of("initContainers").map(|container| {
            let sidecar = container["restartPolicy"] == "Always";
            let role = if sidecar {
                ContainerRole::Sidecar
            } else {
                ContainerRole::Init
            };
            (role, container)
        });
        init.chain(of("containers").map(|container| (ContainerRole::Main, container)))
    }

    /// The status of a container.
    pub fn container_status(&self, name: &str) -> Option<&ContainerStatus> {
        let status = &self.report.status;
        status
            .init_container_statuses
            .iter()
            .chain(&status.container_statuses)
            .find(|container| container.name.as_str() == name)
    }

    /// The unit of a container and what runs in it; `None` when it has no unit.
    pub fn handle(&self, name: &ContainerName) -> Option<ContainerHandle> {
        let units = &self.observed.as_ref()?.units;
        let (unit, observed) = units.iter().find(|(_, unit)| is_container(unit, name))?;
        let run = observed.state.run.clone().unwrap_or_default();
        Some(ContainerHandle {
            unit: unit.clone(),
            main_pid: run.main_pid,
            invocation: run.invocation,
        })
    }
}

fn is_container(unit: &ObservedUnit, name: &ContainerName) -> bool {
    unit.identity.as_ref().is_some_and(|identity| {
        matches!(&identity.role, UnitRole::Container { name: found, .. } if found == name)
    })
}
