//! A control plane and a node of vks, and what the node says of itself.

use super::host::Host;
use super::lab::plane::Plane;
use super::lab::{self, Machine, Tier};
use serde_json::Value;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

/// Far above what anything takes.
pub const LONG: Duration = Duration::from_secs(90);

/// A node and the cluster it is in.
pub struct Node {
    pub plane: Plane,
    pub host: Host,
    pub name: String,
    /// Settings of every node of the cluster.
    more: &'static str,
}

static SHARED: Mutex<Weak<Node>> = Mutex::new(Weak::new());

/// The node that tests of one process share; each keeps to its own names.
pub fn shared() -> Option<Arc<Node>> {
    if !lab::require(Tier::Container) {
        return None;
    }
    let mut slot = SHARED.lock().unwrap_or_else(|broken| broken.into_inner());
    if let Some(node) = slot.upgrade() {
        return Some(node);
    }
    let node = Arc::new(Node::up("shared", ""));
    *slot = Arc::downgrade(&node);
    Some(node)
}

/// A cluster of a test's own.
pub fn own(name: &str) -> Option<Node> {
    own_with(name, "")
}

/// The same, with more settings.
pub fn own_with(name: &str, more: &'static str) -> Option<Node> {
    lab::require(Tier::Container).then(|| Node::up(name, more))
}

/// What a node's settings say in tests: a disk that others have filled is nothing to them.
pub const SETTINGS: &str =
    "eviction = { storage = 0, inodes = 0 }\nlabels = { 'example.com/kind' = 'vks' }\n";

impl Node {
    fn up(name: &str, more: &'static str) -> Self {
        let node = Self {
            more,
            ..Self::wired(name)
        };
        let services = lab::repository().join("examples/kubernetes/services.yaml");
        node.plane
            .kubectl_ok(&["apply", "-f", &services.display().to_string()]);
        begin(&node.plane, &node.host, &node.name, more);
        node.ready();
        node
    }

    /// Another node of the same cluster.
    pub fn beside(&self, name: &str, address: &str) -> Host {
        let host = Host {
            machine: Machine::boot("trixie", &format!("node-{}-{name}", self.plane.name)),
        };
        host.install();
        self.plane.join(&host.machine, address);
        begin(&self.plane, &host, name, self.more);
        let path = "jsonpath={.status.conditions[?(@.type=='Ready')].status}";
        let args = ["get", "node", name, "-o", path];
        self.plane
            .wait_for("the other node is ready", LONG, &args, |text| {
                text == "True"
            });
        host
    }

    /// A machine beside a cluster that does not know it yet.
    pub fn wired(name: &str) -> Self {
        let plane = Plane::up(name);
        let host = Host {
            machine: Machine::boot("trixie", &format!("node-{name}")),
        };
        host.install();
        plane.join(&host.machine, "10.200.0.2");
        Self {
            plane,
            host,
            name: "n1".to_owned(),
            more: "",
        }
    }

    pub fn settings(&self, more: &str) {
        settings(&self.host, &self.name, more);
    }

    pub fn ready(&self) {
        let path = "jsonpath={.status.conditions[?(@.type=='Ready')].status}";
        let args = ["get", "node", &self.name, "-o", path];
        self.plane
            .wait_for("the node is ready", LONG, &args, |text| text == "True");
    }

    /// An object as JSON.
    pub fn get(&self, what: &[&str]) -> Value {
        let args = [&["get"], what, &["-o", "json"]].concat();
        serde_json::from_str(&self.plane.kubectl_ok(&args)).unwrap()
    }

    /// Has a pod that does not listen to SIGTERM and has ten minutes to end, and waits until it runs.
    pub fn runs_deaf(&self, name: &str) {
        let manifest = pod(name, "trap \"\" TERM; while :; do sleep 0.1; done").replace(
            "  hostNetwork",
            "  terminationGracePeriodSeconds: 600\n  hostNetwork",
        );
        self.plane.apply(&manifest);
        self.wait(&["pod", name], "{.status.phase}", "Running");
    }

    /// Waits for what a jsonpath of an object says.
    pub fn wait(&self, what: &[&str], path: &str, wanted: &str) {
        let path = format!("jsonpath={path}");
        let args = [&["get"], what, &["-o", &path]].concat();
        self.plane.wait_for(
            &format!("{what:?} {path} is {wanted}"),
            LONG,
            &args,
            |text| text == wanted,
        );
    }

    /// Waits until there is no such object.
    pub fn gone(&self, what: &[&str]) {
        let args = [&["get", "--ignore-not-found", "-o", "name"], what].concat();
        self.plane
            .wait_for(&format!("{what:?} is gone"), LONG, &args, str::is_empty);
    }

    /// Main process of a container, as systemd knows it.
    pub fn pid(&self, unit: &str) -> String {
        self.host.property(unit, "MainPID")
    }
}

fn settings(host: &Host, name: &str, more: &str) {
    let text = format!("[node]\nname = '{name}'\n[pods]\nprofile = 'trusted'\n{more}");
    host.machine.write("/etc/vks/vks.toml", &text, "0644");
}

/// Starts the agent of a host that is to be a node, by a kubeconfig.
fn begin(plane: &Plane, host: &Host, name: &str, more: &str) {
    let user = format!("system:node:{name}");
    let kubeconfig = plane.ok("kubeconfig", &[&user, "system:nodes"]);
    host.machine.ok(&["mkdir", "-p", "/var/lib/vks/node"]);
    host.machine
        .write("/var/lib/vks/node/kubeconfig", &kubeconfig, "0600");
    settings(host, name, &format!("{more}[kubernetes]\n{SETTINGS}"));
    host.ok("systemctl enable --now vks-pods.target vks.service");
}

/// A pod on the node, on the host's network, of one program.
pub fn pod(name: &str, args: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec:\n  nodeName: n1\n  hostNetwork: true\n  \
         automountServiceAccountToken: false\n  containers:\n  - {{name: main, image: 'host:/bin/sh', args: [-c, '{args}']}}\n"
    )
}

#[test]
fn the_node_says_what_it_is() {
    let Some(node) = shared() else { return };
    let object = node.get(&["node", "n1"]);
    let status = &object["status"];
    let kinds: Vec<&str> = status["conditions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["type"].as_str().unwrap())
        .collect();
    // The node controller has conditions of its own.
    let ours: Vec<&str> = kinds
        .into_iter()
        .filter(|kind| *kind != "NetworkUnavailable")
        .collect();
    assert_eq!(
        ours,
        ["MemoryPressure", "DiskPressure", "PIDPressure", "Ready"]
    );
    let cpus = node.host.ok("nproc");
    assert_eq!(status["capacity"]["cpu"], cpus.trim());
    let memory = node
        .host
        .ok("awk '/^MemTotal/ { print $2 \"Ki\" }' /proc/meminfo");
    assert_eq!(status["capacity"]["memory"], memory.trim());
    let info = &status["nodeInfo"];
    assert_eq!(
        info["machineID"],
        node.host.ok("cat /etc/machine-id").trim()
    );
    assert_eq!(info["kernelVersion"], node.host.ok("uname -r").trim());
    assert_eq!(info["containerRuntimeVersion"], "systemd://257");
    assert_eq!(object["metadata"]["labels"]["example.com/kind"], "vks");
    assert_eq!(status["addresses"][0]["address"], "10.200.0.2");
    let lease = node.get(&["lease", "n1", "-n", "kube-node-lease"]);
    assert_eq!(lease["spec"]["holderIdentity"], "n1");
    assert_eq!(lease["spec"]["leaseDurationSeconds"], 40);
    assert_eq!(
        lease["metadata"]["ownerReferences"][0]["uid"],
        object["metadata"]["uid"]
    );
    let events = node.plane.kubectl_ok(&[
        "get",
        "events",
        "-o",
        "custom-columns=R:.reason",
        "--field-selector",
        "involvedObject.name=n1",
    ]);
    assert!(events.contains("NodeReady"), "{events}");
}

#[test]
fn a_lease_is_renewed() {
    let Some(node) = shared() else { return };
    let time = |node: &Node| {
        node.get(&["lease", "n1", "-n", "kube-node-lease"])["spec"]["renewTime"].to_string()
    };
    let first = time(&node);
    let path = "jsonpath=\"{.spec.renewTime}\"";
    let args = ["get", "lease", "n1", "-n", "kube-node-lease", "-o", path];
    node.plane
        .wait_for("another lease", LONG, &args, |text| text != first);
}
