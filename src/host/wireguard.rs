//! WireGuard devices: of the kernel, or of a program that holds a tun device and answers on a socket.
//!
//! Both are spoken to through the same crate and in the same words. The kernel looks for a device in the network namespace
//! of the calling thread; the socket of the other kind is the same for all namespaces, so its names are too. All calls
//! block, for some milliseconds.
//!
//! The userspace device (boringtun 0.7) must be given one peer in each request, since it carries settings of one over to
//! the next; it cannot change a peer that is there.

use crate::model::network::Prefix;
use crate::model::wireguard::{DevicePeer, PublicKey, SecretKey, Shown, ShownPeer, Update};
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::time::SystemTime;
use wireguard_control::{
    AllowedIp, Device, DeviceUpdate, InterfaceName, InvalidInterfaceName, Key, PeerConfigBuilder,
};

/// Where programs that are WireGuard devices have their sockets: not ours to choose.
const SOCKETS: &str = "/var/run/wireguard";

/// A device could not be made, read or changed.
#[derive(Debug, thiserror::Error)]
pub enum WireguardError {
    /// No interface can have this name.
    #[error("{0:?} cannot be the name of an interface")]
    Name(String),
    /// Neither the kernel nor a program has a device of this name.
    #[error("there is no WireGuard device {0}")]
    NoDevice(String),
    /// The kernel or the program refused.
    #[error("cannot {act} the WireGuard device {name}")]
    Refused {
        /// What was asked for.
        act: &'static str,
        /// The device.
        name: String,
        /// What was said.
        source: io::Error,
    },
}

/// Who does the work of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// The kernel.
    Kernel,
    /// A program.
    Userspace,
}

impl From<Backend> for wireguard_control::Backend {
    fn from(backend: Backend) -> Self {
        match backend {
            Backend::Kernel => Self::Kernel,
            Backend::Userspace => Self::Userspace,
        }
    }
}

/// The socket of a device that is a program.
pub fn socket(name: &str) -> PathBuf {
    PathBuf::from(SOCKETS).join(format!("{name}.sock"))
}

/// Makes a device of the kernel, down and without a key, in the thread's network namespace; one that is there stays.
/// False when this kernel has no WireGuard.
pub fn create(name: &str) -> Result<bool, WireguardError> {
    let made = DeviceUpdate::new().apply(&parse(name)?, Backend::Kernel.into());
    match made {
        Ok(()) => Ok(true),
        // EOPNOTSUPP: a kind of link that the kernel does not know.
        Err(error)
            if matches!(error.raw_os_error(), Some(nix::libc::EOPNOTSUPP))
                || error.kind() == io::ErrorKind::Unsupported =>
        {
            Ok(false)
        }
        Err(source) => Err(refused("make", name, source)),
    }
}

/// Reads a device; says who does its work.
pub fn read(name: &str) -> Result<(Backend, Shown), WireguardError> {
    let link = parse(name)?;
    let backend = match socket(name).exists() {
        true => Backend::Userspace,
        false => Backend::Kernel,
    };
    match Device::get(&link, backend.into()) {
        Ok(device) => Ok((backend, shown(device))),
        // The kernel's answers when there is no such device, it is no WireGuard device, or there is no WireGuard.
        Err(error)
            if backend == Backend::Kernel
                && (matches!(
                    error.raw_os_error(),
                    Some(nix::libc::ENODEV | nix::libc::EOPNOTSUPP)
                ) || error.kind() == io::ErrorKind::NotFound) =>
        {
            Err(WireguardError::NoDevice(name.to_owned()))
        }
        Err(source) => Err(refused("read", name, source)),
    }
}

/// Makes changes, in their order.
pub fn apply(name: &str, backend: Backend, updates: &[Update]) -> Result<(), WireguardError> {
    let link = parse(name)?;
    let send = |update: DeviceUpdate| {
        update
            .apply(&link, backend.into())
            .map_err(|source| refused("change", name, source))
    };
    match backend {
        Backend::Kernel => {
            let all = updates.iter().fold(DeviceUpdate::new(), add);
            send(all)
        }
        Backend::Userspace => updates
            .iter()
            .try_for_each(|update| send(add(DeviceUpdate::new(), update))),
    }
}

fn add(to: DeviceUpdate, update: &Update) -> DeviceUpdate {
    match update {
        Update::Key(key) => to.set_private_key(Key(key.0)),
        Update::Port(port) => to.set_listen_port(*port),
        Update::Remove(key) => to.remove_peer_by_key(&Key(key.0)),
        Update::Add(peer) => {
            let mut made = PeerConfigBuilder::new(&Key(peer.key.0)).replace_allowed_ips();
            if let Some(preshared) = &peer.preshared {
                made = made.set_preshared_key(Key(preshared.0));
            }
            if let Some(endpoint) = peer.endpoint {
                made = made.set_endpoint(endpoint);
            }
            if peer.keepalive > 0 {
                made = made.set_persistent_keepalive_interval(peer.keepalive);
            }
            to.add_peer(made.add_allowed_ips(&allowed(&peer.prefixes)))
        }
        Update::Change {
            key,
            preshared,
            endpoint,
            prefixes,
            keepalive,
        } => {
            let mut made = PeerConfigBuilder::new(&Key(key.0));
            made = match preshared {
                Some(Some(key)) => made.set_preshared_key(Key(key.0)),
                Some(None) => made.unset_preshared_key(),
                None => made,
            };
            if let Some(endpoint) = endpoint {
                made = made.set_endpoint(*endpoint);
            }
            if let Some(prefixes) = prefixes {
                made = made.replace_allowed_ips();
                made = made.add_allowed_ips(&allowed(prefixes));
            }
            if let Some(keepalive) = keepalive {
                made = made.set_persistent_keepalive_interval(*keepalive);
            }
            to.add_peer(made)
        }
    }
}

fn allowed(prefixes: &[Prefix]) -> Vec<AllowedIp> {
    let one = |prefix: &Prefix| AllowedIp {
        address: prefix.address(),
        cidr: prefix.length(),
    };
    prefixes.iter().map(one).collect()
}

fn shown(device: Device) -> Shown {
    let mut peers: BTreeMap<PublicKey, ShownPeer> = BTreeMap::new();
    let none = |key: &Key| key.0 != [0; 32];
    for info in device.peers {
        let (config, stats) = (info.config, info.stats);
        let prefixes = config
            .allowed_ips
            .iter()
            .map(|of| Prefix::new(of.address, of.cidr));
        let key = PublicKey(config.public_key.0);
        // A long list comes in parts, each with the peer's name on it.
        if let Some(has) = peers.get_mut(&key) {
            has.peer.prefixes.extend(prefixes);
            continue;
        }
        let age = stats
            .last_handshake_time
            .map(|time| SystemTime::now().duration_since(time).unwrap_or_default());
        let peer = DevicePeer {
            key,
            preshared: config
                .preshared_key
                .filter(none)
                .map(|key| SecretKey(key.0)),
            endpoint: config.endpoint,
            prefixes: prefixes.collect(),
            keepalive: config.persistent_keepalive_interval.unwrap_or(0),
        };
        let shown = ShownPeer {
            peer,
            handshake: age,
            received: stats.rx_bytes,
            sent: stats.tx_bytes,
        };
        peers.insert(key, shown);
    }
    Shown {
        key: device.private_key.filter(none).map(|key| SecretKey(key.0)),
        port: device.listen_port.unwrap_or(0),
        peers,
    }
}

/// A new private key.
pub fn generate() -> SecretKey {
    SecretKey(Key::generate_private().0)
}

/// A new preshared key.
pub fn generate_preshared() -> SecretKey {
    SecretKey(Key::generate_preshared().0)
}

/// The public key that belongs to a private one.
pub fn public(key: &SecretKey) -> PublicKey {
    PublicKey(Key(key.0).get_public().0)
}

fn parse(name: &str) -> Result<InterfaceName, WireguardError> {
    name.parse()
        .map_err(|_: InvalidInterfaceName| WireguardError::Name(name.to_owned()))
}

fn refused(act: &'static str, name: &str, source: io::Error) -> WireguardError {
    WireguardError::Refused {
        act,
        name: name.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_keys_follow_from_private_ones() {
        // The pair of the crate's own test, checked with wg(8).
        let private: SecretKey = "SGb+ojrRNDuMePufwtIYhXzA//k6wF3R21tEBgKlzlM="
            .parse()
            .unwrap();
        let wanted = "DD5yKRfzExcV5+kDnTroDgCU15latdMjiQ59j1hEuk8=";
        assert_eq!(public(&private).to_string(), wanted);
        assert_ne!(generate(), generate());
    }

    #[test]
    fn names_of_interfaces_are_checked() {
        for bad in ["", "a b", "a/b", "0123456789abcdef"] {
            assert!(matches!(read(bad), Err(WireguardError::Name(_))), "{bad}");
        }
    }
}
