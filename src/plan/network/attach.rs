//! Which networks a pod is attached to: its annotations, and the definitions they name.
//!
//! The form of the annotations is that of the Network Plumbing Working Group's specification: a list of names
//! (`namespace/name@interface`, separated by commas) or of objects in JSON.

use crate::model::desired::Desired;
use crate::model::layout::Layout;
use crate::model::name::{ObjectKey, PodUid, VolumeName};
use crate::model::network::attach::{
    Address, Attachment, DEFAULT_NETWORK, Mac, NETWORKS, Network, OpenPort, Tunnel, is_link_name,
};
use crate::model::payload::{Payload, TreeFile};
use crate::model::pod::Pod;
use crate::model::status::Blocked;
use crate::model::wireguard::KeySource;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// The pseudo volume that holds the keys of a pod's tunnels.
const KEYS: &str = "vks-network-keys";

/// One network that an annotation asks for.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
struct Ask {
    name: String,
    namespace: Option<String>,
    interface: Option<String>,
    ips: Vec<Address>,
    mac: Option<Mac>,
}

/// The networks of a pod, in the order of its annotations; none for one on the host's network.
///
/// # Errors
/// An annotation that is not understood, or a network that is not there.
pub fn attachments(
    pod: &Pod,
    uid: &PodUid,
    desired: &Desired,
    layout: &Layout,
) -> Result<Vec<Attachment>, Blocked> {
    let asked = asked(pod).map_err(blocked)?;
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    if pod.spec.host_network {
        return Err(blocked(format!(
            "{NETWORKS}: a pod on the host's network has no network of its own to attach others to: remove it"
        )));
    }
    let mut links = BTreeSet::new();
    let mut out = Vec::new();
    for (index, (ask, default)) in asked.into_iter().enumerate() {
        let made = attachment(pod, uid, desired, layout, index, ask, default).map_err(blocked)?;
        if !links.insert(made.link.clone()) {
            let link = &made.link;
            return Err(blocked(format!(
                "two networks want the interface {link}: name another after '@'"
            )));
        }
        out.push(made);
    }
    if out.iter().filter(|made| made.only_way).count() > 1 {
        let message = "two networks lead out of the pod: remove one".to_owned();
        return Err(blocked(message));
    }
    Ok(out)
}

fn attachment(
    pod: &Pod,
    uid: &PodUid,
    desired: &Desired,
    layout: &Layout,
    index: usize,
    ask: Ask,
    default: bool,
) -> Result<Attachment, String> {
    let namespace = match &ask.namespace {
        Some(namespace) => namespace
            .parse()
            .map_err(|error| format!("namespace {error}"))?,
        None => pod.key.namespace.clone(),
    };
    let name = ask
        .name
        .parse()
        .map_err(|error| format!("network name {error}"))?;
    let of = ObjectKey { namespace, name };
    let definition = desired.networks.get(&of);
    let definition =
        definition.ok_or_else(|| format!("networkattachmentdefinition \"{of}\" not found"))?;
    let network = definition.network.clone();
    let link = ask.interface.unwrap_or_else(|| format!("net{}", index + 1));
    if !is_link_name(&link) {
        return Err(format!(
            "{link:?} cannot be the name of an interface: write another after '@'"
        ));
    }
    let tunnel = match &network {
        Network::Wireguard(tunnel) => Some(tunnel),
        Network::Bridge(_) | Network::Macvlan(_) => None,
    };
    if default && tunnel.is_none() {
        return Err(format!(
            "{DEFAULT_NETWORK}: only a network of type wireguard can be the way out of a pod: use {NETWORKS}"
        ));
    }
    let stored = tunnel
        .map(|tunnel| stored(tunnel, index, uid, layout))
        .transpose()?;
    Ok(Attachment {
        of,
        link,
        only_way: tunnel.is_some_and(|tunnel| default || tunnel.is_default()),
        network,
        addresses: ask.ips,
        mac: ask.mac,
        keys: stored.unwrap_or_default(),
    })
}

/// Where the sandbox finds the keys of secrets; empty for those from elsewhere.
fn stored(
    tunnel: &Tunnel,
    index: usize,
    uid: &PodUid,
    layout: &Layout,
) -> Result<Vec<String>, String> {
    let volume = volume()?;
    let at = layout.secret_volume(uid, &volume);
    let sources = tunnel.sources().enumerate();
    let path = |(number, source): (usize, &KeySource)| match source {
        KeySource::Secret { .. } => at.join(entry(index, number)).display().to_string(),
        KeySource::File(_) | KeySource::Credential(_) => String::new(),
    };
    Ok(sources.map(path).collect())
}

fn entry(index: usize, number: usize) -> String {
    format!("{index}-{number}")
}

fn volume() -> Result<VolumeName, String> {
    KEYS.parse().map_err(|error| format!("{KEYS}: {error}"))
}

/// The keys of secrets, to be kept with the pod; none when there are none.
///
/// # Errors
/// A secret or key that is missing.
pub fn keys(
    attachments: &[Attachment],
    pod: &Pod,
    desired: &Desired,
) -> Result<Option<Payload>, Blocked> {
    let mut files = BTreeMap::new();
    for (index, made) in attachments.iter().enumerate() {
        let Network::Wireguard(tunnel) = &made.network else {
            continue;
        };
        for (number, source) in tunnel.sources().enumerate() {
            let KeySource::Secret { name, key } = source else {
                continue;
            };
            // Of the definition's namespace: who may name a network need not be able to read its keys.
            let object = ObjectKey {
                namespace: made.of.namespace.clone(),
                name: name.clone(),
            };
            let secret = desired.secrets.get(&object);
            let secret = secret.ok_or_else(|| blocked(format!("secret \"{name}\" not found")))?;
            let bytes = secret.data.get(key);
            let bytes =
                bytes.ok_or_else(|| blocked(format!("secret \"{name}\" has no key \"{key}\"")))?;
            let file = TreeFile {
                bytes: bytes.clone(),
                mode: 0o400,
            };
            files.insert(entry(index, number), file);
        }
    }
    if files.is_empty() {
        return Ok(None);
    }
    let volume = volume().map_err(blocked)?;
    if pod.spec.volumes.iter().any(|of| of.name == volume) {
        return Err(blocked(format!(
            "the name of volume {KEYS} is taken by vks: rename it"
        )));
    }
    Ok(Some(Payload::tree(&volume, files, true, None)))
}

/// The pseudo volume that the sandbox puts into memory, if there are keys of secrets.
pub fn key_volume(attachments: &[Attachment]) -> Option<VolumeName> {
    let mut paths = attachments.iter().flat_map(|made| &made.keys);
    paths.any(|path| !path.is_empty()).then(volume)?.ok()
}

/// The ports that the host may ask of a pod whose only way out is a tunnel; `None` for other pods.
pub fn inner(attachments: &[Attachment]) -> Option<Vec<OpenPort>> {
    let only = attachments.iter().find(|made| made.only_way)?;
    match &only.network {
        Network::Wireguard(tunnel) => Some(tunnel.ports.clone()),
        Network::Bridge(_) | Network::Macvlan(_) => None,
    }
}

/// The name servers of a pod whose only way out is a tunnel; `None` for other pods.
pub fn servers(attachments: &[Attachment]) -> Option<Vec<IpAddr>> {
    let only = attachments.iter().find(|made| made.only_way)?;
    match &only.network {
        Network::Wireguard(tunnel) => Some(tunnel.dns.clone()),
        Network::Bridge(_) | Network::Macvlan(_) => None,
    }
}

/// What the annotations ask for; with whether it is to be the way out.
fn asked(pod: &Pod) -> Result<Vec<(Ask, bool)>, String> {
    let mut out = Vec::new();
    for (annotation, default) in [(DEFAULT_NETWORK, true), (NETWORKS, false)] {
        let Some(text) = pod.annotations.get(annotation) else {
            continue;
        };
        let asks = list(text).map_err(|error| format!("{annotation}: {error}"))?;
        if default && asks.len() > 1 {
            return Err(format!(
                "{annotation}: names more than one network: leave one"
            ));
        }
        out.extend(asks.into_iter().map(|ask| (ask, default)));
    }
    Ok(out)
}

fn list(text: &str) -> Result<Vec<Ask>, String> {
    let text = text.trim();
    if text.starts_with('[') {
        return serde_json::from_str(text).map_err(|error| format!("{error}: correct it"));
    }
    let names = text
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty());
    let one = |name: &str| {
        let (name, interface) = match name.split_once('@') {
            Some((name, interface)) => (name, Some(interface.to_owned())),
            None => (name, None),
        };
        let (namespace, name) = match name.split_once('/') {
            Some((namespace, name)) => (Some(namespace.to_owned()), name),
            None => (None, name),
        };
        Ask {
            name: name.to_owned(),
            namespace,
            interface,
            ..Ask::default()
        }
    };
    Ok(names.map(one).collect())
}

fn blocked(message: String) -> Blocked {
    Blocked {
        container: None,
        reason: "ContainerCreating",
        message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_the_annotation() {
        let made = list("a, other/b@net7 ,").unwrap();
        assert_eq!(made.len(), 2);
        assert_eq!(
            (made[1].namespace.as_deref(), made[1].interface.as_deref()),
            (Some("other"), Some("net7"))
        );
        let json = r#"[{"name":"a","namespace":"n","interface":"x","ips":["10.1.0.2/24"],"mac":"02:00:00:00:00:01"}]"#;
        let made = list(json).unwrap();
        assert_eq!(made[0].ips[0].to_string(), "10.1.0.2/24");
        for bad in [
            "[",
            r#"[{"name":"a","x":1}]"#,
            r#"[{"name":"a","ips":["x"]}]"#,
        ] {
            assert!(list(bad).is_err(), "{bad}");
        }
        assert_eq!(list("").unwrap(), []);
    }
}
