//! The network of a pod: a namespace, and a pair of interfaces that joins it to the host.
//!
//! ```text
//!  pod: eth0  10.1.0.7/32   default via 169.254.77.1 --- host: vksp…  route 10.1.0.7/32
//!             fd…::7/128    default via fe80::1                       route fd…::7/128
//! ```
//!
//! There is no bridge and nobody answers for the gateway: each side is told the hardware address of the other for
//! good. It ends by dropping the namespace, with which the kernel takes the pair and the host's routes.

use crate::host::link::{self, Batch, End, LinkError, Way};
use crate::host::namespace::{self, NamespaceError};
use crate::host::nft::{self, NftError};
use crate::model::layout::Layout;
use crate::model::name::{PodKey, PodUid};
use crate::model::network::{
    GATEWAY_IPV4, GATEWAY_IPV6, HOST_MAC, INNER_PREFIX, LINK_PREFIX, POD_LINK, Prefix, Wiring,
    link_name, pod_mac,
};
use crate::model::wireguard::MESH_LINK;
use crate::plan::network::ruleset;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsFd as _;
use std::path::Path;
use std::time::SystemTime;

/// Where no interface has the default route.
const USUAL_MTU: u32 = 1500;

/// Why a pod has no network.
#[derive(Debug, thiserror::Error)]
pub(super) enum NetworkError {
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    #[error("cannot shut the pod in, whose only way out is a tunnel")]
    Nft(#[from] NftError),
    #[error("cannot open the network namespace of the pod")]
    Open(#[source] io::Error),
    #[error("the host's side of the pod's network")]
    Host(#[source] LinkError),
    #[error("the pod's side of its network")]
    Pod(#[source] LinkError),
    #[error("cannot set {path}")]
    Sysctl { path: String, source: io::Error },
}

/// Makes the namespace and, when it has addresses, what leads there. A namespace that is wired already stays.
pub(super) fn up(
    layout: &Layout,
    uid: &PodUid,
    pod: &PodKey,
    wiring: Option<&Wiring>,
) -> Result<(), NetworkError> {
    let path = layout.network_namespace(uid);
    let fresh = namespace::create_network(&path)?;
    let Some(wiring) = wiring else {
        return Ok(());
    };
    if !fresh && namespace::visit_network(&path, || link::index(POD_LINK).is_ok())? {
        return Ok(());
    }
    if let Some(ports) = &wiring.inner {
        // Before there is an interface that anything could leave by.
        let script = ruleset::inner::script(ports);
        namespace::visit_network(&path, || nft::run(&script))??;
    }
    let name = host_side(&path, uid, pod, wiring)?;
    sysctls(&name, wiring)?;
    let inside = || pod_side(wiring);
    namespace::visit_network(&path, inside)?.map_err(NetworkError::Pod)
}

/// Makes the pair and the routes to the pod. Gives the name of the host's end.
fn host_side(
    path: &Path,
    uid: &PodUid,
    pod: &PodKey,
    wiring: &Wiring,
) -> Result<String, NetworkError> {
    let namespace = File::open(path).map_err(NetworkError::Open)?;
    let salt = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let salt = salt.unwrap_or_default().as_nanos();
    let prefix = match wiring.inner {
        Some(_) => INNER_PREFIX,
        None => LINK_PREFIX,
    };
    let name = link_name(
        prefix,
        uid,
        u64::try_from(salt % u128::from(u64::MAX)).unwrap_or_default(),
    );
    let here = End {
        name: &name,
        mac: HOST_MAC,
    };
    let mac = mac(wiring);
    let there = End {
        name: POD_LINK,
        mac,
    };
    let mtu = wiring.mtu.unwrap_or_else(mtu_of_pods);
    let mut batch = Batch::default();
    batch.pair(here, there, namespace.as_fd(), mtu, &pod.to_string());
    batch.run(|_| false).map_err(NetworkError::Host)?;
    let index = link::index(&name).map_err(NetworkError::Host)?;
    let mut batch = Batch::default();
    come_up(&mut batch, index, wiring);
    for address in &wiring.addresses {
        let source = wiring
            .host
            .iter()
            .find(|host| host.is_ipv4() == address.is_ipv4());
        batch
            .neighbour(index, *address, mac)
            .route(Prefix::host(*address), Way::Link(index, source.copied()));
    }
    batch.run(|_| false).map_err(NetworkError::Host)?;
    Ok(name)
}

fn come_up(batch: &mut Batch, index: u32, wiring: &Wiring) {
    if wiring.addresses.iter().any(IpAddr::is_ipv6) {
        batch.quiet(index);
    }
    batch.up(index);
}

/// What the pod has inside; called in its namespace.
fn pod_side(wiring: &Wiring) -> Result<(), LinkError> {
    let index = link::index(POD_LINK)?;
    let mut batch = Batch::default();
    come_up(&mut batch, index, wiring);
    for address in &wiring.addresses {
        let (gateway, all) = match address {
            IpAddr::V4(_) => (GATEWAY_IPV4.into(), Ipv4Addr::UNSPECIFIED.into()),
            IpAddr::V6(_) => (GATEWAY_IPV6.into(), Ipv6Addr::UNSPECIFIED.into()),
        };
        batch
            .address(index, *address)
            .neighbour(index, gateway, HOST_MAC);
        match wiring.inner {
            None => batch.route(Prefix::new(all, 0), Way::Gateway(index, gateway)),
            // The host alone, and only to answer it.
            Some(_) => {
                let mut hosts = wiring.host.iter();
                match hosts.find(|host| host.is_ipv4() == address.is_ipv4()) {
                    Some(host) => batch.route(Prefix::host(*host), Way::Gateway(index, gateway)),
                    None => &mut batch,
                }
            }
        };
    }
    batch.run(|_| false)
}

/// What the kernel is to do with packets of the host's end, whatever the host's defaults are.
fn sysctls(link: &str, wiring: &Wiring) -> Result<(), NetworkError> {
    let has = |ipv4: bool| {
        wiring
            .addresses
            .iter()
            .any(|address| address.is_ipv4() == ipv4)
    };
    let forwards = if wiring.inner.is_some() { "0" } else { "1" };
    if has(true) {
        sysctl(&format!("ipv4/conf/{link}/forwarding"), forwards)?;
        // A pod cannot send as somebody else.
        sysctl(&format!("ipv4/conf/{link}/rp_filter"), "1")?;
        if wiring.localhost {
            // What 127.0.0.1 of the host asked for comes back this way.
            sysctl(&format!("ipv4/conf/{link}/route_localnet"), "1")?;
        }
    }
    if has(false) {
        sysctl(&format!("ipv6/conf/{link}/forwarding"), forwards)?;
    }
    Ok(())
}

fn sysctl(name: &str, value: &str) -> Result<(), NetworkError> {
    let path = format!("/proc/sys/net/{name}");
    let written = OpenOptions::new()
        .write(true)
        .open(&path)
        .and_then(|mut file| file.write_all(value.as_bytes()));
    written.map_err(|source| NetworkError::Sysctl { path, source })
}

/// The pod's hardware address.
fn mac(wiring: &Wiring) -> [u8; 6] {
    wiring
        .addresses
        .first()
        .map_or([0x0a, 0x58, 0, 0, 0, 1], |address| pod_mac(*address))
}

/// Bytes of the largest packet that reaches other pods, also those on other hosts of a mesh.
fn mtu_of_pods() -> u32 {
    let mesh = mtu_of(MESH_LINK).unwrap_or(u32::MAX);
    mesh.min(mtu_of_the_host())
}

fn mtu_of(link: &str) -> Option<u32> {
    let text = fs::read_to_string(format!("/sys/class/net/{link}/mtu")).ok()?;
    text.trim().parse().ok()
}

/// Bytes of the largest packet that the interface with the default route takes.
pub(in crate::worker) fn mtu_of_the_host() -> u32 {
    let routes = fs::read_to_string("/proc/net/route").unwrap_or_default();
    let default = routes.lines().find_map(|line| {
        let mut fields = line.split_whitespace();
        let link = fields.next()?;
        (fields.next()? == "00000000" && fields.nth(5)? == "00000000").then_some(link)
    });
    default.and_then(mtu_of).unwrap_or(USUAL_MTU)
}
