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

/// With the node's own certificate: a pod that is bound to another node is neither told of nor deleted, and no token is made
/// for it.
#[test]
fn another_nodes_pod_is_not_its_own() {
    let Some(node) = shared() else { return };
    let kubeconfig = node.plane.home.join("as-n1.conf");
    let text = node.host.machine.read("/var/lib/vks/node/kubeconfig");
    std::fs::File::create(&kubeconfig)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .unwrap();
    let kubeconfig = kubeconfig.display().to_string();
    let as_node = |args: &[&str]| {
        node.plane
            .kubectl(&[&["--kubeconfig", &kubeconfig], args].concat())
    };
    let body = |name: &str, value: &serde_json::Value| {
        let file = node.plane.home.join(name);
        std::fs::File::create(&file)
            .and_then(|mut file| file.write_all(value.to_string().as_bytes()))
            .unwrap();
        file.display().to_string()
    };
    for (name, on) in [("r-own", "n1"), ("r-foreign", "n9")] {
        node.plane.apply(
            &pod(name, "exec sleep 3600").replace("nodeName: n1", &format!("nodeName: {on}")),
        );
    }
    node.wait(&["pod", "r-own"], "{.status.phase}", "Running");
    let status = |name: &str| {
        let mut object = node.get(&["pod", name]);
        object["status"]["message"] = "told by hand".into();
        object["metadata"]
            .as_object_mut()
            .unwrap()
            .remove("resourceVersion");
        let file = body(&format!("{name}.json"), &object);
        let path = format!("/api/v1/namespaces/default/pods/{name}/status");
        as_node(&["replace", "--raw", &path, "-f", &file])
    };
    let token = |name: &str| {
        let uid = node.get(&["pod", name])["metadata"]["uid"].clone();
        let wish = serde_json::json!({
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
            "spec": { "audiences": ["x"], "boundObjectRef": { "kind": "Pod", "apiVersion": "v1", "name": name, "uid": uid } },
        });
        let file = body(&format!("{name}-token.json"), &wish);
        let path = "/api/v1/namespaces/default/serviceaccounts/default/token";
        as_node(&["create", "--raw", path, "-f", &file])
    };
    // What it may, so that what it may not means something.
    let own = [status("r-own"), token("r-own")];
    assert!(own.iter().all(|out| out.code == 0), "{own:?}");
    let refused = [
        status("r-foreign"),
        token("r-foreign"),
        as_node(&["delete", "pod", "r-foreign", "--grace-period=0", "--force"]),
    ];
    for out in refused {
        assert!(out.code != 0 && out.stderr.contains("orbidden"), "{out:?}");
    }
    node.plane.kubectl_ok(&[
        "delete",
        "pod",
        "r-own",
        "r-foreign",
        "--grace-period=0",
        "--force",
    ]);
}
