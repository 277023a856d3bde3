//! The grace period, the active deadline, and what a container says at its end.

use super::host::{Host, shared};
use super::space::{Pod, Space, sh, sleeper, with};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// A process that never ends by itself.
fn stubborn() -> Value {
    sh("c", "trap '' TERM; while :; do sleep 1; done")
}

fn wait_ignoring(pod: &Pod, container: &str) {
    // Bit 15 of SigIgn: it is deaf to SIGTERM now.
    pod.host().wait(&format!(
        "grep -Eq '^SigIgn:.*[4567cdef]...$' /proc/{}/status",
        pod.pid(container)
    ));
}

fn delete_takes(pod: &Pod) -> Duration {
    let start = Instant::now();
    pod.delete();
    start.elapsed()
}

#[test]
fn who_ignores_term_is_killed_when_the_grace_period_is_over() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "grace");
    let pod = space.ready("grace", &json!({ "terminationGracePeriodSeconds": 3, "containers": [stubborn(), sleeper("other")] }));
    wait_ignoring(&pod, "c");
    let pid = pod.pid("c");
    let took = delete_takes(&pod);
    assert!(took >= Duration::from_secs(3), "it had {took:?}");
    assert_ne!(
        host.machine
            .exec(&["test", "-e", &format!("/proc/{pid}")])
            .code,
        0
    );
}

/// The children of a container get no SIGTERM, and none of them stays.
#[test]
fn nothing_of_a_container_stays() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "children");
    let pids = space.path("pids");
    let script = format!(
        "for i in 1 2 3; do setsid sh -c 'trap \"\" TERM; echo $$ >>{pids}; while :; do sleep 1; done' & done; wait"
    );
    let pod = space.ready(
        "children",
        &json!({ "terminationGracePeriodSeconds": 2, "containers": [sh("c", &script)] }),
    );
    let children = space.wait_lines("pids", 3);
    pod.delete();
    for pid in children {
        assert_ne!(
            host.machine
                .exec(&["test", "-e", &format!("/proc/{pid}")])
                .code,
            0,
            "{pid}"
        );
    }
}

/// The hook's time comes out of the same budget: not hook and grace period one after the other.
#[test]
fn hook_and_grace_share_a_budget() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "budget");
    let hook =
        json!({ "lifecycle": { "preStop": { "exec": { "command": ["/bin/sleep", "9"] } } } });
    let pod = space.ready(
        "budget",
        &json!({ "terminationGracePeriodSeconds": 10, "containers": [with(stubborn(), &hook)] }),
    );
    wait_ignoring(&pod, "c");
    let took = delete_takes(&pod);
    assert!(took >= Duration::from_secs(10), "it had only {took:?}");
    assert!(
        took < Duration::from_secs(18),
        "{took:?}: hook and grace period were added up"
    );
}

/// A hook that hangs is ended with the budget, and the process still gets SIGTERM.
#[test]
fn a_hook_that_hangs_is_given_up() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "hang");
    let log = space.path("log");
    let hook = format!("echo $$ >{}; exec sleep 1d", space.path("hook"));
    let container = with(
        sh(
            "c",
            &format!("trap 'echo term >>{log}; exit 0' TERM; while :; do sleep 1d & wait; done"),
        ),
        &json!({ "lifecycle": { "preStop": { "exec": { "command": ["/bin/sh", "-c", hook] } } } }),
    );
    let pod = space.ready(
        "hang",
        &json!({ "terminationGracePeriodSeconds": 3, "containers": [container] }),
    );
    let took = delete_takes(&pod);
    assert!(took >= Duration::from_secs(3), "{took:?}");
    assert_eq!(space.lines("log"), ["term"]);
    let hook = space.lines("hook").remove(0);
    assert_ne!(
        host.machine
            .exec(&["test", "-e", &format!("/proc/{hook}")])
            .code,
        0,
        "the hook's process is gone"
    );
}

#[test]
fn delete_can_shorten_the_grace_period() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "shorten");
    let pod = space.ready(
        "long",
        &json!({ "terminationGracePeriodSeconds": 3600, "containers": [stubborn()] }),
    );
    wait_ignoring(&pod, "c");
    let pid = pod.pid("c");
    host.vks_ok(&[
        "delete",
        "pod",
        "long",
        "-n",
        "shorten",
        "--grace-period",
        "2",
    ]);
    assert_ne!(
        host.machine
            .exec(&["test", "-e", &format!("/proc/{pid}")])
            .code,
        0
    );
}

/// A fresh start of the agent must not bring the pod back.
fn restart_agent(host: &Host, space: &Space) {
    host.ok("systemctl reload vks.service");
    space.ready("after", &json!({ "containers": [sleeper("c")] }));
}

#[test]
fn the_active_deadline_fails_the_pod_for_good() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "deadline");
    let log = space.path("log");
    let script = format!(
        "echo start >>{log}; trap 'echo term >>{log}; exit 0' TERM; while :; do sleep 1d & wait; done"
    );
    let pod = space.ready(
        "deadline",
        &json!({ "activeDeadlineSeconds": 3, "containers": [sh("c", &script)] }),
    );
    let started = host
        .property(&pod.unit("c"), "ExecMainStartTimestampMonotonic")
        .parse::<f64>()
        .unwrap()
        / 1e6;
    pod.wait_phase("Failed");
    let uptime: f64 = host
        .ok("cut -d' ' -f1 /proc/uptime")
        .trim_end()
        .parse()
        .unwrap();
    assert!(uptime - started >= 2.5, "it had {} s", uptime - started);
    assert_eq!(pod.status()["reason"], "DeadlineExceeded");
    restart_agent(&host, &space);
    assert_eq!(space.lines("log"), ["start", "term"]);
    assert_eq!(pod.phase(), "Failed");
}

#[test]
fn termination_message() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "message");
    let long = "x".repeat(5000);
    let usual = json!({ "terminationMessagePath": "/dev/termination-log" });
    let pod = space.pod("message", &json!({ "restartPolicy": "Never", "containers": [
        with(sh("usual", "printf 'good %%n \"end\"\\nü' >/dev/termination-log"), &usual),
        with(sh("own", "echo own >/t/message/own-log; exit 3"), &json!({ "terminationMessagePath": "/t/message/own-log" })),
        sh("none", "exit 1"),
        with(sh("long", &format!("echo {long} >/dev/termination-log")), &usual),
    ] }));
    pod.wait_phase("Failed");
    let message = |name: &str| pod.container(name)["state"]["terminated"]["message"].clone();
    assert_eq!(message("usual"), "good %n \"end\"\nü");
    assert_eq!(message("own"), "own\n");
    assert_eq!(message("none"), Value::Null);
    assert_eq!(message("long").as_str().map(str::len), Some(4096));
    assert_eq!(
        host.ok("cat /dev/termination-log"),
        "",
        "the host's own file is not written"
    );
}

/// Each run has a message of its own; the one before stays to be read.
#[test]
fn termination_message_of_the_run_before() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "lastmsg");
    let runs = space.path("runs");
    let script = format!(
        "echo run >>{runs}; test $(cat {runs} | wc -l) = 1 || exec sleep 1d; echo first >/dev/termination-log; exit 5"
    );
    let usual = json!({ "terminationMessagePath": "/dev/termination-log" });
    let pod = space.pod(
        "last",
        &json!({ "containers": [with(sh("c", &script), &usual)] }),
    );
    pod.wait_until("the second run", |pod| {
        pod.container("c")["state"]["running"].is_object() && pod.restarts("c") == 1
    });
    let last = pod.container("c")["lastState"]["terminated"].clone();
    assert_eq!(
        (&last["message"], &last["exitCode"]),
        (&json!("first\n"), &json!(5))
    );
    assert_eq!(
        host.ok(&format!(
            "nsenter -t {} -m cat /dev/termination-log",
            pod.pid("c")
        )),
        "",
        "emptied for the next run"
    );
}
