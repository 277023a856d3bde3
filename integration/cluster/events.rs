//! Events that do not follow from a status: probes and hooks that fail.

use super::node::{LONG, Node, pod, shared};

/// Waits for a line with a reason and all of these words among the events of a pod.
fn event(node: &Node, name: &str, reason: &str, words: &[&str]) {
    let args = [
        "get",
        "events",
        "-o",
        "custom-columns=R:.reason,T:.type,F:.involvedObject.fieldPath,S:.source.component,M:.message",
        "--field-selector",
        &format!("involvedObject.name={name}"),
    ];
    node.plane.wait_for(reason, LONG, &args, |text| {
        text.lines()
            .any(|line| line.starts_with(reason) && words.iter().all(|word| line.contains(word)))
    });
}

#[test]
fn probes_and_hooks_that_fail_are_told() {
    let Some(node) = shared() else { return };
    let manifest = pod("unwell", "exec sleep 3600").replace(
        "args:",
        "readinessProbe: {exec: {command: [/bin/false]}, periodSeconds: 1}, args:",
    );
    node.plane.apply(&manifest);
    event(
        &node,
        "unwell",
        "Unhealthy",
        &[
            "Warning",
            "spec.containers{main}",
            "kubelet",
            "Readiness probe failed",
        ],
    );
    let manifest = pod("hooked", "exec sleep 3600").replace(
        "args:",
        "lifecycle: {postStart: {exec: {command: [/bin/false]}}}, args:",
    );
    node.plane.apply(&manifest);
    event(
        &node,
        "hooked",
        "FailedPostStartHook",
        &["Warning", "spec.containers{main}", "PostStartHook failed"],
    );
}
