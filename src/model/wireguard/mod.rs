//! WireGuard as nouns: keys, peers, what a device ought to have and what it has.

mod key;

pub use key::{KeyError, PublicKey, SecretKey};

use super::name::ObjectName;
use super::network::Prefix;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// The interface that joins the pods of several hosts.
pub const MESH_LINK: &str = "vks-wg0";
/// The port that WireGuard's own documentation uses.
pub const DEFAULT_PORT: u16 = 51820;
/// What a packet grows by on its way through a tunnel, at most: an IPv6 header, UDP, and WireGuard's own 32 bytes.
pub const OVERHEAD: u32 = 80;
/// A session whose last handshake is older than this has ended: WireGuard makes a new one after 120 s, and gives up the
/// old one after 180 s (its paper, 6.1).
pub const STALE: Duration = Duration::from_secs(185);

/// Where others reach a host: an address or a name, and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// An address, or a name that is looked up.
    pub host: String,
    /// Its UDP port.
    pub port: u16,
}

/// A text is no endpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not an endpoint: write a name or an address and a port, such as vpn.example.org:51820 or [2001:db8::1]:51820"
)]
pub struct EndpointError(String);

impl Endpoint {
    /// Its address, when it is not a name.
    pub fn address(&self) -> Option<SocketAddr> {
        let ip: IpAddr = self.host.parse().ok()?;
        Some(SocketAddr::new(ip, self.port))
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let wrong = || EndpointError(text.to_owned());
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let port: u16 = port.parse().map_err(|_| wrong())?;
        let inner = host
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        let good = match inner {
            Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
            None => {
                let letter = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
                !host.is_empty() && host.len() <= 253 && host.chars().all(letter)
            }
        };
        if !good || port == 0 {
            return Err(wrong());
        }
        Ok(Self {
            host: inner.unwrap_or(host).to_owned(),
            port,
        })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl Serialize for Endpoint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Endpoint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// Where a secret key is read from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum KeySource {
    /// A file that only root reads.
    File(PathBuf),
    /// A credential of systemd by this name (systemd.exec(5), `ImportCredential=`).
    Credential(String),
    /// A key of a secret in a manifest: planning stores it with the pod.
    Secret {
        /// The secret, in the namespace of what names it.
        name: ObjectName,
        /// The key in it.
        key: String,
    },
}

/// The mesh of hosts (`[wireguard]` of vks.toml).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mesh {
    /// This host's private key; `None`: a file of vks, made when it is not there.
    pub key: Option<KeySource>,
    /// The UDP port (default 51820).
    pub port: u16,
    /// Bytes of the largest packet; `None`: that of the interface with the default route less [`OVERHEAD`].
    pub mtu: Option<u32>,
    /// Where others reach this host: only to tell them.
    pub endpoint: Option<Endpoint>,
    /// The other hosts.
    pub peers: BTreeMap<ObjectName, Peer>,
}

/// Another host, or the far end of a tunnel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Peer {
    /// Who it is.
    pub public_key: PublicKey,
    /// A key that both have, against adversaries with quantum computers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preshared_key: Option<KeySource>,
    /// Where it is reached; without one it has to come first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<Endpoint>,
    /// What is sent to it, and may come from it.
    #[serde(rename = "allowedIPs")]
    pub prefixes: Vec<Prefix>,
    /// Seconds between packets that keep a way through NAT open; 0 for none (default).
    #[serde(default, rename = "persistentKeepalive")]
    pub keepalive: u16,
}

/// A peer with all that had to be looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DevicePeer {
    /// Who it is.
    pub key: PublicKey,
    /// A key that both have.
    pub preshared: Option<SecretKey>,
    /// Where it is; `None` where that is not known, or not to be changed.
    pub endpoint: Option<SocketAddr>,
    /// What is sent to it, and may come from it, sorted.
    pub prefixes: Vec<Prefix>,
    /// Seconds between packets that keep it reachable; 0 for none.
    pub keepalive: u16,
}

/// What a device ought to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Its private key.
    pub key: SecretKey,
    /// Its UDP port; `None`: any.
    pub port: Option<u16>,
    /// Its peers, each key once.
    pub peers: Vec<DevicePeer>,
}

/// What a device has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shown {
    /// Its private key, if it has one.
    pub key: Option<SecretKey>,
    /// Its UDP port.
    pub port: u16,
    /// Its peers.
    pub peers: BTreeMap<PublicKey, ShownPeer>,
}

/// A peer that a device has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownPeer {
    /// Its settings; the endpoint is where it was heard of last.
    pub peer: DevicePeer,
    /// Since the last handshake; none if there was none.
    pub handshake: Option<Duration>,
    /// Bytes from it.
    pub received: u64,
    /// Bytes to it.
    pub sent: u64,
}

impl ShownPeer {
    /// Whether there is no session with it.
    pub fn is_stale(&self) -> bool {
        self.handshake.is_none_or(|age| age > STALE)
    }
}

/// One change of a device that leaves all else as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Update {
    /// Give it a private key. All sessions begin anew.
    Key(SecretKey),
    /// Let it listen on a port.
    Port(u16),
    /// Take a peer away.
    Remove(PublicKey),
    /// Add a peer that is not there.
    Add(DevicePeer),
    /// Change a peer that is there: what is `None` stays.
    Change {
        /// Which.
        key: PublicKey,
        /// Its preshared key, or that it has none.
        preshared: Option<Option<SecretKey>>,
        /// Where it is.
        endpoint: Option<SocketAddr>,
        /// All of its prefixes.
        prefixes: Option<Vec<Prefix>>,
        /// Seconds; 0 for none.
        keepalive: Option<u16>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_names_or_addresses_with_a_port() {
        for text in ["a.example.org:51820", "192.0.2.1:1", "[2001:db8::1]:51820"] {
            let endpoint: Endpoint = text.parse().unwrap();
            assert_eq!(endpoint.to_string(), text);
        }
        let named: Endpoint = "a.example.org:51820".parse().unwrap();
        assert_eq!(named.address(), None);
        let v6: Endpoint = "[2001:db8::1]:7".parse().unwrap();
        assert_eq!(v6.address(), Some("[2001:db8::1]:7".parse().unwrap()));
        for bad in [
            "",
            "a",
            "a:",
            ":1",
            "a:0",
            "a:65536",
            "2001:db8::1:51820",
            "[a]:1",
            "a b:1",
        ] {
            assert!(bad.parse::<Endpoint>().is_err(), "{bad}");
        }
    }
}
