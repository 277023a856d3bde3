//! Volumes of a pod and where its containers mount them.

use super::claim::VolumeClaim;
use super::image::{ImageRef, PullPolicy};
use super::name::{ContainerName, ObjectName, VolumeName};
use super::pod::FieldRef;
use super::quantity::Bytes;
use serde::{Deserialize, Serialize};

/// A volume of a pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// Its name in the pod.
    pub name: VolumeName,
    /// What it is made of.
    pub source: VolumeSource,
}

/// What a volume is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum VolumeSource {
    /// An empty directory that lives as long as the pod.
    EmptyDir,
    /// An empty directory in memory: gone when the pod stops.
    Memory {
        /// The most it holds (default: the memory limit of the pod, else half of the host's memory).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        size: Option<Bytes>,
    },
    /// A file or directory of the host.
    HostPath {
        /// Absolute path on the host.
        path: String,
        /// What must be there, or is made.
        kind: HostPathKind,
    },
    /// The keys of a config map as files, followed live.
    ConfigMap {
        /// The config map, in the pod's namespace.
        name: ObjectName,
        /// May be missing: the volume is then empty.
        optional: bool,
        /// Which keys, and where (default: all, by their names).
        #[serde(default, skip_serializing_if = "Items::is_default")]
        items: Items,
    },
    /// The keys of a secret as files on a tmpfs, followed live.
    Secret {
        /// The secret, in the pod's namespace.
        name: ObjectName,
        /// May be missing: the volume is then empty.
        optional: bool,
        /// Which keys, and where (default: all, by their names).
        #[serde(default, skip_serializing_if = "Items::is_default")]
        items: Items,
    },
    /// Facts about the pod as files, followed live.
    DownwardApi(Downward),
    /// Several of the above in one directory; later ones win.
    Projected {
        /// What is in it, in order.
        sources: Vec<Projection>,
        /// Mode of files that name none (default 0644).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mode: Option<u32>,
    },
    /// A claim of the pod's namespace.
    Claim {
        /// The claim.
        name: ObjectName,
        /// No writes through any mount of it.
        #[serde(default)]
        read_only: bool,
    },
    /// A claim that lives as long as the pod. Without a volume name it is an empty directory.
    Ephemeral(Box<VolumeClaim>),
    /// Something mounted for this pod: `nfs`, or `csi` with the driver `mount.vks.io`.
    Mount(MountSpec),
    /// The files of an image, which cannot be written.
    Image {
        /// The image.
        image: ImageRef,
        /// When it is fetched although it may be there (default: as [`ImageRef::default_policy`] says).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        policy: Option<PullPolicy>,
    },
}

/// Which keys of a config map or secret become files.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Items {
    /// The keys; all when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<KeyToPath>,
    /// Mode of files that name none (default 0644).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<u32>,
}

impl Items {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// A key and the file it becomes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyToPath {
    /// The key.
    pub key: String,
    /// Relative, without `..`.
    pub path: String,
    /// Permission bits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<u32>,
}

/// Facts about the pod as files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Downward {
    /// The files.
    pub items: Vec<DownwardFile>,
    /// Mode of files that name none (default 0644).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<u32>,
}

/// One fact and the file it becomes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DownwardFile {
    /// Relative, without `..`.
    pub path: String,
    /// Permission bits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<u32>,
    /// What it says.
    pub fact: Fact,
}

/// A fact about the pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fact {
    /// A field of its metadata.
    Field(FieldRef),
    /// All labels, one `key="value"` a line.
    Labels,
    /// All annotations, the same way.
    Annotations,
    /// A request or limit of a container.
    Resource(ResourceRef),
}

/// `resourceFieldRef` of a volume (core/v1 ResourceFieldSelector).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceRef {
    /// Whose.
    pub container: ContainerName,
    /// Which.
    pub resource: ResourceName,
    /// In which unit: thousandths of a core, or bytes (default: one core, one byte). Rounded up.
    pub divisor: u64,
}

/// The amounts that a resource reference can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ResourceName {
    /// `limits.cpu`, and without a limit the host's cores.
    CpuLimit,
    /// `requests.cpu`, and without a request 0.
    CpuRequest,
    /// `limits.memory`, and without a limit the host's memory.
    MemoryLimit,
    /// `requests.memory`, and without a request 0.
    MemoryRequest,
}

/// A part of a projected volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Projection {
    /// Keys of a config map or secret. Their own default mode is not used.
    Keys {
        /// A secret instead of a config map.
        secret: bool,
        /// The object, in the pod's namespace.
        name: ObjectName,
        /// May be missing.
        optional: bool,
        /// Which keys (default: all).
        keys: Vec<KeyToPath>,
    },
    /// Facts about the pod.
    Downward(Vec<DownwardFile>),
}

/// Something that mount(8) mounts, as a unit of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountSpec {
    /// Device, server or source, as `What=` of systemd.mount(5).
    pub what: String,
    /// The file system's type.
    pub kind: String,
    /// Mount options, `ro` among them for a volume that is not written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
}

impl MountSpec {
    /// Whether nothing can be written to it.
    pub fn is_read_only(&self) -> bool {
        self.options.iter().any(|option| option == "ro")
    }
}

/// What `hostPath.type` asks for (core/v1 HostPathType).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum HostPathKind {
    /// No check (the empty type).
    Unchecked,
    /// A directory, made with mode 0755 when missing.
    DirectoryOrCreate,
    /// A directory that is there.
    Directory,
    /// A file, made empty with mode 0644 when missing.
    FileOrCreate,
    /// A file that is there.
    File,
    /// A socket that is there.
    Socket,
    /// A character device that is there.
    CharDevice,
    /// A block device that is there.
    BlockDevice,
}

/// A volume seen in a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// The volume.
    pub volume: VolumeName,
    /// Absolute path in the container.
    pub path: String,
    /// No writes through this mount, nor to what is mounted below it (default false; config maps, secrets and facts are always
    /// read-only).
    #[serde(default)]
    pub read_only: bool,
    /// A file or directory of the volume instead of all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sub_path: Option<SubPath>,
    /// What of the mounts made on the host later is seen.
    #[serde(default, skip_serializing_if = "Propagation::is_default")]
    pub propagation: Propagation,
}

/// `subPath` or `subPathExpr`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SubPath {
    /// Relative, without `..`.
    Plain(String),
    /// With `$(NAME)` of the container's environment in it.
    Expanded(String),
}

/// `mountPropagation`. systemd has one for all mounts of a service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Propagation {
    /// Not said: as for a service of systemd, mounts of the host are seen.
    #[default]
    Unsaid,
    /// `None`: they are not.
    Private,
    /// `HostToContainer`: they are.
    HostToContainer,
}

impl Propagation {
    fn is_default(&self) -> bool {
        *self == Self::Unsaid
    }
}

/// A block device seen in a container (core/v1 VolumeDevice).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockDevice {
    /// A volume whose claim is of mode `Block`.
    pub volume: VolumeName,
    /// Absolute path in the container.
    pub path: String,
}
