//! `vks wireguard import`: a file of wg-quick becomes the manifests of a tunnel for pods.
//!
//! Keys go into a Secret, the rest into a NetworkAttachmentDefinition. Strict: what a pod's tunnel cannot do (commands,
//! tables, marks) is refused, not left out.

use super::super::context::{Context, Outcome};
use super::super::error::CliError;
use super::{Import, WireguardCliError};
use crate::model::name::{Namespace, ObjectName};
use crate::model::wireguard::SecretKey;
use serde_json::{Map, Value, json};
use std::io::Read as _;
use std::path::Path;

/// Prints the manifests.
pub(super) fn run(args: &Import, context: &Context) -> Result<Outcome, CliError> {
    let file = args.file.display().to_string();
    let wrong = |problem: String| WireguardCliError::Import {
        file: file.clone(),
        problem,
    };
    let text = read(&args.file).map_err(|error| wrong(error.to_string()))?;
    let name = match &args.name {
        Some(name) => name.clone(),
        None => name_of(&args.file).map_err(wrong)?,
    };
    let manifests = manifests(&text, &name, &context.namespace, &args.ports).map_err(wrong)?;
    for (index, manifest) in manifests.iter().enumerate() {
        let separator = if index > 0 { "---\n" } else { "" };
        context.print(&format!(
            "{separator}{}",
            super::super::yaml::to_yaml(manifest)
        ))?;
    }
    Ok(Outcome::Done)
}

fn read(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    match path == Path::new("-") {
        true => std::io::stdin().read_to_string(&mut text)?,
        false => std::fs::File::open(path)?.read_to_string(&mut text)?,
    };
    Ok(text)
}

fn name_of(path: &Path) -> Result<ObjectName, String> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    stem.to_lowercase()
        .parse()
        .map_err(|_| format!("{stem:?} is no name for a network: give one by --name"))
}

/// The manifests of a file, the secret first.
fn manifests(
    text: &str,
    name: &ObjectName,
    namespace: &Namespace,
    ports: &[String],
) -> Result<Vec<Value>, String> {
    let secret = format!("{name}-keys");
    let mut found = Found::default();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.split('#').next().unwrap_or_default().trim();
        let read = found.line(number, line, &secret);
        read.map_err(|problem| format!("line {number}: {problem}"))?;
    }
    let Found {
        keys,
        mut tunnel,
        peers,
        ..
    } = found;
    if !keys.contains_key("privatekey") || peers.is_empty() {
        return Err("a tunnel needs a PrivateKey and a [Peer]: add them".to_owned());
    }
    let mut config = Map::new();
    config.insert("cniVersion".to_owned(), "1.0.0".into());
    config.insert("type".to_owned(), "wireguard".into());
    config.append(&mut tunnel);
    config.insert("peers".to_owned(), peers.into());
    if !ports.is_empty() {
        config.insert("ports".to_owned(), ports.into());
    }
    let meta = |name: &str| json!({ "name": name, "namespace": namespace.as_str() });
    Ok(vec![
        json!({ "apiVersion": "v1", "kind": "Secret", "metadata": meta(&secret), "stringData": keys }),
        json!({
            "apiVersion": "k8s.cni.cncf.io/v1", "kind": "NetworkAttachmentDefinition",
            "metadata": meta(name.as_str()), "spec": { "config": Value::Object(config).to_string() },
        }),
    ])
}

/// What has been read so far.
#[derive(Default)]
struct Found {
    keys: Map<String, Value>,
    tunnel: Map<String, Value>,
    peers: Vec<Map<String, Value>>,
    begun: bool,
}

impl Found {
    fn line(&mut self, number: usize, line: &str, secret: &str) -> Result<(), String> {
        match line {
            "" => {}
            "[Interface]" if !self.begun => self.begun = true,
            "[Peer]" if self.begun => self.peers.push(Map::new()),
            _ if line.starts_with('[') => {
                return Err("is no section of a tunnel: correct it".to_owned());
            }
            _ if !self.begun => return Err("is in no section: begin with [Interface]".to_owned()),
            _ => {
                let setting = line.split_once('=');
                let (key, value) = setting.ok_or("is no setting: write KEY = VALUE")?;
                self.setting(number, key.trim(), value.trim(), secret)?;
            }
        }
        Ok(())
    }

    fn setting(
        &mut self,
        number: usize,
        key: &str,
        value: &str,
        secret: &str,
    ) -> Result<(), String> {
        let word = key.to_ascii_lowercase();
        let whole = || whole(value).ok_or_else(|| format!("{key} is no number"));
        let Some(peer) = self.peers.last_mut() else {
            let (field, value) = match word.as_str() {
                "privatekey" => ("privateKey", kept(&mut self.keys, secret, &word, value)?),
                "address" => ("address", list(value)),
                "dns" => ("dns", list(value)),
                "mtu" => ("mtu", whole()?),
                "listenport" => ("listenPort", whole()?),
                _ => return Err(format!("a pod's tunnel has no {key}: remove it")),
            };
            join(&mut self.tunnel, field, value);
            return Ok(());
        };
        let entry = format!("{word}-{number}");
        let (field, value) = match word.as_str() {
            "publickey" => ("publicKey", value.into()),
            "presharedkey" => ("presharedKey", kept(&mut self.keys, secret, &entry, value)?),
            "endpoint" => ("endpoint", value.into()),
            "allowedips" => ("allowedIPs", list(value)),
            "persistentkeepalive" => ("persistentKeepalive", whole()?),
            _ => return Err(format!("a peer of a pod's tunnel has no {key}: remove it")),
        };
        join(peer, field, value);
        Ok(())
    }
}

/// Puts a key into the secret, and gives what leads to it.
fn kept(
    keys: &mut Map<String, Value>,
    secret: &str,
    entry: &str,
    value: &str,
) -> Result<Value, String> {
    let _: SecretKey = value.parse().map_err(|_| "holds no key")?;
    keys.insert(entry.to_owned(), value.into());
    Ok(json!({ "secret": { "name": secret, "key": entry } }))
}

/// A setting may come several times: lists grow.
fn join(map: &mut Map<String, Value>, key: &str, value: Value) {
    match (map.get_mut(key), value) {
        (Some(Value::Array(list)), Value::Array(more)) => list.extend(more),
        (_, value) => drop(map.insert(key.to_owned(), value)),
    }
}

fn list(value: &str) -> Value {
    let items = value.split(',').map(|item| item.trim().to_owned());
    items
        .filter(|item| !item.is_empty())
        .collect::<Vec<_>>()
        .into()
}

fn whole(value: &str) -> Option<Value> {
    match value {
        "off" => Some(0.into()),
        _ => value.parse::<u16>().ok().map(Value::from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=";

    fn made(text: &str) -> Result<Vec<Value>, String> {
        let name = "vpn".parse().unwrap();
        manifests(
            text,
            &name,
            &Namespace::default_namespace(),
            &["8080".to_owned()],
        )
    }

    #[test]
    fn a_file_becomes_two_manifests() {
        let text = format!(
            "# from a provider\n[Interface]\nPrivateKey = {KEY}\nAddress = 10.2.0.2/32, fd00::2/128\nDNS = 10.2.0.1\nMTU=1380\n\n\
             [Peer]\nPublicKey = {KEY}\nPresharedKey = {KEY}\nEndpoint = vpn.example.org:51820 # here\n\
             AllowedIPs = 0.0.0.0/0\nAllowedIPs = ::/0\nPersistentKeepalive = 25\n"
        );
        let manifests = made(&text).unwrap();
        assert_eq!(manifests[0]["stringData"]["privatekey"], KEY);
        let config = manifests[1]["spec"]["config"].as_str().unwrap();
        assert!(!config.contains("PrivateKey"));
        let config: Value = serde_json::from_str(config).unwrap();
        assert_eq!(config["address"], json!(["10.2.0.2/32", "fd00::2/128"]));
        assert_eq!(
            config["peers"][0]["allowedIPs"],
            json!(["0.0.0.0/0", "::/0"])
        );
        assert_eq!(config["peers"][0]["endpoint"], "vpn.example.org:51820");
        assert_eq!(config["privateKey"]["secret"]["name"], "vpn-keys");
        assert_eq!(config["ports"], json!(["8080"]));
    }

    #[test]
    fn what_a_tunnel_cannot_do_is_refused() {
        for (text, wanted) in [
            (
                "[Interface]\nPostUp = rm -rf /\n",
                "line 2: a pod's tunnel has no PostUp",
            ),
            ("Address = 10.0.0.1\n", "in no section"),
            ("[Interface]\nPrivateKey = x\n", "line 2: holds no key"),
            ("[Interface]\nfoo\n", "is no setting"),
            ("[Wrong]\n", "is no section"),
            ("", "needs a PrivateKey"),
        ] {
            let problem = made(text).unwrap_err();
            assert!(problem.contains(wanted), "{text}: {problem}");
        }
    }
}
