//! From what a WireGuard device has to what it ought to have: the difference, and no more, so that the sessions of peers
//! that stay the same go on.

use crate::model::network::Prefix;
use crate::model::wireguard::{Device, DevicePeer, Shown, ShownPeer, Update};
use std::collections::{BTreeMap, BTreeSet};

/// The updates of a device. `in_place`: its peers can be changed; else one that differs is taken away and added again, with
/// the place it was heard from last as long as there is a session.
///
/// A peer's endpoint is where it was heard from last; it is set to the wanted one where there is no session, and, where
/// that does no harm (`in_place`), whenever another one is wanted.
pub fn updates(wanted: &Device, shown: &Shown, in_place: bool) -> Vec<Update> {
    let mut out = Vec::new();
    if shown.key.as_ref() != Some(&wanted.key) {
        out.push(Update::Key(wanted.key.clone()));
    }
    if let Some(port) = wanted.port.filter(|port| *port != shown.port) {
        out.push(Update::Port(port));
    }
    let keys: BTreeSet<_> = wanted.peers.iter().map(|peer| peer.key).collect();
    let gone = shown.peers.keys().filter(|key| !keys.contains(key));
    out.extend(gone.map(|key| Update::Remove(*key)));
    // A prefix that goes from one peer to another leaves the one before the other gets it.
    let mut late = Vec::new();
    for peer in &wanted.peers {
        match shown.peers.get(&peer.key) {
            None => late.push(Update::Add(peer.clone())),
            Some(has) => change(peer, has, in_place, &mut out, &mut late),
        }
    }
    out.append(&mut late);
    out
}

fn change(
    wanted: &DevicePeer,
    has: &ShownPeer,
    in_place: bool,
    early: &mut Vec<Update>,
    late: &mut Vec<Update>,
) {
    let moved = wanted.endpoint.is_some_and(|endpoint| {
        has.peer.endpoint != Some(endpoint) && (in_place || has.is_stale())
    });
    let prefixes = sorted(&wanted.prefixes) != sorted(&has.peer.prefixes);
    let preshared = wanted.preshared != has.peer.preshared;
    let keepalive = wanted.keepalive != has.peer.keepalive;
    if !(moved || prefixes || preshared || keepalive) {
        return;
    }
    if in_place {
        late.push(Update::Change {
            key: wanted.key,
            preshared: preshared.then(|| wanted.preshared.clone()),
            endpoint: wanted.endpoint.filter(|_| moved),
            prefixes: prefixes.then(|| wanted.prefixes.clone()),
            keepalive: keepalive.then_some(wanted.keepalive),
        });
        return;
    }
    let endpoint = match moved {
        true => wanted.endpoint,
        false => has.peer.endpoint.or(wanted.endpoint),
    };
    early.push(Update::Remove(wanted.key));
    late.push(Update::Add(DevicePeer {
        endpoint,
        ..wanted.clone()
    }));
}

fn sorted(prefixes: &[Prefix]) -> BTreeSet<Prefix> {
    prefixes.iter().copied().collect()
}

/// What a device has after updates: for tests, and to say what would be.
pub fn after(shown: &Shown, updates: &[Update]) -> Shown {
    let mut shown = shown.clone();
    for update in updates {
        match update {
            Update::Key(key) => shown.key = Some(key.clone()),
            Update::Port(port) => shown.port = *port,
            Update::Remove(key) => drop(shown.peers.remove(key)),
            Update::Add(peer) => {
                take_prefixes(&mut shown.peers, &peer.prefixes);
                let fresh = ShownPeer {
                    peer: peer.clone(),
                    handshake: None,
                    received: 0,
                    sent: 0,
                };
                shown.peers.insert(peer.key, fresh);
            }
            Update::Change {
                key,
                preshared,
                endpoint,
                prefixes,
                keepalive,
            } => {
                if let Some(prefixes) = prefixes {
                    take_prefixes(&mut shown.peers, prefixes);
                }
                let Some(has) = shown.peers.get_mut(key) else {
                    continue;
                };
                let peer = &mut has.peer;
                put(&mut peer.preshared, preshared);
                peer.endpoint = endpoint.or(peer.endpoint);
                put(&mut peer.prefixes, prefixes);
                put(&mut peer.keepalive, keepalive);
            }
        }
    }
    shown
}

fn put<T: Clone>(to: &mut T, from: &Option<T>) {
    if let Some(from) = from {
        to.clone_from(from);
    }
}

/// A prefix is of one peer of a device: who gets it takes it from the other.
fn take_prefixes<K>(peers: &mut BTreeMap<K, ShownPeer>, prefixes: &[Prefix]) {
    for has in peers.values_mut() {
        has.peer
            .prefixes
            .retain(|prefix| !prefixes.contains(prefix));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::wireguard::{PublicKey, SecretKey};
    use proptest::prelude::*;
    use std::time::Duration;

    fn key(number: u8) -> PublicKey {
        PublicKey([number; 32])
    }

    fn peer(number: u8, prefixes: &[&str]) -> DevicePeer {
        DevicePeer {
            key: key(number),
            preshared: None,
            endpoint: Some(format!("192.0.2.{number}:51820").parse().unwrap()),
            prefixes: prefixes.iter().map(|text| text.parse().unwrap()).collect(),
            keepalive: 0,
        }
    }

    fn device(peers: Vec<DevicePeer>) -> Device {
        Device {
            key: SecretKey([7; 32]),
            port: Some(51820),
            peers,
        }
    }

    fn up(device: &Device, age: u64) -> Shown {
        let mut shown = after(&Shown::default(), &updates(device, &Shown::default(), true));
        for has in shown.peers.values_mut() {
            has.handshake = Some(Duration::from_secs(age));
        }
        shown
    }

    #[test]
    fn what_is_as_it_should_be_is_left_alone() {
        let wanted = device(vec![
            peer(1, &["10.1.0.0/24"]),
            peer(2, &["10.2.0.0/24", "fd00::/64"]),
        ]);
        for in_place in [true, false] {
            assert_eq!(updates(&wanted, &up(&wanted, 5), in_place), []);
        }
    }

    #[test]
    fn a_change_is_about_one_peer() {
        let before = device(vec![peer(1, &["10.1.0.0/24"]), peer(2, &["10.2.0.0/24"])]);
        let mut wanted = before.clone();
        wanted.peers[1].keepalive = 25;
        let made = updates(&wanted, &up(&before, 5), true);
        let one = Update::Change {
            key: key(2),
            preshared: None,
            endpoint: None,
            prefixes: None,
            keepalive: Some(25),
        };
        assert_eq!(made, [one]);
        let made = updates(&wanted, &up(&before, 5), false);
        assert_eq!(
            made,
            [Update::Remove(key(2)), Update::Add(wanted.peers[1].clone())]
        );
        wanted.peers.pop();
        assert_eq!(
            updates(&wanted, &up(&before, 5), true),
            [Update::Remove(key(2))]
        );
    }

    #[test]
    fn who_has_moved_is_followed_until_the_session_ends() {
        let wanted = device(vec![peer(1, &["10.1.0.0/24"])]);
        let away = "198.51.100.9:4000".parse().unwrap();
        for (age, in_place, set) in [(5, true, true), (5, false, false), (999, false, true)] {
            let mut shown = up(&wanted, age);
            shown.peers.get_mut(&key(1)).unwrap().peer.endpoint = Some(away);
            let made = updates(&wanted, &shown, in_place);
            assert_eq!(!made.is_empty(), set, "{age} {in_place}");
        }
        // Another change does not send it back where it is not.
        let mut shown = up(&wanted, 5);
        shown.peers.get_mut(&key(1)).unwrap().peer.endpoint = Some(away);
        let mut changed = wanted.clone();
        changed.peers[0].keepalive = 9;
        let made = updates(&changed, &shown, false);
        assert!(
            matches!(&made[1], Update::Add(peer) if peer.endpoint == Some(away)),
            "{made:?}"
        );
        // An endpoint that could not be looked up changes nothing.
        let mut unknown = wanted;
        unknown.peers[0].endpoint = None;
        assert_eq!(updates(&unknown, &up(&changed, 999), true).len(), 1);
    }

    fn any_device() -> impl Strategy<Value = Device> {
        let one = (
            0u8..6,
            any::<bool>(),
            prop::collection::btree_set(0u8..8, 0..4),
            0u16..3,
        );
        prop::collection::vec(one, 0..6).prop_map(|list| {
            let mut peers = BTreeMap::new();
            let mut taken = BTreeSet::new();
            for (number, secret, prefixes, keepalive) in list {
                let mut made = peer(number, &[]);
                made.preshared = secret.then_some(SecretKey([number; 32]));
                made.keepalive = keepalive;
                let free = prefixes.into_iter().filter(|prefix| taken.insert(*prefix));
                made.prefixes = free
                    .map(|third| format!("10.0.{third}.0/24").parse().unwrap())
                    .collect();
                peers.entry(number).or_insert(made);
            }
            device(peers.into_values().collect())
        })
    }

    proptest! {
        #[test]
        fn after_the_updates_there_are_none(before in any_device(), wanted in any_device(), in_place: bool, age in 0u64..400) {
            let shown = up(&before, age);
            let made = updates(&wanted, &shown, in_place);
            let now = after(&shown, &made);
            prop_assert_eq!(updates(&wanted, &now, in_place), []);
            for peer in &wanted.peers {
                prop_assert_eq!(sorted(&now.peers[&peer.key].peer.prefixes), sorted(&peer.prefixes));
            }
            // Whoever is the same before and after is not touched.
            for peer in before.peers.iter().filter(|peer| wanted.peers.contains(peer)) {
                let touched = made.iter().any(|update| match update {
                    Update::Remove(key) | Update::Change { key, .. } => *key == peer.key,
                    Update::Add(add) => add.key == peer.key,
                    Update::Key(_) | Update::Port(_) => false,
                });
                prop_assert!(!touched);
            }
        }
    }
}
