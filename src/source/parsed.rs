//! What a file says, once it is read.

use super::decode::Report;
use crate::model::claim::{PersistentVolume, VolumeClaim};
use crate::model::controller::{Controller, ControllerKey};
use crate::model::desired::{DataObject, Problem};
use crate::model::name::{Namespace, ObjectKey, ObjectName, PodUid};
use crate::model::network::attach::Definition;
use crate::model::network::service::Service;
use crate::model::network::slice::Slice;
use crate::model::pod::Pod;
use crate::model::priority::PriorityClass;
use std::path::{Path, PathBuf};

/// What a file says.
#[derive(Debug, Default, PartialEq)]
pub struct ParsedFile {
    /// The file.
    pub path: PathBuf,
    /// Pods.
    pub pods: Vec<Pod>,
    /// What makes pods.
    pub controllers: Vec<Controller>,
    /// Config maps.
    pub config_maps: Vec<(ObjectKey, DataObject)>,
    /// Secrets.
    pub secrets: Vec<(ObjectKey, DataObject)>,
    /// Claims for storage.
    pub volume_claims: Vec<(ObjectKey, VolumeClaim)>,
    /// Volumes that claims can name.
    pub persistent_volumes: Vec<(ObjectName, PersistentVolume)>,
    /// Services.
    pub services: Vec<Service>,
    /// Endpoints of services.
    pub slices: Vec<Slice>,
    /// Classes of priority.
    pub priority_classes: Vec<(ObjectName, PriorityClass)>,
    /// Networks that pods can be attached to.
    pub networks: Vec<Definition>,
    /// Everything only one file may define, also when the file has problems.
    pub claims: Vec<Claim>,
    /// What is wrong, in the order of the file. With any problem nothing of the file is to be used.
    pub problems: Vec<Problem>,
}

impl ParsedFile {
    /// A file that could not be read at all.
    pub fn unreadable(path: &Path, message: impl Into<String>) -> Self {
        let report = Report::new(path);
        report.add(0, "", message);
        Self {
            path: path.to_owned(),
            problems: report.finish(),
            ..Self::default()
        }
    }
}

/// Something only one file may define, and the line it is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// What is claimed.
    pub what: What,
    /// The line of the object.
    pub line: usize,
}

/// What can be claimed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// A pod.
    Pod(ObjectKey),
    /// What makes pods.
    Controller(ControllerKey),
    /// A config map.
    ConfigMap(ObjectKey),
    /// A secret.
    Secret(ObjectKey),
    /// A claim for storage.
    VolumeClaim(ObjectKey),
    /// A volume that claims can name; its namespace is always the default one.
    PersistentVolume(ObjectKey),
    /// A service.
    Service(ObjectKey),
    /// Endpoints of a service.
    EndpointSlice(ObjectKey),
    /// A class of priority; its namespace is always the default one.
    PriorityClass(ObjectKey),
    /// A network that pods can be attached to.
    Network(ObjectKey),
    /// A pod's identity.
    Uid(PodUid),
}

impl What {
    /// A persistent volume, which has no namespace.
    pub fn persistent_volume(name: ObjectName) -> Self {
        Self::PersistentVolume(Self::without_namespace(name))
    }

    /// A class of priority, which has no namespace.
    pub fn priority_class(name: ObjectName) -> Self {
        Self::PriorityClass(Self::without_namespace(name))
    }

    fn without_namespace(name: ObjectName) -> ObjectKey {
        ObjectKey {
            namespace: Namespace::default_namespace(),
            name,
        }
    }
}

impl std::fmt::Display for What {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Pod(key) => write!(f, "Pod {key}"),
            Self::Controller(key) => key.fmt(f),
            Self::ConfigMap(key) => write!(f, "ConfigMap {key}"),
            Self::Secret(key) => write!(f, "Secret {key}"),
            Self::VolumeClaim(key) => write!(f, "PersistentVolumeClaim {key}"),
            Self::PersistentVolume(key) => write!(f, "PersistentVolume {}", key.name),
            Self::Service(key) => write!(f, "Service {key}"),
            Self::EndpointSlice(key) => write!(f, "EndpointSlice {key}"),
            Self::PriorityClass(key) => write!(f, "PriorityClass {}", key.name),
            Self::Network(key) => write!(f, "NetworkAttachmentDefinition {key}"),
            Self::Uid(uid) => write!(f, "a Pod with the uid {uid}"),
        }
    }
}
