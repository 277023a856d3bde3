//! A tunnel of several pods: its interface is in a network namespace of its own, and each of them has a pair of interfaces
//! that leads there and nowhere else.
//!
//! ```text
//!  pod: net1  169.254.80.2/32 --- vksb… : the tunnel's namespace : vksw… 10.66.0.2 === the far end
//!  pod: net1  169.254.80.3/32 --- vksb…
//! ```
//!
//! The namespace has no interface of the host: what is in it goes through the tunnel or nowhere. The first sandbox makes it,
//! the last one takes it away; one that goes in between takes its own pair and no more.

use super::super::settings;
use super::tunnel::{self, directory, exclusive_holder};
use super::{Attachment, Place, Why, is_there, open, settle};
use crate::host::files::Dir;
use crate::host::link::{self, Batch, End, LinkError, Way};
use crate::host::namespace;
use crate::host::nft;
use crate::host::wireguard;
use crate::model::layout::Layout;
use crate::model::name::PodUid;
use crate::model::network::attach::{Tunnel, device_name, port_name};
use crate::model::network::{
    GATEWAY_IPV4, GATEWAY_IPV6, HOST_MAC, Prefix, pod_mac, shared_tunnel_prefixes,
};
use crate::plan::network::mesh::updates;
use crate::plan::network::ruleset;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::os::fd::AsFd as _;
use std::path::Path;

/// The first number of a pod: lower ones are no addresses of pods.
const FIRST: u128 = 2;
/// More pods than have addresses are refused.
const MOST: u128 = 4000;

/// A pod that has part in a tunnel.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Holder {
    pub uid: PodUid,
    pub unit: String,
    /// Which of the addresses between pods and tunnel is its.
    number: u128,
}

pub(super) fn up(place: Place, of: &Attachment, tunnel: &Tunnel) -> Result<(), Why> {
    let device = device_name(&of.of);
    // Names are looked up before others are made to wait.
    let endpoints = tunnel::endpoints(tunnel)?;
    let dir = directory(place)?;
    dir.lock().map_err(Why::Record)?;
    if let Some(other) = exclusive_holder(place, &dir, &device)? {
        return Err(Why::Taken(other));
    }
    let number = join(place, &dir, &device)?;
    let namespace = place.layout.tunnel_namespace(&device);
    namespace::create_network(&namespace)?;
    forward(&namespace)?;
    let script = ruleset::shared::script(&device, &tunnel.address);
    namespace::visit_network(&namespace, || nft::run(&script))??;

    let inside = is_there(&namespace, &device)?;
    let there = inside.then_some((namespace.as_path(), &device));
    let (backend, shown) = tunnel::device(&device, there)?;
    let wanted = tunnel::wanted(of, tunnel, endpoints, &shown)?;
    let list = updates(&wanted, &shown, backend == wireguard::Backend::Kernel);
    match inside && backend == wireguard::Backend::Kernel {
        true => {
            namespace::visit_network(&namespace, || wireguard::apply(&device, backend, &list))??
        }
        false => wireguard::apply(&device, backend, &list)?,
    }
    if !inside {
        tunnel::send(&device, &device, tunnel, &namespace)?;
    }
    settle(
        &namespace,
        &device,
        &tunnel.address,
        &tunnel::routes(tunnel),
    )?;
    connect(place, of, tunnel, &namespace, number)
}

/// Notes that the pod has part in it; gives its number, which it keeps for as long as its sandbox.
fn join(place: Place, dir: &Dir, device: &str) -> Result<u128, Why> {
    let mut all = holders(place.layout, dir, device)?;
    let own = all.iter().find(|holder| holder.uid == *place.uid);
    if let Some(own) = own {
        return Ok(own.number);
    }
    let is_free = |number: &u128| all.iter().all(|holder| holder.number != *number);
    let number = (FIRST..MOST).find(is_free);
    let [ipv4, _] = shared_tunnel_prefixes();
    let number = number.ok_or(Why::Exhausted(ipv4))?;
    all.push(Holder {
        uid: place.uid.clone(),
        unit: place.unit.to_owned(),
        number,
    });
    write(dir, device, &all)?;
    Ok(number)
}

/// Who has part in a tunnel; nobody whose namespace has gone.
pub(super) fn holders(layout: &Layout, dir: &Dir, device: &str) -> Result<Vec<Holder>, Why> {
    let bytes = dir.read(&file(device), 1 << 20).map_err(Why::Record)?;
    let all = bytes.and_then(|bytes| serde_json::from_slice::<Vec<Holder>>(&bytes).ok());
    let mut all = all.unwrap_or_default();
    all.retain(|holder| layout.network_namespace(&holder.uid).exists());
    Ok(all)
}

fn write(dir: &Dir, device: &str, all: &[Holder]) -> Result<(), Why> {
    let json = serde_json::to_vec(all).unwrap_or_default();
    dir.write(&file(device), &json, 0o600).map_err(Why::Record)
}

fn file(device: &str) -> String {
    format!("{device}.shared.json")
}

/// What is in the tunnel's namespace may pass through it.
fn forward(namespace: &Path) -> Result<(), Why> {
    let names = ["net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"];
    // A kernel without IPv6 has no such setting.
    let there = |name: &&str| Path::new("/proc/sys").join(name.replace('.', "/")).exists();
    let wanted = names.into_iter().filter(there);
    let wanted: Vec<_> = wanted
        .map(|name| (name.to_owned(), "1".to_owned()))
        .collect();
    Ok(settings::sysctls(namespace, &wanted)?)
}

/// Makes the pod's pair, with one end in the pod and the other in the tunnel's namespace.
fn connect(
    place: Place,
    of: &Attachment,
    tunnel: &Tunnel,
    namespace: &Path,
    number: u128,
) -> Result<(), Why> {
    let pod = place.namespace();
    let port = port_name(place.uid, &of.link);
    if is_there(&pod, &of.link)? && is_there(namespace, &port)? {
        return Ok(());
    }
    remove(&pod, &of.link)?;
    remove(namespace, &port)?;
    let own = addresses(tunnel, number);
    let mac = of.mac.map(|mac| mac.0);
    let mac = mac.unwrap_or_else(|| pod_mac(shared_tunnel_prefixes()[0].nth(number)));
    let file = open(&pod)?;
    let here = End {
        name: &port,
        mac: HOST_MAC,
    };
    let there = End {
        name: &of.link,
        mac,
    };
    let make = || {
        let mut batch = Batch::default();
        batch.pair(here, there, file.as_fd(), tunnel::mtu(tunnel), place.unit);
        batch.run(|_| false)?;
        let index = link::index(&port)?;
        let mut batch = Batch::default();
        batch.quiet(index).up(index);
        for ip in &own {
            batch
                .neighbour(index, *ip, mac)
                .route(Prefix::host(*ip), Way::Link(index, None));
        }
        batch.run(|_| false)
    };
    namespace::visit_network(namespace, make)?.map_err(Why::Host)?;
    let inside = || pod_side(&of.link, &own, tunnel);
    namespace::visit_network(&pod, inside)?.map_err(Why::Pod)
}

/// What the pod has inside; called in its namespace.
fn pod_side(link: &str, own: &[IpAddr], tunnel: &Tunnel) -> Result<(), LinkError> {
    let index = link::index(link)?;
    let mut batch = Batch::default();
    batch.quiet(index).up(index);
    for ip in own {
        batch
            .address(index, *ip)
            .neighbour(index, gateway(ip.is_ipv4()), HOST_MAC);
    }
    for (to, _) in tunnel::routes(tunnel) {
        batch.route(to, Way::Gateway(index, gateway(to.is_ipv4())));
    }
    batch.run(|_| false)
}

/// The addresses of a pod between it and the tunnel: of the families that the tunnel has.
fn addresses(tunnel: &Tunnel, number: u128) -> Vec<IpAddr> {
    let all = shared_tunnel_prefixes().into_iter();
    let has = |prefix: &Prefix| {
        let mut own = tunnel.address.iter();
        own.any(|own| own.ip.is_ipv4() == prefix.is_ipv4())
    };
    all.filter(has).map(|prefix| prefix.nth(number)).collect()
}

/// By what the pod reaches the tunnel: the same as on its own interface.
fn gateway(ipv4: bool) -> IpAddr {
    match ipv4 {
        true => GATEWAY_IPV4.into(),
        false => GATEWAY_IPV6.into(),
    }
}

fn remove(namespace: &Path, name: &str) -> Result<(), Why> {
    let act = || {
        let mut batch = Batch::default();
        batch.remove(name);
        batch.run(link::is_gone)
    };
    namespace::visit_network(namespace, act)?.map_err(Why::Host)
}

/// Lets go of it; the last one takes the namespace away.
pub(super) fn down(place: Place, of: &Attachment) -> Result<(), Why> {
    let device = device_name(&of.of);
    let dir = directory(place)?;
    dir.lock().map_err(Why::Record)?;
    let namespace = place.layout.tunnel_namespace(&device);
    let mut left = holders(place.layout, &dir, &device)?;
    left.retain(|holder| holder.uid != *place.uid);
    if !left.is_empty() {
        write(&dir, &device, &left)?;
        // The kernel takes it away with the pod's namespace, but later.
        return remove(&namespace, &port_name(place.uid, &of.link));
    }
    dir.remove(&file(&device)).map_err(Why::Record)?;
    if namespace.exists() && !wireguard::socket(&device).exists() {
        // Its port of the host is free again at once. What is no namespace any more has none.
        let _ = remove(&namespace, &device);
    }
    tunnel::remove_from_host(&device)?;
    Ok(namespace::remove_network(&namespace)?)
}
