//! `[wireguard]`: the mesh of hosts. Peers have names, so that each can be in a drop-in of its own.

use super::{Settings, Wrong, check_path};
use crate::model::layout::Layout;
use crate::model::name::ObjectName;
use crate::model::network::{Mode, Prefix};
use crate::model::wireguard::{DEFAULT_PORT, Endpoint, KeySource, Mesh, Peer, PublicKey};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What one file says of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Wireguard {
    /// A file with this host's private key, readable by root alone (default: one below `/var/lib/vks/wireguard`, made when
    /// it is not there).
    pub key_file: Option<PathBuf>,
    /// Instead: a credential of systemd, whose name begins with `vks.`.
    pub key_credential: Option<String>,
    /// The UDP port (default 51820).
    pub port: Option<u16>,
    /// Bytes of the largest packet (default: what the interface with the default route takes, less 80).
    pub mtu: Option<u32>,
    /// Where others reach this host: only for `vks wireguard export`.
    pub endpoint: Option<Endpoint>,
    /// `[wireguard.peers.NAME]`: the other hosts.
    pub peers: BTreeMap<ObjectName, WireguardPeer>,
}

/// `[wireguard.peers.NAME]`: another host.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WireguardPeer {
    /// Its public key.
    pub public_key: PublicKey,
    /// Where it is reached; without one it has to come first (default none).
    #[serde(default)]
    pub endpoint: Option<Endpoint>,
    /// The prefixes of its pods, and whatever else is behind it.
    pub prefixes: Vec<Prefix>,
    /// A file with a preshared key, readable by root alone (default none).
    #[serde(default)]
    pub preshared_key_file: Option<PathBuf>,
    /// Instead: a credential of systemd, whose name begins with `vks.`.
    #[serde(default)]
    pub preshared_key_credential: Option<String>,
    /// Seconds between packets that keep a way through NAT open (default 0: none).
    #[serde(default)]
    pub keepalive: u16,
}

impl Wireguard {
    /// Lays another over this one: what it says wins, peers by their names.
    pub fn overlay(&mut self, over: Self) {
        let Self {
            key_file,
            key_credential,
            port,
            mtu,
            endpoint,
            peers,
        } = over;
        if key_file.is_some() || key_credential.is_some() {
            self.key_file = key_file;
            self.key_credential = key_credential;
        }
        self.port = port.or(self.port);
        self.mtu = mtu.or(self.mtu);
        self.endpoint = endpoint.or(self.endpoint.take());
        self.peers.extend(peers);
    }
}

/// The peers that the nodes of the cluster say; none without a cluster, or of a damaged file.
pub(super) fn told(layout: &Layout) -> BTreeMap<ObjectName, WireguardPeer> {
    let text = std::fs::read_to_string(layout.mesh_peers()).unwrap_or_default();
    toml::from_str(&text).unwrap_or_default()
}

/// Adds peers that others say, but what settings say wins: a name, a key or a prefix that is in them is not taken again.
pub(super) fn complete(wireguard: &mut Wireguard, told: BTreeMap<ObjectName, WireguardPeer>) {
    for (name, mut peer) in told {
        let known = &wireguard.peers;
        let taken = |prefix: &Prefix| {
            let mut all = known.values().flat_map(|peer| &peer.prefixes);
            all.any(|other| other.overlaps(*prefix))
        };
        peer.prefixes.retain(|prefix| !taken(prefix));
        let has_key = known
            .values()
            .any(|other| other.public_key == peer.public_key);
        if !known.contains_key(&name) && !has_key && !peer.prefixes.is_empty() {
            wireguard.peers.insert(name, peer);
        }
    }
}

const PEERS: &str = "wireguard.peers";

/// Checks the values one file gives.
pub(super) fn check(wireguard: &Wireguard) -> Result<(), Wrong> {
    source(
        ("wireguard.key_file", &wireguard.key_file),
        ("wireguard.key_credential", &wireguard.key_credential),
    )?;
    if wireguard.port == Some(0) {
        return Err((
            "wireguard.port",
            "must be at least 1: correct it".to_owned(),
        ));
    }
    if let Some(mtu) = wireguard.mtu
        && !(1280..=65455).contains(&mtu)
    {
        let message = format!("{mtu} is not between 1280 and 65455: correct it");
        return Err(("wireguard.mtu", message));
    }
    for (name, peer) in &wireguard.peers {
        source(
            (PEERS, &peer.preshared_key_file),
            (PEERS, &peer.preshared_key_credential),
        )
        .map_err(|(field, message)| (field, format!("{name}: preshared key: {message}")))?;
        if peer.prefixes.is_empty() {
            let message = format!("{name}: prefixes is empty: write those of its pods");
            return Err((PEERS, message));
        }
    }
    Ok(())
}

fn source(
    (file_field, file): (&'static str, &Option<PathBuf>),
    (field, credential): (&'static str, &Option<String>),
) -> Result<(), Wrong> {
    if let Some(file) = file {
        check_path(file_field, file)?;
    }
    let Some(credential) = credential else {
        return Ok(());
    };
    if file.is_some() {
        let message = "there is a file too: remove one of them".to_owned();
        return Err((field, message));
    }
    let letters = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    match credential.starts_with("vks.") && credential.chars().all(letters) {
        true => Ok(()),
        false => Err((
            field,
            format!(
                "{credential:?} must begin with vks. and have letters, digits and -._ only: rename it"
            ),
        )),
    }
}

/// What it amounts to.
pub(super) fn settings(wireguard: Wireguard) -> Mesh {
    let peer = |peer: WireguardPeer| Peer {
        public_key: peer.public_key,
        preshared_key: key(peer.preshared_key_file, peer.preshared_key_credential),
        endpoint: peer.endpoint,
        prefixes: peer.prefixes,
        keepalive: peer.keepalive,
    };
    let peers = wireguard.peers.into_iter();
    Mesh {
        key: key(wireguard.key_file, wireguard.key_credential),
        port: wireguard.port.unwrap_or(DEFAULT_PORT),
        mtu: wireguard.mtu,
        endpoint: wireguard.endpoint,
        peers: peers.map(|(name, of)| (name, peer(of))).collect(),
    }
}

fn key(file: Option<PathBuf>, credential: Option<String>) -> Option<KeySource> {
    let file = file.map(KeySource::File);
    file.or_else(|| credential.map(KeySource::Credential))
}

/// Why the mesh cannot be as the settings, taken together, say.
pub fn problem(settings: &Settings) -> Option<String> {
    let mesh = settings.wireguard.as_ref()?;
    if settings.network.mode == Mode::Host {
        return Some("network.mode is \"host\": no pod has an address: remove [wireguard] or set it to \"pod\"".to_owned());
    }
    let mut seen: Vec<(&ObjectName, Prefix)> = Vec::new();
    let mut keys = BTreeMap::new();
    for (name, peer) in &mesh.peers {
        if let Some(other) = keys.insert(peer.public_key, name) {
            return Some(format!(
                "wireguard.peers.{name} and {other} have the same public key: remove one"
            ));
        }
        for prefix in &peer.prefixes {
            let own = settings
                .network
                .pods
                .iter()
                .chain(&settings.network.services);
            if let Some(own) = own.clone().find(|own| own.overlaps(*prefix)) {
                return Some(format!(
                    "wireguard.peers.{name}: its prefix {prefix} is in the way of {own} of this host: set network.ipv4, \
                     network.ipv6 or network.services of one of them to another one"
                ));
            }
            if let Some((other, taken)) = seen.iter().find(|(_, taken)| taken.overlaps(*prefix)) {
                return Some(format!(
                    "wireguard.peers.{name}: its prefix {prefix} is in the way of {taken} of {other}: correct one of them"
                ));
            }
        }
        seen.extend(peer.prefixes.iter().map(|prefix| (name, *prefix)));
    }
    None
}

/// The file of a peer that `vks wireguard peer add` writes: a drop-in of its own.
pub fn drop_in(root: &Path, peer: &ObjectName) -> PathBuf {
    let name = format!("50-wireguard-{peer}.toml");
    root.join("etc/vks/vks.toml.d").join(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::scratch::Scratch;

    const KEY: &str = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=";
    const OTHER: &str = "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=";

    fn load(files: &[(&str, String)]) -> Result<Settings, String> {
        let scratch = Scratch::new("wireguard");
        for (name, text) in files {
            scratch.put(&format!("etc/vks/{name}"), text);
        }
        let base = "[network]\nipv4 = '10.192.1.0/24'\nipv6 = 'fd00:1::/64'\n";
        scratch.put("etc/vks/vks.toml.d/00-base.toml", base);
        Settings::load(scratch.root()).map_err(|error| error.to_string())
    }

    fn peer(name: &str, key: &str, prefixes: &str) -> String {
        format!("[wireguard.peers.{name}]\npublic_key = '{key}'\nprefixes = [{prefixes}]\n")
    }

    #[test]
    fn peers_come_from_many_files() {
        let settings = load(&[
            (
                "vks.toml",
                format!(
                    "[wireguard]\nport = 7\n{}",
                    peer("b", KEY, "'10.192.2.0/24'")
                ),
            ),
            (
                "vks.toml.d/c.toml",
                peer("c", OTHER, "'10.192.3.0/24', 'fd00:3::/64'")
                    + "endpoint = 'c.example:5'\nkeepalive = 25\n",
            ),
        ])
        .unwrap();
        assert_eq!(problem(&settings), None);
        let mesh = settings.wireguard.unwrap();
        assert_eq!((mesh.port, mesh.peers.len()), (7, 2));
        let c = &mesh.peers[&"c".parse().unwrap()];
        assert_eq!(c.endpoint.as_ref().unwrap().to_string(), "c.example:5");
        assert_eq!(settings.network.mesh.len(), 3);
        let mesh = load(&[("vks.toml", "[wireguard]\n".to_owned())])
            .unwrap()
            .wireguard
            .unwrap();
        assert_eq!((mesh.port, mesh.key), (DEFAULT_PORT, None));
        assert_eq!(load(&[]).unwrap().wireguard, None);
    }

    #[test]
    fn wrong_values_are_told() {
        let cases = [
            ("[wireguard]\nport = 0\n".to_owned(), "wireguard.port"),
            (
                "[wireguard]\nkey_file = 'a'\n".to_owned(),
                "wireguard.key_file",
            ),
            (
                "[wireguard]\nkey_file = '/a'\nkey_credential = 'vks.a'\n".to_owned(),
                "remove one",
            ),
            (
                "[wireguard]\nkey_credential = 'a'\n".to_owned(),
                "must begin with vks.",
            ),
            (peer("b", "AAAA", "'10.1.0.0/24'"), "44 characters"),
            (peer("b", KEY, "'10.1.0.1/24'"), "write 10.1.0.0/24"),
            (peer("b", KEY, ""), "prefixes is empty"),
            (
                peer("b", KEY, "'10.1.0.0/24'") + "endpoint = 'x'\n",
                "is not an endpoint",
            ),
        ];
        for (text, wanted) in cases {
            let error = load(&[("vks.toml", text.clone())]).unwrap_err();
            assert!(error.contains(wanted), "{text}: {error}");
        }
    }

    #[test]
    fn what_cannot_be_together_is_told() {
        let cases = [
            (
                peer("b", KEY, "'10.192.1.128/25'"),
                "10.192.1.0/24 of this host",
            ),
            (
                peer("b", KEY, "'10.96.0.0/12'"),
                "10.96.0.0/16 of this host",
            ),
            (
                peer("b", KEY, "'10.1.0.0/24'") + &peer("c", OTHER, "'10.1.0.0/16'"),
                "10.1.0.0/24 of b",
            ),
            (
                peer("b", KEY, "'10.1.0.0/24'") + &peer("c", KEY, "'10.2.0.0/24'"),
                "the same public key",
            ),
            (
                "[network]\nmode = 'host'\n[wireguard]\n".to_owned(),
                "network.mode",
            ),
        ];
        for (text, wanted) in cases {
            let settings = load(&[("vks.toml", text.clone())]).unwrap();
            let told = problem(&settings).unwrap();
            assert!(told.contains(wanted), "{text}: {told}");
        }
    }

    #[test]
    fn what_others_say_comes_after_what_settings_say() {
        let told = |text: &str| toml::from_str(text).unwrap();
        let mut wireguard: Wireguard = toml::from_str(&format!(
            "[peers.a]\npublic_key = '{KEY}'\nprefixes = ['10.1.0.0/16']\n"
        ))
        .unwrap();
        // Its key and its prefix are taken.
        complete(
            &mut wireguard,
            told(&format!(
                "[\"b\"]\npublic_key = \"{KEY}\"\nprefixes = [\"10.2.0.0/16\"]\n"
            )),
        );
        complete(
            &mut wireguard,
            told(&format!(
                "[\"c\"]\npublic_key = \"{OTHER}\"\nprefixes = [\"10.1.7.0/24\"]\n"
            )),
        );
        assert_eq!(wireguard.peers.len(), 1);
        complete(
            &mut wireguard,
            told(&format!(
                "[\"n2.example\"]\npublic_key = \"{OTHER}\"\nendpoint = \"192.0.2.1:5\"\nprefixes = [\"10.2.0.0/16\"]\n"
            )),
        );
        assert_eq!(wireguard.peers.len(), 2);
    }
}
