//! The API server is away, hung, or does not remember: no pod is touched.

use super::node::{LONG, Node, own, pod};

const UNIT: &str = "vks.default.steady.sh.service";

/// A node with a pod that runs, and that pod's process.
fn steady(name: &str) -> Option<(Node, String)> {
    let node = own(name)?;
    node.plane.apply(&pod("steady", "exec sleep 3600"));
    node.wait(&["pod", "steady"], "{.status.phase}", "Running");
    let pid = node.pid(UNIT);
    assert_ne!(pid, "0");
    Some((node, pid))
}

/// What the agent has said since it was asked last contains a sentence.
fn said(node: &Node, sentence: &str) {
    node.host.wait(&format!(
        "journalctl -u vks.service -b --no-pager | grep -q '{sentence}'"
    ));
}

#[test]
fn a_server_that_is_killed_and_one_that_hangs() {
    let Some((node, pid)) = steady("offline") else {
        return;
    };
    node.plane.ok("stop", &["apiserver"]);
    said(&node, "cannot be told of this node");
    assert_eq!(node.pid(UNIT), pid);
    // What happens meanwhile is told later.
    node.host.ok(&format!("kill {pid}"));
    node.host.wait(&format!(
        "p=$(systemctl show -p MainPID --value {UNIT}); test $p != 0 && test $p != {pid}"
    ));
    // The agent comes up again without a network: it still knows the pod.
    node.host
        .ok("systemctl kill -s KILL vks.service; sleep 0.3; systemctl restart vks.service");
    let pid = node.pid(UNIT);
    assert_eq!(
        node.host.vks_ok(&["get", "pods", "-o", "name"]).trim(),
        "pod/steady"
    );
    node.plane.ok("start", &["apiserver"]);
    node.wait(
        &["pod", "steady"],
        "{.status.containerStatuses[0].restartCount}",
        "1",
    );
    node.ready();
    assert_eq!(node.pid(UNIT), pid);

    let server = node.plane.ok("pid", &["apiserver"]);
    node.plane.ok("exec", &["kill", "-STOP", server.trim()]);
    node.host
        .ok("journalctl --rotate --vacuum-time=1s >/dev/null 2>&1 || true");
    said(&node, "cannot be told of this node");
    assert_eq!(node.pid(UNIT), pid);
    node.plane.ok("exec", &["kill", "-CONT", server.trim()]);
    node.ready();
    assert_eq!(node.pid(UNIT), pid);
    // And it still obeys.
    node.plane
        .kubectl_ok(&["delete", "pod", "steady", "--timeout=60s"]);
    node.host
        .wait("! ls /etc/systemd/system.attached | grep -q steady");
}

#[test]
fn a_server_that_has_lost_its_memory_stops_nothing() {
    let Some((node, pid)) = steady("amnesia") else {
        return;
    };
    node.plane.ok("stop", &["apiserver"]);
    node.plane.ok("stop", &["etcd"]);
    node.plane.ok(
        "exec",
        &[
            "rm",
            "-rf",
            &node.plane.home.join("etcd").display().to_string(),
        ],
    );
    node.plane.ok("start", &["etcd"]);
    node.plane.ok("start", &["apiserver"]);
    // The node registers itself anew; the pod is not known to the server any more.
    node.ready();
    said(&node, "does not know 1 pods of this node");
    assert_eq!(node.pid(UNIT), pid);
    // Nor after a restart of the agent, with a list that by now looks newer.
    node.host.ok("systemctl restart vks.service");
    node.ready();
    assert_eq!(node.pid(UNIT), pid);
    // A pod of the name is a positive sign.
    for verb in ["stop", "start"] {
        node.plane.ok(verb, &["manager"]);
    }
    let account = ["get", "serviceaccount", "default", "-o", "name"];
    node.plane
        .wait_for("an account", LONG, &account, |text| !text.is_empty());
    node.plane.apply(&pod("steady", "exec sleep 3601"));
    node.wait(&["pod", "steady"], "{.status.phase}", "Running");
    assert_ne!(node.pid(UNIT), pid);
}

#[test]
fn a_server_that_was_set_back_stops_nothing() {
    let Some(node) = own("setback") else { return };
    let etcd = node.plane.home.join("etcd").display().to_string();
    let copy = format!("{etcd}.copy");
    for part in ["apiserver", "etcd"] {
        node.plane.ok("stop", &[part]);
    }
    node.plane.ok("exec", &["cp", "-a", &etcd, &copy]);
    for part in ["etcd", "apiserver"] {
        node.plane.ok("start", &[part]);
    }
    node.ready();
    node.plane.apply(&pod("steady", "exec sleep 3600"));
    node.wait(&["pod", "steady"], "{.status.phase}", "Running");
    let pid = node.pid(UNIT);
    for part in ["apiserver", "etcd"] {
        node.plane.ok("stop", &[part]);
    }
    node.plane.ok("exec", &["rm", "-rf", &etcd]);
    node.plane.ok("exec", &["mv", &copy, &etcd]);
    for part in ["etcd", "apiserver"] {
        node.plane.ok("start", &[part]);
    }
    said(&node, "does not know 1 pods of this node");
    node.ready();
    assert_eq!(node.pid(UNIT), pid);
}
