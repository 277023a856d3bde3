//! The network half of planning: addresses of pods, and what the host does with packets.

pub mod addresses;
pub mod attach;
pub mod elements;
pub mod flows;
pub mod mesh;
pub mod names;
pub mod ports;
pub mod publish;
pub mod ruleset;
pub mod store;
pub mod table;

use crate::model::name::KnownUnit;
use crate::model::network::{Mode, NetworkSettings, Wiring};
use crate::model::pod::Pod;
use crate::model::status::Blocked;
use std::borrow::Cow;
use std::net::IpAddr;

/// The unit that sets up the host's part: forwarding, the table, services as they were last.
pub const HOST_UNIT: KnownUnit = KnownUnit::new("vks-network.service");
/// The unit that makes the mesh with other hosts, which the host's part pulls in.
pub const MESH_UNIT: KnownUnit = KnownUnit::new("vks-wireguard.service");
/// The units that hold the sockets of the pods' name server; the host's part of the network pulls them in.
pub const DNS_UNITS: [&str; 2] = ["vks-dns.socket", "vks-dns6.socket"];

/// The pod as this node runs it: in mode `host`, all pods are on the host's network.
///
/// # Errors
/// When the pod wants a port of the host that leads to another one of its own: on the host's network none does.
pub fn in_mode(pod: &Pod, mode: Mode) -> Result<Cow<'_, Pod>, Blocked> {
    if mode == Mode::Pod || pod.spec.host_network {
        return Ok(Cow::Borrowed(pod));
    }
    let mut ports = pod
        .spec
        .all_containers()
        .flat_map(|(_, container)| &container.ports);
    if let Some(port) = ports.find(|port| port.host_port.is_some_and(|host| host != port.port)) {
        return Err(Blocked {
            container: None,
            reason: "ContainerCreating",
            message: format!(
                "hostPort {} cannot lead to port {}: this node runs all pods on the host's network (network.mode): \
                 make them equal",
                port.host_port.unwrap_or_default(),
                port.port
            ),
        });
    }
    let mut pod = pod.clone();
    pod.spec.host_network = true;
    Ok(Cow::Owned(pod))
}

/// What the sandbox of a pod with these addresses wires up.
pub fn wiring(pod: &Pod, addresses: &[IpAddr], network: &NetworkSettings) -> Option<Wiring> {
    if addresses.is_empty() {
        return None;
    }
    let mut ports = pod
        .spec
        .all_containers()
        .flat_map(|(_, container)| &container.ports);
    Some(Wiring {
        addresses: addresses.to_vec(),
        host: network.host_addresses().collect(),
        mtu: network.mtu,
        inner: None,
        localhost: ports.any(|port| port.host_port.is_some()),
    })
}

#[cfg(test)]
pub(super) mod tests;
