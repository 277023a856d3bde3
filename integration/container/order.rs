//! Init containers, sidecars and mains: who starts after whom, who gates whom, who stops when.

use super::host::shared;
use super::space::{Space, sh, with};
use serde_json::{Value, json};

/// Says in the file `log` when it starts and ends.
fn told(space: &Space, name: &str) -> Value {
    let log = space.path("log");
    sh(
        name,
        &format!(
            "echo start {name} >>{log}; trap 'echo stop {name} >>{log}; sleep 0.2; echo end {name} >>{log}; exit 0' TERM; \
             while :; do sleep 1d & wait $!; done"
        ),
    )
}

fn sidecar(container: Value) -> Value {
    with(container, &json!({ "restartPolicy": "Always" }))
}

/// An init container that says when it starts and ends.
fn init(space: &Space, name: &str) -> Value {
    let log = space.path("log");
    sh(
        name,
        &format!("echo start {name} >>{log}; sleep 0.2; echo end {name} >>{log}"),
    )
}

#[test]
fn start_in_order_and_stop_in_reverse() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "order");
    let pod = space.ready("order", &json!({
        "initContainers": [
            init(&space, "i1"), sidecar(told(&space, "s1")), init(&space, "i2"), sidecar(told(&space, "s2")),
        ],
        "containers": [told(&space, "m1")],
    }));
    let started = space.wait_lines("log", 7);
    // A sidecar has started when its process runs: what it says may come a moment later.
    let at = |line: &str| {
        started
            .iter()
            .position(|l| l == line)
            .unwrap_or_else(|| panic!("{line}: {started:?}"))
    };
    assert!(
        at("end i1") < at("start s1") && at("end i1") < at("start i2"),
        "{started:?}"
    );
    assert!(
        at("end i2") < at("start s2") && at("end i2") < at("start m1"),
        "{started:?}"
    );
    pod.delete();
    let all = space.lines("log");
    let stops = [
        "stop m1", "end m1", "stop s2", "end s2", "stop s1", "end s1",
    ];
    assert_eq!(all[7..], stops.map(str::to_owned));
}

#[test]
fn a_sidecar_gates_by_its_startup_probe() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "gate");
    let (log, open) = (space.path("log"), space.path("open"));
    let gate = with(
        sidecar(told(&space, "gate")),
        &json!({ "startupProbe": {
        "exec": { "command": ["/bin/sh", "-c", format!("echo asked >>{log}; test -e {open}")] },
        "periodSeconds": 1, "failureThreshold": 1000,
    } }),
    );
    let pod = space.pod(
        "gate",
        &json!({ "initContainers": [gate], "containers": [told(&space, "main")] }),
    );
    space.wait_lines("log", 4);
    assert!(!space.lines("log").contains(&"start main".to_owned()));
    assert_eq!(pod.container("gate")["started"], false);
    assert_eq!(pod.phase(), "Pending");
    host.ok(&format!("touch {open}"));
    pod.wait_for("condition=Ready");
    host.wait(&format!("grep -q 'start main' {log}"));
    assert_eq!(pod.container("gate")["started"], true);
}

#[test]
fn a_failing_init_container_is_tried_again_and_gates() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "retry");
    let (log, open) = (space.path("log"), space.path("open"));
    let script = format!("echo try >>{log}; test -e {open}");
    let pod = space.pod(
        "retry",
        &json!({
            "initContainers": [sh("first", &script), init(&space, "second")],
            "containers": [told(&space, "main")],
        }),
    );
    space.wait_lines("log", 3);
    assert!(
        space.lines("log").iter().all(|line| line == "try"),
        "{:?}",
        space.lines("log")
    );
    pod.wait_until("it shows the back-off", |pod| {
        pod.shown() == "Init:CrashLoopBackOff"
    });
    let waiting = pod.container("first");
    assert_eq!(waiting["state"]["waiting"]["reason"], "CrashLoopBackOff");
    assert_eq!(waiting["lastState"]["terminated"]["exitCode"], 1);
    assert!(pod.restarts("first") >= 2);
    assert_eq!(pod.phase(), "Pending");
    let initialized = pod.condition("Initialized");
    assert_eq!(
        (&initialized["status"], &initialized["reason"]),
        (&json!("False"), &json!("ContainersNotInitialized"))
    );
    assert_eq!(
        pod.container("main")["state"]["waiting"]["reason"],
        "PodInitializing"
    );
    host.ok(&format!("touch {open}"));
    pod.wait_for("condition=Ready");
    let log: Vec<String> = space
        .wait_lines("log", 6)
        .into_iter()
        .filter(|line| line != "try")
        .collect();
    assert_eq!(log, ["start second", "end second", "start main"]);
    let first = pod.container("first");
    assert_eq!(first["state"]["terminated"]["reason"], "Completed");
    assert_eq!(first["state"]["terminated"]["exitCode"], 0);
    assert_eq!(first["ready"], true);
}

#[test]
fn a_failed_init_container_of_a_pod_that_never_restarts_ends_the_pod() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "initfail");
    let pod = space.pod(
        "fails",
        &json!({
            "restartPolicy": "Never",
            "initContainers": [sidecar(told(&space, "side")), sh("bad", "exit 3")],
            "containers": [told(&space, "main")],
        }),
    );
    pod.wait_phase("Failed");
    assert_eq!(pod.shown(), "Init:Error");
    assert_eq!(pod.container("bad")["state"]["terminated"]["exitCode"], 3);
    // The sidecar serves nobody any more.
    host.wait(&format!("grep -qx 'end side' {}", space.path("log")));
    assert_eq!(space.lines("log"), ["start side", "stop side", "end side"]);
}

#[test]
fn sidecars_end_when_the_mains_have() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "jobs");
    let log = space.path("log");
    let pod = space.pod(
        "job",
        &json!({
            "restartPolicy": "OnFailure",
            "initContainers": [sidecar(told(&space, "s1")), sidecar(told(&space, "s2"))],
            "containers": [sh("work", &format!(
                "until grep -q s2 {log}; do sleep 0.05; done; echo work >>{log}"
            ))],
        }),
    );
    pod.wait_phase("Succeeded");
    assert_eq!(pod.shown(), "Completed");
    let all = space.wait_lines("log", 7);
    assert_eq!(
        all[3..],
        ["stop s2", "end s2", "stop s1", "end s1"].map(str::to_owned),
        "{all:?}"
    );
}

#[test]
fn a_sidecar_that_ends_runs_again_without_touching_the_mains() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "siderun");
    // A sidecar runs again whatever the pod's policy is.
    let pod = space.ready(
        "side",
        &json!({
            "restartPolicy": "Never",
            "initContainers": [sidecar(told(&space, "side"))],
            "containers": [told(&space, "main")],
        }),
    );
    let (main, before) = (pod.life("main"), pod.invocation("side"));
    host.ok(&format!("kill -KILL {}", pod.pid("side")));
    pod.wait_until("the sidecar runs again", |pod| {
        pod.container("side")["state"]["running"].is_object() && pod.invocation("side") != before
    });
    assert_eq!(pod.life("main"), main);
    assert_eq!(pod.restarts("side"), 1);
}
