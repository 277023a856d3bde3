//! A pod as services see it.

use super::super::ports::host_ports;
use crate::model::network::published::{HostPort, NamedHost, Protocol};
use crate::model::network::service::{Port, Service, Subset, Target};
use crate::model::pod::Pod;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// What services and ports of the host need to know of a pod that can serve some day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backend {
    pub(super) labels: BTreeMap<String, String>,
    pub(super) ready: bool,
    pub(super) host_ports: Vec<HostPort>,
    addresses: Vec<IpAddr>,
    hostname: Option<String>,
    subdomain: Option<String>,
    /// Name, protocol and number of its ports.
    pub(super) ports: Vec<(Option<String>, Protocol, u16)>,
}

impl Backend {
    /// A pod with its addresses (its own, or those of the host), and whether it can serve now.
    pub fn new(pod: &Pod, addresses: Vec<IpAddr>, ready: bool) -> Self {
        let containers = pod.spec.all_containers();
        let ports = containers.flat_map(|(_, container)| &container.ports);
        let ports = ports.filter_map(|port| {
            let name = port.name.clone();
            Some((name, port.protocol.parse().ok()?, port.port))
        });
        Self {
            labels: pod.labels.clone(),
            ready,
            host_ports: pod_ports(pod, &addresses),
            hostname: pod.spec.naming.hostname.clone(),
            subdomain: pod.spec.naming.subdomain.clone(),
            ports: ports.collect(),
            addresses,
        }
    }

    /// The number of the pod's port; none if it has none of this name.
    fn target(&self, port: &Port) -> Option<u16> {
        match &port.target {
            Target::Number(0) => Some(port.port),
            Target::Number(number) => Some(*number),
            Target::Name(wanted) => {
                let mut ports = self.ports.iter();
                let found = ports.find(|(name, protocol, _)| {
                    name.as_deref() == Some(wanted.as_str()) && *protocol == port.protocol
                });
                found.map(|(_, _, number)| *number)
            }
        }
    }
}

/// Where a port of a service leads: to pods, and to those that slices name.
pub(super) fn endpoints(
    port: &Port,
    behind: &[&Backend],
    named: impl Iterator<Item = (IpAddr, u16)>,
) -> Vec<(IpAddr, u16)> {
    let mut endpoints: Vec<(IpAddr, u16)> = behind
        .iter()
        .filter_map(|backend| Some((backend, backend.target(port)?)))
        .flat_map(|(backend, number)| backend.addresses.iter().map(move |ip| (*ip, number)))
        .chain(named)
        .collect();
    endpoints.sort();
    endpoints.dedup();
    // There may be many services.
    endpoints.shrink_to_fit();
    endpoints
}

/// Where a port of a service leads by the word of others.
pub(super) fn told(port: &Port, subsets: &[Subset]) -> Vec<(IpAddr, u16)> {
    let mut endpoints: Vec<(IpAddr, u16)> = subsets
        .iter()
        .flat_map(|subset| {
            let ports = subset.ports.iter();
            let ours =
                ports.filter(|ours| ours.name == port.name && ours.protocol == port.protocol);
            ours.flat_map(|ours| {
                let hosts = subset.addresses.iter();
                hosts.map(|host| (host.address, ours.port))
            })
        })
        .collect();
    endpoints.sort();
    endpoints.dedup();
    endpoints
}

/// The pods of a headless service by the word of others.
pub(super) fn told_hosts(subsets: &[Subset]) -> Vec<NamedHost> {
    let hosts = subsets.iter().flat_map(|subset| &subset.addresses);
    let mut hosts: Vec<NamedHost> = hosts.cloned().collect();
    hosts.sort();
    hosts.dedup();
    hosts
}

/// The pods of a headless service by name (Kubernetes: EndpointSlice `hostname`).
pub(super) fn hosts(
    service: &Service,
    behind: &[&Backend],
    named: impl Iterator<Item = NamedHost>,
) -> Vec<NamedHost> {
    let mut hosts: Vec<NamedHost> = behind
        .iter()
        .flat_map(|backend| {
            let ours = backend.subdomain.as_deref() == Some(service.key.name.as_str());
            let name = backend.hostname.clone().filter(|_| ours);
            let addresses = backend.addresses.iter();
            addresses.map(move |address| NamedHost {
                address: *address,
                name: name.clone(),
            })
        })
        .chain(named)
        .collect();
    hosts.sort();
    hosts.dedup();
    hosts
}

/// The ports of the host that lead to a pod.
fn pod_ports(pod: &Pod, addresses: &[IpAddr]) -> Vec<HostPort> {
    let ports = host_ports(pod);
    ports
        .flat_map(|(protocol, port, host, to)| {
            let family = move |address: &&IpAddr| {
                host.is_none_or(|host: IpAddr| host.is_ipv4() == address.is_ipv4())
            };
            addresses
                .iter()
                .filter(family)
                .map(move |address| HostPort {
                    protocol,
                    port,
                    host,
                    address: *address,
                    to,
                })
        })
        .collect()
}
