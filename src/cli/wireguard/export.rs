//! `vks wireguard export`: this host as a peer of others.

use super::super::context::{Context, Outcome};
use super::super::error::CliError;
use super::{Export, WireguardCliError, picture};
use crate::host::wireguard;
use crate::model::wireguard::{Endpoint, MESH_LINK, Mesh, PublicKey};
use crate::worker::mesh::keys;

/// Prints it.
pub(super) fn run(args: &Export, context: &Context) -> Result<Outcome, CliError> {
    let mesh = context.settings.wireguard.as_ref();
    let mesh = mesh.ok_or(WireguardCliError::NoMesh)?;
    let key = own_key(mesh, context)?;
    let endpoint = endpoint(args.endpoint.as_ref(), mesh, context);
    let pods = &context.settings.network.pods;
    let prefixes: Vec<String> = pods.iter().map(ToString::to_string).collect();
    let text = match args.wg_quick {
        true => section(&key, endpoint.as_ref(), &prefixes),
        false => fragment(
            &context.settings.node_name,
            &key,
            endpoint.as_ref(),
            &prefixes,
        ),
    };
    context.print(&match args.qr {
        true => picture(&text)?,
        false => text,
    })?;
    Ok(Outcome::Done)
}

/// The public key of this host: of the device, or of the key that is there or is made.
pub(super) fn own_key(mesh: &Mesh, context: &Context) -> Result<PublicKey, CliError> {
    if let Ok((_, shown)) = wireguard::read(MESH_LINK)
        && let Some(key) = shown.key
    {
        return Ok(wireguard::public(&key));
    }
    let own = keys::own(mesh.key.as_ref(), &context.settings.layout, None);
    let own = own.map_err(WireguardCliError::Key)?;
    Ok(wireguard::public(&own))
}

/// Where others reach this host.
pub(super) fn endpoint(
    given: Option<&Endpoint>,
    mesh: &Mesh,
    context: &Context,
) -> Option<Endpoint> {
    let given = given.or(mesh.endpoint.as_ref()).cloned();
    given.or_else(|| {
        let host = context.settings.host_ip.clone()?;
        Some(Endpoint {
            host,
            port: mesh.port,
        })
    })
}

/// A peer of wg-quick(8).
pub(super) fn section(key: &PublicKey, endpoint: Option<&Endpoint>, prefixes: &[String]) -> String {
    let endpoint = endpoint.map_or_else(String::new, |of| format!("Endpoint = {of}\n"));
    let prefixes = prefixes.join(", ");
    format!("[Peer]\nPublicKey = {key}\n{endpoint}AllowedIPs = {prefixes}\n")
}

/// A part of vks.toml. Names of nodes may have dots: they are quoted.
pub(super) fn fragment(
    name: &str,
    key: &PublicKey,
    endpoint: Option<&Endpoint>,
    prefixes: &[String],
) -> String {
    let endpoint = endpoint.map_or_else(String::new, |of| format!("endpoint = \"{of}\"\n"));
    let prefixes: Vec<String> = prefixes.iter().map(|text| format!("\"{text}\"")).collect();
    let prefixes = prefixes.join(", ");
    format!(
        "[wireguard.peers.\"{name}\"]\npublic_key = \"{key}\"\n{endpoint}prefixes = [{prefixes}]\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms() {
        let key = PublicKey([0; 32]);
        let endpoint: Endpoint = "[2001:db8::1]:7".parse().unwrap();
        let prefixes = ["10.1.0.0/24".to_owned(), "fd00::/64".to_owned()];
        assert_eq!(
            section(&key, Some(&endpoint), &prefixes),
            format!(
                "[Peer]\nPublicKey = {key}\nEndpoint = [2001:db8::1]:7\nAllowedIPs = 10.1.0.0/24, fd00::/64\n"
            )
        );
        let text = fragment("a.b", &key, None, &prefixes);
        assert_eq!(
            text,
            format!(
                "[wireguard.peers.\"a.b\"]\npublic_key = \"{key}\"\nprefixes = [\"10.1.0.0/24\", \"fd00::/64\"]\n"
            )
        );
    }
}
