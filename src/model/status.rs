//! What people and Kubernetes are told of a pod (core/v1 PodStatus). Serialises in the API's shape.

use super::image::resolved::Reason;
use super::name::{ContainerName, PodKey, PodUid};
use super::pod::QosClass;
use super::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

/// The status of a pod.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PodStatus {
    /// Where the pod is in its life.
    pub phase: Phase,
    /// The five conditions, in the kubelet's order, and those that were set from outside.
    pub conditions: Vec<Condition>,
    /// Why the pod is in this phase, when that needs a word: `DeadlineExceeded`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The same in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The host's address.
    #[serde(rename = "hostIP", skip_serializing_if = "Option::is_none")]
    pub host_ip: Option<String>,
    /// All addresses of the host.
    #[serde(rename = "hostIPs", skip_serializing_if = "Vec::is_empty")]
    pub host_ips: Vec<Ip>,
    /// The pod's first address.
    #[serde(rename = "podIP", skip_serializing_if = "Option::is_none")]
    pub pod_ip: Option<String>,
    /// All addresses of the pod.
    #[serde(rename = "podIPs", skip_serializing_if = "Vec::is_empty")]
    pub pod_ips: Vec<Ip>,
    /// When the host first acted on the pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Timestamp>,
    /// Init containers and sidecars, in the order of the spec.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub init_container_statuses: Vec<ContainerStatus>,
    /// The other containers, by name.
    pub container_statuses: Vec<ContainerStatus>,
    /// Ephemeral containers, by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ephemeral_container_statuses: Vec<ContainerStatus>,
    /// Quality of service.
    pub qos_class: QosClass,
}

/// An address, as the API writes it in lists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ip {
    /// The address.
    pub ip: String,
}

/// Where a pod is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Phase {
    /// Not all containers have been started.
    Pending,
    /// All have been started, and at least one runs or will run again.
    Running,
    /// All have ended well, none will run again.
    Succeeded,
    /// All have ended, at least one badly, none will run again.
    Failed,
}

/// A condition of a pod (core/v1 PodCondition).
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// `PodReadyToStartContainers`, `Initialized`, `Ready`, `ContainersReady`, `PodScheduled`, or one of somebody else's.
    #[serde(rename = "type")]
    pub kind: ConditionKind,
    /// `True` or `False`.
    #[serde(serialize_with = "true_or_false")]
    pub status: bool,
    /// When the status last changed, as well as the host can tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_transition_time: Option<Timestamp>,
    /// One word, such as `ContainersNotReady`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Cow<'static, str>>,
    /// A sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

fn true_or_false<S: serde::Serializer>(value: &bool, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(if *value { "True" } else { "False" })
}

/// The five conditions of a pod, in the kubelet's order, and others.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum ConditionKind {
    /// The sandbox is up.
    PodReadyToStartContainers,
    /// All init containers have ended well and all sidecars have started.
    Initialized,
    /// The pod can serve.
    Ready,
    /// All containers are ready.
    ContainersReady,
    /// The pod has a host: this one.
    PodScheduled,
    /// Set from outside, for a readiness gate.
    #[serde(untagged)]
    Other(Box<str>),
}

impl fmt::Display for ConditionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Other(kind) => f.write_str(kind),
            // The names of the others are those of the API.
            own => write!(f, "{own:?}"),
        }
    }
}

/// The status of a container (core/v1 ContainerStatus).
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerStatus {
    /// The container's name.
    pub name: ContainerName,
    /// What it does now.
    pub state: ContainerState,
    /// How its run before ended.
    #[serde(skip_serializing_if = "ContainerState::is_empty")]
    pub last_state: ContainerState,
    /// Running, started and, if it has a readiness probe, found ready; an init container that ended well is ready.
    pub ready: bool,
    /// Times it was started again.
    pub restart_count: u32,
    /// The image as the spec names it.
    pub image: String,
    /// What the image was resolved to.
    #[serde(rename = "imageID")]
    pub image_id: String,
    /// `systemd://<InvocationID>` of the current or last run.
    #[serde(rename = "containerID", skip_serializing_if = "Option::is_none")]
    pub container_id: Option<String>,
    /// Its postStart hook and startup probe have succeeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started: Option<bool>,
    /// The requests and limits in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceStatus>,
    /// The requests that the host has taken on.
    #[serde(skip_serializing_if = "Amounts::is_empty")]
    pub allocated_resources: Amounts,
}

/// Amounts by resource, `cpu` and `memory`, as the API writes them.
pub type Amounts = BTreeMap<&'static str, String>;

/// Requests and limits of a container (core/v1 ResourceRequirements).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ResourceStatus {
    /// The most it may use.
    #[serde(skip_serializing_if = "Amounts::is_empty")]
    pub limits: Amounts,
    /// What it is sure to get.
    #[serde(skip_serializing_if = "Amounts::is_empty")]
    pub requests: Amounts,
}

/// State of a container: in JSON, at most one of three keys.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ContainerState {
    /// Nothing to say (only as a last state).
    #[default]
    #[serde(skip)]
    Empty,
    /// Not running yet, or not running again yet.
    Waiting(Waiting),
    /// Running.
    Running(Running),
    /// Ended.
    Terminated(Terminated),
}

impl ContainerState {
    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        *self == Self::Empty
    }
}

/// Why a container does not run yet.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Waiting {
    /// One word, such as `CrashLoopBackOff`.
    pub reason: String,
    /// A sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// A running container.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Running {
    /// Since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
}

/// How a run of a container ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Terminated {
    /// Exit code; 128 plus the signal's number when a signal ended it. The API's `signal` stays empty, as with a kubelet:
    /// container runtimes do not tell it (CRI's ContainerStatus has no such field).
    pub exit_code: i32,
    /// `Completed`, `Error`, `OOMKilled`, `StartError` or `ContainerStatusUnknown`.
    pub reason: String,
    /// Termination message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Start of the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// End of the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// `systemd://<InvocationID>`
    #[serde(rename = "containerID", skip_serializing_if = "Option::is_none")]
    pub container_id: Option<String>,
}

/// A pod and its status, as the command line shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct PodReport {
    /// Namespace and name.
    pub key: PodKey,
    /// Identity of this life; `None` before the first plan.
    pub uid: Option<PodUid>,
    /// The object in the API's shape without status, as one line of JSON.
    pub manifest: Box<str>,
    /// The status.
    pub status: PodStatus,
    /// It is on its way out.
    pub terminating: bool,
}

/// Why a pod cannot be started, although its manifest is good: something it refers to is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocked {
    /// The container it is about; the whole pod when absent.
    pub container: Option<ContainerName>,
    /// One word, the waiting reason: `CreateContainerConfigError`, or `ContainerCreating` for a volume.
    pub reason: &'static str,
    /// A sentence. Never contains a secret's value.
    pub message: String,
}

/// Conditions that were set from outside, by type: kept in the pod's directory, as long as the pod.
pub type SetConditions = BTreeMap<Box<str>, SetCondition>;

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetCondition {
    /// Whether it is true.
    pub status: bool,
    /// When the status last changed.
    pub since: Timestamp,
    /// One word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// A sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl Blocked {
    /// Whether it is only an image that is not here yet: whoever fetches it tells what becomes of that.
    pub fn is_of_image(&self) -> bool {
        let creating = self.reason == Reason::ContainerCreating.word();
        Reason::is_of_image(self.reason) || (self.container.is_some() && creating)
    }
}
