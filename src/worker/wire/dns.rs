//! Where the name server of pods listens: a network namespace with nothing else in it, on a link of its own.
//!
//! ```text
//!  vks-dns: eth0  169.254.77.1/32, fd76:…:53::53/128 --- host: vkspdns  169.254.77.2, fd76:…:53::2
//! ```
//!
//! Its port 53 is nobody else's, whoever listens on the host and however; and what listens there is not in their way.
//! Who asks comes by the host's routes: pods and the host itself, and no other machine (the table sees to it).

use super::WireError;
use crate::config::Settings;
use crate::host::link::{self, Batch, End, Way};
use crate::host::mounts;
use crate::host::namespace::{self, NamespaceError};
use crate::host::routes::Routes;
use crate::model::network::{
    DNS_ADDRESSES, DNS_HOST, DNS_LINK, DNS_NAMESPACE, HOST_MAC, POD_LINK, Prefix,
};
use std::fs::File;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

/// The far end's hardware address: locally administered, and on no wire.
const MAC: [u8; 6] = [0xee, 0xee, 0xee, 0xee, 0xee, 0x35];
/// Bytes of the largest packet.
const MTU: u32 = 1500;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// The units that hold its sockets.
const SOCKETS: [&str; 2] = ["vks-dns.socket", "vks-dns6.socket"];
/// What people see in `ip link`.
const ALIAS: &str = "vks: names of pods";

fn path(settings: &Settings) -> PathBuf {
    settings.layout.netns.join(DNS_NAMESPACE)
}

/// The host's addresses there with the server's, of the families that pods have.
fn pairs(settings: &Settings) -> impl Iterator<Item = (IpAddr, IpAddr)> {
    let has = |ipv4: bool| {
        let mut pods = settings.network.pods.iter();
        pods.any(|prefix| prefix.is_ipv4() == ipv4)
    };
    let pairs = DNS_HOST.into_iter().zip(DNS_ADDRESSES);
    pairs.filter(move |(host, _)| has(host.is_ipv4()))
}

/// Makes the namespace and what leads there; what is there already stays.
pub(super) fn up(settings: &Settings) -> Result<(), WireError> {
    let path = path(settings);
    let fresh = namespace::create_network(&path)?;
    let there = || link::index(POD_LINK).is_ok();
    if fresh || !namespace::visit_network(&path, there)? || link::index(DNS_LINK).is_err() {
        make(settings, &path)?;
    }
    here(settings)?;
    if fresh {
        listen_anew();
    }
    Ok(())
}

fn make(settings: &Settings, path: &std::path::Path) -> Result<(), WireError> {
    let namespace = File::open(path).map_err(|source| NamespaceError::File {
        path: path.to_owned(),
        source,
    })?;
    let mut batch = Batch::default();
    batch.remove(DNS_LINK);
    batch.run(link::is_gone)?;
    let here = End {
        name: DNS_LINK,
        mac: HOST_MAC,
    };
    let there = End {
        name: POD_LINK,
        mac: MAC,
    };
    let mut batch = Batch::default();
    batch.pair(here, there, namespace.as_fd(), MTU, ALIAS);
    batch.run(|_| false)?;
    namespace::visit_network(path, || inside(settings))??;
    Ok(())
}

/// The server's end, called in its namespace.
fn inside(settings: &Settings) -> Result<(), WireError> {
    let index = link::index(POD_LINK)?;
    let mut batch = Batch::default();
    come_up(&mut batch, settings, index);
    for (host, server) in pairs(settings) {
        let all = match server {
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        batch
            .address(index, server)
            .neighbour(index, host, HOST_MAC)
            .route(Prefix::new(all, 0), Way::Gateway(index, host));
    }
    Ok(batch.run(|_| false)?)
}

/// The host's end. May be called again at any time.
fn here(settings: &Settings) -> Result<(), WireError> {
    let index = link::index(DNS_LINK)?;
    let mut batch = Batch::default();
    come_up(&mut batch, settings, index);
    for (host, server) in pairs(settings) {
        batch
            .address(index, host)
            .neighbour(index, server, MAC)
            .route(Prefix::host(server), Way::Link(index, Some(host)));
    }
    batch.run(|_| false)?;
    for (host, _) in pairs(settings) {
        let family = if host.is_ipv4() { "ipv4" } else { "ipv6" };
        let path = format!("/proc/sys/net/{family}/conf/{DNS_LINK}/forwarding");
        super::before::write(path.as_ref(), "1")?;
    }
    Ok(())
}

fn come_up(batch: &mut Batch, settings: &Settings, index: u32) {
    if pairs(settings).any(|(host, _)| host.is_ipv6()) {
        batch.quiet(index);
    }
    batch.up(index);
}

/// Whether there is a way to the server, and its namespace has a name. Nobody is asked.
pub(super) fn is_there(settings: &Settings) -> bool {
    let routes = Routes::read();
    mounts::is_namespace(&path(settings)).unwrap_or(false)
        && link::index(DNS_LINK).is_ok()
        && pairs(settings).all(|(_, server)| routes.has(server))
}

/// What is wrong with the server, if it does not answer. Blocks until it does, at most some seconds.
pub(super) fn finding(settings: &Settings) -> Option<String> {
    let server = settings.network.name_server()?;
    match ask(server, &settings.dns_domain) {
        Ok(()) => None,
        Err(error) => Some(format!(
            "the pods' name server {server} does not answer ({error}): systemctl status {} vks-dns.service",
            SOCKETS.join(" ")
        )),
    }
}

/// Asks for the version of the names, which is always there.
fn ask(server: IpAddr, domain: &str) -> io::Result<()> {
    let any: IpAddr = match server {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect((server, 53))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    // A header with one question, recursion wanted (RFC 1035, 4.1.1).
    let id = std::process::id().to_be_bytes();
    let mut query = vec![id[2], id[3], 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in format!("dns-version.{domain}").split('.') {
        query.push(u8::try_from(label.len()).unwrap_or_default());
        query.extend(label.as_bytes());
    }
    // The root, TXT, IN.
    query.extend([0, 0, 16, 0, 1]);
    socket.send(&query)?;
    let mut answer = [0; 512];
    let length = socket.recv(&mut answer)?;
    match answer.get(..length) {
        Some([a, b, _, code, ..]) if [*a, *b] == [id[2], id[3]] && code & 0xf == 0 => Ok(()),
        _ => Err(io::Error::other("its answer makes no sense")),
    }
}

/// Sockets that were made in an earlier namespace are of no use: systemd makes new ones. Not waited for, since they may
/// wait for whoever calls this; where none are up, nothing happens.
fn listen_anew() {
    let done = Command::new("systemctl")
        .args(["--no-block", "--quiet", "try-restart"])
        .args(SOCKETS)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if !done.is_ok_and(|status| status.success()) {
        log::warn!(
            "names of pods may not be answered: systemctl restart {}",
            SOCKETS.join(" ")
        );
    }
}

/// Takes all of it away.
pub(super) fn down(settings: &Settings) -> Result<(), WireError> {
    let mut batch = Batch::default();
    batch.remove(DNS_LINK);
    let removed = batch.run(link::is_gone).map_err(WireError::from);
    namespace::remove_network(&path(settings))?;
    removed
}

/// Has systemd-resolved, where it runs, ask the server for the cluster's domain.
pub(super) fn tell_resolved(settings: &Settings) -> Result<(), WireError> {
    let server = settings
        .network
        .name_server()
        .map(|address| address.to_string());
    let domain = format!("~{}", settings.dns_domain);
    let Some(server) = server else { return Ok(()) };
    for words in [
        ["dns", &server],
        ["domain", &domain],
        ["default-route", "no"],
    ] {
        let [verb, value] = words;
        let output = Command::new("resolvectl")
            .args([verb, DNS_LINK, value])
            .stdin(Stdio::null())
            .output()
            .map_err(WireError::Resolvectl)?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(WireError::Resolved(said));
        }
    }
    Ok(())
}
