//! A tunnel: made in the host's namespace, where its UDP socket stays, and moved into the pod's.
//!
//! As long as it is not there, the pod has no way out: there is no route by another interface that could be taken instead.
//! A tunnel that pods share is not moved into any of them ([`super::shared`]).
//! Where a program is the device, the interface goes with it, and comes back with its next start ([`plug_in`]).

use super::super::super::own_unit::OwnUnit;
use super::{AttachError, Attachment, Place, Why, is_there, open, settle, shared};
use crate::host::files::Dir;
use crate::host::link::{self, Batch};
use crate::host::namespace;
use crate::host::wireguard::{self, Backend, WireguardError};
use crate::model::name::{PodUid, UnitName};
use crate::model::network::Prefix;
use crate::model::network::attach::{Tunnel, device_name};
use crate::model::sandbox::{SETUP_KEY, Setup};
use crate::model::wireguard::{Device, DevicePeer, OVERHEAD, Peer, Shown};
use crate::plan::network::mesh::updates;
use crate::worker::mesh::{keys, resolve};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd as _;
use std::path::Path;

/// What most ways in the world take with WireGuard's own bytes around it.
const USUAL_MTU: u32 = 1420;

/// Which pod has a tunnel.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    uid: PodUid,
    unit: String,
}

pub(super) fn up(place: Place, of: &Attachment, tunnel: &Tunnel) -> Result<(), Why> {
    if tunnel.shared {
        return shared::up(place, of, tunnel);
    }
    let name = device_name(&of.of);
    claim(place, &name)?;
    let endpoints = endpoints(tunnel)?;
    let namespace = place.namespace();
    let inside = is_there(&namespace, &of.link)?;
    let (backend, shown) = device(&name, inside.then_some((namespace.as_path(), &of.link)))?;
    let wanted = wanted(of, tunnel, endpoints, &shown)?;
    let list = updates(&wanted, &shown, backend == Backend::Kernel);
    match inside && backend == Backend::Kernel {
        true => {
            namespace::visit_network(&namespace, || wireguard::apply(&of.link, backend, &list))??
        }
        false => wireguard::apply(&name, backend, &list)?,
    }
    if !inside {
        send(&name, &of.link, tunnel, &namespace)?;
    }
    settle(&namespace, &of.link, &tunnel.address, &routes(tunnel))
}

/// Takes the tunnel for this pod; a pod that has it and still has its namespace keeps it.
fn claim(place: Place, name: &str) -> Result<(), Why> {
    let dir = directory(place)?;
    dir.lock().map_err(Why::Record)?;
    let shared = shared::holders(place.layout, &dir, name)?;
    let mut others = shared.into_iter().map(|holder| holder.uid);
    let other = exclusive_holder(place, &dir, name)?;
    if let Some(other) = other.or_else(|| others.find(|uid| uid != place.uid)) {
        return Err(Why::Taken(other));
    }
    let record = Record {
        uid: place.uid.clone(),
        unit: place.unit.to_owned(),
    };
    let json = serde_json::to_vec(&record).unwrap_or_default();
    dir.write(&file(name), &json, 0o600).map_err(Why::Record)
}

/// Another pod that has the tunnel for itself.
pub(super) fn exclusive_holder(place: Place, dir: &Dir, name: &str) -> Result<Option<PodUid>, Why> {
    let record = record(dir, name)?.filter(|record| record.uid != *place.uid);
    let lives = |record: &Record| place.layout.network_namespace(&record.uid).exists();
    Ok(record.filter(lives).map(|record| record.uid))
}

fn record(dir: &Dir, name: &str) -> Result<Option<Record>, Why> {
    let bytes = dir.read(&file(name), 4096).map_err(Why::Record)?;
    Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}

fn file(name: &str) -> String {
    format!("{name}.json")
}

pub(super) fn directory(place: Place) -> Result<Dir, Why> {
    let run = Dir::create(&place.layout.run);
    run.and_then(|run| run.create_sub("tunnels", 0o700))
        .map_err(Why::Record)
}

/// The device: a program's, the kernel's in the pod, or one that the kernel makes now.
pub(super) fn device(
    name: &str,
    inside: Option<(&Path, &String)>,
) -> Result<(Backend, Shown), Why> {
    if wireguard::socket(name).exists() {
        return Ok(wireguard::read(name)?);
    }
    if let Some((namespace, link)) = inside {
        return Ok(namespace::visit_network(namespace, || {
            wireguard::read(link)
        })??);
    }
    match wireguard::read(name) {
        Err(WireguardError::NoDevice(_)) => {}
        found => return Ok(found?),
    }
    match wireguard::create(name)? {
        true => Ok(wireguard::read(name)?),
        false => Err(Why::NoDevice(name.to_owned())),
    }
}

/// Where its peers are. Names are looked up where the host looks them up: the pod has no way out yet.
pub(super) fn endpoints(tunnel: &Tunnel) -> Result<Vec<Option<SocketAddr>>, Why> {
    let one = |peer: &Peer| match &peer.endpoint {
        Some(endpoint) => {
            let found = resolve::look_up(endpoint);
            found
                .map(Some)
                .ok_or_else(|| Why::Name(endpoint.host.clone()))
        }
        None => Ok(None),
    };
    tunnel.peers.iter().map(one).collect()
}

/// What the device ought to have: `shown` is what it has, `endpoints` are those of the peers, in their order.
pub(super) fn wanted(
    of: &Attachment,
    tunnel: &Tunnel,
    endpoints: Vec<Option<SocketAddr>>,
    shown: &Shown,
) -> Result<Device, Why> {
    let mut stored = of.keys.iter();
    let mut read = |source, has| {
        let path = stored.next().filter(|path| !path.is_empty());
        keys::read_or(source, path.map(Path::new), has)
    };
    let key = read(&tunnel.private_key, shown.key.as_ref())?;
    let mut peers = Vec::new();
    for (peer, endpoint) in tunnel.peers.iter().zip(endpoints) {
        let has = shown.peers.get(&peer.public_key);
        let has = has.and_then(|has| has.peer.preshared.as_ref());
        let preshared = peer.preshared_key.as_ref();
        peers.push(DevicePeer {
            key: peer.public_key,
            preshared: preshared.map(|source| read(source, has)).transpose()?,
            endpoint,
            prefixes: peer.prefixes.clone(),
            keepalive: peer.keepalive,
        });
    }
    Ok(Device {
        key,
        port: tunnel.listen_port,
        peers,
    })
}

/// Moves the interface into a namespace, where it gets the name `link`.
pub(super) fn send(name: &str, link: &str, tunnel: &Tunnel, namespace: &Path) -> Result<(), Why> {
    let index = link::index(name).map_err(Why::Host)?;
    let file = open(namespace)?;
    let mut batch = Batch::default();
    batch
        .size(index, mtu(tunnel))
        .send(index, link, file.as_fd());
    batch.run(|_| false).map_err(Why::Host)
}

/// Bytes of the largest packet that goes through it.
pub(super) fn mtu(tunnel: &Tunnel) -> u32 {
    let host = crate::worker::sandbox::mtu_of_the_host();
    let usual = || host.saturating_sub(OVERHEAD).clamp(1280, USUAL_MTU);
    tunnel.mtu.unwrap_or_else(usual)
}

/// Everything that peers take goes to them.
pub(super) fn routes(tunnel: &Tunnel) -> Vec<(Prefix, Option<IpAddr>)> {
    let prefixes = tunnel.peers.iter().flat_map(|peer| &peer.prefixes);
    let has = |prefix: &&Prefix| {
        let mut own = tunnel.address.iter();
        own.any(|own| own.ip.is_ipv4() == prefix.is_ipv4())
    };
    prefixes.filter(has).map(|prefix| (*prefix, None)).collect()
}

/// Lets go of it. A device that is still on the host goes.
pub(super) fn down(place: Place, of: &Attachment, tunnel: &Tunnel) -> Result<(), Why> {
    if tunnel.shared {
        return shared::down(place, of);
    }
    let name = device_name(&of.of);
    let dir = directory(place)?;
    dir.lock().map_err(Why::Record)?;
    if record(&dir, &name)?.is_none_or(|record| record.uid != *place.uid) {
        return Ok(());
    }
    dir.remove(&file(&name)).map_err(Why::Record)?;
    remove_from_host(&name)
}

/// Takes away a device of the kernel that no pod was given.
pub(super) fn remove_from_host(name: &str) -> Result<(), Why> {
    if wireguard::socket(name).exists() {
        return Ok(());
    }
    let mut batch = Batch::default();
    batch.remove(name);
    batch.run(link::is_gone).map_err(Why::Host)
}

/// Gives a device of this name, made anew, to the pod that had the one before, or to those that shared it; to nobody, if none
/// had.
pub(in crate::worker) fn plug_in(name: &str) -> Result<(), PlugError> {
    let layout = crate::worker::layout();
    let Some(dir) = Dir::open(&layout.tunnels())? else {
        return Ok(());
    };
    let alone = record(&dir, name)?.filter(|of| layout.network_namespace(&of.uid).exists());
    let mut shared = shared::holders(&layout, &dir, name)?.into_iter();
    let holder = alone.map(|record| (record.uid, record.unit));
    // One of them is enough: the tunnel is the same for all.
    let holder = holder.or_else(|| shared.next().map(|holder| (holder.uid, holder.unit)));
    let Some((uid, unit)) = holder else {
        return Ok(());
    };
    let own = OwnUnit::read(&layout, &unit.parse::<UnitName>()?)?;
    let setup: Setup = own.json(SETUP_KEY)?;
    let place = Place {
        layout: &layout,
        uid: &uid,
        unit: &unit,
    };
    let mut ours = setup.attachments.iter();
    match ours.find(|of| device_name(&of.of) == name) {
        Some(of) => Ok(super::one(place, of)?),
        None => Ok(()),
    }
}

/// A device was not given back.
#[derive(Debug, thiserror::Error)]
pub(in crate::worker) enum PlugError {
    #[error("cannot tell which pod has the tunnel")]
    File(#[from] crate::host::files::FileError),
    #[error("cannot tell which pod has the tunnel")]
    Record(#[from] Why),
    #[error("cannot understand which pod has the tunnel")]
    Unit(#[from] crate::model::name::NameError),
    #[error(transparent)]
    OwnUnit(#[from] crate::worker::own_unit::OwnUnitError),
    #[error(transparent)]
    Attach(#[from] AttachError),
}
