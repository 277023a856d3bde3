//! `vks wireguard show` and `vks get peers`: who is in the mesh, as the device says.

use super::super::context::{Context, Outcome};
use super::super::duration;
use super::super::error::CliError;
use super::WireguardCliError;
use crate::host::wireguard::{self, Backend};
use crate::model::wireguard::{MESH_LINK, Mesh, Shown, ShownPeer};
use std::fmt::Write as _;
use std::time::Duration;

/// A peer of the settings, and what the device has of it.
#[derive(Debug)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// Its public key.
    pub key: String,
    /// Where it was heard of last, else where it ought to be.
    pub endpoint: String,
    /// Its prefixes.
    pub prefixes: Vec<String>,
    /// Since the last handshake.
    pub handshake: Option<Duration>,
    /// Bytes from it and to it.
    pub bytes: (u64, u64),
    /// `up`, `idle` (no session now) or `down` (none so far, or no device).
    pub state: &'static str,
}

/// All peers of the settings.
pub fn rows(mesh: &Mesh, shown: &Shown) -> Vec<Row> {
    let row = |(name, peer): (
        &crate::model::name::ObjectName,
        &crate::model::wireguard::Peer,
    )| {
        let has = shown.peers.get(&peer.public_key);
        let wanted = peer.endpoint.as_ref().map(ToString::to_string);
        let heard = has.and_then(|has| has.peer.endpoint);
        Row {
            name: name.to_string(),
            key: peer.public_key.to_string(),
            endpoint: heard
                .map(|address| address.to_string())
                .or(wanted)
                .unwrap_or_else(|| "<none>".to_owned()),
            prefixes: peer.prefixes.iter().map(ToString::to_string).collect(),
            handshake: has.and_then(|has| has.handshake),
            bytes: has.map_or((0, 0), |has| (has.received, has.sent)),
            state: match has {
                Some(has) if !has.is_stale() => "up",
                Some(ShownPeer {
                    handshake: Some(_), ..
                }) => "idle",
                _ => "down",
            },
        }
    };
    mesh.peers.iter().map(row).collect()
}

/// The mesh of the settings and its device; without one, an empty one.
pub fn device(context: &Context) -> Result<(&Mesh, Option<Backend>, Shown), CliError> {
    let mesh = context.settings.wireguard.as_ref();
    let mesh = mesh.ok_or(WireguardCliError::NoMesh)?;
    match wireguard::read(MESH_LINK) {
        Ok((backend, shown)) => Ok((mesh, Some(backend), shown)),
        Err(wireguard::WireguardError::NoDevice(_)) => Ok((mesh, None, Shown::default())),
        Err(error) => Err(WireguardCliError::Device(error).into()),
    }
}

/// Bytes as people read them.
pub fn bytes(count: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match UNITS.iter().find(|(_, size)| count >= *size) {
        Some((unit, size)) => format!("{}.{} {unit}", count / size, count % size * 10 / size),
        None => format!("{count} B"),
    }
}

/// How long ago.
pub fn age(handshake: Option<Duration>) -> String {
    handshake.map_or_else(|| "<never>".to_owned(), duration::age)
}

/// Prints it.
pub fn run(context: &Context) -> Result<Outcome, CliError> {
    let (mesh, backend, shown) = device(context)?;
    let mut out = String::new();
    let kind = match backend {
        Some(Backend::Kernel) => "kernel",
        Some(Backend::Userspace) => "program",
        None => "not there",
    };
    // Writing to a String cannot fail.
    let _ = writeln!(out, "Interface:  {MESH_LINK} ({kind})");
    if let Some(key) = &shown.key {
        let _ = writeln!(out, "Public key: {}", wireguard::public(key));
    }
    let _ = writeln!(out, "Port:       {}", mesh.port);
    for row in rows(mesh, &shown) {
        let _ = writeln!(
            out,
            "\nPeer:       {} ({})\n  Public key: {}\n  Endpoint:   {}\n  Prefixes:   {}\n  Handshake:  {}\n  Received:   {}\n  Sent:       {}",
            row.name,
            row.state,
            row.key,
            row.endpoint,
            row.prefixes.join(", "),
            age(row.handshake),
            bytes(row.bytes.0),
            bytes(row.bytes.1),
        );
    }
    context.print(&out)?;
    Ok(match backend {
        Some(_) => Outcome::Done,
        None => {
            context.tell("error: the mesh is not up: systemctl start vks-wireguard");
            Outcome::Code(1)
        }
    })
}
