//! Whose tokens the node's API takes.

use super::Node;
use serde_json::{Value, json};

/// A token of a service account with a right is taken when it was made for the API server, and not when it was made for
/// somebody else.
pub fn only_those_for_the_cluster(node: &Node) {
    let args = ["create", "clusterrolebinding", "t", "--clusterrole=m"];
    node.plane
        .kubectl_ok(&[&args[..], &["--serviceaccount=default:default"]].concat());
    let code = |audiences: Value| {
        let wish = json!({
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": { "audiences": audiences },
        });
        let file = node.plane.home.join("token-wish");
        std::fs::write(&file, wish.to_string()).unwrap();
        let path = "/api/v1/namespaces/default/serviceaccounts/default/token";
        let file = file.display().to_string();
        let made = node
            .plane
            .kubectl_ok(&["create", "--raw", path, "-f", &file]);
        let made: Value = serde_json::from_str(&made).unwrap();
        let bearer = format!(
            "Authorization: Bearer {}",
            made["status"]["token"].as_str().unwrap()
        );
        node.curl(None, &["-H", &bearer], "/metrics/resource").0
    };
    assert_eq!(code(json!([])), "200");
    assert_eq!(code(json!(["vault.example.com"])), "401");
}
