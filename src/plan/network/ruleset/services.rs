//! Services: what is asked for at an address or a port of the host becomes one of the endpoints.

use super::super::table::{Chain, Table};
use super::{Family, NOBODY, element, families, hairpin, set};
use crate::model::network::NetworkSettings;
use crate::model::network::published::{PublishedService, ServicePort};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// The most clients whose endpoint is remembered, in each family.
const AFFINITIES: u32 = 65536;

/// Adds a port of a service in a family.
pub(super) fn service_port(
    table: &mut Table,
    service: &PublishedService,
    port: &ServicePort,
    family: Family,
) {
    let own = |address: &&IpAddr| address.is_ipv4() == family.ipv4;
    let number = format!("{} . {}", port.protocol, port.port);
    let at = |address: &IpAddr| (Kind::Address, format!("{address} . {number}"));
    let keys = service.cluster_ips.iter().filter(own).map(at);
    lead(table, service, port, family, keys, &port.endpoints);
    let node = port.node_port;
    let node = node.map(|node| (Kind::Node, format!("{} . {node}", port.protocol)));
    let keys = service.external_ips.iter().filter(own).map(at).chain(node);
    let keys: Vec<(Kind, String)> = keys.collect();
    let all = port.at_the_host();
    lead(table, service, port, family, keys.iter().cloned(), all);
    if !port.is_split() {
        return;
    }
    // Who comes from outside is led before, or sent away; pods and the host ask as above.
    let keys = keys
        .into_iter()
        .map(|(kind, key)| (kind.for_outsiders(), key));
    lead(table, service, port, family, keys, port.from_outside());
}

/// Leads what is asked for at all of these to any of the endpoints that are of the family.
fn lead(
    table: &mut Table,
    service: &PublishedService,
    port: &ServicePort,
    family: Family,
    keys: impl Iterator<Item = (Kind, String)>,
    endpoints: &[(IpAddr, u16)],
) {
    let d = family.digit;
    let of_family = |(address, _): &&(IpAddr, u16)| address.is_ipv4() == family.ipv4;
    let endpoints: Vec<&(IpAddr, u16)> = endpoints.iter().filter(of_family).collect();
    for (kind, key) in keys {
        if endpoints.is_empty() {
            dead(table, port, kind, key, family);
            continue;
        }
        for (address, _) in &endpoints {
            hairpin(table, d, *address);
        }
        match service.affinity {
            None => spread(table, family, kind, &key, &endpoints),
            Some(seconds) => stick(table, family, kind, &key, &endpoints, seconds),
        }
    }
}

/// What a service adds to the sets of pairs: set and element, each once.
pub(super) fn hairpins(
    service: &PublishedService,
    network: &NetworkSettings,
) -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    for port in &service.ports {
        for address in led(service, port) {
            let ours = |family: &Family| family.ipv4 == address.is_ipv4();
            if let Some(family) = families(network).find(ours) {
                let set = format!("hairpin{}", family.digit);
                found.insert((set, format!("{address} . {address}")));
            }
        }
    }
    found
}

/// The endpoints that anybody is led to.
fn led<'a>(
    service: &'a PublishedService,
    port: &'a ServicePort,
) -> impl Iterator<Item = IpAddr> + 'a {
    let same = |own: &[IpAddr], address: &IpAddr| {
        let mut own = own.iter();
        own.any(|own| own.is_ipv4() == address.is_ipv4())
    };
    let inside = port.endpoints.iter().map(|(address, _)| *address);
    let inside = inside.filter(move |address| same(&service.cluster_ips, address));
    let outside = port.from_outside().iter().chain(port.at_the_host());
    let outside = outside.map(|(address, _)| *address);
    let asked =
        move |address: &IpAddr| port.node_port.is_some() || same(&service.external_ips, address);
    inside.chain(outside.filter(asked))
}

/// Who asks is refused; who comes from outside and could be answered elsewhere hears nothing, as from kube-proxy. A port of
/// the host is dead only when it leads nowhere in any family.
fn dead(table: &mut Table, port: &ServicePort, kind: Kind, key: String, family: Family) {
    let elsewhere = |(address, _): &(IpAddr, u16)| address.is_ipv4() == family.ipv4;
    match kind {
        Kind::Address => element(table, &format!("dead{}", family.digit), key, ""),
        Kind::Node if port.at_the_host().is_empty() => element(table, "deadport", key, ""),
        Kind::Node => {}
        Kind::OutsideAddress | Kind::OutsideNode => {
            if port.at_the_host().iter().any(elsewhere) {
                let goto = format!("goto {NOBODY}");
                element(table, kind.services(family.digit), key, &goto);
            }
        }
    }
}

/// What a service is found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// An address of its own.
    Address,
    /// A port of the host.
    Node,
    /// An address, for who comes from outside where others are led elsewhere.
    OutsideAddress,
    /// A port of the host, likewise.
    OutsideNode,
}

impl Kind {
    fn for_outsiders(self) -> Self {
        match self {
            Self::Address | Self::OutsideAddress => Self::OutsideAddress,
            Self::Node | Self::OutsideNode => Self::OutsideNode,
        }
    }

    fn services(self, digit: char) -> &'static str {
        match (self, digit) {
            (Self::Address, '4') => "svc4",
            (Self::Address, _) => "svc6",
            (Self::Node, '4') => "node4",
            (Self::Node, _) => "node6",
            (Self::OutsideAddress, '4') => "osvc4",
            (Self::OutsideAddress, _) => "osvc6",
            (Self::OutsideNode, '4') => "onode4",
            (Self::OutsideNode, _) => "onode6",
        }
    }

    /// Service and number to endpoint.
    fn endpoints(self) -> &'static str {
        match self {
            Self::Address => "ep",
            Self::Node => "nep",
            Self::OutsideAddress => "oep",
            Self::OutsideNode => "onep",
        }
    }

    /// Service and number to the mark of an endpoint.
    fn choices(self) -> &'static str {
        match self {
            Self::Address => "mark",
            Self::Node => "nmark",
            Self::OutsideAddress => "omark",
            Self::OutsideNode => "onmark",
        }
    }

    /// Service and mark to endpoint.
    fn known(self) -> &'static str {
        match self {
            Self::Address => "known",
            Self::Node => "nknown",
            Self::OutsideAddress => "oknown",
            Self::OutsideNode => "onknown",
        }
    }

    /// How a packet names the service.
    fn key(self, family: Family) -> String {
        match self {
            Self::Address | Self::OutsideAddress => {
                format!("{} daddr . meta l4proto . th dport", family.ip)
            }
            Self::Node | Self::OutsideNode => "meta l4proto . th dport".to_owned(),
        }
    }
}

/// Each connection goes to any of the endpoints. All services with as many share the chain.
fn spread(
    table: &mut Table,
    family: Family,
    kind: Kind,
    service: &str,
    endpoints: &[&(IpAddr, u16)],
) {
    let Family { digit: d, ip, .. } = family;
    let (name, count) = (kind.endpoints(), endpoints.len());
    let map = format!("{name}{d}_{count}");
    let numbered = format!("{} . numgen random mod {count}", kind.key(family));
    set(
        table,
        &map,
        &format!("typeof {numbered} : {ip} daddr . th dport;"),
        true,
    );
    let chain = format!("to_{name}{d}_{count}");
    let made = Chain {
        declaration: String::new(),
        rules: vec![format!("dnat {ip} to {numbered} map @{map}")],
    };
    table.chains.entry(chain.clone()).or_insert(made);
    element(
        table,
        kind.services(d),
        service.to_owned(),
        &format!("goto {chain}"),
    );
    for (index, (address, port)) in endpoints.iter().enumerate() {
        element(
            table,
            &map,
            format!("{service} . {index}"),
            &format!("{address} . {port}"),
        );
    }
}

/// The same, but a client that comes again gets the endpoint it had: its mark is remembered, and counts as long as
/// the endpoint is still one.
fn stick(
    table: &mut Table,
    family: Family,
    kind: Kind,
    service: &str,
    endpoints: &[&(IpAddr, u16)],
    seconds: u32,
) {
    let Family { digit: d, ip, .. } = family;
    let (key, count) = (kind.key(family), endpoints.len());
    let map = format!("{}{d}_{count}", kind.choices());
    let known = format!("{}{d}", kind.known());
    let numbered = format!("{key} . numgen random mod {count}");
    stick_sets(table, family, kind, &map, &numbered);
    let clients = format!("client{d}");
    let client = format!("{ip} saddr . {ip} daddr . meta l4proto . th dport");
    let remember = format!("update @{clients} {{ {client} timeout {seconds}s : meta mark }}");
    let go = format!("dnat {ip} to {key} . meta mark map @{known}");
    let chain = format!("to_{map}_{seconds}");
    let made = Chain {
        declaration: String::new(),
        rules: vec![
            format!("meta mark set {client} map @{clients} {remember}"),
            go.clone(),
            format!("meta mark set {numbered} map @{map}"),
            remember,
            go,
        ],
    };
    table.chains.entry(chain.clone()).or_insert(made);
    element(
        table,
        kind.services(d),
        service.to_owned(),
        &format!("goto {chain}"),
    );
    for (index, (address, port)) in endpoints.iter().enumerate() {
        let mark = mark(*address, *port);
        element(table, &map, format!("{service} . {index}"), &mark);
        element(
            table,
            &known,
            format!("{service} . {mark}"),
            &format!("{address} . {port}"),
        );
    }
}

fn stick_sets(table: &mut Table, family: Family, kind: Kind, map: &str, numbered: &str) {
    let Family {
        digit: d, address, ..
    } = family;
    set(table, map, &format!("typeof {numbered} : meta mark;"), true);
    let by = match kind {
        Kind::Address | Kind::OutsideAddress => format!("{address} . inet_proto . inet_service"),
        Kind::Node | Kind::OutsideNode => "inet_proto . inet_service".to_owned(),
    };
    let declaration = format!("type {by} . mark : {address} . inet_service;");
    set(table, &format!("{}{d}", kind.known()), &declaration, true);
    let clients = format!("client{d}");
    let declaration = format!(
        "type {address} . {address} . inet_proto . inet_service : mark; flags dynamic,timeout; size {AFFINITIES};"
    );
    set(table, &clients, &declaration, true);
    if let Some(set) = table.sets.get_mut(&clients) {
        set.dynamic = true;
    }
}

/// The mark of an endpoint: the same for it in every table, and of no use to others' rules.
fn mark(address: IpAddr, port: u16) -> String {
    let hash = crate::unit::digest(format!("{address} {port}").as_bytes());
    let [a, b, c, d, ..] = hash;
    format!("{:#010x}", u32::from_be_bytes([a, b, c, d]) | 0x8000_0000)
}
