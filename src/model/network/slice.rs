//! Endpoints of a service that a manifest names, such as pods of other hosts (discovery.k8s.io/v1 EndpointSlice).

use super::published::Protocol;
use crate::model::name::ObjectKey;
use crate::model::pod::SourcePath;
use std::net::IpAddr;

/// The label that says whose endpoints they are (well-known label of Kubernetes).
pub const SERVICE_LABEL: &str = "kubernetes.io/service-name";

/// Endpoints that count beside the pods a service selects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slice {
    /// Namespace and name.
    pub key: ObjectKey,
    /// The service, of the same namespace.
    pub service: ObjectKey,
    /// The ports of all of its endpoints, each name once.
    pub ports: Vec<SlicePort>,
    /// Those that are ready (the default).
    pub endpoints: Vec<SliceEndpoint>,
    /// The file it comes from.
    pub source: SourcePath,
}

/// Where a port of the service leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlicePort {
    /// The name it has in the service; may be empty.
    pub name: String,
    /// Its protocol (default TCP).
    pub protocol: Protocol,
    /// Its number at the endpoint.
    pub port: u16,
}

/// One that answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SliceEndpoint {
    /// Its addresses, at least one.
    pub addresses: Vec<IpAddr>,
    /// What it is called below a headless service.
    pub hostname: Option<String>,
}
