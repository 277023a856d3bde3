//! A service: a name for pods, with addresses and ports of its own (core/v1 Service).

use super::published::{NamedHost, Protocol};
use crate::model::name::ObjectKey;
use crate::model::pod::SourcePath;
use std::net::IpAddr;

/// A service as a manifest wants it.
#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    /// Namespace and name.
    pub key: ObjectKey,
    /// How it is reached.
    pub kind: ServiceKind,
    /// Labels of the pods behind it, sorted; empty: none that vks knows of. A list, since there may be many services: a map
    /// has room for eleven at once.
    pub selector: Box<[(String, String)]>,
    /// Its ports, each name and each pair of number and protocol once.
    pub ports: Vec<Port>,
    /// Addresses that the manifest asks for; chosen by vks where it names none.
    pub cluster_ips: Vec<IpAddr>,
    /// Addresses of each family, as far as the host has both (`ipFamilyPolicy`; default only the first).
    pub dual_stack: bool,
    /// IPv6 comes first, or alone (`ipFamilies`).
    pub prefers_ipv6: bool,
    /// Addresses from elsewhere that lead here when packets for them reach the host.
    pub external_ips: Vec<IpAddr>,
    /// A client comes to the same pod again within so many seconds.
    pub affinity: Option<u32>,
    /// Pods that are not ready count too.
    pub publish_not_ready: bool,
    /// Where it leads, as others have found out: the selector is nothing to it then (default: pods of this host that the
    /// selector names).
    pub subsets: Option<Vec<Subset>>,
    /// Where it leads who comes from outside, if elsewhere: `subsets` with another traffic policy.
    pub subsets_outside: Option<Vec<Subset>>,
    /// Only pods of this host count for who asks at its own addresses (`internalTrafficPolicy`): no slice does.
    pub local_inside: bool,
    /// The same for who comes from outside, by a port of the host or an address from elsewhere (`externalTrafficPolicy`).
    pub local_outside: bool,
    /// The file it comes from.
    pub source: SourcePath,
}

/// Addresses that all have the same ports (core/v1 EndpointSubset).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subset {
    /// The addresses, and what they are called below a headless service.
    pub addresses: Vec<NamedHost>,
    /// Their ports.
    pub ports: Vec<SubsetPort>,
}

/// A port of endpoints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubsetPort {
    /// The name of the service's port that leads here; may be empty.
    pub name: String,
    /// Its protocol.
    pub protocol: Protocol,
    /// Its number.
    pub port: u16,
}

/// How a service is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServiceKind {
    /// At an address of its own.
    ClusterIp,
    /// The same, and at a port of the host. Also `LoadBalancer`, for which a host has nothing more.
    NodePort,
    /// By the addresses of its pods alone (`clusterIP: None`).
    Headless,
    /// By another name.
    ExternalName(String),
}

/// A port of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// Its name; empty only if it is the only one.
    pub name: String,
    /// Its protocol (default TCP).
    pub protocol: Protocol,
    /// Its number.
    pub port: u16,
    /// The port of the pod (default the same number).
    pub target: Target,
    /// The port of the host that the manifest asks for.
    pub node_port: Option<u16>,
}

/// A port of a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// By number.
    Number(u16),
    /// By the name it has there; pods that have none of this name are no endpoints.
    Name(String),
}
