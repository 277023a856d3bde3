//! Priorities of pods: which of them matter more, and so end later when the host shuts down.

use super::name::ObjectName;
use super::pod::SourcePath;
use serde::{Deserialize, Serialize};

/// What a manifest says of its pod's priority. Nothing by default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriorityAsked {
    /// `priorityClassName`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<ObjectName>,
    /// `priority`, as an API server fills it in from the class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<i32>,
}

impl PriorityAsked {
    /// Whether it says nothing.
    pub fn is_silent(&self) -> bool {
        *self == Self::default()
    }
}

/// A PriorityClass (scheduling.k8s.io/v1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriorityClass {
    /// The priority of pods that name it.
    pub value: i32,
    /// It is also that of pods that name none.
    pub global_default: bool,
    /// The file it comes from.
    pub source: SourcePath,
}

/// The classes that are always there (pkg/apis/scheduling).
pub const SYSTEM_CLASSES: [(&str, i32); 2] = [
    ("system-cluster-critical", 2_000_000_000),
    ("system-node-critical", 2_000_001_000),
];

/// The greatest value that a class of a manifest may have (HighestUserDefinablePriority).
pub const HIGHEST: i32 = 1_000_000_000;

/// The key of `[X-kubernetes]` with the priority of a pod, in its target and in the services that wait for pods of lower
/// priority. Absent for 0.
pub const PRIORITY_KEY: &str = "Priority";

/// How long a container waits at the shutdown of the host for pods of lower priority to end.
pub const LONGEST_WAIT: std::time::Duration = std::time::Duration::from_secs(600);
