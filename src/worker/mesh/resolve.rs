//! Names of peers: looked up, and looked up again as long as there is no session.

use crate::host::systemd::Systemd;
use crate::host::wireguard::Backend;
use crate::model::name::KnownUnit;
use crate::model::wireguard::{Endpoint, Mesh};
use std::net::{SocketAddr, ToSocketAddrs as _};

/// The timer that calls `vks mesh refresh`.
const TIMER: KnownUnit = KnownUnit::new("vks-wireguard.timer");

/// Where an endpoint is. A name that has addresses of both families is taken at one that this host has a route to, IPv4
/// first; `None`, said in the journal, when nothing is known of it.
pub fn look_up(endpoint: &Endpoint) -> Option<SocketAddr> {
    if let Some(address) = endpoint.address() {
        return Some(address);
    }
    match (endpoint.host.as_str(), endpoint.port).to_socket_addrs() {
        Ok(found) => {
            let mut all: Vec<SocketAddr> = found.collect();
            all.sort_by_key(SocketAddr::is_ipv6);
            let first = all.first().copied();
            all.into_iter()
                .find(|address| is_routed(*address))
                .or(first)
        }
        Err(error) => {
            log::warn!(
                "the name {} cannot be looked up ({error}); it is tried again",
                endpoint.host
            );
            None
        }
    }
}

/// Whether the kernel knows a way there: nothing is sent.
fn is_routed(address: SocketAddr) -> bool {
    let any: SocketAddr = match address {
        SocketAddr::V4(_) => ([0, 0, 0, 0], 0).into(),
        SocketAddr::V6(_) => ([0u16; 8], 0).into(),
    };
    std::net::UdpSocket::bind(any).is_ok_and(|socket| socket.connect(address).is_ok())
}

/// Has the names looked up, now and from time to time, if there are any; of a program also addresses, which it can be told
/// only when a session has ended. Not here: pods wait for the mesh, and a name can take long.
pub fn follow(mesh: &Mesh, backend: Backend) {
    let mut endpoints = mesh
        .peers
        .values()
        .filter_map(|peer| peer.endpoint.as_ref());
    let wanted = match backend {
        Backend::Kernel => endpoints.any(|endpoint| endpoint.address().is_none()),
        Backend::Userspace => endpoints.next().is_some(),
    };
    if wanted && let Err(error) = start_timer() {
        log::warn!(
            "{}; names of peers are not looked up",
            crate::chain::line(&error)
        );
    }
}

#[derive(Debug, thiserror::Error)]
enum TimerError {
    #[error("no event loop")]
    Runtime(#[from] std::io::Error),
    #[error("cannot reach {TIMER}")]
    Systemd(#[from] crate::host::systemd::SystemdError),
}

fn start_timer() -> Result<(), TimerError> {
    crate::worker::runtime()?.block_on(async {
        let systemd = Systemd::connect(None).await?;
        Ok(systemd.start(&TIMER.into()).await?)
    })
}
