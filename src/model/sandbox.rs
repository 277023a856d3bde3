//! What the sandbox of a pod makes before its containers start.
//!
//! Planning writes a [`Setup`] as JSON into `[X-kubernetes] Setup=` of the sandbox unit (as one line, see
//! [`crate::unit::escape::one_line`]); `vks sandbox up` reads it there, so that a pod comes up at boot
//! without an agent.

use super::name::{ContainerName, ObjectKey, VolumeName};
use super::naming::HostAlias;
use super::network::Wiring;
use super::network::attach::Attachment;
use super::quantity::Bytes;
use super::volume::{HostPathKind, MountSpec};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// The key of `[X-kubernetes]` that holds a [`Setup`].
pub const SETUP_KEY: &str = "Setup";

/// What a pod needs on the host. Empty by default.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Setup {
    /// A network namespace of its own at `Layout::network_namespace` (default false: the host's network).
    #[serde(default)]
    pub network: bool,
    /// Users of its own (`hostUsers: false`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users: Option<Users>,
    /// Addresses and what leads there; without it the namespace has loopback only (default none).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wiring: Option<Wiring>,
    /// Networks beside it, or instead of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
    /// The pod must run in one boot only (restart policy Never): `up` marks it, and refuses when the mark
    /// is from another boot (default false).
    #[serde(default)]
    pub once: bool,
    /// Secret volumes, copied from the store to tmpfs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<VolumeName>,
    /// Paths of the host that are mounted into containers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub host_paths: Vec<HostPath>,
    /// Volumes in memory.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub memory: Vec<MemoryVolume>,
    /// Volumes that are put together from the layers of an image.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<ImageVolume>,
    /// Claims whose directories must be there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<ObjectKey>,
    /// Where mount units must have mounted something by now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mounted: Vec<MountedVolume>,
    /// Paths that containers without a root directory of their own mount volumes on, and that must
    /// therefore be there on the host. Order does not matter, a path may come more than once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mount_points: Vec<MountPoint>,
    /// Containers whose standard input is a named pipe (`Layout::stdin`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<ContainerName>,
    /// Its names, and what it does not share with the host beside the network.
    #[serde(default, skip_serializing_if = "PodNames::is_default")]
    pub names: PodNames,
    /// Sysctls of its network namespace, name and value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sysctls: Vec<(String, String)>,
    /// The group that volumes are given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fs_group: Option<FsGroup>,
}

/// A user namespace of the pod.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Users {
    /// There may be others inside (default false).
    #[serde(default)]
    pub nested: bool,
}

/// `fsGroup` of a pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FsGroup {
    /// The group.
    pub group: u32,
    /// Leave a volume as it is whose top directory has group and mode already (default false).
    #[serde(default)]
    pub only_on_mismatch: bool,
    /// Volumes that containers write: given to the group to read and write. By their paths on the host.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub writable: Vec<String>,
    /// Volumes that they only read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub read_only: Vec<String>,
}

/// What a pod is called and whom it can call. Everything by default as on the host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PodNames {
    /// The host name of a UTS namespace of its own, at most 64 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// An IPC namespace and a `/dev/shm` of its own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ipc: bool,
    /// An `/etc/hosts` of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hosts: Option<Hosts>,
    /// An `/etc/resolv.conf` of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolver: Option<Resolver>,
}

impl PodNames {
    /// Whether everything is as on the host.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What `/etc/hosts` of a pod says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Hosts {
    /// The name of the pod, with its FQDN in front if it has one; none for a pod on the host's network, which sees the
    /// host's file with the aliases after it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub own_names: Vec<String>,
    /// The addresses of the pod; without one its names stand for the loopback.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<IpAddr>,
    /// `hostAliases`
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<HostAlias>,
}

/// What `/etc/resolv.conf` of a pod says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Resolver {
    /// What is taken from the host's, when the sandbox comes up, and stands first.
    pub host: FromHost,
    /// Name servers; of all that there are then, the first three count.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nameservers: Vec<IpAddr>,
    /// Search domains before those of the host.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub searches: Vec<String>,
    /// Search domains after those of the host.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub more_searches: Vec<String>,
    /// Options: a later one replaces an earlier one, and those of the host.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<(String, Option<String>)>,
}

/// What of the host's resolver settings a pod gets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FromHost {
    /// Nothing.
    #[default]
    Nothing,
    /// The search domains.
    Searches,
    /// Name servers, search domains and options.
    All,
}

/// A path of the host that a volume stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HostPath {
    /// Absolute path.
    pub path: String,
    /// What must be there, or is made.
    pub kind: HostPathKind,
}

/// An emptyDir in memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MemoryVolume {
    /// The volume.
    pub name: VolumeName,
    /// The most it holds (default: half of the host's memory).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<Bytes>,
}

/// The files of an image of several layers, to read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ImageVolume {
    /// The volume.
    pub name: VolumeName,
    /// The directories of its layers, lowest first.
    pub layers: Vec<String>,
}

/// A volume that a mount unit mounts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MountedVolume {
    /// Where.
    pub path: String,
    /// What: a change of it is a change of the sandbox.
    pub spec: MountSpec,
}

/// The key of `[X-kubernetes]` of a container that holds its [`SubPath`]s as JSON.
pub const SUB_PATHS_KEY: &str = "SubPaths";

/// A mount that shows a part of a volume: found in the volume and bound to a place of its own before each start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SubPath {
    /// The root of the volume: nothing above it is ever reached.
    pub volume: String,
    /// Relative path in the volume.
    pub path: String,
    /// Where it is bound, and what the container mounts.
    pub at: String,
    /// Where the container mounts it, for a mount point that is like it.
    pub mount_path: String,
    /// It is copied: of a volume of files, which are replaced while a container has the old ones (default false: it is bound,
    /// and a directory is made when nothing is there).
    #[serde(default)]
    pub copy: bool,
}

/// A path that a volume is mounted on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MountPoint {
    /// Absolute path.
    pub path: String,
    /// What is mounted there, when that may be a file: the mount point becomes a file if this path is not
    /// a directory by the time the sandbox comes up, else (and without it) a directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub like: Option<String>,
}
