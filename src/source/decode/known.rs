//! The fields of Kubernetes 1.36 that vks knows by name although it gives them no effect.
//!
//! The fields vks implements are those the decoder takes; they are not listed here. Everything else the
//! API has is here, so that a field that exists and one that is a mistake get different answers.

/// What becomes of a field that the decoder has not taken.
#[derive(Debug, Clone, Copy)]
pub enum Rule {
    /// Accepted without effect: it says what is true anyway, or only informs, or the API server wrote it.
    Noted(Kind),
    /// Refused unless it says what its absence says (false, 0, empty). With a hint for people.
    Unset(&'static str),
    /// Refused. With a hint for people.
    Later(&'static str),
}

/// The kind of value a noted field must have.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// A string.
    Text,
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Int,
    /// A list.
    List,
    /// A table.
    Table,
}

/// The fields of one kind of table.
pub type Rules = [(&'static str, Rule)];

use Kind::{Bool, Int, List, Table, Text};
use Rule::{Later, Noted, Unset};

const NO: Rule = Unset("");

/// Nothing beyond what the decoder takes.
pub const NONE: &Rules = &[];

/// A top-level object.
pub const OBJECT: &Rules = &[("status", Noted(Table))];

/// A list of objects.
pub const LIST: &Rules = &[("metadata", Noted(Table))];

/// `ObjectMeta` of an object.
pub const META: &Rules = &[
    ("creationTimestamp", Noted(Text)),
    ("finalizers", NO),
    ("generateName", Noted(Text)),
    ("generation", Noted(Int)),
    ("managedFields", Noted(List)),
    ("ownerReferences", Noted(List)),
    ("resourceVersion", Noted(Text)),
    ("selfLink", Noted(Text)),
];

/// `ObjectMeta` of a pod template: name and namespace have no meaning there.
pub const TEMPLATE_META: &Rules = &[
    ("creationTimestamp", Noted(Text)),
    ("finalizers", NO),
    ("name", Noted(Text)),
    ("namespace", Noted(Text)),
    ("deletionGracePeriodSeconds", NO),
    ("deletionTimestamp", NO),
    ("generateName", NO),
    ("generation", NO),
    ("managedFields", NO),
    ("ownerReferences", NO),
    ("resourceVersion", NO),
    ("selfLink", NO),
    ("uid", NO),
];

/// `PodSpec`.
pub const POD_SPEC: &Rules = &[
    ("affinity", Unset("a host has one place to run a pod")),
    ("enableServiceLinks", Noted(Bool)),
    ("evictionInterceptors", NO),
    ("nodeName", Noted(Text)),
    ("nodeSelector", Unset("a host has one place to run a pod")),
    ("overhead", NO),
    ("preemptionPolicy", Noted(Text)),
    ("resourceClaims", NO),
    ("schedulerName", Noted(Text)),
    ("schedulingGates", NO),
    ("schedulingGroup", NO),
    ("tolerations", Noted(List)),
    ("topologySpreadConstraints", NO),
    ("workloadRef", NO),
];

/// `PodSecurityContext`.
pub const POD_SECURITY: &Rules = &[("windowsOptions", Unset("vks runs on Linux only"))];

/// `Container`.
pub const CONTAINER: &Rules = &[(
    "targetContainerName",
    Unset("only ephemeralContainers have one"),
)];

/// `EphemeralContainer`.
pub const EPHEMERAL_CONTAINER: &Rules = &[
    ("lifecycle", Unset(NOT_EPHEMERAL)),
    ("livenessProbe", Unset(NOT_EPHEMERAL)),
    ("ports", Unset(NOT_EPHEMERAL)),
    ("readinessProbe", Unset(NOT_EPHEMERAL)),
    ("resizePolicy", Unset(NOT_EPHEMERAL)),
    ("resources", Unset(NOT_EPHEMERAL)),
    ("restartPolicy", Unset(NOT_EPHEMERAL)),
    ("restartPolicyRules", Unset(NOT_EPHEMERAL)),
    ("startupProbe", Unset(NOT_EPHEMERAL)),
];

/// Why the API itself refuses it (core/v1 EphemeralContainerCommon).
const NOT_EPHEMERAL: &str = "an ephemeral container runs once and promises nothing";

/// `SecurityContext` of a container. Not even `false` is harmless where the default is another one.
pub const SECURITY: &Rules = &[("windowsOptions", Unset("vks runs on Linux only"))];

/// `ResourceRequirements`.
pub const RESOURCES: &Rules = &[("claims", NO)];

/// `ContainerPort`.
pub const PORT: &Rules = &[];

/// `EnvVarSource`.
pub const ENV_SOURCE: &Rules = NONE;

/// `Lifecycle`.
pub const LIFECYCLE: &Rules = NONE;

/// `LifecycleHandler`.
pub const HOOK: &Rules = &[("tcpSocket", Later("it has no effect in Kubernetes either"))];

/// What to say of a disk that only a cloud's controller attaches.
const CLOUD: &str = "attach the disk to the host and use a PersistentVolume with local";
/// What to say of what mount(8) can mount.
const MOUNTED: &str = "or use csi with the driver mount.vks.io";

/// `Volume`.
pub const VOLUME: &Rules = &[
    ("awsElasticBlockStore", Later(CLOUD)),
    ("azureDisk", Later(CLOUD)),
    ("azureFile", Later(MOUNTED)),
    ("cephfs", Later(MOUNTED)),
    ("cinder", Later(CLOUD)),
    ("fc", Later(MOUNTED)),
    ("flexVolume", Later(MOUNTED)),
    ("flocker", Later("")),
    ("gcePersistentDisk", Later(CLOUD)),
    ("gitRepo", Later("and clone in an init container")),
    ("glusterfs", Later(MOUNTED)),
    ("iscsi", Later(MOUNTED)),
    ("photonPersistentDisk", Later(CLOUD)),
    ("portworxVolume", Later("")),
    ("quobyte", Later("")),
    ("rbd", Later(MOUNTED)),
    ("scaleIO", Later("")),
    ("storageos", Later("")),
    ("vsphereVolume", Later(CLOUD)),
];

/// `VolumeProjection`.
pub const PROJECTION: &Rules = &[
    (
        "clusterTrustBundle",
        Later("there is no API server that has one"),
    ),
    (
        "podCertificate",
        Later("there is no API server that signs one"),
    ),
    (
        "serviceAccountToken",
        Later("there is no API server that issues one"),
    ),
];

/// What to write instead of a secret.
const CREDENTIALS: &str = "and name a file with credentials in the mount options";

/// `CSIVolumeSource`.
pub const CSI: &Rules = &[("nodePublishSecretRef", Later(CREDENTIALS))];

/// `CSIPersistentVolumeSource`.
pub const CSI_PERSISTENT: &Rules = &[
    ("controllerExpandSecretRef", NO),
    ("controllerPublishSecretRef", NO),
    ("nodeExpandSecretRef", NO),
    ("nodePublishSecretRef", Later(CREDENTIALS)),
    ("nodeStageSecretRef", Later(CREDENTIALS)),
];

/// `PersistentVolumeClaimSpec`. A host has no storage classes: the name of one says nothing here.
pub const CLAIM: &Rules = &[
    ("dataSource", NO),
    ("dataSourceRef", NO),
    ("selector", Unset("and write volumeName")),
    ("storageClassName", Noted(Text)),
    ("volumeAttributesClassName", NO),
];

/// `VolumeResourceRequirements`.
pub const CLAIM_RESOURCES: &Rules = &[("limits", Noted(Table))];

/// `PersistentVolumeSpec`.
pub const PERSISTENT_VOLUME: &Rules = &[
    ("awsElasticBlockStore", Later(CLOUD)),
    ("azureDisk", Later(CLOUD)),
    ("azureFile", Later(MOUNTED)),
    ("cephfs", Later(MOUNTED)),
    ("cinder", Later(CLOUD)),
    ("fc", Later(MOUNTED)),
    ("flexVolume", Later(MOUNTED)),
    ("flocker", Later("")),
    ("gcePersistentDisk", Later(CLOUD)),
    ("glusterfs", Later(MOUNTED)),
    ("iscsi", Later(MOUNTED)),
    ("nodeAffinity", Noted(Table)),
    ("photonPersistentDisk", Later(CLOUD)),
    ("portworxVolume", Later("")),
    ("quobyte", Later("")),
    ("rbd", Later(MOUNTED)),
    ("scaleIO", Later("")),
    ("storageClassName", Noted(Text)),
    ("storageos", Later("")),
    ("volumeAttributesClassName", NO),
    ("vsphereVolume", Later(CLOUD)),
];

/// `ObjectReference`.
pub const OBJECT_REFERENCE: &Rules = &[
    ("apiVersion", Noted(Text)),
    ("fieldPath", Noted(Text)),
    ("kind", Noted(Text)),
    ("resourceVersion", Noted(Text)),
    ("uid", Noted(Text)),
];

/// `LabelSelector`.
pub const SELECTOR: &Rules = &[("matchExpressions", Unset("or use matchLabels"))];

/// `ServiceSpec`.
pub const SERVICE: &Rules = &[
    ("healthCheckNodePort", NO),
    ("loadBalancerClass", NO),
    ("loadBalancerIP", NO),
    ("loadBalancerSourceRanges", NO),
    ("trafficDistribution", Noted(Text)),
];

/// `ServicePort`.
pub const SERVICE_PORT: &Rules = &[];

/// `EndpointPort` of an EndpointSlice.
pub const SLICE_PORT: &Rules = &[("appProtocol", Noted(Text))];

/// `Endpoint` of an EndpointSlice. Where it is says nothing here: it is used if it is named.
pub const SLICE_ENDPOINT: &Rules = &[
    ("deprecatedTopology", Noted(Table)),
    ("hints", Noted(Table)),
    ("nodeName", Noted(Text)),
    ("targetRef", Noted(Table)),
    ("zone", Noted(Text)),
];

/// `EndpointConditions`. One that is not ready but still serves is not used either.
pub const SLICE_CONDITIONS: &Rules = &[("serving", Noted(Bool)), ("terminating", Noted(Bool))];

/// Kinds of Kubernetes that may come, so that the answer is not "unknown".
pub const SUPPORTED_KINDS: &str = "Pod, Deployment, StatefulSet, DaemonSet, Job, CronJob, Service, EndpointSlice, NetworkAttachmentDefinition, ConfigMap, Secret, PersistentVolumeClaim, PersistentVolume, PriorityClass and List";

/// `StatefulSetSpec`.
pub const STATEFUL_SET: &Rules = &[("serviceName", Noted(Text))];

/// `PersistentVolumeClaim` in a StatefulSet: its name is taken, the rest is for the volume.
pub const CLAIM_TEMPLATE: &Rules = &[
    ("apiVersion", Noted(Text)),
    ("kind", Noted(Text)),
    ("status", Noted(Table)),
];

/// `PriorityClass`.
pub const PRIORITY_CLASS: &Rules = &[("description", Noted(Text))];

/// `JobSpec`.
pub const JOB: &Rules = &[("manualSelector", Noted(Bool)), ("selector", Noted(Table))];
