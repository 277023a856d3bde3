//! Who a unit belongs to: the content of its `[X-kubernetes]` section.

use super::name::{ContainerName, PodKey, PodUid};
use super::pod::{ContainerRole, SourcePath};
use std::net::IpAddr;

/// Identity of a unit. Nothing else says which pod a unit belongs to: names are never parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The pod.
    pub pod: PodKey,
    /// This life of the pod.
    pub uid: PodUid,
    /// What the unit is for.
    pub role: UnitRole,
    /// Where the pod comes from.
    pub source: SourcePath,
    /// Hash of the part of the pod that this unit was made from: when it differs, what runs is out of date.
    pub spec_hash: Box<str>,
    /// The pod's addresses, one for each family; none on the host's network.
    pub addresses: Vec<IpAddr>,
    /// The pod's manifest as one line of JSON: only in the pod's target.
    pub manifest: Option<Box<str>>,
}

/// What a unit is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnitRole {
    /// The target that stands for the pod and carries its manifest.
    Pod,
    /// The slice that bounds the pod's resources.
    Slice,
    /// Makes the pod's network namespace, secrets and mount points.
    Sandbox,
    /// Runs a container.
    Container {
        /// The container's name.
        name: ContainerName,
        /// Its role in the pod.
        role: ContainerRole,
        /// Its image.
        image: Box<str>,
        /// What the image was when the unit was made.
        image_id: Box<str>,
    },
    /// Runs the liveness and readiness probes of the pod.
    Probes,
    /// Mounts a volume.
    Mount,
    /// Ends the pod at its active deadline (a timer and its service).
    Deadline,
    /// Has vks look at a CronJob when it is due (a timer and its service); `pod` is the CronJob's name.
    Cron,
}

impl UnitRole {
    /// Whether it runs an ephemeral container.
    pub fn is_ephemeral(&self) -> bool {
        matches!(
            self,
            Self::Container {
                role: ContainerRole::Ephemeral,
                ..
            }
        )
    }
}
