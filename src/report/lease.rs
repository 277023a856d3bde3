//! The node's sign of life: a Lease in `kube-node-lease`, by which the node controller knows that it is there.

use serde_json::{Value, json};

/// The namespace of the leases of nodes.
pub const NAMESPACE: &str = "kube-node-lease";
/// Seconds for which a sign of life counts (kubelet: nodeLeaseDurationSeconds).
pub const SECONDS: u32 = 40;

/// The Lease. `now` is RFC 3339 with microseconds; `node_uid` makes it go with the Node, `version` is that of the lease
/// that is replaced.
pub fn lease(node: &str, node_uid: Option<&str>, now: &str, version: Option<&str>) -> Value {
    let mut lease = json!({
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": { "name": node, "namespace": NAMESPACE },
        "spec": {
            "holderIdentity": node,
            "leaseDurationSeconds": SECONDS,
            "renewTime": now,
        },
    });
    if let Some(uid) = node_uid {
        lease["metadata"]["ownerReferences"] =
            json!([{ "apiVersion": "v1", "kind": "Node", "name": node, "uid": uid }]);
    }
    if let Some(version) = version {
        lease["metadata"]["resourceVersion"] = version.into();
    }
    lease
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_goes_with_its_node() {
        let made = lease("a", Some("u"), "2026-01-01T00:00:00.000000Z", Some("7"));
        assert_eq!(made["metadata"]["ownerReferences"][0]["uid"], "u");
        assert_eq!(made["metadata"]["resourceVersion"], "7");
        assert_eq!(made["spec"]["leaseDurationSeconds"], 40);
        assert!(lease("a", None, "x", None)["metadata"]["ownerReferences"].is_null());
    }
}
