//! Events: what `vks describe` and `vks events` tell of a pod.

use super::host::shared;
use super::space::{Space, sh, sleeper, with};
use serde_json::json;

#[test]
fn what_happens_is_told_in_the_kubelets_words() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "events");
    let exec = |script: &str| json!({ "exec": { "command": ["/bin/sh", "-c", script] } });
    let probed = with(
        sleeper("probed"),
        &json!({
            "livenessProbe": with(exec("echo no; exit 3"), &json!({ "periodSeconds": 1, "failureThreshold": 2 })),
            "lifecycle": { "preStop": exec("exit 1") },
        }),
    );
    let post = with(
        sleeper("post"),
        &json!({ "lifecycle": { "postStart": exec("sleep 0.3; exit 1") } }),
    );
    let needy = with(
        sleeper("needy"),
        &json!({ "env": [{ "name": "A", "valueFrom": { "configMapKeyRef": { "name": "none", "key": "a" } } }] }),
    );
    let missing = json!({ "name": "missing", "image": "host:/no/such/program" });
    let spec = json!({ "terminationGracePeriodSeconds": 2,
        "containers": [probed, post, needy, missing, sh("fails", "exit 1"), sleeper("good")] });
    let pod = space.pod("p", &spec);
    pod.wait_until("they have been started again", |pod| {
        ["probed", "post", "missing", "fails"]
            .iter()
            .all(|name| pod.restarts(name) >= 2)
    });
    let uid = pod.json()["metadata"]["uid"].as_str().unwrap().to_owned();
    let told = host.vks_ok(&["describe", "pod", "p", "-n", "events"]);
    let (_, told) = told.split_once("Events:").expect("a section of events");
    let line = |kind: &str, reason: &str, from: &str, message: &str| {
        let found = told.lines().any(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            words.starts_with(&[kind, reason])
                && line.contains(from)
                && line.trim_end().ends_with(message)
        });
        assert!(found, "{kind} {reason} {from} {message}: {told}");
    };
    for name in ["good", "fails"] {
        line(
            "Normal",
            "Created",
            &format!("vks, {name} "),
            "Container created",
        );
        line(
            "Normal",
            "Started",
            &format!("vks, {name} "),
            "Container started",
        );
    }
    line(
        "Warning",
        "Unhealthy",
        "vks, probed ",
        "Liveness probe failed: exit status: 3: no",
    );
    line(
        "Normal",
        "Killing",
        "vks, probed ",
        "Container probed failed liveness probe, will be restarted",
    );
    line(
        "Warning",
        "FailedPreStopHook",
        "vks, probed ",
        "PreStopHook failed",
    );
    line(
        "Warning",
        "FailedPostStartHook",
        "vks, post ",
        "PostStartHook failed",
    );
    line(
        "Warning",
        "Failed",
        "vks, needy ",
        "Error: configmap \"none\" not found",
    );
    line(
        "Warning",
        "Failed",
        "vks, missing ",
        "systemd says 203/EXEC",
    );
    let back_off = format!("Back-off restarting failed container fails in pod p_events({uid})");
    line("Warning", "BackOff", "vks, fails ", &back_off);
    // The same as a list, and what was told of a pod stays when it is gone.
    host.vks_ok(&["delete", "pod", "p", "-n", "events"]);
    let list = host.vks_ok(&["events", "-n", "events", "--for", "p"]);
    assert!(
        list.lines().next().unwrap().starts_with("LAST SEEN"),
        "{list}"
    );
    assert!(list.contains("Stopping container good"), "{list}");
    assert!(list.contains("pod/p"), "{list}");
    let warnings = host.vks_ok(&[
        "events",
        "-n",
        "events",
        "--types",
        "Warning",
        "--no-headers",
    ]);
    assert!(
        warnings.lines().all(|line| line.contains(" Warning ")),
        "{warnings}"
    );
    assert!(host.vks_ok(&["get", "events", "-A"]).contains("NAMESPACE"));
}

#[test]
fn a_volume_that_cannot_be_and_a_deadline() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "events2");
    let volumes = json!([{ "name": "v", "configMap": { "name": "none" } }]);
    let mount = json!({ "volumeMounts": [{ "name": "v", "mountPath": "/t/events2/v" }] });
    space.pod(
        "mount",
        &json!({ "volumes": volumes, "containers": [with(sleeper("c"), &mount)] }),
    );
    let late = space.pod(
        "late",
        &json!({ "activeDeadlineSeconds": 1, "containers": [sleeper("c")] }),
    );
    late.wait_phase("Failed");
    host.wait("vks events -n events2 --for mount | grep -q FailedMount");
    let list = host.vks_ok(&["events", "-n", "events2"]);
    let message = "MountVolume.SetUp failed for volume \"v\" : configmap \"none\" not found";
    assert!(
        list.lines()
            .any(|line| line.contains("FailedMount") && line.contains(message)),
        "{list}"
    );
    assert!(list.contains("DeadlineExceeded"), "{list}");
}
