//! `vks mesh up|down|refresh`: the interface that joins the pods of several hosts.
//!
//! `vks-wireguard.service` calls it at boot, with no agent around, and again when settings have changed: then only what
//! differs is changed. Where the kernel has no WireGuard, `vks-wireguard-device@vks-wg0.service` has made the device
//! before. `refresh`, called by a timer, looks up the names of peers that have no session, and touches nobody else.

pub mod check;
pub mod keys;
pub mod resolve;

use super::args::{ArgumentError, Arguments};
use super::journal;
use super::wire::{self, WireError};
use crate::config::{self, ConfigError, Settings};
use crate::host::link::{self, Batch, LinkError, Way};
use crate::host::nft::{self, NftError};
use crate::host::wireguard::{self, Backend, WireguardError};
use crate::model::network::{NetworkSettings, Prefix};
use crate::model::wireguard::{
    Device, DevicePeer, MESH_LINK, Mesh, OVERHEAD, Peer, Shown, ShownPeer, Update,
};
use crate::plan::network::mesh::updates;
use crate::plan::network::{ruleset, table};
use std::ffi::OsString;
use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::process::ExitCode;

/// The loopback interface has this index in every network namespace.
const LOOPBACK: u32 = 1;

/// Why there is no mesh.
#[derive(Debug, thiserror::Error)]
pub enum MeshError {
    /// The command line.
    #[error("cannot understand the arguments of vks mesh")]
    Arguments(#[from] ArgumentError),
    /// None of its verbs.
    #[error("vks mesh: expected up, down or refresh, not {0:?}")]
    Verb(String),
    /// Settings.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Settings that do not go together.
    #[error("no mesh: {0}")]
    Problem(String),
    /// A key.
    #[error("no mesh: the key of {whose}")]
    Key {
        /// Whose.
        whose: String,
        /// Why there is none.
        source: keys::KeyReadError,
    },
    /// The device.
    #[error(transparent)]
    Wireguard(#[from] WireguardError),
    /// Neither the kernel nor a program makes it.
    #[error(
        "there is no device {MESH_LINK}, and the kernel has no WireGuard: systemctl start vks-wireguard-device@{MESH_LINK}"
    )]
    NoDevice,
    /// Routes.
    #[error("cannot set up the interface of the mesh")]
    Link(#[from] LinkError),
    /// The table.
    #[error(transparent)]
    Nft(#[from] NftError),
    /// A setting of the kernel.
    #[error(transparent)]
    Wire(#[from] WireError),
}

/// Runs the verb.
pub fn main(args: &[OsString]) -> ExitCode {
    journal::install(None);
    match verb(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let arguments = matches!(error, MeshError::Arguments(_) | MeshError::Verb(_));
            super::fail(&error, arguments)
        }
    }
}

fn verb(args: &[OsString]) -> Result<(), MeshError> {
    let mut args = Arguments::parse(args, &[])?;
    let verb: String = args.next("up, down or refresh")?;
    args.end()?;
    let settings = Settings::load(Path::new("/"))?;
    match (verb.as_str(), &settings.wireguard) {
        ("up", Some(mesh)) => up(&settings, mesh),
        ("refresh", Some(mesh)) => refresh(&settings, mesh),
        // The section was taken out: so is the mesh.
        ("down" | "up", _) => down(&settings),
        ("refresh", None) => Ok(()),
        _ => Err(MeshError::Verb(verb)),
    }
}

/// Makes everything as settings say; what is so already is not touched. Names are looked up later.
pub fn up(settings: &Settings, mesh: &Mesh) -> Result<(), MeshError> {
    if let Some(problem) = config::wireguard::problem(settings) {
        return Err(MeshError::Problem(problem));
    }
    let (backend, shown) = device()?;
    let known = |peer: &Peer| {
        peer.endpoint
            .as_ref()
            .is_some_and(|of| of.address().is_some())
    };
    let wanted = wanted(settings, mesh, &shown, &known)?;
    let list = updates(&wanted, &shown, backend == Backend::Kernel);
    wireguard::apply(MESH_LINK, backend, &list)?;
    interface(settings, mesh)?;
    // At boot the table comes later, and with it what is forwarded.
    if nft::has_table(table::TABLE)? {
        nft::run(&ruleset::keep::script(&settings.network))?;
        forward()?;
    }
    resolve::follow(mesh, backend);
    Ok(())
}

/// The device; the kernel makes one if there is none.
fn device() -> Result<(Backend, Shown), MeshError> {
    match wireguard::read(MESH_LINK) {
        Err(WireguardError::NoDevice(_)) => {}
        found => return Ok(found?),
    }
    match wireguard::create(MESH_LINK)? {
        true => Ok(wireguard::read(MESH_LINK)?),
        false => Err(MeshError::NoDevice),
    }
}

/// What the device ought to have. Names are looked up of those peers that are asked for.
fn wanted(
    settings: &Settings,
    mesh: &Mesh,
    shown: &Shown,
    look_up: &dyn Fn(&Peer) -> bool,
) -> Result<Device, MeshError> {
    let own = keys::own(mesh.key.as_ref(), &settings.layout, shown.key.as_ref());
    let key = own.map_err(|source| MeshError::Key {
        whose: "this host".to_owned(),
        source,
    })?;
    let mut peers = Vec::new();
    for (name, peer) in &mesh.peers {
        let preshared = peer.preshared_key.as_ref();
        let has = shown.peers.get(&peer.public_key);
        let has = has.and_then(|has| has.peer.preshared.as_ref());
        let preshared = preshared.map(|source| keys::read_or(source, None, has));
        let preshared = preshared.transpose().map_err(|source| MeshError::Key {
            whose: format!("peer {name}"),
            source,
        })?;
        let endpoint = peer.endpoint.as_ref().filter(|_| look_up(peer));
        peers.push(DevicePeer {
            key: peer.public_key,
            preshared,
            endpoint: endpoint.and_then(resolve::look_up),
            prefixes: peer.prefixes.clone(),
            keepalive: peer.keepalive,
        });
    }
    Ok(Device {
        key,
        port: Some(mesh.port),
        peers,
    })
}

/// Brings the interface up and leads the peers' prefixes there.
fn interface(settings: &Settings, mesh: &Mesh) -> Result<(), MeshError> {
    let index = link::index(MESH_LINK)?;
    let mtu = mesh
        .mtu
        .unwrap_or_else(|| super::sandbox::mtu_of_the_host().saturating_sub(OVERHEAD));
    let mut batch = Batch::default();
    batch.quiet(index).size(index, mtu.max(1280)).up(index);
    // At boot this comes before the pods' network, and a route wants its source to be there.
    for host in settings.network.host_addresses() {
        batch.address(LOOPBACK, host);
    }
    for prefix in mesh.peers.values().flat_map(|peer| &peer.prefixes) {
        batch.route(
            *prefix,
            Way::Link(index, source(&settings.network, *prefix)),
        );
    }
    batch.run(|_| false)?;
    let mut stale = Batch::default();
    for prefix in routes(MESH_LINK) {
        if !settings.network.mesh.contains(&prefix) {
            stale.remove_route(prefix, Way::Link(index, None));
        }
    }
    stale.run(link::is_gone)?;
    Ok(())
}

/// Lets packets through from the mesh to pods: once there is a table that lets through no others.
pub(super) fn forward() -> Result<(), WireError> {
    for conf in ["ipv4", "ipv6"] {
        let path = format!("/proc/sys/net/{conf}/conf/{MESH_LINK}/forwarding");
        wire::set(Path::new(&path), "1")?;
    }
    Ok(())
}

/// What the host itself sends into the mesh has its address among the pods: the only one that peers let in.
fn source(network: &NetworkSettings, to: Prefix) -> Option<IpAddr> {
    let mut hosts = network.host_addresses();
    hosts.find(|host| host.is_ipv4() == to.is_ipv4())
}

/// The prefixes that are led to an interface, but for those the kernel leads there itself.
fn routes(link: &str) -> Vec<Prefix> {
    let ipv4 = fs::read_to_string("/proc/net/route").unwrap_or_default();
    let ipv6 = fs::read_to_string("/proc/net/ipv6_route").unwrap_or_default();
    let all = config::network::routes(&ipv4, &ipv6);
    let ours = all.into_iter().filter(|(_, of)| *of == link);
    let own: Prefix = Prefix::new(IpAddr::from([0xfe80, 0, 0, 0, 0, 0, 0, 0]), 10);
    let multicast: Prefix = Prefix::new(IpAddr::from([0xff00, 0, 0, 0, 0, 0, 0, 0]), 8);
    ours.map(|(prefix, _)| prefix)
        .filter(|prefix| !own.overlaps(*prefix) && !multicast.overlaps(*prefix))
        .collect()
}

/// Looks up the names of peers without a session.
fn refresh(settings: &Settings, mesh: &Mesh) -> Result<(), MeshError> {
    let (backend, shown) = wireguard::read(MESH_LINK)?;
    let stale = |peer: &Peer| {
        let has = shown.peers.get(&peer.public_key);
        has.is_none_or(ShownPeer::is_stale)
    };
    if !mesh
        .peers
        .values()
        .any(|peer| peer.endpoint.is_some() && stale(peer))
    {
        return Ok(());
    }
    let wanted = wanted(settings, mesh, &shown, &stale)?;
    let list: Vec<Update> = updates(&wanted, &shown, backend == Backend::Kernel);
    for update in &list {
        if let Update::Change {
            key,
            endpoint: Some(endpoint),
            ..
        } = update
        {
            log::info!("peer {key} has no session: it is looked for at {endpoint}");
        }
    }
    Ok(wireguard::apply(MESH_LINK, backend, &list)?)
}

/// Takes the interface away, and with it the routes. One that is a program's goes with the program, whose unit stops when
/// nobody wants it any more: here it is emptied.
pub fn down(settings: &Settings) -> Result<(), MeshError> {
    let mut batch = Batch::default();
    match wireguard::read(MESH_LINK) {
        Ok((Backend::Userspace, shown)) => {
            let peers = shown.peers.keys().map(|key| Update::Remove(*key));
            let peers: Vec<Update> = peers.collect();
            wireguard::apply(MESH_LINK, Backend::Userspace, &peers)?;
            let index = link::index(MESH_LINK)?;
            for prefix in routes(MESH_LINK) {
                batch.remove_route(prefix, Way::Link(index, None));
            }
        }
        Ok((Backend::Kernel, _)) => {
            batch.remove(MESH_LINK);
        }
        Err(WireguardError::NoDevice(_)) => {}
        Err(error) => return Err(error.into()),
    }
    batch.run(link::is_gone)?;
    let network = NetworkSettings {
        mesh: Vec::new(),
        ..settings.network.clone()
    };
    if nft::has_table(table::TABLE)? {
        nft::run(&ruleset::keep::script(&network))?;
    }
    Ok(())
}
