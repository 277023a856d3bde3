//! The mesh of hosts by the Node objects: each node says its key and where it is reached by annotations, and the cluster
//! says which prefix its pods have. So a node that takes another's prefix for its own is not believed.

use crate::model::name::ObjectName;
use crate::model::network::Prefix;
use crate::model::wireguard::{Endpoint, PublicKey};
use serde_json::Value;
use std::collections::BTreeMap;

/// The annotation with a node's public key.
pub const KEY: &str = "vks.io/wireguard-public-key";
/// The annotation with where a node is reached, such as `192.0.2.7:51820`.
pub const ENDPOINT: &str = "vks.io/wireguard-endpoint";

/// What others than this node say of themselves, as the file that settings are completed by: a table for each, as below
/// `[wireguard.peers]`.
pub fn peers<'a>(nodes: impl IntoIterator<Item = &'a Value>, own: &str) -> String {
    let mut peers: BTreeMap<ObjectName, String> = BTreeMap::new();
    for node in nodes {
        let name = node["metadata"]["name"].as_str().unwrap_or_default();
        if name != own
            && let (Ok(name), Some(peer)) = (name.parse(), peer(node))
        {
            peers.insert(name, peer);
        }
    }
    let tables = peers
        .iter()
        .map(|(name, peer)| format!("[\"{name}\"]\n{peer}"));
    tables.collect()
}

/// A node that is part of the mesh. What is written has been understood: nothing of it needs to be quoted.
fn peer(node: &Value) -> Option<String> {
    let says = |key: &str| node["metadata"]["annotations"][key].as_str();
    let key: PublicKey = says(KEY)?.parse().ok()?;
    let cidrs = node["spec"]["podCIDRs"].as_array().into_iter().flatten();
    let prefixes: Vec<String> = cidrs
        .filter_map(|cidr| cidr.as_str()?.parse::<Prefix>().ok())
        .map(|prefix| format!("\"{prefix}\""))
        .collect();
    if prefixes.is_empty() {
        return None;
    }
    let endpoint = says(ENDPOINT).and_then(|text| text.parse::<Endpoint>().ok());
    let endpoint = endpoint.filter(|endpoint| !endpoint.host.contains(['"', '\\']));
    let endpoint = endpoint.map(|endpoint| format!("endpoint = \"{endpoint}\"\n"));
    Some(format!(
        "public_key = \"{key}\"\n{}prefixes = [{}]\n",
        endpoint.unwrap_or_default(),
        prefixes.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nodes_that_say_their_key_are_peers() {
        let key = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=";
        let node = |name: &str, annotations: Value, cidrs: Value| json!({ "metadata": { "name": name, "annotations": annotations }, "spec": { "podCIDRs": cidrs } });
        let nodes = [
            node("n1", json!({ KEY: key }), json!(["10.244.0.0/24"])),
            node(
                "n2",
                json!({ KEY: key, ENDPOINT: "10.0.0.2:51820" }),
                json!(["10.244.1.0/24", "fd00:1::/64"]),
            ),
            node("n3", json!({ KEY: "no key" }), json!(["10.244.2.0/24"])),
            node("n4", json!({ KEY: key }), json!([])),
            node("n5", json!(null), json!(["10.244.4.0/24"])),
            node(
                "n6",
                json!({ KEY: key, ENDPOINT: "nowhere" }),
                json!(["10.244.5.0/24"]),
            ),
        ];
        let wanted = format!(
            "[\"n2\"]\npublic_key = \"{key}\"\nendpoint = \"10.0.0.2:51820\"\nprefixes = [\"10.244.1.0/24\", \
             \"fd00:1::/64\"]\n[\"n6\"]\npublic_key = \"{key}\"\nprefixes = [\"10.244.5.0/24\"]\n"
        );
        assert_eq!(peers(&nodes, "n1"), wanted);
    }
}
