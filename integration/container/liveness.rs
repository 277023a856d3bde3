//! Liveness and startup probes.

use super::host::shared;
use super::servers::Server;
use super::space::{Pod, Space, sh, sleeper, with};
use serde_json::{Value, json};

fn wait_restarted(pod: &Pod, count: u64) {
    pod.wait_until("it has been started again", |pod| {
        let status = pod.container("c");
        status["restartCount"].as_u64() >= Some(count) && status["state"]["running"].is_object()
    });
}

fn exec(script: &str) -> Value {
    json!({ "exec": { "command": ["/bin/sh", "-c", script] }, "periodSeconds": 1, "failureThreshold": 2 })
}

#[test]
fn a_failure_ends_the_container_by_its_hook_and_term() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "live");
    let (log, alive) = (space.path("log"), space.path("alive"));
    let script = format!(
        "touch {alive}; echo start >>{log}; trap 'echo term >>{log}; exit 0' TERM; while :; do sleep 1d & wait; done"
    );
    let container = with(
        sh("c", &script),
        &json!({
            "livenessProbe": exec(&format!("echo asked >>{log}; test -e {alive}")),
            "lifecycle": { "preStop": { "exec": { "command": ["/bin/sh", "-c", format!("echo hook >>{log}")] } } },
        }),
    );
    let pod = space.ready(
        "live",
        &json!({ "containers": [container, sleeper("other")] }),
    );
    let other = pod.life("other");
    host.wait(&format!("grep -q asked {log}"));
    host.ok(&format!("rm {alive}"));
    wait_restarted(&pod, 1);
    let told = space.lines("log");
    let rest: Vec<&str> = told
        .iter()
        .map(String::as_str)
        .filter(|line| *line != "asked")
        .collect();
    assert_eq!(rest, ["start", "hook", "term", "start"]);
    assert_eq!(pod.life("other"), other);
    let last = pod.container("c")["lastState"]["terminated"].clone();
    assert_eq!(last["exitCode"], 0, "{last}");
}

#[test]
fn a_process_that_ignores_term_is_killed() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "livekill");
    let server = Server::new(&space, "http", "200");
    // Deaf to SIGTERM in its first run.
    let stubborn = "import os, runpy, signal, sys; first = not os.path.exists('/t/livekill/ran'); \
                    open('/t/livekill/ran', 'w'); first and signal.signal(signal.SIGTERM, signal.SIG_IGN); \
                    keep = signal.signal; signal.signal = (lambda *a: None) if first else keep; sys.argv.pop(0); \
                    runpy.run_path(sys.argv[0], run_name='__main__')";
    let check =
        json!({ "httpGet": { "port": server.port }, "periodSeconds": 1, "failureThreshold": 1 });
    let up =
        json!({ "tcpSocket": { "port": server.port }, "periodSeconds": 1, "failureThreshold": 60 });
    let mut container = server.container(
        "c",
        &json!({
            "startupProbe": up,
            "livenessProbe": with(check, &json!({ "terminationGracePeriodSeconds": 2 })),
        }),
    );
    let command = container["command"].as_array_mut().unwrap();
    command.insert(1, json!(stubborn));
    command.insert(1, json!("-c"));
    // The probe's own grace period goes before the pod's.
    let spec = json!({ "terminationGracePeriodSeconds": 600, "containers": [container] });
    let pod = space.ready("kill", &spec);
    server.wait_asked(1);
    server.answers("500");
    pod.wait_until("it has been killed", |pod| pod.restarts("c") >= 1);
    server.answers("200");
    let last = pod.container("c")["lastState"]["terminated"].clone();
    assert_eq!(
        (&last["exitCode"], &last["signal"]),
        (&json!(137), &json!(null)),
        "{last}"
    );
    pod.wait_for("condition=Ready");
}

#[test]
fn startup_holds_the_others_back() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "startup");
    let (up, log) = (space.path("up"), space.path("log"));
    let container = with(
        sleeper("c"),
        &json!({
            "startupProbe": {
                "exec": { "command": ["/bin/sh", "-c", format!("echo startup >>{log}; test -e {up}")] },
                "periodSeconds": 1, "failureThreshold": 1000,
            },
            "livenessProbe": exec(&format!("echo live >>{log}; test -e {up}")),
            "readinessProbe": exec(&format!("echo ready >>{log}")),
        }),
    );
    let pod = space.pod("startup", &json!({ "containers": [container] }));
    space.wait_lines("log", 3);
    assert!(
        space.lines("log").iter().all(|line| line == "startup"),
        "{:?}",
        space.lines("log")
    );
    let status = pod.container("c");
    assert_eq!(
        (&status["started"], &status["ready"]),
        (&json!(false), &json!(false))
    );
    assert!(
        status["state"]["running"].is_object(),
        "it runs, it has only not started: {status}"
    );
    let life = pod.life("c");
    host.ok(&format!("touch {up}"));
    pod.wait_for("condition=Ready");
    host.wait(&format!("grep -q live {log}"));
    assert_eq!(pod.life("c"), life);
    assert_eq!(pod.container("c")["started"], true);
}

#[test]
fn a_startup_probe_that_never_succeeds_ends_the_container() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "startfail");
    let log = space.path("log");
    let container = with(
        sh(
            "c",
            &format!(
                "echo start >>{log}; trap 'echo term >>{log}; exit 0' TERM; while :; do sleep 1d & wait; done"
            ),
        ),
        &json!({ "startupProbe": exec(&format!("echo asked >>{log}; false")) }),
    );
    let pod = space.pod("fails", &json!({ "containers": [container] }));
    host.wait(&format!("test $(grep -c start {log}) -ge 2"));
    let told = space.lines("log");
    assert_eq!(
        told[..5],
        ["start", "asked", "asked", "term", "start"].map(str::to_owned),
        "{told:?}"
    );
    pod.wait_until("it counts", |pod| pod.restarts("c") >= 1);
    assert!(!pod.is_ready());
}

/// A liveness failure follows the restart policy like any other end.
#[test]
fn never_means_never() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "livenever");
    let pod = space.pod(
        "never",
        &json!({
            "restartPolicy": "Never",
            "containers": [with(sleeper("c"), &json!({ "livenessProbe": exec("false") }))],
        }),
    );
    pod.wait_phase("Failed");
    let status = pod.container("c");
    assert_eq!(
        (
            &status["state"]["terminated"]["exitCode"],
            &status["restartCount"]
        ),
        (&json!(143), &json!(0))
    );
}

/// ... also when the program takes the signal for a good reason to end well.
#[test]
fn on_failure_runs_again_after_a_clean_end_by_the_probe() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "liveonf");
    let alive = space.path("alive");
    let script = format!("touch {alive}; trap 'exit 0' TERM; while :; do sleep 1d & wait; done");
    let pod = space.ready("onf", &json!({
        "restartPolicy": "OnFailure",
        "containers": [with(sh("c", &script), &json!({ "livenessProbe": exec(&format!("test -e {alive}")) }))],
    }));
    host.wait(&format!("test -e {alive}"));
    host.ok(&format!("rm {alive}"));
    wait_restarted(&pod, 1);
}

/// A probe that is changed acts on what runs; the container is not started anew.
#[test]
fn a_changed_probe_leaves_the_container_alone() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "liveedit");
    let spec = |script: &str| json!({ "containers": [with(sleeper("c"), &json!({ "readinessProbe": exec(script) }))] });
    let pod = space.ready("edit", &spec("true"));
    let life = pod.life("c");
    space.pod("edit", &spec("false"));
    pod.wait_for("condition=Ready=False");
    space.pod("edit", &spec("true"));
    pod.wait_for("condition=Ready");
    assert_eq!(pod.life("c"), life);
}
