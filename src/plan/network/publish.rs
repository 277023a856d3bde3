//! Services and pods become what is published. Pure: readiness and addresses are told.

use super::ports::host_ports;
use crate::model::name::ObjectKey;
use crate::model::network::published::{
    HostPort, NamedHost, Protocol, Published, PublishedService, ServicePort,
};
use crate::model::network::service::{Port, Service, ServiceKind, Target};
use crate::model::network::{NetworkSettings, Prefix};
use crate::model::pod::{Pod, PodSpec};
use crate::unit::digest;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// A pod as services see it.
#[derive(Debug, Clone, Copy)]
pub struct Backend<'a> {
    /// The pod.
    pub pod: &'a Pod,
    /// Its addresses: its own, or those of the host.
    pub addresses: &'a [IpAddr],
    /// It can serve.
    pub ready: bool,
    /// It has ended for good, or has no process yet that could ever answer.
    pub over: bool,
}

/// What is to be published. `before` is what was: addresses and ports that vks chose stay. Of services whose file
/// cannot be read (`held`) all of it stays, but for the endpoints.
pub fn publish(
    services: &BTreeMap<ObjectKey, Service>,
    held: impl Fn(&PublishedService) -> bool,
    backends: &[Backend],
    network: &NetworkSettings,
    before: &Published,
) -> Published {
    let mut taken = Taken::new(services.values());
    let mut all: BTreeMap<&ObjectKey, PublishedService> = BTreeMap::new();
    for old in &before.services {
        let wanted = services.get(&old.key);
        if wanted.is_none() && held(old) {
            all.insert(&old.key, old.clone());
        }
        if wanted.is_some() || held(old) {
            taken.keep(old);
        }
    }
    let index = Index::new(backends);
    let kept: BTreeMap<&ObjectKey, &PublishedService> =
        before.services.iter().map(|old| (&old.key, old)).collect();
    for (key, service) in services {
        let old = kept.get(key).copied();
        let mut made = fixed(service, old, network, &mut taken);
        let behind = index.behind(service);
        for (port, wanted) in made.ports.iter_mut().zip(&service.ports) {
            port.endpoints = endpoints(wanted, &behind);
        }
        if service.kind == ServiceKind::Headless {
            made.hosts = hosts(service, &behind);
        }
        all.insert(key, made);
    }
    let mut host_ports: Vec<HostPort> = backends.iter().flat_map(pod_ports).collect();
    host_ports.sort();
    Published {
        host_ports,
        services: all.into_values().collect(),
    }
}

/// Addresses and ports of the host that some service has.
#[derive(Debug, Default)]
struct Taken {
    addresses: BTreeSet<IpAddr>,
    ports: BTreeSet<(Protocol, u16)>,
}

impl Taken {
    /// Those that manifests ask for: nobody else gets them.
    fn new<'a>(services: impl Iterator<Item = &'a Service>) -> Self {
        let mut taken = Self::default();
        for service in services {
            taken.addresses.extend(&service.cluster_ips);
            let ports = service.ports.iter();
            taken
                .ports
                .extend(ports.filter_map(|port| Some((port.protocol, port.node_port?))));
        }
        taken
    }

    fn keep(&mut self, old: &PublishedService) {
        self.addresses.extend(&old.cluster_ips);
        let ports = old.ports.iter();
        self.ports
            .extend(ports.filter_map(|port| Some((port.protocol, port.node_port?))));
    }
}

/// All of a service but its endpoints.
fn fixed(
    service: &Service,
    old: Option<&PublishedService>,
    network: &NetworkSettings,
    taken: &mut Taken,
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
    let ports = service.ports.iter().map(|port| ServicePort {
        name: port.name.clone(),
        protocol: port.protocol,
        port: port.port,
        node_port: node_port(service, port, old, network, taken),
        endpoints: Vec::new(),
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

/// The pods of a headless service by name (Kubernetes: EndpointSlice `hostname`).
fn hosts(service: &Service, behind: &[&Backend]) -> Vec<NamedHost> {
    let mut hosts: Vec<NamedHost> = behind
        .iter()
        .flat_map(|backend| {
            let naming = &backend.pod.spec.naming;
            let ours = naming.subdomain.as_deref() == Some(service.key.name.as_str());
            let name = naming.hostname.clone().filter(|_| ours);
            let addresses = backend.addresses.iter();
            addresses.map(move |address| NamedHost {
                address: *address,
                name: name.clone(),
            })
        })
        .collect();
    hosts.sort();
    hosts.dedup();
    hosts
}

/// The service's own addresses: those asked for, else those it had, else free ones.
fn addresses(
    service: &Service,
    old: Option<&PublishedService>,
    network: &NetworkSettings,
    taken: &mut Taken,
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
        let address = known
            .copied()
            .or_else(|| free(&service.key, prefix, &taken.addresses));
        taken.addresses.extend(address);
        chosen.extend(address);
    }
    chosen
}

fn free(key: &ObjectKey, prefix: Prefix, taken: &BTreeSet<IpAddr>) -> Option<IpAddr> {
    // Not the first and the last, which look like a network's and its broadcast address.
    let count = prefix.size().min(1 << 20).saturating_sub(2);
    let start = u128::from_be_bytes(digest(key.to_string().as_bytes())).checked_rem(count)?;
    (0..count)
        .map(|step| prefix.nth(1 + (start + step) % count))
        .find(|address| !taken.contains(address))
}

fn node_port(
    service: &Service,
    port: &Port,
    old: Option<&PublishedService>,
    network: &NetworkSettings,
    taken: &mut Taken,
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
        let ports =
            (0..count).map(|step| first + u16::try_from((start + step) % count).unwrap_or(0));
        let mut ports = ports.into_iter();
        ports.find(|number| !taken.ports.contains(&(port.protocol, *number)))
    };
    let chosen = port.node_port.or(had).or_else(free)?;
    taken.ports.insert((port.protocol, chosen));
    Some(chosen)
}

/// Pods by namespace and label: a service need not look at all of them.
struct Index<'a>(BTreeMap<(&'a str, &'a str, &'a str), Vec<&'a Backend<'a>>>);

impl<'a> Index<'a> {
    fn new(backends: &'a [Backend<'a>]) -> Self {
        let mut index: BTreeMap<_, Vec<&'a Backend<'a>>> = BTreeMap::new();
        for backend in backends.iter().filter(|backend| !backend.over) {
            let namespace = backend.pod.key.namespace.as_str();
            for (label, value) in &backend.pod.labels {
                let key = (namespace, label.as_str(), value.as_str());
                index.entry(key).or_default().push(backend);
            }
        }
        Self(index)
    }

    /// The pods behind a service.
    fn behind(&self, service: &Service) -> Vec<&'a Backend<'a>> {
        let Some((label, value)) = service.selector.iter().next() else {
            return Vec::new();
        };
        let key = (
            service.key.namespace.as_str(),
            label.as_str(),
            value.as_str(),
        );
        let some = self.0.get(&key).into_iter().flatten().copied();
        some.filter(|backend| {
            let labels = &backend.pod.labels;
            let mut selector = service.selector.iter();
            (backend.ready || service.publish_not_ready)
                && selector.all(|(label, value)| labels.get(label) == Some(value))
        })
        .collect()
    }
}

/// Where a port of a service leads.
fn endpoints(port: &Port, behind: &[&Backend]) -> Vec<(IpAddr, u16)> {
    let mut endpoints: Vec<(IpAddr, u16)> = behind
        .iter()
        .filter_map(|backend| Some((backend, target(port, &backend.pod.spec)?)))
        .flat_map(|(backend, number)| backend.addresses.iter().map(move |ip| (*ip, number)))
        .collect();
    endpoints.sort();
    endpoints.dedup();
    endpoints
}

/// The number of the pod's port; none if it has none of this name.
fn target(port: &Port, spec: &PodSpec) -> Option<u16> {
    match &port.target {
        Target::Number(0) => Some(port.port),
        Target::Number(number) => Some(*number),
        Target::Name(name) => {
            let mut ports = spec
                .all_containers()
                .flat_map(|(_, container)| &container.ports);
            let found = ports.find(|found| {
                found.name.as_ref() == Some(name) && found.protocol.parse() == Ok(port.protocol)
            });
            found.map(|found| found.port)
        }
    }
}

/// The ports of the host that lead to a pod.
fn pod_ports(backend: &Backend) -> Vec<HostPort> {
    let ports = host_ports(backend.pod);
    ports
        .flat_map(|(protocol, port, host, to)| {
            let family = move |address: &&IpAddr| {
                host.is_none_or(|host: IpAddr| host.is_ipv4() == address.is_ipv4())
            };
            backend
                .addresses
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
        .filter(|_| !backend.over)
        .collect()
}
