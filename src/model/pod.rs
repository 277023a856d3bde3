//! A pod as vks understands it: every field that has an effect, checked, with the API's defaults filled in.

mod roles;

pub use roles::{ContainerRole, QosClass};

use super::image::{ImageRef, PullPolicy, Pulling};
use super::name::{ContainerName, ObjectName, PodKey, PodUid, VolumeName};
use super::naming::{Naming, Sharing};
use super::priority::PriorityAsked;
use super::probe::{Hook, Probes};
use super::process::{Device, Stdio, StopSignal};
use super::quantity::{Bytes, CpuMillis};
pub use super::resize::Resize;
use super::resource_ref::ResourceRef;
use super::restart::RestartRule;
use super::security::{PodSecurity, Security};
use super::volume::{BlockDevice, Mount, Volume};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// A pod that ought to run on this host.
#[derive(Debug, Clone, PartialEq)]
pub struct Pod {
    /// Namespace and name.
    pub key: PodKey,
    /// The identity its source gave it; planning chooses one where there is none.
    pub uid: Option<PodUid>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
    /// Its deletion has begun: it is stopped, in this time, and kept so that its end can be told.
    pub ending: Option<Duration>,
    /// What it runs.
    pub spec: PodSpec,
    /// Where it comes from.
    pub source: SourcePath,
    /// The object in the Kubernetes API's own shape (apiVersion, kind, metadata, spec), as one line of JSON.
    pub manifest: Box<str>,
}

/// The file an object comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SourcePath(pub PathBuf);

/// What a pod runs (core/v1 PodSpec).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PodSpec {
    /// Run one after the other before the others start; those with restart policy Always are sidecars.
    pub init_containers: Vec<Container>,
    /// At least one.
    pub containers: Vec<Container>,
    /// Put into the running pod to look at it: each runs once, whatever the others do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ephemeral_containers: Vec<Container>,
    /// Volumes, each name once.
    pub volumes: Vec<Volume>,
    /// For containers that have none of their own (default Always).
    pub restart_policy: RestartPolicy,
    /// The host's network instead of a namespace of the pod's own (default false).
    pub host_network: bool,
    /// From the request to stop to SIGKILL, hooks included (default 30 s).
    pub termination_grace: Duration,
    /// The pod fails when it has been active for this long.
    pub active_deadline: Option<Duration>,
    /// User and group for containers that name none.
    pub run_as: RunAs,
    /// The rest of its security context.
    #[serde(default, skip_serializing_if = "PodSecurity::is_silent")]
    pub security: PodSecurity,
    /// Types of conditions that must be true for the pod to be ready, besides its containers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub readiness_gates: Vec<String>,
    /// The name of the service account, only for `fieldRef` (default `default`).
    pub service_account: String,
    /// Host name, `/etc/hosts` and `/etc/resolv.conf`.
    #[serde(default)]
    pub naming: Naming,
    /// Namespaces of the host it shares.
    #[serde(default)]
    pub sharing: Sharing,
    /// Requests and limits of the pod as a whole, over those of its containers.
    #[serde(default, skip_serializing_if = "Resources::is_default")]
    pub resources: Resources,
    /// Devices of the host its containers may use.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<Device>,
    /// What its manifest says of its priority.
    #[serde(default, skip_serializing_if = "PriorityAsked::is_silent")]
    pub priority: PriorityAsked,
    /// Where its images come from.
    #[serde(default, skip_serializing_if = "Pulling::is_default")]
    pub pulling: Pulling,
}

/// When a container starts again after its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RestartPolicy {
    /// After every end.
    Always,
    /// After an end that is a failure: an exit code other than 0, or a signal.
    OnFailure,
    /// Not at all.
    Never,
}

/// Numeric user and group; `None` is the service manager's default, root.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunAs {
    /// User id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<u32>,
    /// Group id; with a user and no group it is 0, as for Kubernetes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<u32>,
}

/// A container of a pod (core/v1 Container).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Container {
    /// Unique in the pod, init containers included.
    pub name: ContainerName,
    /// What it runs from.
    pub image: ImageRef,
    /// When it is fetched although it may be there (default: as [`ImageRef::default_policy`] says).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull_policy: Option<PullPolicy>,
    /// Replaces the image's program and arguments when not empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// Arguments, after the image's program or `command`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// Absolute path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<String>,
    /// Whole config maps and secrets as variables; later ones win, `env` wins over all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env_from: Vec<EnvFrom>,
    /// Variables; later ones win.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<EnvVar>,
    /// Named and documented ports; nothing is opened by them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<Port>,
    /// Requests and limits.
    #[serde(default)]
    pub resources: Resources,
    /// Volumes it sees.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<Mount>,
    /// Block devices of claims that it sees.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volume_devices: Vec<BlockDevice>,
    /// Its own restart policy; of an init container only `Always` (a sidecar) is special.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart_policy: Option<RestartPolicy>,
    /// Go before the policy; only with a policy of its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub restart_rules: Vec<RestartRule>,
    /// Probes; none for init containers that are not sidecars.
    #[serde(default)]
    pub probes: Probes,
    /// Runs right after the start; its failure kills the container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub post_start: Option<Hook>,
    /// Runs before the stop, within the grace period.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pre_stop: Option<Hook>,
    /// The file whose content becomes the termination message, if the manifest names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub termination_message_path: Option<String>,
    /// The end of its log becomes the message after a failure with an empty file (`FallbackToLogsOnError`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub message_from_log: bool,
    /// User and group of this container.
    #[serde(default)]
    pub run_as: RunAs,
    /// Standard input and terminal.
    #[serde(default, skip_serializing_if = "Stdio::is_default")]
    pub stdio: Stdio,
    /// The signal that asks it to end (default SIGTERM).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<StopSignal>,
    /// Which changes of its resources need a restart.
    #[serde(default, skip_serializing_if = "Resize::is_default")]
    pub resize: Resize,
    /// The rest of its security context.
    #[serde(default, skip_serializing_if = "Security::is_silent")]
    pub security: Security,
    /// Of an ephemeral container: the one it is there to look at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<ContainerName>,
}

impl Container {
    /// The volumes of files that it uses: what it mounts, and what it takes variables from. One may come more than once.
    pub fn volumes(&self) -> impl Iterator<Item = &VolumeName> {
        let from = self
            .env
            .iter()
            .filter_map(|variable| match &variable.value {
                EnvValue::FileKey { volume, .. } => Some(volume),
                _ => None,
            });
        self.mounts.iter().map(|mount| &mount.volume).chain(from)
    }
}

/// One environment variable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvVar {
    /// Its name.
    pub name: String,
    /// Where its value comes from.
    pub value: EnvValue,
}

/// Where the value of a variable comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum EnvValue {
    /// The text itself, with `$(NAME)` expanded.
    Text(String),
    /// A field of the pod.
    Field(FieldRef),
    /// A request or limit of a container of the pod.
    Resource(ResourceRef),
    /// A key of a config map in the pod's namespace.
    ConfigMapKey {
        /// The config map.
        name: ObjectName,
        /// The key.
        key: String,
        /// May be missing: there is then no such variable.
        optional: bool,
    },
    /// A key of a secret in the pod's namespace.
    SecretKey {
        /// The secret.
        name: ObjectName,
        /// The key.
        key: String,
        /// May be missing: there is then no such variable.
        optional: bool,
    },
    /// A key of a file in a volume of the pod, as it is when the container starts.
    FileKey {
        /// The volume.
        volume: VolumeName,
        /// The file, relative to its root.
        path: String,
        /// The key.
        key: String,
        /// File or key may be missing: there is then no such variable.
        optional: bool,
    },
}

/// The fields that `fieldRef` may name (core/v1 ObjectFieldSelector).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FieldRef {
    /// `metadata.name`
    Name,
    /// `metadata.namespace`
    Namespace,
    /// `metadata.uid`
    Uid,
    /// `metadata.labels['x']`
    Label(String),
    /// `metadata.annotations['x']`
    Annotation(String),
    /// `spec.nodeName`
    NodeName,
    /// `spec.serviceAccountName`
    ServiceAccount,
    /// `status.hostIP`
    HostIp,
    /// `status.hostIPs`
    HostIps,
    /// `status.podIP`: the pod's first address; the host's for a pod on the host's network.
    PodIp,
    /// `status.podIPs`: all addresses of the pod, joined by commas.
    PodIps,
}

/// All keys of a config map or secret as variables.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvFrom {
    /// Put before each key.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub prefix: String,
    /// A secret instead of a config map.
    pub secret: bool,
    /// The object, in the pod's namespace.
    pub name: ObjectName,
    /// May be missing.
    pub optional: bool,
}

/// A port a container says it listens on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    /// The name probes may use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The number.
    pub port: u16,
    /// `TCP`, `UDP` or `SCTP` (default `TCP`).
    pub protocol: String,
    /// The port of the host that leads here; none for pods on the host's network, which have it anyway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_port: Option<u16>,
    /// The host's address that this holds for (default all).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_ip: Option<IpAddr>,
}

/// Requests and limits of a container (core/v1 ResourceRequirements); a limit without a request is the request too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resources {
    /// `requests.cpu`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_request: Option<CpuMillis>,
    /// `limits.cpu`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_limit: Option<CpuMillis>,
    /// `requests.memory`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_request: Option<Bytes>,
    /// `limits.memory`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_limit: Option<Bytes>,
}

impl Resources {
    /// Whether it says nothing.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
