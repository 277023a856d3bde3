//! What people type: verbs of kubectl that no other topic has.

use super::node::{LONG, pod, shared};

#[test]
fn a_pod_and_its_node_are_described() {
    let Some(node) = shared() else { return };
    node.plane.apply(&pod("v-told", "exec sleep 3600"));
    let wait = [
        "wait",
        "pod/v-told",
        "--for=condition=Ready",
        "--timeout=80s",
    ];
    node.plane.kubectl_ok(&wait);
    let wide = node
        .plane
        .kubectl_ok(&["get", "pod", "v-told", "-o", "wide", "--no-headers"]);
    let words: Vec<&str> = wide.split_whitespace().collect();
    assert_eq!(words[..4], ["v-told", "1/1", "Running", "0"], "{wide}");
    assert_eq!(words[5..7], ["10.200.0.2", "n1"], "{wide}");
    let events = ["describe", "pod", "v-told"];
    node.plane.wait_for("its events", LONG, &events, |text| {
        text.contains("Container started")
    });
    let text = node.plane.kubectl_ok(&["describe", "pod", "v-told"]);
    let lines: Vec<String> = text
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    for wanted in [
        "Node: n1/10.200.0.2",
        "Status: Running",
        "IP: 10.200.0.2",
        "State: Running",
        "Ready: True",
        "Restart Count: 0",
        "Initialized True",
        "ContainersReady True",
        "QoS Class: BestEffort",
    ] {
        assert!(lines.iter().any(|line| line == wanted), "{wanted}: {text}");
    }
    assert!(text.contains("systemd://"), "{text}");
    let text = node.plane.kubectl_ok(&["describe", "node", "n1"]);
    for wanted in [
        "KubeletReady",
        "Container Runtime Version:  systemd://257",
        "v-told",
        "Non-terminated Pods",
    ] {
        assert!(text.contains(wanted), "{wanted}: {text}");
    }
}

#[test]
fn delete_now_and_wait_for_it() {
    let Some(node) = shared() else { return };
    node.runs_deaf("v-now");
    node.plane
        .kubectl_ok(&["delete", "pod", "v-now", "--now", "--wait=false"]);
    node.plane
        .kubectl_ok(&["wait", "pod/v-now", "--for=delete", "--timeout=60s"]);
    node.host
        .wait("! ls /etc/systemd/system.attached | grep -q v.x2dnow");
}

#[test]
fn a_rollout_is_undone() {
    let Some(node) = shared() else { return };
    node.plane.apply(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: v-undo}\nspec:\n  selector: {matchLabels: {app: v-undo}}\n  \
         template: {metadata: {labels: {app: v-undo}}, spec: {hostNetwork: true, automountServiceAccountToken: false, \
         containers: [{name: main, image: 'host:sleep', args: ['3600'], env: [{name: ROUND, value: first}]}]}}\n",
    );
    let status = ["rollout", "status", "deployment/v-undo", "--timeout=80s"];
    node.plane.kubectl_ok(&status);
    let round = || {
        let unit = node.host.ok(
            "for u in $(systemctl list-units --plain --no-legend 'vks.default.v*undo*.service' | cut -d' ' -f1); do \
             systemctl show -P MainPID $u; done | while read p; do tr '\\0' '\\n' </proc/$p/environ | sed -n 's/^ROUND=//p'; done",
        );
        unit.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let one = ["get", "pods", "-l", "app=v-undo", "-o", "name"];
    let alone = || {
        node.plane
            .wait_for("one pod", LONG, &one, |text| text.lines().count() == 1);
    };
    assert_eq!(round(), "first");
    node.plane
        .kubectl_ok(&["set", "env", "deployment/v-undo", "ROUND=second"]);
    node.plane.kubectl_ok(&status);
    alone();
    assert_eq!(round(), "second");
    node.plane
        .kubectl_ok(&["rollout", "undo", "deployment/v-undo"]);
    node.plane.kubectl_ok(&status);
    alone();
    assert_eq!(round(), "first");
    node.plane.kubectl_ok(&["delete", "deployment", "v-undo"]);
}
