//! The table `inet vks`: what the host does with packets of pods and services.
//!
//! Rules do not grow with services: each knows one number of endpoints, and which service it is about is in maps
//! (`svc4`, `ep4_2`, ...). A change of a service is a change of a few elements.
//!
//! | chain | hook | does |
//! |---|---|---|
//! | `raw` | prerouting, before all | a pod sends only as itself, and not to the host's loopback |
//! | `pre`, `out` | destination | addresses of services and ports of the host become a pod |
//! | `outside` | before `pre` | the same for who comes from outside, where a service leads such callers only to this host's pods |
//! | `post` | source | what leaves the pods' prefixes has an address of the host |
//! | `forward`, `local` | filter | refuses what a service without endpoints is asked; what only vks forwards stays ours |
//! | `inner`, `forward` | filter | a pod behind a tunnel is asked by the host, and asks nobody by another way |

mod change;
pub mod inner;
pub mod keep;
mod services;
pub mod shared;

pub use change::Shared;

use super::table::{Chain, Set, Table};
use crate::model::network::published::{HostPort, PublishedService};
use crate::model::network::{DNS_ADDRESSES, INNER_PREFIX, LINK_PREFIX, NetworkSettings, Prefix};
use crate::model::wireguard::MESH_LINK;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// The words of a family.
#[derive(Debug, Clone, Copy)]
struct Family {
    digit: char,
    ip: &'static str,
    address: &'static str,
    nfproto: &'static str,
    loopback: &'static str,
    ipv4: bool,
}

const FAMILIES: [Family; 2] = [
    Family {
        digit: '4',
        ip: "ip",
        address: "ipv4_addr",
        nfproto: "ipv4",
        loopback: "127.0.0.0/8",
        ipv4: true,
    },
    Family {
        digit: '6',
        ip: "ip6",
        address: "ipv6_addr",
        nfproto: "ipv6",
        loopback: "::1",
        ipv4: false,
    },
];

/// The chain for who is to hear nothing.
const NOBODY: &str = "nobody";

/// The type of sets of ports.
const PORT: &str = "type inet_proto . inet_service;";

/// The table for these settings. `opened` are interfaces that forward only because vks made them.
pub fn table<'a>(
    network: &NetworkSettings,
    published: impl Iterator<Item = &'a PublishedService>,
    ports: &[HostPort],
    opened: &[String],
) -> Table {
    let mut table = chains();
    set(&mut table, "opened", "type ifname;", false);
    set(&mut table, "deadport", PORT, false);
    for link in opened {
        element(&mut table, "opened", format!("\"{link}\""), "");
    }
    for family in families(network) {
        sets(&mut table, network, family);
        for (chain, text) in rules(family) {
            rule(&mut table, chain, &text);
        }
        for host in network.host_addresses() {
            if host.is_ipv4() == family.ipv4 {
                rule(&mut table, "post", &to_mesh(family, host));
            }
        }
    }
    for port in ports {
        host_port(&mut table, port);
    }
    for service in published {
        add_service(&mut table, network, service);
    }
    table
}

fn add_service(table: &mut Table, network: &NetworkSettings, service: &PublishedService) {
    for port in &service.ports {
        for family in families(network) {
            services::service_port(table, service, port, family);
        }
    }
}

/// The chains, with the rules that are the same for all families.
fn chains() -> Table {
    let hook = |kind: &str, hook: &str, priority: &str| {
        format!("type {kind} hook {hook} priority {priority}; policy accept;")
    };
    // Who came in only since we forward, and is on the way to somebody who is not ours, has no business here.
    let through = format!(
        "iifname @opened oifname != \"{LINK_PREFIX}*\" ct state new ct status & dnat == 0 drop"
    );
    // What comes from other hosts of the mesh is for pods.
    let mesh = format!(
        "iifname \"{MESH_LINK}\" oifname != \"{LINK_PREFIX}*\" ct state new ct status & dnat == 0 drop"
    );
    let [from_inner, to_inner] =
        ["iifname", "oifname"].map(|key| format!("{key} \"{INNER_PREFIX}*\" drop"));
    let inner = format!("iifname \"{INNER_PREFIX}*\" ct state new drop");
    // Pods of this host and of others are inside.
    let outsiders =
        format!("iifname != \"{LINK_PREFIX}*\" iifname != \"{MESH_LINK}\" jump outside");
    let dead =
        "fib daddr type local meta l4proto . th dport @deadport ct status & dnat == 0 jump refuse";
    let chains = [
        ("raw", hook("filter", "prerouting", "raw"), vec![]),
        (
            "pre",
            hook("nat", "prerouting", "dstnat - 10"),
            vec![&outsiders, "jump services"],
        ),
        // By number: older versions of nft know no name for it here.
        ("out", hook("nat", "output", "-110"), vec!["jump services"]),
        ("post", hook("nat", "postrouting", "srcnat - 10"), vec![]),
        (
            "forward",
            hook("filter", "forward", "filter - 10"),
            vec![&from_inner, &to_inner, "jump refused", &through, &mesh],
        ),
        (
            "inner",
            hook("filter", "input", "filter - 10"),
            vec![&inner],
        ),
        (
            "local",
            hook("filter", "output", "filter - 10"),
            vec!["jump refused"],
        ),
        ("outside", String::new(), vec![]),
        (NOBODY, String::new(), vec!["drop"]),
        ("services", String::new(), vec![]),
        ("refused", String::new(), vec![dead]),
        // What whoever asks a service without endpoints is told.
        (
            "refuse",
            String::new(),
            vec!["meta l4proto tcp reject with tcp reset", "reject"],
        ),
    ];
    let mut table = Table::default();
    for (name, declaration, rules) in chains {
        let rules = rules.into_iter().map(str::to_owned).collect();
        let chain = Chain { declaration, rules };
        table.chains.insert(name.to_owned(), chain);
    }
    table
}

fn families(network: &NetworkSettings) -> impl Iterator<Item = Family> {
    FAMILIES.into_iter().filter(|family| {
        let mut pods = network.pods.iter();
        pods.any(|prefix| prefix.is_ipv4() == family.ipv4)
    })
}

fn family_of(address: IpAddr) -> Family {
    let [ipv4, ipv6] = FAMILIES;
    if address.is_ipv4() { ipv4 } else { ipv6 }
}

/// The sets of a family that are always there, with what follows from settings.
fn sets(table: &mut Table, network: &NetworkSettings, family: Family) {
    let Family {
        digit: d, address, ..
    } = family;
    let interval = format!("type {address}; flags interval; auto-merge;");
    let key = format!("{address} . inet_proto . inet_service");
    let port = "inet_proto . inet_service";
    let to = format!("{address} . inet_service");
    let all = [
        ("pods", interval.clone(), false),
        ("keep", interval, false),
        ("hairpin", format!("type {address} . {address};"), false),
        ("dead", format!("type {key};"), false),
        ("hostip", format!("type {key} : {to};"), true),
        ("hostport", format!("type {port} : {to};"), true),
        ("svc", format!("type {key} : verdict;"), true),
        ("node", format!("type {port} : verdict;"), true),
        ("osvc", format!("type {key} : verdict;"), true),
        ("onode", format!("type {port} : verdict;"), true),
    ];
    for (name, declaration, map) in all {
        set(table, &format!("{name}{d}"), &declaration, map);
    }
    let of_family = |prefix: &&Prefix| prefix.is_ipv4() == family.ipv4;
    for prefix in network.pods.iter().filter(of_family) {
        element(table, &format!("pods{d}"), prefix.to_string(), "");
    }
    for kept in keep::entries(network, family.ipv4) {
        element(table, &format!("keep{d}"), kept, "");
    }
}

/// The rules of a family, each with its chain.
fn rules(family: Family) -> Vec<(&'static str, String)> {
    let Family {
        digit: d,
        ip,
        nfproto,
        loopback,
        ..
    } = family;
    let pods = format!("iifname \"{LINK_PREFIX}*\" meta nfproto {nfproto}");
    let inner = format!("iifname \"{INNER_PREFIX}*\" meta nfproto {nfproto}");
    let three = format!("{ip} daddr . meta l4proto . th dport");
    let local = format!("meta nfproto {nfproto} fib daddr type local");
    let two = "meta l4proto . th dport";
    // There is no way from ::1 to a pod: the kernel does not route it.
    let not_loopback = if family.ipv4 { "" } else { "ip6 daddr != ::1 " };
    let [dns4, dns6] = DNS_ADDRESSES;
    let dns = if family.ipv4 { dns4 } else { dns6 };
    let mut rules = vec![
        // Only pods ask for names, and programs of the host, which do not come this way.
        (
            "raw",
            format!("iifname != \"{LINK_PREFIX}*\" {ip} daddr {dns} drop"),
        ),
        ("raw", format!("{pods} {ip} daddr {loopback} drop")),
        ("raw", format!("{pods} fib saddr . iif oif missing drop")),
        ("raw", format!("{inner} {ip} daddr {loopback} drop")),
        ("raw", format!("{inner} fib saddr . iif oif missing drop")),
        ("outside", format!("{three} vmap @osvc{d}")),
        (
            "outside",
            format!("{local} {ip} daddr != {loopback} {two} vmap @onode{d}"),
        ),
        ("services", format!("{three} vmap @svc{d}")),
        ("services", format!("dnat {ip} to {three} map @hostip{d}")),
        (
            "services",
            format!("{local} {ip} daddr != {loopback} {two} vmap @node{d}"),
        ),
        (
            "services",
            format!("{local} {not_loopback}dnat {ip} to {two} map @hostport{d}"),
        ),
        ("refused", format!("{three} @dead{d} jump refuse")),
        (
            "post",
            format!("{ip} saddr . {ip} daddr @hairpin{d} masquerade"),
        ),
        (
            "post",
            format!("{ip} saddr @pods{d} {ip} daddr != @keep{d} masquerade"),
        ),
    ];
    if family.ipv4 {
        let text = format!("ip saddr {loopback} oifname \"{LINK_PREFIX}*\" masquerade");
        rules.push(("post", text));
    }
    rules
}

/// An endpoint on another host of the mesh hears only senders of this host's prefixes: who is none and was led there by a
/// service, such as the host itself, has the host's address among them.
fn to_mesh(Family { digit, ip, .. }: Family, host: IpAddr) -> String {
    format!("oifname \"{MESH_LINK}\" {ip} saddr != @pods{digit} ct status dnat snat {ip} to {host}")
}

fn host_port(table: &mut Table, port: &HostPort) {
    let d = family_of(port.address).digit;
    let to = format!("{} . {}", port.address, port.to);
    let key = format!("{} . {}", port.protocol, port.port);
    match port.host {
        Some(host) => element(table, &format!("hostip{d}"), format!("{host} . {key}"), &to),
        None => element(table, &format!("hostport{d}"), key, &to),
    }
    hairpin(table, d, port.address);
}

/// A pod that asks a service or port of the host and gets itself must see another sender than itself.
fn hairpin(table: &mut Table, digit: char, address: IpAddr) {
    element(
        table,
        &format!("hairpin{digit}"),
        format!("{address} . {address}"),
        "",
    );
}

fn set(table: &mut Table, name: &str, declaration: &str, map: bool) {
    table.sets.entry(name.to_owned()).or_insert_with(|| Set {
        map,
        declaration: declaration.to_owned(),
        elements: BTreeMap::new(),
        dynamic: false,
    });
}

fn element(table: &mut Table, name: &str, key: String, value: &str) {
    if let Some(set) = table.sets.get_mut(name) {
        // Who was first keeps it.
        set.elements.entry(key).or_insert_with(|| value.to_owned());
    }
}

fn rule(table: &mut Table, chain: &str, text: &str) {
    if let Some(chain) = table.chains.get_mut(chain) {
        chain.rules.push(text.to_owned());
    }
}
