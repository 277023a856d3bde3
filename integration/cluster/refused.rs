//! What a node may not do, and what this node does not take.

use super::node::{pod, shared};
use std::io::Write as _;

#[test]
fn a_pod_that_cannot_be_run_fails_with_the_fields_name() {
    let Some(node) = shared() else { return };
    let manifest = pod("odd", "exit 0").replace(
        "args:",
        "envFrom: [], volumeMounts: [{name: g, mountPath: /g}], args:",
    ) + "  volumes: [{name: g, gitRepo: {repository: 'https://example.com/x.git'}}]\n";
    node.plane.apply(&manifest);
    node.wait(&["pod", "odd"], "{.status.phase}", "Failed");
    let status = node.get(&["pod", "odd"])["status"].clone();
    assert_eq!(status["reason"], "UnsupportedPod");
    assert!(
        status["message"]
            .as_str()
            .unwrap()
            .contains("spec.volumes[0].gitRepo"),
        "{status}"
    );
    node.plane
        .kubectl_ok(&["delete", "pod", "odd", "--timeout=60s"]);
}

#[test]
fn a_node_that_is_full_takes_no_more() {
    let Some(node) = shared() else { return };
    let manifest =
        pod("huge", "exit 0").replace("args:", "resources: {requests: {cpu: '1000'}}, args:");
    node.plane.apply(&manifest);
    node.wait(&["pod", "huge"], "{.status.reason}", "OutOfcpu");
    node.plane
        .kubectl_ok(&["delete", "pod", "huge", "--timeout=60s"]);
}

#[test]
fn another_nodes_things_are_not_its_own() {
    let Some(node) = shared() else { return };
    node.plane.kubectl_ok(&[
        "create",
        "secret",
        "generic",
        "foreign",
        "--from-literal=a=b",
    ]);
    let as_node = |method: &str, path: &str, body: &str| {
        let file = node.plane.home.join("as-node.conf");
        let mut made = std::fs::File::create(&file).unwrap();
        let kubeconfig = node.host.machine.read("/var/lib/vks/node/kubeconfig");
        made.write_all(kubeconfig.as_bytes()).unwrap();
        let file = file.display().to_string();
        let kubectl = ["--kubeconfig", &file];
        let args: Vec<&str> = match method {
            "get" => [&kubectl[..], &["get", "--raw", path]].concat(),
            _ => [&kubectl[..], &["patch", "node", path, "-p", body]].concat(),
        };
        node.plane.kubectl(&args)
    };
    let own = as_node("get", "/api/v1/nodes/n1", "");
    assert_eq!(own.code, 0, "{own:?}");
    let secret = as_node("get", "/api/v1/namespaces/default/secrets/foreign", "");
    assert!(
        secret.code != 0 && secret.stderr.contains("orbidden"),
        "{secret:?}"
    );
    node.plane
        .apply("apiVersion: v1\nkind: Node\nmetadata: {name: other}\n");
    let other = as_node("patch", "other", r#"{"metadata":{"labels":{"a":"b"}}}"#);
    assert!(
        other.code != 0 && other.stderr.contains("orbidden"),
        "{other:?}"
    );
    node.plane.kubectl_ok(&["delete", "node", "other"]);
}
