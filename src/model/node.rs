//! This host as a node of a Kubernetes cluster: what the settings say of it, and what was measured.

use super::quantity::{Bytes, CpuMillis};
use super::time::Timestamp;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// `[kubernetes]`: the cluster that this host is a node of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterSettings {
    /// The kubeconfig with the node's identity (default `/var/lib/vks/node/kubeconfig`, written by `vks join`).
    pub kubeconfig: PathBuf,
    /// Labels of the Node object beside those that follow from the host.
    pub labels: BTreeMap<String, String>,
    /// Annotations of the Node object.
    pub annotations: BTreeMap<String, String>,
    /// Taints the node is registered with.
    pub taints: Vec<Taint>,
    /// What is kept for the host: allocatable is capacity less this.
    pub reserved: Reserved,
    /// The most pods (default 110).
    pub pods: u32,
    /// The port of the node's HTTPS API (default 10250).
    pub port: u16,
    /// From what on the host is said to be short of something.
    pub eviction: Eviction,
    /// How long the shutdown of the host waits for pods of the API server; `None`: they are stopped like all others, and
    /// come back with the host.
    pub shutdown: Option<Leave>,
}

/// How long the shutdown of the host waits (kubelet: shutdownGracePeriod, shutdownGracePeriodCriticalPods).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leave {
    /// For all pods together.
    pub grace: Duration,
    /// The last part of that, which is for those that are critical.
    pub critical: Duration,
}

/// From what on the host is said to be short of something (kubelet: evictionHard).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Eviction {
    /// Bytes of memory that have to be free (default 100 MiB).
    pub memory: Bytes,
    /// Per cent of the space that has to be free (default 10).
    pub storage: u8,
    /// Per cent of the inodes (default 5).
    pub inodes: u8,
    /// Per cent of the space where images lie, when that is a file system of its own (default 15).
    pub images: u8,
    /// How long the host is said to be short of something after it was (kubelet: evictionPressureTransitionPeriod;
    /// default five minutes).
    pub transition: Duration,
}

impl Default for Eviction {
    fn default() -> Self {
        Self {
            memory: Bytes(100 << 20),
            storage: 10,
            inodes: 5,
            images: 15,
            transition: Duration::from_mins(5),
        }
    }
}

impl ClusterSettings {
    /// The kubelet's default for the number of pods.
    pub const PODS: u32 = 110;
    /// The kubelet's port.
    pub const PORT: u16 = 10250;
}

/// What is kept for the host.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reserved {
    /// CPU.
    pub cpu: CpuMillis,
    /// Memory.
    pub memory: Bytes,
    /// Space on the file system of `/var/lib/vks`.
    pub ephemeral_storage: Bytes,
}

/// A taint (core/v1 Taint).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taint {
    /// Its key.
    pub key: String,
    /// Its value, may be empty.
    pub value: String,
    /// `NoSchedule`, `PreferNoSchedule` or `NoExecute`.
    pub effect: String,
}

/// What does not change while the host is up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostFacts {
    /// `/etc/machine-id`.
    pub machine_id: String,
    /// The firmware's identity of the machine; the machine-id where it has none.
    pub system_uuid: String,
    /// The kernel's identity of this boot.
    pub boot_id: String,
    /// `uname -r`.
    pub kernel: String,
    /// `PRETTY_NAME=` of os-release.
    pub os_image: String,
    /// As Go names it: `amd64`, `arm64`.
    pub architecture: &'static str,
    /// Version of systemd.
    pub systemd: u32,
    /// Host name.
    pub hostname: String,
    /// The node's addresses, the first of each family.
    pub addresses: Vec<String>,
    /// CPUs.
    pub cpus: u64,
    /// Bytes of memory.
    pub memory: u64,
    /// Bytes of swap space.
    pub swap: u64,
    /// Bytes of the file system of `/var/lib/vks`.
    pub storage: u64,
    /// Huge pages: size in KiB to total bytes.
    pub huge_pages: BTreeMap<u64, u64>,
}

/// What does change.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Load {
    /// Bytes of memory that could be had (`MemAvailable`).
    pub memory_available: u64,
    /// Bytes free on the file system of `/var/lib/vks`, to those who are not root.
    pub storage_available: u64,
    /// Inodes free, and inodes.
    pub inodes: (u64, u64),
    /// The file system of images, when that is another one.
    pub images: Option<Space>,
    /// Processes and threads there are, and may be.
    pub pids: (u64, u64),
    /// Share of the last minute in which all work waited for memory, in percent (PSI `full avg60`).
    pub memory_stall: f64,
    /// Why systemd does not answer; `None` when it does.
    pub systemd_problem: Option<String>,
    /// Memory, disk and numbers of processes were short not long ago.
    pub lately: [bool; 3],
    /// The host is about to shut down.
    pub shutting_down: bool,
}

/// A file system.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Space {
    /// Bytes free, to those who are not root, and bytes.
    pub bytes: (u64, u64),
    /// Inodes free, and inodes.
    pub inodes: (u64, u64),
}

/// A condition of the node as it was posted last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posted {
    /// `True` or `False`.
    pub status: bool,
    /// Since when.
    pub since: Timestamp,
}

/// What the host is short of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortage {
    /// What of.
    pub what: Short,
    /// What has to be free, and what is, as text for people.
    pub threshold: String,
    /// See `threshold`.
    pub available: String,
}

/// A resource that pods are evicted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Short {
    /// Memory.
    Memory,
    /// Space on disk.
    Storage,
    /// Inodes.
    Inodes,
    /// Numbers of processes.
    Pids,
}

impl Short {
    /// Whether it is about a disk.
    pub fn is_disk(self) -> bool {
        matches!(self, Self::Storage | Self::Inodes)
    }

    /// As the kubelet calls it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Storage => "ephemeral-storage",
            Self::Inodes => "inodes",
            Self::Pids => "pids",
        }
    }
}
