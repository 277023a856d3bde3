//! The mesh of hosts by the Node objects: each node says its key and where it is reached by annotations, and the cluster
//! says which prefix its pods have. So a node that takes another's prefix for its own is not believed.

use crate::model::name::ObjectName;
use crate::model::network::Prefix;
use crate::model::wireguard::{Endpoint, PublicKey};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The annotation with a node's public key.
pub const KEY: &str = "vks.io/wireguard-public-key";
/// The annotation with where a node is reached, such as `192.0.2.7:51820`.
pub const ENDPOINT: &str = "vks.io/wireguard-endpoint";

/// What others than this node say of themselves, as the file that settings are completed by: names to peers, as in
/// `[wireguard.peers]`.
pub fn peers<'a>(nodes: impl IntoIterator<Item = &'a Value>, own: &str) -> String {
    let mut peers: BTreeMap<String, Value> = BTreeMap::new();
    for node in nodes {
        let name = node["metadata"]["name"].as_str().unwrap_or_default();
        if name != own
            && let Some(peer) = peer(node)
            && name.parse::<ObjectName>().is_ok()
        {
            peers.insert(name.to_owned(), peer);
        }
    }
    json!(peers).to_string()
}

/// A node that is part of the mesh.
fn peer(node: &Value) -> Option<Value> {
    let says = |key: &str| node["metadata"]["annotations"][key].as_str();
    let key: PublicKey = says(KEY)?.parse().ok()?;
    let spec = &node["spec"];
    let cidrs = spec["podCIDRs"].as_array().into_iter().flatten();
    let prefixes: Vec<String> = cidrs
        .filter_map(|cidr| cidr.as_str()?.parse::<Prefix>().ok())
        .map(|prefix| prefix.to_string())
        .collect();
    if prefixes.is_empty() {
        return None;
    }
    let mut peer = json!({ "public_key": key.to_string(), "prefixes": prefixes });
    if let Some(endpoint) = says(ENDPOINT).filter(|text| text.parse::<Endpoint>().is_ok()) {
        peer["endpoint"] = endpoint.into();
    }
    Some(peer)
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let text: Value = serde_json::from_str(&peers(&nodes, "n1")).unwrap();
        let wanted = json!({
            "n2": { "public_key": key, "endpoint": "10.0.0.2:51820", "prefixes": ["10.244.1.0/24", "fd00:1::/64"] },
            "n6": { "public_key": key, "prefixes": ["10.244.5.0/24"] },
        });
        assert_eq!(text, wanted);
    }
}
