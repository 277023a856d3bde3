//! Resources that are to grow beyond what the node has left.

use super::lab::state;
use super::node::{Node, pod, shared};
use super::statuses::IN_STORE;

/// What a server of today would take of a change of resources, put past the one of 1.20.
fn in_store(node: &Node, name: &str, before: &str, after: &str) {
    let etcdctl = state().join("plane/bin/etcdctl");
    let key = format!("/registry/pods/default/{name}");
    let change = format!("{before}={after}");
    let args = [
        "python3",
        "-c",
        IN_STORE,
        etcdctl.to_str().unwrap(),
        &key,
        &change,
    ];
    node.plane.ok("exec", &args);
}

#[test]
fn a_pod_that_grows_waits_for_room() {
    let Some(node) = shared() else { return };
    let all = node.get(&["node", "n1"])["status"]["allocatable"]["memory"].clone();
    let all: u64 = all
        .as_str()
        .unwrap()
        .trim_end_matches("Ki")
        .parse()
        .unwrap();
    let percent = |part: u64| format!("{}Ki", all * part / 100);
    // Before, after, and what another has: in the store, one amount takes the place of another of as many digits.
    let shares = [(46, 54, 47), (34, 39, 62)];
    let (before, after, other) = shares
        .map(|(before, after, other)| (percent(before), percent(after), percent(other)))
        .into_iter()
        .find(|(before, after, _)| before.len() == after.len())
        .unwrap();
    let asks = |name: &str, memory: &str| {
        let limits = format!("resources: {{limits: {{memory: {memory}}}}}, args:");
        node.plane
            .apply(&pod(name, "exec sleep 3600").replace("args:", &limits));
        node.wait(&["pod", name], "{.status.phase}", "Running");
    };
    asks("z-grows", &before);
    asks("z-other", &other);
    let unit = "vks.default.z\\x2dgrows.sh.service";
    let bytes = |amount: &str| {
        let kibibytes: u64 = amount.trim_end_matches("Ki").parse().unwrap();
        (kibibytes * 1024).to_string()
    };
    let pid = node.pid(unit);
    let reason = "{.status.conditions[?(@.type=='PodResizePending')].reason}";
    in_store(&node, "z-grows", &before, &after);
    node.wait(&["pod", "z-grows"], reason, "Deferred");
    assert_eq!(node.host.property(unit, "MemoryMax"), bytes(&before));
    // More than the node has at all.
    let never = format!("{}Ki", "9".repeat(after.len() - 2));
    in_store(&node, "z-grows", &after, &never);
    node.wait(&["pod", "z-grows"], reason, "Infeasible");
    in_store(&node, "z-grows", &never, &after);
    node.wait(&["pod", "z-grows"], reason, "Deferred");
    // The other goes: there is room.
    node.plane
        .kubectl_ok(&["delete", "pod", "z-other", "--now"]);
    node.host.wait(&format!(
        "test $(systemctl show -P MemoryMax '{unit}') = {}",
        bytes(&after)
    ));
    node.wait(&["pod", "z-grows"], reason, "");
    assert_eq!(node.pid(unit), pid);
    node.plane
        .kubectl_ok(&["delete", "pod", "z-grows", "--now"]);
}
