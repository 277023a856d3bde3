//! `vks wireguard peer`: a drop-in for each peer, and the mesh takes the difference.

use super::super::context::{Context, Outcome};
use super::super::error::CliError;
use super::{Add, WireguardCliError, export, picture};
use crate::agent::AgentError;
use crate::config::Settings;
use crate::config::wireguard::drop_in;
use crate::host::files::Dir;
use crate::host::systemd::{JobResult, Systemd};
use crate::host::wireguard;
use crate::model::name::ObjectName;
use crate::model::wireguard::{Mesh, PublicKey, SecretKey};
use crate::plan::network::MESH_UNIT;
use std::path::Path;

/// Adds a peer, or changes it.
pub(super) async fn add(args: &Add, context: &Context) -> Result<Outcome, CliError> {
    let (secret, key) = match args.public_key {
        Some(key) => (None, key),
        None => {
            let secret = wireguard::generate();
            let key = wireguard::public(&secret);
            (Some(secret), key)
        }
    };
    let path = drop_in(Path::new("/"), &args.name);
    let known = |mesh: &Mesh| mesh.peers.contains_key(&args.name);
    if context.settings.wireguard.as_ref().is_some_and(known) && !path.exists() {
        return Err(WireguardCliError::Elsewhere(args.name.clone(), path).into());
    }
    let prefixes: Vec<String> = args.prefixes.iter().map(ToString::to_string).collect();
    let mut text = export::fragment(args.name.as_str(), &key, args.endpoint.as_ref(), &prefixes);
    if let Some(file) = &args.preshared_key_file {
        text.push_str(&format!(
            "preshared_key_file = {:?}\n",
            file.display().to_string()
        ));
    }
    if args.keepalive > 0 {
        text.push_str(&format!("keepalive = {}\n", args.keepalive));
    }
    let old = write(&path, Some(&text))?;
    if let Err(problem) = check() {
        write(&path, old.as_deref())?;
        return Err(CliError::Usage(problem));
    }
    if let Some(secret) = secret {
        give(args, &secret, context)?;
    }
    reload().await
}

/// Removes a peer.
pub(super) async fn remove(name: &ObjectName, context: &Context) -> Result<Outcome, CliError> {
    let path = drop_in(Path::new("/"), name);
    let known = |mesh: &Mesh| mesh.peers.contains_key(name);
    match (
        path.exists(),
        context.settings.wireguard.as_ref().is_some_and(known),
    ) {
        (true, _) => {
            write(&path, None)?;
            reload().await
        }
        (false, true) => Err(WireguardCliError::Elsewhere(name.clone(), path).into()),
        (false, false) => Err(WireguardCliError::NoPeer(name.clone()).into()),
    }
}

/// Writes a drop-in, or removes it; gives what was there.
fn write(path: &Path, text: Option<&str>) -> Result<Option<String>, CliError> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Ok(None);
    };
    let name = name.to_string_lossy();
    let act = || {
        let dir = Dir::create(parent)?;
        let old = dir.read(&name, 1 << 20)?;
        match text {
            Some(text) => dir.write(&name, text.as_bytes(), 0o644)?,
            None => drop(dir.remove(&name)?),
        }
        Ok(old.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    };
    act().map_err(CliError::File)
}

/// Whether the settings with the new file are good.
fn check() -> Result<(), String> {
    let settings = Settings::load(Path::new("/")).map_err(|error| crate::chain::line(&error))?;
    crate::config::wireguard::problem(&settings).map_or(Ok(()), Err)
}

/// Prints all that the other side needs: its private key is kept nowhere.
fn give(args: &Add, secret: &SecretKey, context: &Context) -> Result<(), CliError> {
    let empty = Mesh {
        port: crate::model::wireguard::DEFAULT_PORT,
        ..Mesh::default()
    };
    let mesh = context.settings.wireguard.as_ref().unwrap_or(&empty);
    let own: PublicKey = export::own_key(mesh, context)?;
    let endpoint = export::endpoint(args.own_endpoint.as_ref(), mesh, context);
    let addresses: Vec<String> = args.prefixes.iter().map(ToString::to_string).collect();
    let network = &context.settings.network;
    let reached = network.pods.iter().chain(&network.services);
    let reached: Vec<String> = reached.map(ToString::to_string).collect();
    let mut text = format!(
        "[Interface]\nPrivateKey = {}\nAddress = {}\n\n",
        secret.expose(),
        addresses.join(", ")
    );
    text.push_str(&export::section(&own, endpoint.as_ref(), &reached));
    text.push_str("PersistentKeepalive = 25\n");
    context.print(&match args.qr {
        true => picture(&text)?,
        false => text,
    })
}

/// Has the unit take the difference; starts it if it does not run.
async fn reload() -> Result<Outcome, CliError> {
    let systemd = Systemd::connect(None).await.map_err(AgentError::Systemd)?;
    let done = systemd.reload_or_start_and_wait(&MESH_UNIT.into()).await;
    match done.map_err(AgentError::Systemd)? {
        JobResult::Done => Ok(Outcome::Done),
        other => Err(WireguardCliError::Apply(format!(
            "{MESH_UNIT}: {other:?}: see journalctl -u {MESH_UNIT}"
        ))
        .into()),
    }
}
