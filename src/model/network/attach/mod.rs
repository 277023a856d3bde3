//! Networks that pods are attached to beside their own, or instead of it: the objects of kind NetworkAttachmentDefinition
//! (k8s.cni.cncf.io/v1), one file for each type of network.

pub mod bridge;
pub mod macvlan;
pub mod wireguard;

pub use bridge::Bridge;
pub use macvlan::Macvlan;
pub use wireguard::Tunnel;

use super::Prefix;
use super::published::Protocol;
use crate::model::name::ObjectKey;
use crate::model::pod::SourcePath;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// The annotation of a pod that names networks (Kubernetes Network Plumbing Working Group, Multi-Network specification, 4).
pub const NETWORKS: &str = "k8s.v1.cni.cncf.io/networks";
/// The annotation that names the one that leads out of the pod.
pub const DEFAULT_NETWORK: &str = "v1.multus-cni.io/default-network";

/// The annotation that says what has become of it (the same specification, 5.2): what `vks get` shows beside what was asked.
pub const NETWORK_STATUS: &str = "k8s.v1.cni.cncf.io/network-status";

/// An object of kind NetworkAttachmentDefinition.
#[derive(Debug, Clone, PartialEq)]
pub struct Definition {
    /// Namespace and name.
    pub key: ObjectKey,
    /// What it is.
    pub network: Network,
    /// The file it comes from.
    pub source: SourcePath,
}

/// A network, by its type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Network {
    /// A bridge of this host.
    Bridge(Bridge),
    /// The wire of an interface of this host.
    Macvlan(Macvlan),
    /// A tunnel.
    Wireguard(Tunnel),
}

impl Network {
    /// The types there are.
    pub const TYPES: [&'static str; 3] = ["bridge", "macvlan", "wireguard"];

    /// What is wrong with it, beyond its form.
    pub fn problem(&self) -> Option<String> {
        match self {
            Self::Bridge(bridge) => bridge.problem(),
            Self::Macvlan(macvlan) => macvlan.problem(),
            Self::Wireguard(tunnel) => tunnel.problem(),
        }
    }
}

/// A pod on a network: what its sandbox makes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Attachment {
    /// The definition.
    pub of: ObjectKey,
    /// The name of the interface in the pod.
    pub link: String,
    /// The network.
    pub network: Network,
    /// Addresses that the pod asks for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<Address>,
    /// The hardware address that the pod asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<Mac>,
    /// It leads out of the pod: nothing else does (default false).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub only_way: bool,
    /// Where the pod's directory has the keys of secrets, by number: see [`Tunnel::sources`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
}

/// An address and the length of the prefix that it is in, such as `10.2.0.2/24`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address {
    /// The address.
    pub ip: IpAddr,
    /// Bits of its prefix.
    pub length: u8,
}

impl Address {
    /// What is on the same wire.
    pub fn prefix(self) -> Prefix {
        Prefix::new(self.ip, self.length)
    }
}

impl FromStr for Address {
    type Err = String;

    /// Without a length it is an address alone.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not an address: write one such as 10.2.0.2/24");
        let (ip, length) = match text.split_once('/') {
            Some((ip, length)) => (ip, Some(length)),
            None => (text, None),
        };
        let ip: IpAddr = ip.parse().map_err(|_| wrong())?;
        let most = if ip.is_ipv4() { 32 } else { 128 };
        let length = match length {
            Some(length) => length.parse().ok().filter(|length| *length <= most),
            None => Some(most),
        };
        Ok(Self {
            ip,
            length: length.ok_or_else(wrong)?,
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.ip, self.length)
    }
}

/// A hardware address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mac(pub [u8; 6]);

impl FromStr for Mac {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("{text:?} is not a hardware address: write one such as 02:00:00:00:00:07");
        let mut bytes = [0; 6];
        let mut parts = text.split(':');
        for byte in &mut bytes {
            let part = parts.next().filter(|part| part.len() == 2);
            *byte = part
                .and_then(|part| u8::from_str_radix(part, 16).ok())
                .ok_or_else(wrong)?;
        }
        match parts.next().is_none() && bytes[0] & 1 == 0 {
            true => Ok(Self(bytes)),
            false => Err(wrong()),
        }
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// A port of a pod that the host may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenPort {
    /// Its protocol (default TCP).
    pub protocol: Protocol,
    /// Its number.
    pub port: u16,
}

impl FromStr for OpenPort {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a port: write one such as 8080 or 53/udp");
        let (port, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        let port: u16 = port.parse().map_err(|_| wrong())?;
        let protocol = protocol.parse().map_err(|()| wrong())?;
        (port > 0)
            .then_some(Self { protocol, port })
            .ok_or_else(wrong)
    }
}

impl fmt::Display for OpenPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.port, self.protocol)
    }
}

macro_rules! as_text {
    ($($name:ty),*) => { $(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    )* };
}

as_text!(Address, Mac, OpenPort);

/// How pods get addresses on a network (CNI's `ipam`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Ipam {
    /// `static`: the same for all, or what the pod asks for. `host-local`: free ones of `subnet`.
    #[serde(rename = "type")]
    pub kind: IpamKind,
    /// Of `static`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<IpamAddress>,
    /// Of `host-local`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subnet: Option<Prefix>,
    /// Of `host-local`: a router on the network, which no pod gets as its address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<IpAddr>,
    /// What else is reached by this network.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<Route>,
}

/// Who gives addresses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IpamKind {
    /// Whoever wrote the manifest.
    #[default]
    Static,
    /// This host.
    HostLocal,
}

/// An address of a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IpamAddress {
    /// The address.
    pub address: Address,
    /// A router.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<IpAddr>,
}

/// A route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Route {
    /// What is reached.
    pub dst: Prefix,
    /// By whom (default: the network's gateway).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gw: Option<IpAddr>,
}

impl Ipam {
    /// What is wrong with it.
    pub fn problem(&self) -> Option<String> {
        if self.kind == IpamKind::HostLocal && self.subnet.is_none() {
            return Some("ipam of type host-local has no subnet: add one".to_owned());
        }
        if self.kind == IpamKind::Static && self.subnet.is_some() {
            return Some(
                "ipam of type static has no subnet: write addresses, or type host-local".to_owned(),
            );
        }
        let gateways = self.addresses.iter().filter_map(|of| of.gateway);
        let mut gateways = gateways.chain(self.gateway);
        let lost = self.routes.iter().find(|route| {
            route.gw.is_none() && !gateways.any(|gateway| gateway.is_ipv4() == route.dst.is_ipv4())
        });
        lost.map(|route| format!("the route to {} has no gateway: add gw", route.dst))
    }
}

/// The name of the device of a tunnel on the host: the same for all who want it, so that two cannot have it.
pub fn device_name(of: &ObjectKey) -> String {
    format!("vksw{}", short(&of.to_string()))
}

/// The name of the host's end of a pod's interface on a bridge.
pub fn port_name(uid: &crate::model::name::PodUid, link: &str) -> String {
    format!("vksb{}", short(&format!("{uid}/{link}")))
}

fn short(text: &str) -> String {
    let hash = Sha256::digest(text.as_bytes());
    hash.iter()
        .take(5)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Whether a text can be the name of an interface; of `lo` and of the pod's own there is one already.
pub fn is_link_name(text: &str) -> bool {
    let letter = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
    (1..=15).contains(&text.len())
        && text.bytes().all(letter)
        && !matches!(text, "lo" | "." | ".." | super::POD_LINK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_strict() {
        let address: Address = "10.2.0.2/24".parse().unwrap();
        assert_eq!(address.prefix().to_string(), "10.2.0.0/24");
        assert_eq!("fd00::2".parse::<Address>().unwrap().length, 128);
        for bad in ["", "10.2.0.2/33", "a/1"] {
            assert!(bad.parse::<Address>().is_err(), "{bad}");
        }
        assert_eq!(
            "02:00:00:00:00:0a".parse::<Mac>().unwrap().to_string(),
            "02:00:00:00:00:0a"
        );
        for bad in [
            "",
            "02:00:00:00:00",
            "01:00:00:00:00:00",
            "02:00:00:00:00:00:00",
            "2:0:0:0:0:0",
        ] {
            assert!(bad.parse::<Mac>().is_err(), "{bad}");
        }
        assert_eq!("53/udp".parse::<OpenPort>().unwrap().to_string(), "53/udp");
        for bad in ["0", "x", "70000", "1/icmp"] {
            assert!(bad.parse::<OpenPort>().is_err(), "{bad}");
        }
    }

    #[test]
    fn names_of_devices_fit() {
        let key = ObjectKey {
            namespace: "default".parse().unwrap(),
            name: "vpn".parse().unwrap(),
        };
        assert!(is_link_name(&device_name(&key)));
        assert!(!is_link_name("eth0") && !is_link_name("a b") && !is_link_name("0123456789abcdef"));
    }
}
