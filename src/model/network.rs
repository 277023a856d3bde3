//! Networks as nouns: prefixes, what the node gives to pods, what one pod gets.

pub mod attach;
mod prefix;
pub mod published;
pub mod service;
pub mod slice;

pub use prefix::{Prefix, PrefixError};

use super::name::PodUid;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Names of the host's ends of pod networks begin with this; nothing else of ours does.
pub const LINK_PREFIX: &str = "vksp";
/// All interfaces of ours on a host begin with this.
pub const OURS: &str = "vks";
/// The host's end of the network of a pod whose way out is a tunnel: between the two of them, and no further.
pub const INNER_PREFIX: &str = "vkst";
/// The name of the interface in the pod.
pub const POD_LINK: &str = "eth0";
/// What pods have as IPv4 gateway. Link-local (RFC 3927) and the same for all: it takes no address of a prefix.
pub const GATEWAY_IPV4: Ipv4Addr = Ipv4Addr::new(169, 254, 77, 1);
/// Where the name server of pods listens: at their gateway, and for pods without IPv4 at a unique local address
/// (RFC 4193), since a link-local one means something else on every link. The same on each host.
pub const DNS_ADDRESSES: [IpAddr; 2] = [
    IpAddr::V4(GATEWAY_IPV4),
    IpAddr::V6(Ipv6Addr::new(0xfd76, 0x6b73, 0x53, 0, 0, 0, 0, 0x53)),
];
/// The host's own addresses on the way there.
pub const DNS_HOST: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 77, 2)),
    IpAddr::V6(Ipv6Addr::new(0xfd76, 0x6b73, 0x53, 0, 0, 0, 0, 2)),
];
/// The host's end of the link to the namespace that the name server listens in. Pods' links have digits there.
pub const DNS_LINK: &str = "vkspdns";
/// That namespace, in the directory of namespaces: nobody else's sockets are there.
pub const DNS_NAMESPACE: &str = "vks-dns";
/// What pods have as IPv6 gateway.
pub const GATEWAY_IPV6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
/// The hardware address of the host's end of every pod network: locally administered, and on no wire.
pub const HOST_MAC: [u8; 6] = [0xee; 6];

/// Where pods without `hostNetwork` run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// In a namespace with addresses of its own.
    #[default]
    Pod,
    /// On the host's network, as if all had `hostNetwork: true`: for hosts that cannot do otherwise.
    Host,
}

/// What the node gives to its pods (`[network]` of vks.toml, gaps filled).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkSettings {
    /// `network.mode`.
    pub mode: Mode,
    /// Prefixes that pods get addresses from, at most one of each family, IPv4 first.
    pub pods: Vec<Prefix>,
    /// Prefixes that services get addresses from, at most one of each family, IPv4 first.
    pub services: Vec<Prefix>,
    /// The ports of services of type NodePort, both ends included.
    pub node_ports: (u16, u16),
    /// Bytes of the largest packet; `None`: that of the interface with the default route.
    pub mtu: Option<u32>,
    /// What leaves for these keeps the pod's address; the pods' own prefixes are always among them.
    pub no_masquerade: Vec<Prefix>,
    /// Nobody wrote the pods' prefixes down: they follow from the machine-id.
    pub derived: bool,
    /// Prefixes of pods of other hosts, reached by the mesh: they see the pods' own addresses.
    pub mesh: Vec<Prefix>,
    /// Why no pod can have an address on this host, such as a route that is in the way.
    pub problem: Option<String>,
}

impl Default for NetworkSettings {
    /// For tests and examples: fixed prefixes.
    fn default() -> Self {
        Self {
            mode: Mode::Pod,
            pods: vec![
                Prefix::new(Ipv4Addr::new(10, 192, 0, 0).into(), 24),
                Prefix::new(Ipv6Addr::new(0xfd76, 0x6b73, 0, 0, 0, 0, 0, 0).into(), 64),
            ],
            services: default_services(),
            node_ports: (30000, 32767),
            mtu: None,
            no_masquerade: Vec::new(),
            derived: true,
            mesh: Vec::new(),
            problem: None,
        }
    }
}

impl NetworkSettings {
    /// The host's own address among the pods, one for each family: what pods see of the host, and where it
    /// is reached whatever its other addresses are.
    pub fn host_addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.pods.iter().map(|prefix| prefix.nth(1))
    }

    /// The name server that pods are given: of the first family they have; none in mode `host`.
    pub fn name_server(&self) -> Option<IpAddr> {
        let first = self.pods.first().filter(|_| self.mode == Mode::Pod)?;
        let mut all = DNS_ADDRESSES.into_iter();
        all.find(|address| address.is_ipv4() == first.is_ipv4())
    }
}

/// The default of `network.services`: Kubernetes' own for IPv4, and a unique local one for IPv6.
pub fn default_services() -> Vec<Prefix> {
    vec![
        Prefix::new(Ipv4Addr::new(10, 96, 0, 0).into(), 16),
        Prefix::new(
            Ipv6Addr::new(0xfd76, 0x6b73, 0x5c, 0, 0, 0, 0, 0).into(),
            112,
        ),
    ]
}

/// What a sandbox wires up for its pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Wiring {
    /// The pod's addresses, one for each family.
    pub addresses: Vec<IpAddr>,
    /// The host's address that the pod sees, one for each family.
    pub host: Vec<IpAddr>,
    /// Bytes of the largest packet; without it that of the interface with the default route.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
    /// A tunnel is the pod's only way out: the host asks these ports and no others, and the pod asks nobody this way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inner: Option<Vec<attach::OpenPort>>,
    /// Some port of the host leads here, also for programs that ask 127.0.0.1 (default false).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub localhost: bool,
}

/// The hardware address of a pod's interface: locally administered, made of its address.
pub fn pod_mac(address: IpAddr) -> [u8; 6] {
    let octets = match address {
        IpAddr::V4(v4) => v4.octets(),
        IpAddr::V6(v6) => {
            let [.., a, b, c, d] = v6.octets();
            [a, b, c, d]
        }
    };
    let [a, b, c, d] = octets;
    [0x0a, 0x58, a, b, c, d]
}

/// The name of the host's end of a pod's network. `salt` makes it another one each time the pod's sandbox comes
/// up, since the kernel takes the old one away only later.
pub fn link_name(prefix: &str, uid: &PodUid, salt: u64) -> String {
    let mut hash = Sha256::new();
    hash.update(uid.as_str());
    hash.update(salt.to_le_bytes());
    let digits = hash.finalize();
    let hex: String = digits
        .iter()
        .take(5)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("{prefix}{hex}")
}

/// The /24 of a host in a range, from its machine-id. The id is confidential (machine-id(5)): a hash goes in.
pub fn derived_ipv4(machine_id: &str, range: Prefix) -> Prefix {
    let (IpAddr::V4(base), true) = (range.address(), range.length() <= 24) else {
        return range;
    };
    let count = 1u64 << (24 - range.length());
    let index = u32::try_from(number(machine_id, "ipv4") % count).unwrap_or_default();
    let address = u32::from(base) | (index << 8);
    Prefix::new(Ipv4Addr::from(address).into(), 24)
}

/// The /64 of a host, from its machine-id: unique local, with 56 pseudo-random bits (RFC 4193 asks for 40).
pub fn derived_ipv6(machine_id: &str) -> Prefix {
    let bits = (number(machine_id, "ipv6") >> 8) | (0xfd << 56);
    Prefix::new(Ipv6Addr::from(u128::from(bits) << 64).into(), 64)
}

/// 64 bits of a hash that says nothing of the machine-id.
fn number(machine_id: &str, purpose: &str) -> u64 {
    let hash = Sha256::digest(format!("vks pod network {purpose} {}", machine_id.trim()));
    let mut bytes = [0; 8];
    for (to, from) in bytes.iter_mut().zip(hash) {
        *to = from;
    }
    u64::from_be_bytes(bytes)
}

/// Between a tunnel that pods share and those pods, IPv4 first: link-local and unique local (RFC 4193), the same on each host,
/// and never seen outside.
pub fn shared_tunnel_prefixes() -> [Prefix; 2] {
    [
        Prefix::new(Ipv4Addr::new(169, 254, 80, 0).into(), 20),
        Prefix::new(
            Ipv6Addr::new(0xfd76, 0x6b73, 0x54, 0, 0, 0, 0, 0).into(),
            64,
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_follow_the_machine_id() {
        let range: Prefix = "10.192.0.0/10".parse().unwrap();
        let id = "0123456789abcdef0123456789abcdef";
        let v4 = derived_ipv4(id, range);
        assert_eq!(v4, derived_ipv4(&format!("{id}\n"), range));
        assert_ne!(v4, derived_ipv4("f123456789abcdef0123456789abcdef", range));
        assert_eq!(v4.length(), 24);
        assert!(range.overlaps(v4), "{v4}");
        let v6 = derived_ipv6(id);
        assert_eq!(v6.length(), 64);
        assert!(v6.to_string().starts_with("fd"), "{v6}");
        assert_eq!(
            derived_ipv4(id, "10.1.2.0/25".parse().unwrap()).to_string(),
            "10.1.2.0/25"
        );
    }

    #[test]
    fn link_names_fit_and_differ() {
        let uid: PodUid = "0b1c2d3e-0000-4000-8000-000000000001".parse().unwrap();
        let name = link_name(LINK_PREFIX, &uid, 1);
        assert!(name.len() <= 15 && name.starts_with(LINK_PREFIX), "{name}");
        assert_ne!(name, link_name(LINK_PREFIX, &uid, 2));
    }
}
