//! What is wrong with the mesh: each finding with what to do.

use crate::config::{self, Settings};
use crate::host::wireguard::{self, WireguardError};
use crate::model::name::ObjectName;
use crate::model::wireguard::{MESH_LINK, Peer, Shown};

/// All findings; none on a host in no mesh. Blocks for some milliseconds.
pub fn findings(settings: &Settings) -> Vec<String> {
    let Some(mesh) = &settings.wireguard else {
        return Vec::new();
    };
    if let Some(problem) = config::wireguard::problem(settings) {
        return vec![format!("there is no mesh: {problem}")];
    }
    let shown = match wireguard::read(MESH_LINK) {
        Ok((_, shown)) => shown,
        Err(WireguardError::NoDevice(_)) => {
            return vec!["the mesh is not up: systemctl restart vks-wireguard".to_owned()];
        }
        Err(error) => return vec![crate::chain::line(&error)],
    };
    let peers = mesh.peers.iter();
    peers
        .filter_map(|(name, peer)| about(name, peer, &shown, mesh.port))
        .collect()
}

/// A peer that nothing was sent to may well be silent.
fn about(name: &ObjectName, peer: &Peer, shown: &Shown, port: u16) -> Option<String> {
    let Some(has) = shown.peers.get(&peer.public_key) else {
        return Some(format!(
            "peer {name} is in vks.toml and not in the mesh: systemctl reload vks-wireguard"
        ));
    };
    if let (Some(wanted), None) = (&peer.endpoint, has.peer.endpoint) {
        return Some(format!(
            "peer {name}: the name {} cannot be looked up: check it, and the name servers of this host",
            wanted.host
        ));
    }
    let asked = has.sent > 0 || peer.keepalive > 0;
    let lost = match has.handshake {
        None => asked,
        Some(_) => has.is_stale() && peer.keepalive > 0,
    };
    lost.then(|| {
        format!(
            "peer {name} does not answer: check that it runs, that it knows this host's public key, and that firewalls \
             let UDP through to its port and to port {port} here"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::wireguard::{DevicePeer, PublicKey, ShownPeer};
    use std::time::Duration;

    #[test]
    fn who_does_not_answer_is_told() {
        let name: ObjectName = "b".parse().unwrap();
        let key = PublicKey([1; 32]);
        let peer = Peer {
            public_key: key,
            preshared_key: None,
            endpoint: Some("b.example:1".parse().unwrap()),
            prefixes: Vec::new(),
            keepalive: 0,
        };
        let told = |handshake: Option<u64>, sent, endpoint: bool| {
            let has = ShownPeer {
                peer: DevicePeer {
                    key,
                    preshared: None,
                    endpoint: endpoint.then(|| "192.0.2.1:1".parse().unwrap()),
                    prefixes: Vec::new(),
                    keepalive: 0,
                },
                handshake: handshake.map(Duration::from_secs),
                received: 0,
                sent,
            };
            let shown = Shown {
                peers: [(key, has)].into(),
                ..Shown::default()
            };
            about(&name, &peer, &shown, 7).unwrap_or_default()
        };
        assert!(told(None, 148, true).contains("does not answer"));
        assert!(told(None, 0, false).contains("cannot be looked up"));
        assert_eq!(told(None, 0, true), "");
        assert_eq!(told(Some(5), 148, true), "");
        assert_eq!(told(Some(9999), 148, true), "");
        let nobody = about(&name, &peer, &Shown::default(), 7).unwrap();
        assert!(nobody.contains("systemctl reload"));
    }
}
