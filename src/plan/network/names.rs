//! Names of services and pods: what a name server of the cluster answers (Kubernetes' specification of DNS-based
//! service discovery, version 1.1.0).
//!
//! | name, below the cluster's domain | has |
//! |---|---|
//! | `SERVICE.NAMESPACE.svc` | the service's addresses; of a headless one those of its pods; of an ExternalName one a CNAME |
//! | `_PORT._PROTOCOL.SERVICE.NAMESPACE.svc` | SRV: port and name of the service, of a headless one of each pod |
//! | `HOST.SERVICE.NAMESPACE.svc` | a pod of a headless service: its `hostname` when its `subdomain` is the service, else its address with dashes |
//! | `ADDRESS-WITH-DASHES.NAMESPACE.pod` | the address, if it is one that a pod of this host may have |
//! | `dns-version` | TXT: the version of the specification |
//!
//! And backwards: addresses of services and of pods of headless services have PTR.

use crate::model::name::ObjectKey;
use crate::model::network::published::{Published, PublishedService, ServicePort};
use crate::model::network::{DNS_ADDRESSES, Prefix};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The version of the specification.
const VERSION: &str = "1.1.0";

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
    /// Ports.
    Srv,
    /// The name of an address.
    Ptr,
    /// Text.
    Txt,
    /// Name servers.
    Ns,
    /// Anything that this zone has none of.
    Other,
}

/// What a name has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Data {
    /// An address.
    Address(IpAddr),
    /// A port, and the name of who has it.
    Srv(u16, String),
    /// The name of an address.
    Ptr(String),
    /// Another name.
    Cname(String),
    /// A text.
    Txt(&'static str),
    /// The name of a name server.
    Ns(String),
}

/// A name with what it has. Names are in lower case, without a dot at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The name.
    pub name: String,
    /// What it has.
    pub data: Data,
}

/// What the zone says to a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Nothing: somebody else is to be asked.
    Elsewhere,
    /// There is no such name.
    Missing,
    /// The name is there; without answers it has nothing of this kind. A CNAME is the last answer, and is to be followed.
    Found {
        /// What was asked for.
        answers: Vec<Record>,
        /// Addresses of names in the answers.
        extra: Vec<Record>,
    },
}

/// All names of a cluster's domain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    domain: String,
    pods: Vec<Prefix>,
    services: BTreeMap<ObjectKey, PublishedService>,
    namespaces: BTreeSet<String>,
    backwards: BTreeMap<IpAddr, Vec<String>>,
    /// Where an address without a name is nobody else's business.
    own: Vec<Prefix>,
}

impl Names {
    /// The names of what is published. `domain` is the cluster's; `pods` and `services` are the prefixes of this host.
    pub fn new(domain: &str, pods: &[Prefix], services: &[Prefix], published: Published) -> Self {
        let mut names = Self {
            domain: domain.to_ascii_lowercase(),
            pods: pods.to_vec(),
            own: [pods, services].concat(),
            ..Self::default()
        };
        for service in published.services {
            names
                .namespaces
                .insert(service.key.namespace.as_str().to_owned());
            for (address, name) in names.pointers(&service) {
                names.backwards.entry(address).or_default().push(name);
            }
            names.services.insert(service.key.clone(), service);
        }
        names
    }

    /// The cluster's domain.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// What there is to say to a question. The name is in lower case, without a dot at the end.
    pub fn answer(&self, name: &str, kind: Kind) -> Answer {
        if let Some(address) = backwards(name) {
            return self.pointer(name, address, kind);
        }
        let Some(below) = below(name, &self.domain) else {
            return Answer::Elsewhere;
        };
        let labels: Vec<&str> = below
            .rsplit('.')
            .filter(|label| !label.is_empty())
            .collect();
        match labels.as_slice() {
            [] => found(name, self.apex(kind)),
            ["dns-version"] => found(
                name,
                match kind {
                    Kind::Txt => vec![Data::Txt(VERSION)],
                    _ => Vec::new(),
                },
            ),
            ["svc" | "pod" | "dns"] => found(name, Vec::new()),
            ["dns", "ns"] => found(name, addresses(DNS_ADDRESSES, kind)),
            ["svc" | "pod", namespace] if self.namespaces.contains(*namespace) => {
                found(name, Vec::new())
            }
            ["pod", _, address] => match self.pod(address) {
                Some(address) => found(name, addresses([address], kind)),
                None => Answer::Missing,
            },
            ["svc", namespace, service, rest @ ..] => {
                let key = namespace.parse().ok().zip(service.parse().ok());
                let key = key.map(|(namespace, name)| ObjectKey { namespace, name });
                match key.and_then(|key| self.services.get(&key)) {
                    Some(service) => self.service(name, service, rest, kind),
                    None => Answer::Missing,
                }
            }
            _ => Answer::Missing,
        }
    }

    fn apex(&self, kind: Kind) -> Vec<Data> {
        match kind {
            Kind::Ns => vec![Data::Ns(format!("ns.dns.{}", self.domain))],
            _ => Vec::new(),
        }
    }

    /// An address with dashes that a pod of this host may have.
    fn pod(&self, label: &str) -> Option<IpAddr> {
        let address = dashed(label)?;
        let mut prefixes = self.pods.iter();
        prefixes
            .any(|prefix| prefix.contains(address))
            .then_some(address)
    }

    /// What is at a service (`rest` is empty) or below it.
    fn service(&self, name: &str, service: &PublishedService, rest: &[&str], kind: Kind) -> Answer {
        if let Some(other) = &service.external_name {
            let other = other.trim_end_matches('.').to_ascii_lowercase();
            return match rest {
                [] => found(name, vec![Data::Cname(other)]),
                _ => Answer::Missing,
            };
        }
        match rest {
            [] if kind == Kind::Srv => self.ports(name, service, service.ports.iter()),
            [] => {
                let pods = service.hosts.iter().map(|host| host.address);
                let all = service.cluster_ips.iter().copied().chain(pods);
                found(name, addresses(all, kind))
            }
            [protocol] if protocol.starts_with('_') => {
                match service.ports.iter().any(|port| is_of(port, protocol)) {
                    true => found(name, Vec::new()),
                    false => Answer::Missing,
                }
            }
            [protocol, port] => {
                let wanted = port.strip_prefix('_');
                let mut ports = service.ports.iter();
                let found_port =
                    ports.find(|port| is_of(port, protocol) && Some(port.name.as_str()) == wanted);
                match (found_port, kind) {
                    (Some(port), Kind::Srv) => self.ports(name, service, [port].into_iter()),
                    (Some(_), _) => found(name, Vec::new()),
                    (None, _) => Answer::Missing,
                }
            }
            [host] => {
                let hosts = service.hosts.iter();
                let all: Vec<IpAddr> = hosts
                    .filter(|known| label(known.name.as_deref(), known.address) == *host)
                    .map(|known| known.address)
                    .collect();
                match all.is_empty() {
                    true => Answer::Missing,
                    false => found(name, addresses(all, kind)),
                }
            }
            _ => Answer::Missing,
        }
    }

    /// SRV of ports, with the addresses of who has them.
    fn ports<'a>(
        &self,
        name: &str,
        service: &PublishedService,
        ports: impl Iterator<Item = &'a ServicePort>,
    ) -> Answer {
        let own = self.name_of(service);
        let (mut answers, mut extra) = (Vec::new(), Vec::new());
        let mut add = |port: u16, target: &str, addresses: &[IpAddr]| {
            let record = Record {
                name: name.to_owned(),
                data: Data::Srv(port, target.to_owned()),
            };
            if !answers.contains(&record) {
                answers.push(record);
            }
            for address in addresses {
                let record = Record {
                    name: target.to_owned(),
                    data: Data::Address(*address),
                };
                if !extra.contains(&record) {
                    extra.push(record);
                }
            }
        };
        for port in ports {
            if service.kind != "Headless" {
                add(port.port, &own, &service.cluster_ips);
                continue;
            }
            for (address, number) in &port.endpoints {
                let mut hosts = service.hosts.iter();
                let host = hosts.find(|host| host.address == *address);
                let label = label(host.and_then(|host| host.name.as_deref()), *address);
                add(*number, &format!("{label}.{own}"), &[*address]);
            }
        }
        Answer::Found { answers, extra }
    }

    fn name_of(&self, service: &PublishedService) -> String {
        let ObjectKey { namespace, name } = &service.key;
        format!("{name}.{namespace}.svc.{}", self.domain)
    }

    /// The addresses of a service that have a name, with it.
    fn pointers(&self, service: &PublishedService) -> Vec<(IpAddr, String)> {
        let own = self.name_of(service);
        let clusters = service.cluster_ips.iter();
        let clusters = clusters.map(|address| (*address, own.clone()));
        let hosts = service.hosts.iter().map(|host| {
            let label = label(host.name.as_deref(), host.address);
            (host.address, format!("{label}.{own}"))
        });
        clusters.chain(hosts).collect()
    }

    fn pointer(&self, name: &str, address: IpAddr, kind: Kind) -> Answer {
        match self.backwards.get(&address) {
            Some(names) => found(
                name,
                match kind {
                    Kind::Ptr => names.iter().cloned().map(Data::Ptr).collect(),
                    _ => Vec::new(),
                },
            ),
            None if self.own.iter().any(|prefix| prefix.contains(address)) => Answer::Missing,
            None => Answer::Elsewhere,
        }
    }
}

fn found(name: &str, data: Vec<Data>) -> Answer {
    let record = |data| Record {
        name: name.to_owned(),
        data,
    };
    Answer::Found {
        answers: data.into_iter().map(record).collect(),
        extra: Vec::new(),
    }
}

fn is_of(port: &ServicePort, label: &str) -> bool {
    label.strip_prefix('_') == Some(port.protocol.to_string().as_str())
}

/// Those of the kind asked for, each once.
fn addresses(all: impl IntoIterator<Item = IpAddr>, kind: Kind) -> Vec<Data> {
    let mut seen = BTreeSet::new();
    all.into_iter()
        .filter(|address| match kind {
            Kind::A => address.is_ipv4(),
            Kind::Aaaa => address.is_ipv6(),
            _ => false,
        })
        .filter(|address| seen.insert(*address))
        .map(Data::Address)
        .collect()
}

/// What a pod is called below its headless service.
fn label(name: Option<&str>, address: IpAddr) -> String {
    match name {
        Some(name) => name.to_ascii_lowercase(),
        None => address.to_string().replace(['.', ':'], "-"),
    }
}

fn dashed(label: &str) -> Option<IpAddr> {
    let ipv4 = label.replace('-', ".").parse().map(IpAddr::V4);
    ipv4.or_else(|_| label.replace('-', ":").parse().map(IpAddr::V6))
        .ok()
}

/// What comes before a domain in a name.
fn below<'a>(name: &'a str, domain: &str) -> Option<&'a str> {
    let rest = name.strip_suffix(domain)?;
    (rest.is_empty() || rest.ends_with('.')).then_some(rest)
}

/// The address that a name stands for whose PTR is asked for.
fn backwards(name: &str) -> Option<IpAddr> {
    if let Some(digits) = name.strip_suffix(".in-addr.arpa") {
        let mut octets = [0; 4];
        let mut labels = digits.rsplit('.');
        for octet in &mut octets {
            *octet = labels.next()?.parse().ok()?;
        }
        return labels
            .next()
            .is_none()
            .then(|| Ipv4Addr::from(octets).into());
    }
    let digits = name.strip_suffix(".ip6.arpa")?;
    let mut number = 0u128;
    let mut count = 0;
    for label in digits.rsplit('.') {
        let one = label.len() == 1;
        number = (number << 4) | u128::from_str_radix(label, 16).ok().filter(|_| one)?;
        count += 1;
    }
    (count == 32).then(|| Ipv6Addr::from(number).into())
}

#[cfg(test)]
mod tests;
