//! Pods of the API server run, and it is told how they are.

use super::node::{Node, pod, shared};

/// Keys of a status as the API server has it, without what it adds by itself.
fn status(node: &Node, name: &str) -> serde_json::Value {
    node.get(&["pod", name])["status"].clone()
}

#[test]
fn a_pod_runs_and_is_told_of() {
    let Some(node) = shared() else { return };
    node.plane.apply(&pod("plain", "exec sleep 3600"));
    node.wait(&["pod", "plain"], "{.status.phase}", "Running");
    node.wait(
        &["pod", "plain"],
        "{.status.containerStatuses[0].ready}",
        "true",
    );
    let status = status(&node, "plain");
    let kinds: Vec<(&str, &str)> = status["conditions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| (c["type"].as_str().unwrap(), c["status"].as_str().unwrap()))
        .collect();
    let all = [
        "PodReadyToStartContainers",
        "Initialized",
        "Ready",
        "ContainersReady",
        "PodScheduled",
    ];
    for kind in all {
        assert!(kinds.contains(&(kind, "True")), "{kind}: {status}");
    }
    assert!(
        status["conditions"]
            .as_array()
            .unwrap()
            .iter()
            .all(|c| c.get("reason").is_none()),
        "{status}"
    );
    assert_eq!(status["hostIP"], "10.200.0.2");
    assert_eq!(status["podIP"], "10.200.0.2");
    assert_eq!(status["qosClass"], "BestEffort");
    assert!(status["startTime"].is_string());
    let container = &status["containerStatuses"][0];
    let invocation = node
        .host
        .property("vks.default.plain.sh.service", "InvocationID");
    assert_eq!(container["containerID"], format!("systemd://{invocation}"));
    assert_eq!(container["image"], "host:/bin/sh");
    assert_eq!(container["restartCount"], 0);
    let events = node.plane.kubectl_ok(&[
        "get",
        "events",
        "-o",
        "custom-columns=R:.reason,F:.involvedObject.fieldPath",
        "--field-selector",
        "involvedObject.name=plain",
    ]);
    for reason in ["Pulled", "Created", "Started"] {
        assert!(
            events.contains(reason) && events.contains("spec.containers{main}"),
            "{events}"
        );
    }
}

#[test]
fn a_pod_that_ends_is_over() {
    let Some(node) = shared() else { return };
    for (name, args, phase, code, reason) in [
        ("well", "exit 0", "Succeeded", 0, "Completed"),
        ("badly", "exit 7", "Failed", 7, "Error"),
    ] {
        let manifest =
            pod(name, args).replace("  hostNetwork", "  restartPolicy: Never\n  hostNetwork");
        node.plane.apply(&manifest);
        node.wait(&["pod", name], "{.status.phase}", phase);
        let end = status(&node, name)["containerStatuses"][0]["state"]["terminated"].clone();
        assert_eq!(end["exitCode"], code);
        assert_eq!(end["reason"], reason);
    }
}

#[test]
fn a_crash_loop_is_told_of() {
    let Some(node) = shared() else { return };
    node.plane.apply(&pod("crash", "exit 3"));
    let reason = "{.status.containerStatuses[0].state.waiting.reason}";
    node.wait(&["pod", "crash"], reason, "CrashLoopBackOff");
    let container = status(&node, "crash")["containerStatuses"][0].clone();
    assert_eq!(container["lastState"]["terminated"]["exitCode"], 3);
    assert!(container["restartCount"].as_u64() > Some(0), "{container}");
    assert_eq!(status(&node, "crash")["phase"], "Running");
    let args = [
        "get",
        "events",
        "-o",
        "custom-columns=R:.reason",
        "--field-selector",
        "involvedObject.name=crash",
    ];
    node.plane
        .wait_for("BackOff", super::node::LONG, &args, |text| {
            text.contains("BackOff")
        });
}

#[test]
fn a_label_that_is_set_later_does_not_disturb_the_pod() {
    let Some(node) = shared() else { return };
    node.plane.apply(&pod("labelled", "exec sleep 3600"));
    node.wait(&["pod", "labelled"], "{.status.phase}", "Running");
    let unit = "vks.default.labelled.sh.service";
    let pid = node.pid(unit);
    node.plane.kubectl_ok(&["label", "pod", "labelled", "a=b"]);
    node.host
        .wait("grep -q '\"a\":\"b\"' /var/lib/vks/cluster/pod.default.labelled.json");
    // The next pass has seen it when the target carries it.
    node.host
        .wait("grep -q '\"a\":\"b\"' /etc/systemd/system.attached/vks-default-labelled.target");
    assert_eq!(node.pid(unit), pid);
}

#[test]
fn a_pod_of_the_hosts_own_disk_is_shown() {
    let Some(node) = shared() else { return };
    let manifest = "kind: Pod\nmetadata: {name: own}\nspec: {hostNetwork: true, containers: [{name: main, image: 'host:sleep', args: ['3600']}]}\n";
    node.host
        .machine
        .write("/etc/vks/pods.d/own.yaml", manifest, "0644");
    node.wait(&["pod", "own-n1"], "{.status.phase}", "Running");
    let unit = "vks.default.own.sleep.service";
    let pid = node.pid(unit);
    let first = node.get(&["pod", "own-n1"]);
    assert_eq!(first["metadata"]["ownerReferences"][0]["kind"], "Node");
    // What is done to the mirror does nothing to the pod; the mirror comes back.
    node.plane
        .kubectl_ok(&["delete", "pod", "own-n1", "--wait=false"]);
    let uid = first["metadata"]["uid"].as_str().unwrap();
    let args = [
        "get",
        "pod",
        "own-n1",
        "-o",
        "jsonpath={.metadata.uid} {.status.phase}",
    ];
    node.plane
        .wait_for("another mirror", super::node::LONG, &args, |text| {
            text.ends_with("Running") && !text.starts_with(uid)
        });
    assert_eq!(node.pid(unit), pid);
    node.host.ok("rm /etc/vks/pods.d/own.yaml");
    node.gone(&["pod", "own-n1"]);
}
