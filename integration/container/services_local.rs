//! Traffic policy `Local`: who is to stay on this host does, each side by itself. The other host is the namespace `world`;
//! curl asks.

use super::host::{Host, own};
use super::network::{HOST, WORLD, addresses, service, wait_endpoints, world};
use super::space::{Space, sleeper};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What both servers do: they say who they are and who asked.
const SERVE: &str = "#!/bin/sh\nprintf 'HTTP/1.0 200 OK\\r\\n\\r\\n'; echo $1 $SOCAT_PEERADDR\n";

/// An address of the other host at which somebody answers who is not ready.
const UNREADY: &str = "198.51.100.2";

/// Who answers, in so many tries, and as whom they see who asks.
fn curl(host: &Host, from: &str, url: &str) -> BTreeSet<String> {
    let script = format!("for i in $(seq 12); do {from} curl -s -m 3 {url}; done; true");
    let said = host.ok(&script);
    said.lines().map(|line| line.trim().to_owned()).collect()
}

/// A service of this policy, and its endpoint on the other host.
fn objects(space: &Space, name: &str, node_port: u16, policy: &Value) -> Vec<Value> {
    let mut spec = json!({
        "type": "NodePort", "selector": { "app": "web" },
        "ports": [{ "port": 80, "targetPort": 7000, "nodePort": node_port }],
    });
    for (key, value) in policy.as_object().unwrap() {
        spec[key] = value.clone();
    }
    let meta = json!({ "name": name, "namespace": space.name });
    vec![
        json!({ "apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec }),
        json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": { "name": format!("{name}-far"), "namespace": space.name,
                          "labels": { "kubernetes.io/service-name": name } },
            "ports": [{ "port": 7000 }],
            "endpoints": [{ "addresses": [WORLD[0]] }, { "addresses": [UNREADY], "conditions": { "ready": false } }],
        }),
    ]
}

#[test]
fn traffic_that_is_to_stay_here_stays() {
    let Some(host) = own("local") else { return };
    world(&host);
    let space = Space::new(&host, "local");
    // The other host's endpoint answers who comes by this host, and its client is somebody else there.
    host.machine.write("/t/serve", SERVE, "0755");
    host.ok(
        "systemd-run -q --unit far -p NetworkNamespacePath=/run/netns/world \
         socat TCP4-LISTEN:7000,bind=192.0.2.2,fork,reuseaddr 'EXEC:/t/serve far'; \
         ip -n world addr add 198.51.100.1/32 dev lo; ip route add 198.51.100.1 via 192.0.2.2; \
         ip -n world addr add 198.51.100.2/32 dev lo; ip route add 198.51.100.2 via 192.0.2.2; \
         systemd-run -q --unit unready -p NetworkNamespacePath=/run/netns/world \
         socat TCP4-LISTEN:7000,bind=198.51.100.2,fork,reuseaddr 'EXEC:/t/serve unready'",
    );
    host.wait(&format!(
        "curl -s -m 3 http://{UNREADY}:7000/ | grep -q ^unready"
    ));
    let container = json!({ "name": "c", "image": "host:/usr/bin/socat",
        "args": ["TCP4-LISTEN:7000,fork,reuseaddr", "EXEC:/t/serve here"] });
    let mut pod = space.manifest(
        "here",
        &json!({ "hostNetwork": false, "containers": [container] }),
    );
    pod["metadata"]["labels"] = json!({ "app": "web" });
    let mut all = vec![pod];
    all.extend(objects(&space, "cluster", 30080, &json!({})));
    all.extend(objects(
        &space,
        "outside",
        30081,
        &json!({ "externalTrafficPolicy": "Local" }),
    ));
    all.extend(objects(
        &space,
        "inside",
        30082,
        &json!({ "internalTrafficPolicy": "Local" }),
    ));
    space.apply_ok("objects", &all);
    let pod = space.known("here");
    pod.wait_for("condition=Ready");
    space.ready(
        "client",
        &json!({ "hostNetwork": false, "containers": [sleeper("c")] }),
    );
    for name in ["cluster", "outside", "inside"] {
        // Both addresses of the pod, and the other host's.
        wait_endpoints(&host, "local", name, 3);
    }
    let ip = |name: &str| {
        let service = service(&host, "local", name);
        service["spec"]["clusterIP"].as_str().unwrap().to_owned()
    };
    let client = &addresses(&space.known("client"))[0];
    let near = format!("here {client}");
    let far = format!("far {}", HOST[0]);
    let both: BTreeSet<String> = [near.clone(), far.clone()].into();
    let one = |text: &str| -> BTreeSet<String> { [text.to_owned()].into() };
    let in_pod = "vks exec client -n local --";
    // At its own address, from a pod.
    assert_eq!(curl(&host, in_pod, &ip("cluster")), both);
    assert_eq!(curl(&host, in_pod, &ip("outside")), both);
    assert_eq!(curl(&host, in_pod, &ip("inside")), one(&near));
    // At a port of the host, from outside: who stays here sees who asks.
    let outside = "ip netns exec world";
    let from = |port: u16| {
        let url = format!("--interface 198.51.100.1 http://{}:{port}/", HOST[0]);
        curl(&host, outside, &url)
    };
    let near = "here 198.51.100.1";
    assert_eq!(from(30081), one(near));
    // Pods and the host itself ask the same port: they are led to all, as by kube-proxy.
    let at_the_port = format!("http://{}:30081/", HOST[0]);
    assert_eq!(curl(&host, in_pod, &at_the_port), both);
    let by_host = curl(&host, "", &at_the_port);
    let who = |word: &str| by_host.iter().any(|line| line.starts_with(word));
    assert!(who("here ") && who("far "), "{by_host:?}");
    // Of the others it is led to its own network too, where it does not know itself: until it is not.
    for port in [30080, 30082] {
        let url = format!("--interface 198.51.100.1 http://{}:{port}/", HOST[0]);
        host.wait(&format!("{outside} curl -s -m 1 {url} | grep -q '^{near}'"));
    }

    // Nobody is left here: who is to stay is refused, the others go on.
    pod.delete();
    for (name, left) in [("cluster", 1), ("outside", 1), ("inside", 1)] {
        wait_endpoints(&host, "local", name, left);
    }
    assert_eq!(curl(&host, in_pod, &ip("cluster")), one(&far));
    assert_eq!(curl(&host, in_pod, &ip("outside")), one(&far));
    assert_eq!(curl(&host, in_pod, &ip("inside")), BTreeSet::new());
    assert_eq!(from(30081), BTreeSet::new());
    // Who comes from outside hears nothing (curl's 28: too long, where a refusal would be 7); the host and pods are answered.
    let silent = format!("{outside} curl -s -m 2 --interface 198.51.100.1 {at_the_port}");
    assert_eq!(host.machine.sh(&silent).code, 28);
    assert_eq!(curl(&host, in_pod, &at_the_port), one(&far));
    assert_eq!(curl(&host, "", &at_the_port).len(), 1);
    let map = host.ok("nft -j list map inet vks onode4");
    let map: Value = serde_json::from_str(&map).unwrap();
    let elem = &map["nftables"][1]["map"]["elem"];
    assert_eq!(
        *elem,
        json!([[{ "concat": ["tcp", 30081] }, { "goto": { "target": "nobody" } }]])
    );
    // Who was not ready is.
    let now = objects(&space, "cluster", 30080, &json!({}))
        .remove(1)
        .to_string()
        .replace("\"ready\":false", "\"ready\":true");
    space.apply_ok("ready", &[serde_json::from_str(&now).unwrap()]);
    wait_endpoints(&host, "local", "cluster", 2);
    let late = format!("unready {}", HOST[0]);
    assert_eq!(curl(&host, in_pod, &ip("cluster")), [far, late].into());
    host.ok("systemctl stop far unready");
}
