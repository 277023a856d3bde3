//! A tunnel: made in the host's namespace, where its UDP socket stays, and moved into the pod's.
//!
//! As long as it is not there, the pod has no way out: there is no route by another interface that could be taken instead.
//! Where a program is the device, the interface goes with it, and comes back with its next start ([`plug_in`]).

use super::super::super::own_unit::OwnUnit;
use super::{AttachError, Attachment, Place, Why, is_there, open, settle};
use crate::host::files::Dir;
use crate::host::link::{self, Batch};
use crate::host::namespace;
use crate::host::wireguard::{self, Backend, WireguardError};
use crate::model::name::{PodUid, UnitName};
use crate::model::network::Prefix;
use crate::model::network::attach::{Tunnel, device_name};
use crate::model::sandbox::{SETUP_KEY, Setup};
use crate::model::wireguard::{Device, DevicePeer, OVERHEAD, Shown};
use crate::plan::network::mesh::updates;
use crate::worker::mesh::{keys, resolve};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
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
    let name = device_name(&of.of);
    claim(place, &name)?;
    let wanted = wanted(of, tunnel)?;
    let namespace = place.namespace();
    let inside = is_there(&namespace, &of.link)?;
    let (backend, shown) = device(&name, inside.then_some((namespace.as_path(), &of.link)))?;
    let list = updates(&wanted, &shown, backend == Backend::Kernel);
    match inside && backend == Backend::Kernel {
        true => {
            namespace::visit_network(&namespace, || wireguard::apply(&of.link, backend, &list))??
        }
        false => wireguard::apply(&name, backend, &list)?,
    }
    if !inside {
        send(&name, of, tunnel, &namespace)?;
    }
    settle(&namespace, &of.link, &tunnel.address, &routes(tunnel))
}

/// Takes the tunnel for this pod; a pod that has it and still has its namespace keeps it.
fn claim(place: Place, name: &str) -> Result<(), Why> {
    let dir = directory(place)?;
    let file = format!("{name}.json");
    let bytes = dir.read(&file, 4096).map_err(Why::Record)?;
    let record: Option<Record> = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    if let Some(other) = record.filter(|record| record.uid != *place.uid)
        && place.layout.network_namespace(&other.uid).exists()
    {
        return Err(Why::Taken(other.uid));
    }
    let record = Record {
        uid: place.uid.clone(),
        unit: place.unit.to_owned(),
    };
    let json = serde_json::to_vec(&record).unwrap_or_default();
    dir.write(&file, &json, 0o600).map_err(Why::Record)
}

fn directory(place: Place) -> Result<Dir, Why> {
    let run = Dir::create(&place.layout.run);
    run.and_then(|run| run.create_sub("tunnels", 0o700))
        .map_err(Why::Record)
}

/// The device: a program's, the kernel's in the pod, or one that the kernel makes now.
fn device(name: &str, inside: Option<(&Path, &String)>) -> Result<(Backend, Shown), Why> {
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

/// What the device ought to have. Names are looked up where the host looks them up: the pod has no way out yet.
fn wanted(of: &Attachment, tunnel: &Tunnel) -> Result<Device, Why> {
    let mut stored = of.keys.iter();
    let mut read = |source| {
        let path = stored.next().filter(|path| !path.is_empty());
        keys::read(source, path.map(Path::new))
    };
    let key = read(&tunnel.private_key)?;
    let mut peers = Vec::new();
    for peer in &tunnel.peers {
        let preshared = peer.preshared_key.as_ref().map(&mut read).transpose()?;
        let endpoint = match &peer.endpoint {
            Some(endpoint) => {
                let found = resolve::look_up(endpoint);
                Some(found.ok_or_else(|| Why::Name(endpoint.host.clone()))?)
            }
            None => None,
        };
        peers.push(DevicePeer {
            key: peer.public_key,
            preshared,
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

/// Moves the interface into the pod.
fn send(name: &str, of: &Attachment, tunnel: &Tunnel, namespace: &Path) -> Result<(), Why> {
    let index = link::index(name).map_err(Why::Host)?;
    let host = crate::worker::sandbox::mtu_of_the_host();
    let mtu = tunnel
        .mtu
        .unwrap_or_else(|| host.saturating_sub(OVERHEAD).clamp(1280, USUAL_MTU));
    let file = open(namespace)?;
    let mut batch = Batch::default();
    batch.size(index, mtu).send(index, &of.link, file.as_fd());
    batch.run(|_| false).map_err(Why::Host)
}

/// Everything that peers take goes to them.
fn routes(tunnel: &Tunnel) -> Vec<(Prefix, Option<IpAddr>)> {
    let prefixes = tunnel.peers.iter().flat_map(|peer| &peer.prefixes);
    let has = |prefix: &&Prefix| {
        let mut own = tunnel.address.iter();
        own.any(|own| own.ip.is_ipv4() == prefix.is_ipv4())
    };
    prefixes.filter(has).map(|prefix| (*prefix, None)).collect()
}

/// Lets go of it. A device that is still on the host goes.
pub(super) fn down(place: Place, of: &Attachment) -> Result<(), Why> {
    let name = device_name(&of.of);
    let dir = directory(place)?;
    let file = format!("{name}.json");
    let bytes = dir.read(&file, 4096).map_err(Why::Record)?;
    let record: Option<Record> = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    if record.is_none_or(|record| record.uid != *place.uid) {
        return Ok(());
    }
    dir.remove(&file).map_err(Why::Record)?;
    if !wireguard::socket(&name).exists() {
        let mut batch = Batch::default();
        batch.remove(&name);
        batch.run(link::is_gone).map_err(Why::Host)?;
    }
    Ok(())
}

/// Gives a device of this name, made anew, to the pod that had the one before; to nobody, if none had.
pub(in crate::worker) fn plug_in(name: &str) -> Result<(), PlugError> {
    let layout = crate::worker::layout();
    let Some(dir) = Dir::open(&layout.tunnels())? else {
        return Ok(());
    };
    let Some(bytes) = dir.read(&format!("{name}.json"), 4096)? else {
        return Ok(());
    };
    let record: Record = serde_json::from_slice(&bytes)?;
    if !layout.network_namespace(&record.uid).exists() {
        return Ok(());
    }
    let unit: UnitName = record.unit.parse()?;
    let own = OwnUnit::read(&layout, &unit)?;
    let setup: Setup = own.json(SETUP_KEY)?;
    let place = Place {
        layout: &layout,
        uid: &record.uid,
        unit: &record.unit,
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
    #[error("cannot understand which pod has the tunnel")]
    Record(#[from] serde_json::Error),
    #[error("cannot understand which pod has the tunnel")]
    Unit(#[from] crate::model::name::NameError),
    #[error(transparent)]
    OwnUnit(#[from] crate::worker::own_unit::OwnUnitError),
    #[error(transparent)]
    Attach(#[from] AttachError),
}
