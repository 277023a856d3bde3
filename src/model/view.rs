//! A pod as it is shown: what was asked for, how it stands, and what runs of it.

use super::identity::UnitRole;
use super::name::{ContainerName, UnitName};
use super::object;
use super::observed::{ObservedPod, ObservedUnit};
use super::pod::ContainerRole;
use super::status::{ContainerStatus, PodReport};
use serde_json::Value;

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
