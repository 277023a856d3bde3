//! `kubectl debug`: a container that is put into a running pod.

use super::node::{pod, shared};

#[test]
fn an_ephemeral_container_is_put_into_a_running_pod() {
    let Some(node) = shared() else { return };
    node.plane.apply(&pod("patient", "exec sleep 3600"));
    node.wait(&["pod", "patient"], "{.status.phase}", "Running");
    let pid = node.pid("vks.default.patient.sh.service");
    let script = format!("test -d /proc/{pid} && echo seen; exit 3");
    node.plane.kubectl_ok(&[
        "debug",
        "patient",
        "--image=host:sh",
        "--container=look",
        "--arguments-only=true",
        "--",
        "-c",
        &script,
    ]);
    let state = "{.status.ephemeralContainerStatuses[0].state.terminated.exitCode}";
    node.wait(&["pod", "patient"], state, "3");
    let status = node.get(&["pod", "patient"])["status"].clone();
    assert_eq!(status["ephemeralContainerStatuses"][0]["name"], "look");
    assert_eq!(status["phase"], "Running");
    assert_eq!(status["containerStatuses"][0]["ready"], true);
    assert_eq!(node.pid("vks.default.patient.sh.service"), pid);
    assert_eq!(
        node.host.vks_ok(&["logs", "patient", "-c", "look"]).trim(),
        "seen"
    );
    let events = [
        "get",
        "events",
        "-o",
        "custom-columns=R:.reason,F:.involvedObject.fieldPath",
        "--field-selector",
        "involvedObject.name=patient",
    ];
    node.plane
        .wait_for("an event of it", super::node::LONG, &events, |text| {
            text.lines()
                .any(|line| line.contains("Started") && line.contains("ephemeralContainers{look}"))
        });
}
