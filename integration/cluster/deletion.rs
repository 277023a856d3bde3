//! Pods are deleted as the API server asks.

use super::node::{pod, shared};

const DIR: &str = "/etc/systemd/system.attached";

#[test]
fn a_deleted_pod_gets_its_grace_and_goes() {
    let Some(node) = shared() else { return };
    let script = "trap \"echo bye >/t/bye; exit 0\" TERM; while :; do sleep 0.1; done";
    node.plane.apply(&pod("graceful", script));
    node.wait(&["pod", "graceful"], "{.status.phase}", "Running");
    node.plane.kubectl_ok(&["delete", "pod", "graceful"]);
    assert_eq!(node.host.ok("cat /t/bye").trim(), "bye");
    node.host.wait(&format!("! ls {DIR} | grep -q graceful"));
    node.host.ok("! ls /var/lib/vks/cluster | grep -q graceful");
    let events = node.plane.kubectl_ok(&[
        "get",
        "events",
        "-o",
        "custom-columns=R:.reason,M:.message",
        "--field-selector",
        "involvedObject.name=graceful",
    ]);
    assert!(events.contains("Stopping container main"), "{events}");
}

#[test]
fn a_pod_that_does_not_listen_is_killed_in_the_time_it_is_given() {
    let Some(node) = shared() else { return };
    node.runs_deaf("deaf");
    // Ten minutes are the pod's own; two seconds are what is asked for.
    node.plane
        .kubectl_ok(&["delete", "pod", "deaf", "--grace-period=2", "--timeout=60s"]);
    node.host.wait(&format!("! ls {DIR} | grep -q deaf"));
}

#[test]
fn a_second_delete_shortens_the_grace() {
    let Some(node) = shared() else { return };
    node.runs_deaf("slow");
    node.plane
        .kubectl_ok(&["delete", "pod", "slow", "--wait=false"]);
    node.host.wait(
        "systemctl show -p ActiveState --value vks.default.slow.sh.service | grep -q deactivating",
    );
    node.plane
        .kubectl_ok(&["delete", "pod", "slow", "--grace-period=2", "--timeout=60s"]);
    node.gone(&["pod", "slow"]);
}

#[test]
fn a_forced_delete_leaves_nothing_behind() {
    let Some(node) = shared() else { return };
    node.runs_deaf("forced");
    node.plane
        .kubectl_ok(&["delete", "pod", "forced", "--force", "--grace-period=0"]);
    node.host.wait(&format!("! ls {DIR} | grep -q forced"));
    node.host.wait(
        "! systemctl --no-legend list-units 'vks*forced*' --state=active,deactivating | grep -q .",
    );
}

#[test]
fn a_pod_of_the_same_name_is_another_one() {
    let Some(node) = shared() else { return };
    node.plane.apply(&pod("again", "exec sleep 3600"));
    node.wait(&["pod", "again"], "{.status.phase}", "Running");
    let first = node.get(&["pod", "again"])["metadata"]["uid"].clone();
    node.plane
        .kubectl_ok(&["delete", "pod", "again", "--force", "--grace-period=0"]);
    node.plane.apply(&pod("again", "exec sleep 3601"));
    node.wait(&["pod", "again"], "{.status.phase}", "Running");
    assert_ne!(node.get(&["pod", "again"])["metadata"]["uid"], first);
    node.host.wait("pgrep -f 'sleep 3601'");
    node.host.ok("! pgrep -f 'sleep 3600$' -a | grep -q again");
}

#[test]
fn deleted_while_it_starts() {
    let Some(node) = shared() else { return };
    // Its config map is missing: nothing of it ever runs.
    let manifest = pod("stuck", "exec sleep 3600")
        .replace("args:", "envFrom: [{configMapRef: {name: nowhere}}], args:");
    node.plane.apply(&manifest);
    let reason = "{.status.containerStatuses[0].state.waiting.reason}";
    node.wait(&["pod", "stuck"], reason, "CreateContainerConfigError");
    node.plane
        .kubectl_ok(&["delete", "pod", "stuck", "--timeout=60s"]);
    node.gone(&["pod", "stuck"]);
}
