//! Networks that a pod is attached to, beside its own or instead of it: one file for each type.
//!
//! Everything is made in its final place or moved there by the sandbox, so that it comes up at boot without an agent. It
//! goes with the pod's network namespace; what stays on the host (bridges, the record of a tunnel) is taken away here.

mod bridge;
mod lease;
mod macvlan;
mod shared;
mod told;
pub(in crate::worker) mod tunnel;

use super::settings::SettingError;
use crate::host::files::FileError;
use crate::host::link::{self, Batch, LinkError, Way};
use crate::host::namespace::{self, NamespaceError};
use crate::host::nft::NftError;
use crate::host::wireguard::WireguardError;
use crate::model::layout::Layout;
use crate::model::name::{ObjectKey, PodUid};
use crate::model::network::Prefix;
use crate::model::network::attach::{Address, Attachment, Ipam, Network};
use crate::worker::mesh::keys::KeyReadError;
use std::fs::File;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// A network that a pod was not attached to.
#[derive(Debug, thiserror::Error)]
#[error("cannot attach the pod to network {of}")]
pub(in crate::worker) struct AttachError {
    of: ObjectKey,
    source: Why,
}

/// Why not.
#[derive(Debug, thiserror::Error)]
pub(in crate::worker) enum Why {
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    #[error("cannot open the network namespace of the pod")]
    Open(#[source] io::Error),
    #[error("the host's side of it")]
    Host(#[source] LinkError),
    #[error("the pod's side of it")]
    Pod(#[source] LinkError),
    #[error(transparent)]
    Wireguard(#[from] WireguardError),
    #[error("the packet filter of the tunnel")]
    Nft(#[from] NftError),
    #[error("cannot let packets through to the tunnel")]
    Forward(#[from] SettingError),
    #[error("a key of it")]
    Key(#[from] KeyReadError),
    #[error(
        "there is no device {0}, and the kernel has no WireGuard: systemctl start vks-wireguard-device@{0}"
    )]
    NoDevice(String),
    #[error("the name {0} of its far end cannot be looked up; it is tried again")]
    Name(String),
    #[error(
        "pod {0} has it, and its key can be in one place only: write shared: true in the network for a tunnel of several pods, or make another network for this pod, with a key of its own"
    )]
    Taken(PodUid),
    #[error("all addresses of {0} are taken: delete pods, or make the subnet larger")]
    Exhausted(Prefix),
    #[error("cannot keep whose an address is")]
    Lease(#[source] FileError),
    #[error("cannot look at the pod's interfaces")]
    Look(#[source] io::Error),
    #[error("cannot keep which pod has it")]
    Record(#[source] FileError),
}

/// What attaching needs to know of a pod.
#[derive(Debug, Clone, Copy)]
pub(in crate::worker) struct Place<'a> {
    pub layout: &'a Layout,
    pub uid: &'a PodUid,
    /// The sandbox unit.
    pub unit: &'a str,
}

impl Place<'_> {
    pub fn namespace(&self) -> PathBuf {
        self.layout.network_namespace(self.uid)
    }
}

/// Attaches the pod to all of them; to one that it is attached to already, nothing is done but what is missing.
pub(super) fn up(place: Place, attachments: &[Attachment]) -> Result<(), AttachError> {
    attachments.iter().try_for_each(|of| one(place, of))?;
    if !attachments.is_empty()
        && let Err(error) = told::tell(place, attachments)
    {
        // The pod has its networks; only who asks for them is not told.
        log::warn!("{}", crate::chain::line(&error));
    }
    Ok(())
}

/// Attaches it to one.
pub(in crate::worker) fn one(place: Place, of: &Attachment) -> Result<(), AttachError> {
    let done = match &of.network {
        Network::Bridge(bridge) => bridge::up(place, of, bridge),
        Network::Macvlan(macvlan) => macvlan::up(place, of, macvlan),
        Network::Wireguard(tunnel) => tunnel::up(place, of, tunnel),
    };
    done.map_err(|source| AttachError {
        of: of.of.clone(),
        source,
    })
}

/// Takes away what does not go with the namespace, once that is gone.
pub(super) fn down(place: Place, attachments: &[Attachment]) -> Vec<AttachError> {
    let undo = |of: &Attachment| match &of.network {
        Network::Bridge(bridge) => bridge::down(place, of, bridge),
        Network::Macvlan(_) => Ok(()),
        Network::Wireguard(tunnel) => tunnel::down(place, of, tunnel),
    };
    let failed = attachments.iter().filter_map(|of| {
        let source = undo(of).err()?;
        Some(AttachError {
            of: of.of.clone(),
            source,
        })
    });
    failed.collect()
}

/// Whether an interface of this name is in the pod.
fn is_there(namespace: &Path, link: &str) -> Result<bool, Why> {
    Ok(namespace::visit_network(namespace, || {
        link::index(link).is_ok()
    })?)
}

fn open(namespace: &Path) -> Result<File, Why> {
    File::open(namespace).map_err(Why::Open)
}

/// Gives an interface in the pod its addresses and routes.
fn settle(
    namespace: &Path,
    link: &str,
    addresses: &[Address],
    routes: &[(Prefix, Option<IpAddr>)],
) -> Result<(), Why> {
    let inside = || {
        let index = link::index(link)?;
        let mut batch = Batch::default();
        if addresses.iter().any(|address| address.ip.is_ipv6()) {
            batch.quiet(index);
        }
        batch.up(index);
        for address in addresses {
            batch.address(index, address.ip);
            let prefix = address.prefix();
            if prefix.size() > 1 {
                batch.route(prefix, Way::Link(index, Some(address.ip)));
            }
        }
        for (to, gateway) in routes {
            let own = addresses
                .iter()
                .find(|own| own.ip.is_ipv4() == to.is_ipv4());
            let way = match gateway {
                Some(gateway) => Way::Gateway(index, *gateway),
                None => Way::Link(index, own.map(|own| own.ip)),
            };
            batch.route(*to, way);
        }
        batch.run(|_| false)
    };
    namespace::visit_network(namespace, inside)?.map_err(Why::Pod)
}

/// The addresses of a pod on a network: those it asks for, else those of the network.
fn addresses(place: Place, of: &Attachment, ipam: &Ipam) -> Result<Vec<Address>, Why> {
    if !of.addresses.is_empty() {
        return Ok(of.addresses.clone());
    }
    let Some(subnet) = ipam.subnet else {
        return Ok(ipam.addresses.iter().map(|of| of.address).collect());
    };
    let ip = lease::take(place, of, subnet, ipam.gateway)?;
    let length = subnet.length();
    Ok(vec![Address { ip, length }])
}

/// The routes of a network, each by its gateway.
fn routes(ipam: &Ipam) -> Vec<(Prefix, Option<IpAddr>)> {
    let gateways = ipam.addresses.iter().filter_map(|of| of.gateway);
    let gateways: Vec<IpAddr> = gateways.chain(ipam.gateway).collect();
    let routes = ipam.routes.iter().map(|route| {
        let by = || {
            gateways
                .iter()
                .find(|gateway| gateway.is_ipv4() == route.dst.is_ipv4())
        };
        (route.dst, route.gw.or_else(|| by().copied()))
    });
    routes.collect()
}
