//! A host that is short of memory ends pods, those that matter least first.

use super::node::{SETTINGS, own, pod};

#[test]
fn a_host_that_is_short_of_memory_ends_pods() {
    let Some(node) = own("evict") else { return };
    node.plane.apply(&pod("victim", "exec sleep 3600"));
    node.plane.apply(&pod("vital", "exec sleep 3600").replace(
        "hostNetwork: true",
        "hostNetwork: true\n  priorityClassName: system-node-critical",
    ));
    for name in ["victim", "vital"] {
        node.wait(&["pod", name], "{.status.phase}", "Running");
    }
    let vital = node.pid("vks.default.vital.sh.service");
    // From now on this host has too little, whatever it has.
    let settings = SETTINGS.replace("eviction = { ", "eviction = { memory = '9Pi', ");
    node.settings(&format!("[kubernetes]\n{settings}"));
    node.host.ok("systemctl restart vks.service");
    node.wait(&["pod", "victim"], "{.status.reason}", "Evicted");
    let status = node.get(&["pod", "victim"])["status"].clone();
    assert_eq!(status["phase"], "Failed");
    let message = status["message"].as_str().unwrap();
    assert!(
        message.starts_with("The node was low on resource: memory. Threshold quantity: "),
        "{message}"
    );
    assert!(status["containerStatuses"][0]["state"]["terminated"].is_object());
    node.host
        .wait("! systemctl is-active -q vks.default.victim.sh.service");
    let path = "{.status.conditions[?(@.type=='MemoryPressure')].status}";
    node.wait(&["node", "n1"], path, "True");
    // The object stays, also over a restart of the agent; what is critical runs on.
    node.host.ok("systemctl restart vks.service");
    node.ready();
    assert_eq!(node.get(&["pod", "victim"])["status"]["reason"], "Evicted");
    assert_eq!(node.pid("vks.default.vital.sh.service"), vital);
    assert_eq!(node.get(&["pod", "vital"])["status"]["phase"], "Running");
    // And goes when it is deleted, with all there is of it.
    node.plane
        .kubectl_ok(&["delete", "pod", "victim", "--timeout=60s"]);
    node.host
        .wait("! ls /etc/systemd/system.attached | grep -q victim");
}
