//! Addresses and ports of the host that services have: those asked for, those they had, else free ones.

use crate::model::name::ObjectKey;
use crate::model::network::published::{Protocol, PublishedService, ServicePort};
use crate::model::network::service::{Port, Service, ServiceKind};
use crate::model::network::{NetworkSettings, Prefix};
use crate::unit::digest;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Addresses and ports of the host that services have or ask for, and how many of them.
#[derive(Debug, Default)]
pub(super) struct Taken {
    addresses: BTreeMap<IpAddr, u32>,
    ports: BTreeMap<(Protocol, u16), u32>,
}

fn add<K: Ord>(counts: &mut BTreeMap<K, u32>, key: K) {
    *counts.entry(key).or_default() += 1;
}

fn remove<K: Ord>(counts: &mut BTreeMap<K, u32>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

impl Taken {
    /// What a manifest asks for: nobody else gets it.
    pub(super) fn ask(&mut self, service: &Service) {
        for address in &service.cluster_ips {
            add(&mut self.addresses, *address);
        }
        for port in &service.ports {
            if let Some(node) = port.node_port {
                add(&mut self.ports, (port.protocol, node));
            }
        }
    }

    /// It asks no more.
    pub(super) fn ask_no_more(&mut self, service: &Service) {
        for address in &service.cluster_ips {
            remove(&mut self.addresses, address);
        }
        for port in &service.ports {
            if let Some(node) = port.node_port {
                remove(&mut self.ports, &(port.protocol, node));
            }
        }
    }

    /// What a service has.
    pub(super) fn keep(&mut self, service: &PublishedService) {
        for address in service.cluster_ips.iter().chain(&service.external_ips) {
            add(&mut self.addresses, *address);
        }
        for port in &service.ports {
            if let Some(node) = port.node_port {
                add(&mut self.ports, (port.protocol, node));
            }
        }
    }

    /// It has it no more.
    pub(super) fn release(&mut self, service: &PublishedService) {
        for address in service.cluster_ips.iter().chain(&service.external_ips) {
            remove(&mut self.addresses, address);
        }
        for port in &service.ports {
            if let Some(node) = port.node_port {
                remove(&mut self.ports, &(port.protocol, node));
            }
        }
    }
}

/// Whether some other service has an address or port of the host that this one has, so that what leads there depends on both.
pub(super) fn is_shared(service: &PublishedService, taken: &Taken) -> bool {
    let addresses = service.cluster_ips.iter().chain(&service.external_ips);
    let ports = service
        .ports
        .iter()
        .filter_map(|port| Some((port.protocol, port.node_port?)));
    let more = |count: Option<&u32>| count.is_some_and(|count| *count > 1);
    addresses
        .map(|address| taken.addresses.get(address))
        .any(more)
        || ports.map(|port| taken.ports.get(&port)).any(more)
}

/// All of a service but its endpoints. What is `taken` is asked for, or had, by some service.
pub(super) fn fixed(
    service: &Service,
    old: Option<&PublishedService>,
    network: &NetworkSettings,
    taken: [&Taken; 2],
) -> PublishedService {
    let (kind, addressed) = match &service.kind {
        ServiceKind::ClusterIp => ("ClusterIP", true),
        ServiceKind::NodePort => ("NodePort", true),
        ServiceKind::Headless => ("Headless", false),
        ServiceKind::ExternalName(_) => ("ExternalName", false),
    };
    let external_name = match &service.kind {
        ServiceKind::ExternalName(name) => Some(name.clone()),
        _ => None,
    };
    let cluster_ips = match addressed {
        true => addresses(service, old, network, taken),
        false => Vec::new(),
    };
    let mut chosen = Vec::new();
    let ports = service.ports.iter().map(|port| {
        let node_port = node_port(service, port, old, network, |number| {
            taken.iter().any(|taken| taken.ports.contains_key(&number)) || chosen.contains(&number)
        });
        chosen.extend(node_port.map(|node| (port.protocol, node)));
        ServicePort {
            name: port.name.clone(),
            protocol: port.protocol,
            port: port.port,
            node_port,
            endpoints: Vec::new(),
            outside: None,
        }
    });
    PublishedService {
        key: service.key.clone(),
        source: service.source.clone(),
        kind: kind.to_owned(),
        ports: ports.collect(),
        cluster_ips,
        external_ips: service.external_ips.clone(),
        external_name,
        affinity: service.affinity,
        hosts: Vec::new(),
    }
}

/// The service's own addresses: those asked for, else those it had, else free ones.
fn addresses(
    service: &Service,
    old: Option<&PublishedService>,
    network: &NetworkSettings,
    taken: [&Taken; 2],
) -> Vec<IpAddr> {
    let mut prefixes: Vec<Prefix> = network.services.clone();
    if service.prefers_ipv6 {
        prefixes.reverse();
    }
    if !service.dual_stack {
        // The family asked for, or whatever there is.
        let family = service
            .cluster_ips
            .first()
            .map_or(!service.prefers_ipv6, IpAddr::is_ipv4);
        if prefixes.iter().any(|prefix| prefix.is_ipv4() == family) {
            prefixes.retain(|prefix| prefix.is_ipv4() == family);
        }
        prefixes.truncate(1);
    }
    let mut chosen = Vec::new();
    for prefix in prefixes {
        let family = |address: &&IpAddr| address.is_ipv4() == prefix.is_ipv4();
        let mut had = old.into_iter().flat_map(|old| &old.cluster_ips);
        let known = service
            .cluster_ips
            .iter()
            .find(family)
            .or_else(|| had.find(|address| prefix.contains(**address)));
        let address = known.copied().or_else(|| free(&service.key, prefix, taken));
        chosen.extend(address);
    }
    chosen
}

fn free(key: &ObjectKey, prefix: Prefix, taken: [&Taken; 2]) -> Option<IpAddr> {
    // Not the first and the last, which look like a network's and its broadcast address.
    let count = prefix.size().min(1 << 20).saturating_sub(2);
    let start = u128::from_be_bytes(digest(key.to_string().as_bytes())).checked_rem(count)?;
    (0..count)
        .map(|step| prefix.nth(1 + (start + step) % count))
        .find(|address| {
            !taken
                .iter()
                .any(|taken| taken.addresses.contains_key(address))
        })
}

fn node_port(
    service: &Service,
    port: &Port,
    old: Option<&PublishedService>,
    network: &NetworkSettings,
    is_taken: impl Fn((Protocol, u16)) -> bool,
) -> Option<u16> {
    if service.kind != ServiceKind::NodePort {
        return None;
    }
    let (first, last) = network.node_ports;
    let had = old.and_then(|old| {
        let same = |old: &&ServicePort| old.port == port.port && old.protocol == port.protocol;
        old.ports.iter().find(same)?.node_port
    });
    let start = digest(format!("{} {} {}", service.key, port.protocol, port.port).as_bytes());
    let count = u128::from(last - first) + 1;
    let start = u128::from_be_bytes(start) % count;
    let free = || {
        let mut ports =
            (0..count).map(|step| first + u16::try_from((start + step) % count).unwrap_or(0));
        ports.find(|number| !is_taken((port.protocol, *number)))
    };
    port.node_port.or(had).or_else(free)
}
