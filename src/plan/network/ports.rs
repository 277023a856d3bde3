//! Ports of the host that pods want: each goes to one pod.

use crate::model::desired::Desired;
use crate::model::name::PodKey;
use crate::model::network::published::Protocol;
use crate::model::observed::Observed;
use crate::model::pod::Pod;
use crate::model::status::Blocked;
use std::net::IpAddr;

/// A port of the host that a pod wants: protocol, number, the address it is meant for, the pod's port.
pub(super) type Wanted = (Protocol, u16, Option<IpAddr>, u16);

pub(super) fn host_ports(pod: &Pod) -> impl Iterator<Item = Wanted> {
    let containers = pod.spec.all_containers();
    containers
        .flat_map(|(_, container)| &container.ports)
        .filter_map(|port| {
            let protocol = port.protocol.parse().ok()?;
            Some((protocol, port.host_port?, port.host_ip, port.port))
        })
}

/// Ports of the host that a pod on the host's network listens on, as it says.
fn own_ports(pod: &Pod) -> impl Iterator<Item = Wanted> {
    let containers = pod.spec.all_containers().filter(|_| pod.spec.host_network);
    containers
        .flat_map(|(_, container)| &container.ports)
        .filter_map(|port| {
            Some((
                port.protocol.parse().ok()?,
                port.port,
                port.host_ip,
                port.port,
            ))
        })
}

/// The first pod, in a fixed order, that has a port of the host which `pod` wants: it keeps it. Pods that are
/// there go before those that are not, then names decide.
fn rival<'a>(
    pod: &Pod,
    pods: impl Iterator<Item = &'a Pod>,
    is_there: impl Fn(&PodKey) -> bool,
) -> Option<(&'a PodKey, u16)> {
    let wanted: Vec<Wanted> = host_ports(pod).collect();
    if wanted.is_empty() {
        return None;
    }
    let rank = |key: &PodKey| (!is_there(key), key.clone());
    let own = rank(&pod.key);
    pods.filter(|other| other.key != pod.key && rank(&other.key) < own)
        .find_map(|other| {
            let mut theirs = host_ports(other).chain(own_ports(other));
            theirs
                .find(|(protocol, port, host, _)| {
                    wanted.iter().any(|(want, number, address, _)| {
                        want == protocol
                            && number == port
                            && (host.is_none() || address.is_none() || host == address)
                    })
                })
                .map(|(_, port, _, _)| (&other.key, port))
        })
}

/// Whether no other pod has a port of the host that this one wants.
///
/// # Errors
/// The pod that has it.
pub fn free_ports(pod: &Pod, desired: &Desired, observed: &Observed) -> Result<(), Blocked> {
    let is_there = |key: &PodKey| observed.pods.contains_key(key);
    match rival(pod, desired.pods.values(), is_there) {
        None => Ok(()),
        Some((other, port)) => Err(Blocked {
            container: None,
            reason: "ContainerCreating",
            message: format!(
                "hostPort {port} is taken by pod {other}: choose another port, another hostIP, or delete that pod"
            ),
        }),
    }
}
