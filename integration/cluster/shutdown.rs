//! The host of a node shuts down: it waits until its pods have ended, those that matter most last, and the API server
//! has heard of it. They do not come back with the host; pods of its own disk do.

use super::node::{SETTINGS, own, pod};
use super::statuses::compare;
use serde_json::json;

/// A program that says at its end who it was.
fn says(name: &str, before: &str) -> String {
    format!(
        "trap \"{before}echo {name} >>/var/tmp/ends; exit 0\" TERM; while :; do sleep 60 & wait; done"
    )
}

#[test]
fn pods_end_before_the_host_does() {
    let Some(mut node) = own("leave") else { return };
    node.settings(&format!(
        "[kubernetes]\n{SETTINGS}shutdown = {{ grace = 24, critical = 10 }}\n"
    ));
    node.host.ok("systemctl restart vks.service");
    node.host
        .wait("systemd-inhibit --list --no-legend | grep -q '^vks .*shutdown.*delay'");
    let longest = "busctl get-property org.freedesktop.login1 /org/freedesktop/login1 org.freedesktop.login1.Manager InhibitDelayMaxUSec";
    assert_eq!(node.host.ok(longest).trim(), "t 24000000");
    let critical = "hostNetwork: true\n  priorityClassName: system-node-critical";
    let pods = [
        pod("plain", &says("plain", "sleep 1; ")),
        pod("vital", &says("vital", "")).replace("hostNetwork: true", critical),
        // Longer than there is time for all: it is killed when the others' turn comes.
        pod("deaf", "trap \"\" TERM; while :; do sleep 1; done").replace(
            "hostNetwork: true",
            "hostNetwork: true\n  terminationGracePeriodSeconds: 600",
        ),
        pod("over", "exit 0").replace(
            "hostNetwork: true",
            "hostNetwork: true\n  restartPolicy: Never",
        ),
    ];
    for manifest in &pods {
        node.plane.apply(manifest);
    }
    for name in ["plain", "vital", "deaf"] {
        node.wait(&["pod", name], "{.status.phase}", "Running");
    }
    node.wait(&["pod", "over"], "{.status.phase}", "Succeeded");
    node.host.machine.write(
        "/etc/vks/pods.d/disk.yaml",
        "{apiVersion: v1, kind: Pod, metadata: {name: disk}, spec: {containers: [{name: c, image: 'host:sleep', args: ['3600']}]}}",
        "0644",
    );
    node.host
        .wait("systemctl is-active -q vks.default.disk.sleep.service");
    node.host.ok("systemctl --no-block reboot");
    let ready = "{.status.conditions[?(@.type=='Ready')]['status','reason','message']}";
    node.wait(
        &["node", "n1"],
        ready,
        "False KubeletNotReady node is shutting down",
    );
    node.plane.apply(&pod("late", "exec sleep 3600"));
    node.wait(&["pod", "late"], "{.status.reason}", "NodeShutdown");
    // Asks again, and waits until the host is up again.
    node.host.machine.reboot();
    node.plane.join(&node.host.machine, "10.200.0.2");
    node.ready();
    let status = |name: &str| node.get(&["pod", name])["status"].clone();
    for name in ["plain", "vital", "deaf"] {
        let status = status(name);
        let said = ["phase", "reason", "message"].map(|key| status[key].clone());
        let message = "Pod was terminated in response to imminent node shutdown.";
        assert_eq!(
            said,
            ["Failed", "Terminated", message].map(|text| json!(text))
        );
    }
    compare(&node, "plain", "s-shutdown");
    let ended = &status("deaf")["containerStatuses"][0]["state"]["terminated"];
    assert_eq!(ended["exitCode"], 137);
    assert_eq!(status("over")["phase"], "Succeeded");
    assert_eq!(status("over").get("reason"), None);
    assert_eq!(node.host.ok("cat /var/tmp/ends"), "plain\nvital\n");
    // Only the pod of this host's own runs again.
    node.host
        .wait("systemctl is-active -q vks.default.disk.sleep.service");
    node.host.ok("! systemctl is-active -q vks.default.plain.sh.service vks.default.vital.sh.service vks.default.deaf.sh.service");
    let events =
        node.plane
            .kubectl_ok(&["get", "events", "-o", "custom-columns=R:.reason,M:.message"]);
    assert!(
        events.contains("Shutdown manager detected shutdown event"),
        "{events}"
    );
    // Gone with their objects.
    node.plane
        .kubectl_ok(&["delete", "pod", "plain", "deaf", "--timeout=60s"]);
    node.host
        .wait("! ls /etc/systemd/system.attached | grep -Eq 'plain|deaf'");
}
