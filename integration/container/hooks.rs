//! postStart and preStop.

use super::host::shared;
use super::servers::Server;
use super::space::{Space, sh, sleeper, with};
use serde_json::{Value, json};

fn exec(script: &str) -> Value {
    json!({ "exec": { "command": ["/bin/sh", "-c", script] } })
}

/// A process that says so when it gets SIGTERM.
fn told(log: &str) -> Value {
    sh(
        "c",
        &format!("trap 'echo term >>{log}; exit 0' TERM; while :; do sleep 1d & wait; done"),
    )
}

#[test]
fn post_start_runs_in_the_container_before_it_counts_as_started() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "post");
    let (log, open) = (space.path("log"), space.path("open"));
    let hook = format!(
        "echo \"$WHO $(id -u) $PWD\" >>{log}; until test -e {open}; do sleep 0.05; done; echo done >>{log}"
    );
    host.ok(&format!("chmod 777 {}", space.path("")));
    let pod = space.pod("post", &json!({ "containers": [with(sleeper("c"), &json!({
        "env": [{ "name": "WHO", "value": "me" }], "workingDir": "/etc", "securityContext": { "runAsUser": 4711 },
        "lifecycle": { "postStart": exec(&hook) },
    }))] }));
    assert_eq!(space.wait_lines("log", 1), ["me 4711 /etc"]);
    assert!(!pod.is_ready());
    host.ok(&format!("touch {open}"));
    pod.wait_for("condition=Ready");
    assert_eq!(space.lines("log")[1], "done");
}

#[test]
fn post_start_that_fails_ends_the_container() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "postfail");
    let log = space.path("log");
    let pod = space.pod(
        "post",
        &json!({ "containers": [with(told(&log), &json!({
        "lifecycle": { "postStart": exec(&format!("echo hook >>{log}; sleep 0.3; exit 4")) },
    }))] }),
    );
    let lines = space.wait_lines("log", 3);
    assert_eq!(lines[..3], ["hook", "term", "hook"].map(str::to_owned));
    pod.wait_until("it counts", |pod| pod.restarts("c") >= 1);
    assert!(!pod.is_ready());
}

#[test]
fn pre_stop_runs_before_term() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "pre");
    let log = space.path("log");
    let hook = format!("echo begin >>{log}; sleep 0.5; echo end >>{log}");
    let pod = space.ready(
        "pre",
        &json!({ "containers": [with(told(&log), &json!({
        "lifecycle": { "preStop": exec(&hook) },
    }))] }),
    );
    pod.delete();
    assert_eq!(space.lines("log"), ["begin", "end", "term"]);
}

/// A container that ends by itself has nothing to be stopped: its hook does not run.
#[test]
fn pre_stop_does_not_run_after_an_end_of_its_own() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "prenot");
    let log = space.path("log");
    let pod = space.pod(
        "ends",
        &json!({ "restartPolicy": "Never", "containers": [with(
        sh("c", &format!("echo run >>{log}")),
        &json!({ "lifecycle": { "preStop": exec(&format!("echo hook >>{log}")) } }),
    )] }),
    );
    pod.wait_phase("Succeeded");
    pod.delete();
    assert_eq!(space.lines("log"), ["run"]);
}

#[test]
fn pre_stop_that_fails_does_not_keep_the_container() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "prefail");
    let log = space.path("log");
    let pod = space.ready(
        "pre",
        &json!({ "containers": [with(told(&log), &json!({
        "lifecycle": { "preStop": exec(&format!("echo hook >>{log}; exit 9")) },
    }))] }),
    );
    pod.delete();
    assert_eq!(space.lines("log"), ["hook", "term"]);
}

#[test]
fn hooks_by_http_and_by_sleep() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "hookhttp");
    let server = Server::new(&space, "http", "200");
    let log = space.path("log");
    let get = |path: &str| json!({ "httpGet": { "port": server.port, "path": path } });
    // The server is a sidecar: it is there before and after.
    let pod = space.ready("hooks", &json!({
        "initContainers": [server.container("server", &json!({
            "restartPolicy": "Always",
            "startupProbe": { "tcpSocket": { "port": server.port }, "periodSeconds": 1, "failureThreshold": 60 },
        }))],
        "containers": [
            with(told(&log), &json!({ "lifecycle": { "postStart": get("/began"), "preStop": get("/ends") } })),
            with(told(&space.path("slept")), &json!({ "name": "sleeps", "lifecycle": { "preStop": { "sleep": { "seconds": 1 } } } })),
        ],
    }));
    pod.delete();
    let paths: Vec<String> = server
        .asked()
        .iter()
        .map(|(_, what)| {
            serde_json::from_str::<Value>(what).unwrap()[0]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_eq!(paths, ["/began", "/ends"]);
    assert_eq!(
        (space.lines("log"), space.lines("slept")),
        (vec!["term".to_owned()], vec!["term".to_owned()])
    );
}

/// Kubernetes runs the hook of a container that fails its liveness probe, and of one whose spec has changed.
#[test]
fn pre_stop_runs_when_the_spec_changes() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "preedit");
    let log = space.path("log");
    let spec = |value: &str| {
        json!({ "containers": [with(told(&log), &json!({
        "env": [{ "name": "V", "value": value }],
        "lifecycle": { "preStop": exec(&format!("echo hook $V >>{log}")) },
    }))] })
    };
    let pod = space.ready("edit", &spec("one"));
    let before = pod.invocation("c");
    space.ready("edit", &spec("two"));
    assert_ne!(pod.invocation("c"), before);
    assert_eq!(space.lines("log"), ["hook one", "term"]);
}
