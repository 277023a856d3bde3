//! A reference to a request or limit of a container, for variables and files (core/v1 ResourceFieldSelector).

use super::name::ContainerName;
use serde::{Deserialize, Serialize};

/// Which number is meant, and in what unit it is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceRef {
    /// The container; the one that refers when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<ContainerName>,
    /// The number.
    pub resource: Resource,
    /// What it is divided by, in thousandths; what is left over counts as a whole (default 1000).
    pub divisor: u64,
}

/// The requests and limits that can be referred to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Resource {
    /// `requests.cpu`
    CpuRequest,
    /// `limits.cpu`: without one, the host's.
    CpuLimit,
    /// `requests.memory`
    MemoryRequest,
    /// `limits.memory`: without one, the host's.
    MemoryLimit,
}
