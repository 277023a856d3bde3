//! What the command line knows of the host: the one place where it reads it.
//!
//! A [`Host`] is asked for a [`View`], once or through a [`Watch`] each time something has changed. Verbs print
//! from views and never look at the host themselves.

mod host;
mod report;
mod watch;

pub use host::{Host, ViewError};
pub use watch::Watch;

use super::object;
use super::selector::Selector;
use crate::model::desired::Problem;
use crate::model::identity::UnitRole;
use crate::model::name::{ContainerName, Namespace, ObjectName, PodKey, UnitName};
use crate::model::observed::{ObservedPod, ObservedUnit};
use crate::model::pod::ContainerRole;
use crate::model::status::{ContainerStatus, PodReport};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

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
    /// The pods, by namespace and name. One that has not changed is the same as in the view before.
    pub pods: Vec<Arc<PodView>>,
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

impl Filter {
    /// At least these pods, and no others where they are all of one namespace: then looking at them does not depend
    /// on how many others there are.
    pub fn of<'a>(keys: impl Iterator<Item = &'a PodKey> + Clone) -> Self {
        let namespace = keys.clone().map(|key| &key.namespace).next();
        if !keys.clone().all(|key| Some(&key.namespace) == namespace) {
            return Self::default();
        }
        Self {
            namespace: namespace.cloned(),
            names: keys.map(|key| key.name.clone()).collect(),
            ..Self::default()
        }
    }

    /// Whether a pod of this name is meant, its labels aside.
    pub fn admits(&self, key: &PodKey) -> bool {
        self.namespace.as_ref().is_none_or(|n| *n == key.namespace)
            && (self.names.is_empty() || self.names.contains(&key.name))
    }

    /// Whether a pod with these labels is meant, its name aside.
    pub fn selects(&self, labels: &BTreeMap<String, String>) -> bool {
        self.selector.matches(labels)
    }

    /// The pods that are meant by name; `None` when only a look can tell.
    pub fn keys(&self) -> Option<Vec<PodKey>> {
        let namespace = self.namespace.as_ref()?;
        let key = |name: &ObjectName| PodKey {
            namespace: namespace.clone(),
            name: name.clone(),
        };
        (!self.names.is_empty()).then(|| self.names.iter().map(key).collect())
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

    /// The containers of the spec: init containers and sidecars in order, then the mains and ephemeral ones.
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
        let main = of("containers").map(|container| (ContainerRole::Main, container));
        let ephemeral = of("ephemeralContainers");
        let ephemeral = ephemeral.map(|container| (ContainerRole::Ephemeral, container));
        init.chain(main).chain(ephemeral)
    }

    /// The status of a container.
    pub fn container_status(&self, name: &str) -> Option<&ContainerStatus> {
        let status = &self.report.status;
        status
            .init_container_statuses
            .iter()
            .chain(&status.container_statuses)
            .chain(&status.ephemeral_container_statuses)
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
