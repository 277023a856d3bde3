//! By a token to a node that is ready.

use super::lab::{self, Tier};
use super::node::{Node, SETTINGS, pod};

const TOKEN: &str = "abcdef.0123456789abcdef";
const SERVER: &str = "https://10.200.0.1:6443";

#[test]
fn by_a_token_to_ready_and_away_again() {
    if !lab::require(Tier::Container) {
        return;
    }
    let node = Node::wired("joining");
    let examples = lab::repository().join("examples/kubernetes");
    let bootstrap = std::fs::read_to_string(examples.join("bootstrap.yaml")).unwrap();
    node.plane.apply(&bootstrap);
    node.plane
        .apply(&std::fs::read_to_string(examples.join("cluster-info.yaml")).unwrap());
    let ca = node.plane.home.join("pki/ca.crt");
    let kubeconfig = node.plane.home.join("cluster-info");
    let file = kubeconfig.display().to_string();
    let with = |args: &[&str]| {
        let all = [&["config", "--kubeconfig", &file], args].concat();
        node.plane.kubectl_ok(&all);
    };
    let authority = format!("--certificate-authority={}", ca.display());
    with(&[
        "set-cluster",
        "lab",
        "--server",
        SERVER,
        &authority,
        "--embed-certs=true",
    ]);
    node.plane.kubectl(&["create", "namespace", "kube-public"]);
    let from = format!("--from-file=kubeconfig={file}");
    node.plane.kubectl_ok(&[
        "create",
        "configmap",
        "cluster-info",
        "-n",
        "kube-public",
        &from,
    ]);

    node.settings("");
    node.host
        .ok("systemctl enable --now vks-pods.target vks.service");
    let hash = node.plane.ok("ca-hash", &[]);
    let wrong = format!("sha256:{}", "0".repeat(64));
    let out = node
        .host
        .vks(&["join", SERVER, "--token", TOKEN, "--ca-hash", &wrong]);
    assert!(
        out.code == 1 && out.stderr.contains("another hash"),
        "{out:?}"
    );
    let more = format!("[kubernetes]\n{SETTINGS}");
    node.host.ok("mkdir -p /etc/vks/vks.toml.d");
    node.host
        .vks_ok(&["join", SERVER, "--token", TOKEN, "--ca-hash", hash.trim()]);
    node.host
        .machine
        .write("/etc/vks/vks.toml.d/60-test.toml", &more, "0644");
    node.host.ok("systemctl restart vks.service");
    node.ready();
    // For people: the clock judges nothing here.
    let approved = "jsonpath={.items[?(@.spec.signerName=='kubernetes.io/kube-apiserver-client-kubelet')].status.conditions[0].lastUpdateTime}";
    let approved = node.plane.kubectl_ok(&["get", "csr", "-o", approved]);
    let ready = "jsonpath={.status.conditions[?(@.type=='Ready')].lastTransitionTime}";
    let ready = node.plane.kubectl_ok(&["get", "node", "n1", "-o", ready]);
    let seconds = node.host.ok(&format!(
        "echo $(($(date -d '{ready}' +%s) - $(date -d '{}' +%s)))",
        approved.split_whitespace().last().unwrap()
    ));
    eprintln!(
        "from the approval of its certificate to Ready: {} s",
        seconds.trim()
    );
    for file in [
        "client.key",
        "client.crt",
        "bootstrap.kubeconfig",
        "kubeconfig",
    ] {
        node.host.ok(&format!(
            "test $(stat -c %a /var/lib/vks/node/{file}) = 600"
        ));
    }
    let subject = node
        .host
        .ok("openssl x509 -in /var/lib/vks/node/client.crt -noout -subject 2>/dev/null || true");
    assert!(
        subject.is_empty() || subject.contains("system:node:n1"),
        "{subject}"
    );

    // The serving certificate waits for somebody to approve it.
    let pending =
        "jsonpath={.items[?(@.spec.signerName=='kubernetes.io/kubelet-serving')].metadata.name}";
    node.plane.wait_for(
        "a request",
        super::node::LONG,
        &["get", "csr", "-o", pending],
        |text| !text.is_empty(),
    );
    let name = node.plane.kubectl_ok(&["get", "csr", "-o", pending]);
    // An agent that was started again asks again.
    for name in name.split_whitespace() {
        node.plane.kubectl_ok(&["certificate", "approve", name]);
    }
    node.host.wait("test -s /var/lib/vks/node/serving.crt");

    node.plane.apply(&pod("here", "exec sleep 3600"));
    node.wait(&["pod", "here"], "{.status.phase}", "Running");
    node.host.ok("rm /etc/vks/vks.toml.d/60-test.toml");
    node.host.vks_ok(&["leave", "--timeout", "60s"]);
    node.gone(&["pod", "here"]);
    node.host
        .wait("! ls /etc/systemd/system.attached | grep -q here");
    node.host.ok("! ls /var/lib/vks/node | grep -q .");
}
