//! A tunnel as a network: the fields of wg-quick(8), with keys by reference.

use super::{Address, OpenPort};
use crate::model::wireguard::{KeySource, Peer};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// Type `wireguard`, of vks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tunnel {
    /// Its private key: `{"secret": {"name": …, "key": …}}`, `{"file": …}` or `{"credential": …}`.
    pub private_key: KeySource,
    /// The pod's addresses in it.
    pub address: Vec<Address>,
    /// Name servers, reached through it; the pod has no others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dns: Vec<IpAddr>,
    /// Bytes of the largest packet (default: what the host's interface takes, less 80, at most 1420).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
    /// The UDP port of the host that it uses (default: any).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listen_port: Option<u16>,
    /// The far ends.
    pub peers: Vec<Peer>,
    /// Ports of the pod that the host may ask; of a pod that has no other way out, nobody else may.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<OpenPort>,
    /// Several pods may have it at the same time (default false: one pod, which has the tunnel's addresses itself). They ask
    /// through it and are not asked.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shared: bool,
}

impl Tunnel {
    /// What is wrong with it.
    pub fn problem(&self) -> Option<String> {
        if self.address.is_empty() {
            return Some("the tunnel has no address: add address".to_owned());
        }
        if self.peers.is_empty() {
            return Some("the tunnel has no peers: add one to peers".to_owned());
        }
        let mut keys: Vec<_> = self.peers.iter().map(|peer| peer.public_key).collect();
        keys.sort();
        keys.dedup();
        if keys.len() < self.peers.len() {
            return Some("two peers have the same publicKey: remove one".to_owned());
        }
        let small = self.mtu.filter(|mtu| !(1280..=65455).contains(mtu));
        small.map(|mtu| format!("mtu {mtu} is not between 1280 and 65455: correct it"))
    }

    /// Whether all the world is behind it: then there is no other way out of the pod.
    pub fn is_default(&self) -> bool {
        let mut prefixes = self.peers.iter().flat_map(|peer| &peer.prefixes);
        prefixes.any(|prefix| prefix.length() == 0)
    }

    /// Where its keys come from: its own, then those of its peers that have one.
    pub fn sources(&self) -> impl Iterator<Item = &KeySource> {
        let peers = self.peers.iter();
        std::iter::once(&self.private_key)
            .chain(peers.filter_map(|peer| peer.preshared_key.as_ref()))
    }
}
