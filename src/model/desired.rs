//! What ought to be: the sum of all sources.

use super::claim::{PersistentVolume, VolumeClaim};
use super::controller::{Controller, ControllerKey};
use super::image::resolved::PodImages;
use super::name::{ObjectKey, ObjectName, PodKey};
use super::network::attach::Definition;
use super::network::service::Service;
use super::network::slice::Slice;
use super::pod::{Pod, SourcePath};
use super::priority::PriorityClass;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// Everything the sources want on this host, and what is wrong with them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Desired {
    /// Pods, also those that controllers have decided on.
    pub pods: BTreeMap<PodKey, Pod>,
    /// What makes pods.
    pub controllers: BTreeMap<ControllerKey, Controller>,
    /// Config maps.
    pub config_maps: BTreeMap<ObjectKey, DataObject>,
    /// Secrets.
    pub secrets: BTreeMap<ObjectKey, DataObject>,
    /// Claims for storage that outlives pods.
    pub volume_claims: BTreeMap<ObjectKey, VolumeClaim>,
    /// Volumes that claims can name. They have no namespace.
    pub persistent_volumes: BTreeMap<ObjectName, PersistentVolume>,
    /// Networks that pods can be attached to.
    pub networks: BTreeMap<ObjectKey, Definition>,
    /// Images of pods, as far as they are there.
    pub images: BTreeMap<PodKey, PodImages>,
    /// Services.
    pub services: BTreeMap<ObjectKey, Arc<Service>>,
    /// Endpoints of services that are no pods of this host.
    pub slices: BTreeMap<ObjectKey, Arc<Slice>>,
    /// Classes of priority, without those that are always there. They have no namespace.
    pub priority_classes: BTreeMap<ObjectName, PriorityClass>,
    /// Files and directories that could not be read or understood: what runs from them is kept as it is.
    pub held: BTreeSet<PathBuf>,
    /// What is wrong, for people.
    pub problems: Vec<Problem>,
}

impl Desired {
    /// Whether what came from `source` must be kept although no manifest names it: because the file, or
    /// a directory above it, could not be read. Absence is never a reason to stop a pod.
    pub fn holds(&self, source: &SourcePath) -> bool {
        source.0.ancestors().any(|path| self.held.contains(path))
    }
}

/// A config map or secret: named bytes.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct DataObject {
    /// The keys and their content.
    pub data: BTreeMap<String, Vec<u8>>,
    /// Its data does not change: volumes that have it are not followed.
    pub immutable: bool,
    /// The file it comes from.
    pub source: Option<SourcePath>,
}

impl fmt::Debug for DataObject {
    /// Keys only: values may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.data.keys()).finish()
    }
}

/// Something wrong with a manifest: where, what, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The file.
    pub file: PathBuf,
    /// The line, counted from 1; 0 when the file as a whole is meant.
    pub line: usize,
    /// The path of the field, such as `spec.containers[0].image`; may be empty.
    pub field: String,
    /// What is wrong and what to do. Never contains a secret's value.
    pub message: String,
}

impl fmt::Display for Problem {
    /// `file:line: field: message`, the form editors jump to.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        if !self.field.is_empty() {
            write!(f, ": {}", self.field)?;
        }
        write!(f, ": {}", self.message)
    }
}
