//! Storage that outlives pods: claims, and the volumes that an administrator offers (core/v1
//! PersistentVolumeClaim and PersistentVolume).
//!
//! A claim that names no volume, and that no volume names, is a directory of vks' own
//! ([`Layout::claim`](super::layout::Layout::claim)). A StatefulSet makes one claim for each pod from its templates, named
//! `<template>-<pod>`, adds it to [`Desired::volume_claims`](super::desired::Desired::volume_claims), and gives the pod a volume
//! `VolumeSource::Claim { name, read_only: false }` of the template's name.

use super::name::{ObjectKey, ObjectName};
use super::pod::SourcePath;
use super::quantity::Bytes;
use super::volume::{HostPathKind, MountSpec};
use serde::{Deserialize, Serialize};

/// What a claim asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeClaim {
    /// How many may use it at a time; at least one.
    pub access_modes: Vec<AccessMode>,
    /// `resources.requests.storage`; a volume must have that much, a directory is not limited by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Bytes>,
    /// The volume it wants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume_name: Option<ObjectName>,
    /// A file system or a device.
    pub mode: VolumeMode,
    /// What becomes of the directory of a claim that is gone: annotation `vks.io/reclaim-policy` (default: it stays).
    pub reclaim: Reclaim,
    /// The file it comes from.
    #[serde(skip)]
    pub source: Option<SourcePath>,
}

/// A volume that an administrator offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersistentVolume {
    /// `capacity.storage`.
    pub capacity: Option<Bytes>,
    /// What claims may ask for.
    pub access_modes: Vec<AccessMode>,
    /// The claim it is kept for.
    pub claim_ref: Option<ObjectKey>,
    /// A file system or a device.
    pub mode: VolumeMode,
    /// Where it is.
    pub place: PersistentPlace,
    /// The file it comes from.
    pub source: Option<SourcePath>,
}

/// Where a persistent volume is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PersistentPlace {
    /// A path of the host: a directory, or with [`VolumeMode::Block`] a block device.
    Path {
        /// Absolute.
        path: String,
        /// What must be there, or is made.
        kind: HostPathKind,
    },
    /// Something to be mounted.
    Mount(MountSpec),
}

/// How a volume appears in a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum VolumeMode {
    /// As a directory.
    Filesystem,
    /// As a block device.
    Block,
}

/// Who may use a volume at a time. On one host only [`AccessMode::OncePod`] makes a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum AccessMode {
    /// `ReadWriteOnce`: one node.
    Once,
    /// `ReadOnlyMany`.
    ReadOnlyMany,
    /// `ReadWriteMany`.
    Many,
    /// `ReadWriteOncePod`: one pod.
    OncePod,
}

/// What becomes of data whose claim is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reclaim {
    /// It stays.
    Retain,
    /// It is removed when no pod uses it any more.
    Delete,
}
