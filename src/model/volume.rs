//! Volumes of a pod and where its containers mount them.

use super::name::{ObjectName, VolumeName};
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
    },
    /// The keys of a secret as files on a tmpfs, followed live.
    Secret {
        /// The secret, in the pod's namespace.
        name: ObjectName,
        /// May be missing: the volume is then empty.
        optional: bool,
    },
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
    /// No writes through this mount (default false; config maps and secrets are always read-only).
    #[serde(default)]
    pub read_only: bool,
}
