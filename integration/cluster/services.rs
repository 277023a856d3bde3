//! Services of the cluster lead to pods, of this node and of others.

use super::host::Host;
use super::node::{Node, shared};
use std::collections::BTreeSet;

/// A container that answers with the name of its pod.
const ANSWERS: &str = "{name: main, image: 'host:/usr/bin/socat', \
     args: ['TCP-LISTEN:7000,fork,reuseaddr', 'SYSTEM:echo $POD_NAME'], \
     env: [{name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]}";

fn answering(name: &str, node: &str, app: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, labels: {{app: {app}}}}}\nspec: {{nodeName: {node}, \
         hostname: {name}, subdomain: by-name, automountServiceAccountToken: false, containers: [{ANSWERS}]}}\n"
    )
}

const BY_NAME: &str = "apiVersion: v1\nkind: Service\nmetadata: {name: by-name}\n\
     spec: {clusterIP: None, selector: {app: bal}, ports: [{port: 7000}]}\n";

fn ask(address: &str) -> String {
    format!("timeout 5 socat -t 2 TCP:{address}:80,connect-timeout=3 - </dev/null")
}

/// Who answers, of so many times.
fn who(host: &Host, command: &str, times: usize) -> BTreeSet<String> {
    (0..times)
        .map(|_| host.machine.sh(command).stdout.trim().to_owned())
        .collect()
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn a_service_leads_to_the_pods_that_the_cluster_says() {
    let Some(node) = shared() else { return };
    for name in ["bal-a", "bal-b"] {
        node.plane.apply(&answering(name, "n1", "bal"));
        node.wait(&["pod", name], "{.status.phase}", "Running");
    }
    node.plane.kubectl_ok(&[
        "expose",
        "pod",
        "bal-a",
        "--name=bal",
        "--selector=app=bal",
        "--port=80",
        "--target-port=7000",
        "--type=NodePort",
    ]);
    let ip = node.get(&["service", "bal"])["spec"]["clusterIP"].clone();
    let ip = ip.as_str().unwrap().to_owned();
    node.host.wait(&format!("{} | grep -q bal-", ask(&ip)));
    let file = "/var/lib/vks/cluster/service.default.bal.json";
    node.host
        .wait(&format!("test $(grep -o '\"ip\"' {file} | wc -l) = 2"));
    // By chance one of two: both within so many with a probability that nobody will see fail.
    node.host.wait(&format!(
        "for i in $(seq 24); do {}; done | sort -u | wc -l | grep -qx 2",
        ask(&ip)
    ));
    // From a pod, by name, by the port of the host; and the API server's own service, which has no selector.
    let inside = format!(
        "vks exec bal-a -- sh -c '{}'",
        ask("bal.default.svc.cluster.local")
    );
    assert_eq!(who(&node.host, &inside, 24), names(&["bal-a", "bal-b"]));
    let port = node.get(&["service", "bal"])["spec"]["ports"][0]["nodePort"].to_string();
    node.host.wait(&format!(
        "timeout 5 socat -t 2 TCP:10.200.0.2:{port},connect-timeout=3 - </dev/null | grep -q bal-"
    ));
    let code = "import ssl,urllib.request as u; print(u.urlopen(\"https://10.96.0.1/version\", context=ssl._create_unverified_context()).read().decode())";
    let version = node
        .host
        .ok(&format!("vks exec bal-b -- python3 -c '{code}'"));
    assert!(version.contains("gitVersion"), "{version}");
    // Each by its own name, of a service without an address.
    node.plane.apply(BY_NAME);
    for pod in ["bal-a", "bal-b"] {
        let pod_ip = node.get(&["pod", pod])["status"]["podIP"].clone();
        let name = format!("{pod}.by-name.default.svc.cluster.local");
        node.host.wait(&format!(
            "vks exec bal-a -- getent ahostsv4 {name} | grep -q '^{} '",
            pod_ip.as_str().unwrap()
        ));
    }
    // One goes, then the service.
    node.plane
        .kubectl_ok(&["delete", "pod", "bal-b", "--grace-period=1"]);
    node.host
        .wait(&format!("test $(grep -o '\"ip\"' {file} | wc -l) = 1"));
    node.host.wait(&format!(
        "for i in $(seq 24); do {}; done | sort -u | grep -qx bal-a",
        ask(&ip)
    ));
    node.plane.kubectl_ok(&["delete", "service", "bal"]);
    node.host.wait(&format!("! test -e {file}"));
    node.host
        .wait(&format!("! {} 2>/dev/null | grep -q bal-", ask(&ip)));
}

/// A service with pods on two nodes leads to both from everywhere; its address.
pub fn balances_over_two_nodes(node: &Node, other: &Host) -> String {
    for (name, on) in [("left", "n1"), ("right", "n2"), ("idle", "n2")] {
        let app = if name == "idle" { "idle" } else { "both" };
        node.plane.apply(&answering(name, on, app));
        node.wait(&["pod", name], "{.status.phase}", "Running");
    }
    node.plane.kubectl_ok(&[
        "expose",
        "pod",
        "left",
        "--name=both",
        "--selector=app=both",
        "--port=80",
        "--target-port=7000",
    ]);
    let ip = node.get(&["service", "both"])["spec"]["clusterIP"].clone();
    let ip = ip.as_str().unwrap();
    let both = names(&["left", "right"]);
    for (host, command) in [
        (&node.host, ask(ip)),
        (other, ask(ip)),
        (other, format!("vks exec idle -- sh -c '{}'", ask(ip))),
    ] {
        host.wait(
            "test $(grep -o '\"ip\"' /var/lib/vks/cluster/service.default.both.json | wc -l) = 2",
        );
        host.wait(&format!(
            "for i in $(seq 24); do {command}; done | sort -u | grep -c . | grep -qx 2"
        ));
        assert_eq!(who(host, &command, 24), both, "{command}");
    }
    stays_on_its_node(node, other);
    ip.to_owned()
}

/// The API server is away: what is known stays, also when the agent starts anew.
pub fn balances_offline(node: &Node, other: &Host, ip: &str) {
    node.plane.ok("stop", &["apiserver"]);
    other.ok("systemctl restart vks.service");
    assert_eq!(who(other, &ask(ip), 24), names(&["left", "right"]));
    node.plane.ok("start", &["apiserver"]);
}

/// externalTrafficPolicy Local: who comes to a port of a node gets that node's pod, and by the service's address still any.
fn stays_on_its_node(node: &Node, other: &Host) {
    let patch = r#"{"spec":{"type":"NodePort","externalTrafficPolicy":"Local"}}"#;
    node.plane
        .kubectl_ok(&["patch", "service", "both", "-p", patch]);
    let service = node.get(&["service", "both"]);
    let port = service["spec"]["ports"][0]["nodePort"].to_string();
    let ip = service["spec"]["clusterIP"].as_str().unwrap();
    for (from, to, only) in [
        (other, "10.200.0.2", "left"),
        (&node.host, "10.200.0.3", "right"),
    ] {
        let command =
            format!("timeout 5 socat -t 2 TCP:{to}:{port},connect-timeout=3 - </dev/null");
        from.wait(&format!("{command} | grep -q {only}"));
        assert_eq!(who(from, &command, 16), names(&[only]), "{to}");
    }
    assert_eq!(who(other, &ask(ip), 24), names(&["left", "right"]));
}
