//! Restart policies and the back-off.

use super::host::{own, shared};
use super::space::{Pod, Space, sh, with};
use serde_json::{Value, json};

/// A container that ends as told on its first run and stays on the second.
fn ends_once(space: &Space, name: &str, ending: &str) -> Value {
    let runs = space.path(&format!("runs-{name}"));
    sh(
        name,
        &format!("echo run >>{runs}; test $(cat {runs} | wc -l) = 1 || exec sleep 1d; {ending}"),
    )
}

const ENDINGS: [(&str, &str); 3] = [
    ("zero", "exit 0"),
    ("three", "exit 3"),
    ("killed", "exec sleep 1d"),
];

fn policy_pod<'a>(space: &'a Space<'a>, policy: &str) -> Pod<'a> {
    let containers: Vec<Value> = ENDINGS
        .iter()
        .map(|(name, ending)| ends_once(space, name, ending))
        .collect();
    let pod = space.pod(
        "pod",
        &json!({ "restartPolicy": policy, "containers": containers }),
    );
    space.wait_lines("runs-killed", 1);
    // A signal from outside counts as a failure, also one that systemd takes for a clean end.
    host_kill(&pod, "killed", "TERM");
    pod
}

fn host_kill(pod: &Pod, container: &str, signal: &str) {
    pod.wait_until("its program runs", |pod| {
        let comm = pod
            .host()
            .machine
            .sh(&format!("cat /proc/{}/comm", pod.pid(container)));
        comm.stdout.trim_end() == "sleep"
    });
    pod.host()
        .ok(&format!("kill -{signal} {}", pod.pid(container)));
}

fn wait_restarted(pod: &Pod, container: &str) {
    pod.wait_until("it runs again", |pod| {
        let status = pod.container(container);
        status["restartCount"] == 1 && status["state"]["running"].is_object()
    });
}

#[test]
fn always() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "always");
    let pod = policy_pod(&space, "Always");
    for (name, _) in ENDINGS {
        wait_restarted(&pod, name);
    }
    let last = |name: &str| pod.container(name)["lastState"]["terminated"].clone();
    assert_eq!(
        (&last("zero")["exitCode"], &last("zero")["reason"]),
        (&json!(0), &json!("Completed"))
    );
    assert_eq!(
        (&last("three")["exitCode"], &last("three")["reason"]),
        (&json!(3), &json!("Error"))
    );
    assert_eq!(
        (&last("killed")["exitCode"], &last("killed")["signal"]),
        (&json!(143), &json!(null))
    );
    assert_eq!(pod.phase(), "Running");
}

#[test]
fn on_failure() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "onfailure");
    let pod = policy_pod(&space, "OnFailure");
    wait_restarted(&pod, "three");
    wait_restarted(&pod, "killed");
    let zero = pod.container("zero");
    assert_eq!(
        (
            &zero["restartCount"],
            &zero["state"]["terminated"]["reason"]
        ),
        (&json!(0), &json!("Completed"))
    );
    assert_eq!(space.lines("runs-zero").len(), 1);
    assert_eq!(pod.phase(), "Running");
}

#[test]
fn never() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "never");
    let pod = policy_pod(&space, "Never");
    pod.wait_phase("Failed");
    for ((name, _), code) in ENDINGS.iter().zip([0, 3, 143]) {
        let status = pod.container(name);
        assert_eq!(status["state"]["terminated"]["exitCode"], code, "{name}");
        assert_eq!(status["restartCount"], 0, "{name}");
        assert_eq!(space.lines(&format!("runs-{name}")).len(), 1, "{name}");
    }
    assert_eq!(pod.shown(), "Error");
}

#[test]
fn succeeded_when_all_end_well_and_no_agent_brings_them_back() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "succeed");
    let runs = space.path("runs");
    let script = format!("echo run >>{runs}");
    let pod = space.pod("ok", &json!({ "restartPolicy": "OnFailure", "containers": [sh("a", &script), sh("b", &script)] }));
    pod.wait_phase("Succeeded");
    assert_eq!(pod.shown(), "Completed");
    let ready = pod.condition("Ready");
    assert_eq!(
        (&ready["status"], &ready["reason"]),
        (&json!("False"), &json!("PodCompleted"))
    );
    // The agent looks at the pod again, and at another after it.
    host.ok("systemctl reload vks.service");
    space.ready(
        "after",
        &json!({ "containers": [sh("c", "exec sleep 1d")] }),
    );
    assert_eq!(space.lines("runs").len(), 2);
    assert_eq!(pod.phase(), "Succeeded");
}

#[test]
fn a_containers_own_policy_goes_before_the_pods() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "ownpolicy");
    let own = |name: &str, policy: &str| {
        with(
            ends_once(&space, name, "exit 3"),
            &json!({ "restartPolicy": policy }),
        )
    };
    let pod = space.pod(
        "own",
        &json!({
            "restartPolicy": "Always",
            "containers": [own("never", "Never"), own("onfailure", "OnFailure")],
        }),
    );
    wait_restarted(&pod, "onfailure");
    let never = pod.container("never");
    assert_eq!(
        (
            &never["restartCount"],
            &never["state"]["terminated"]["exitCode"]
        ),
        (&json!(0), &json!(3))
    );
}

/// The delay grows from run to run; meanwhile the pod says so, and `vks restart` begins anew.
#[test]
fn crash_loop_back_off() {
    // On a machine of its own: a daemon-reload, which others cause here, ends a wait of systemd before its time.
    let Some(host) = own("crash") else { return };
    let space = Space::new(&host, "crash");
    let times = space.path("times");
    let pod = space.pod("crash", &json!({
        "containers": [sh("c", &format!("cut -d' ' -f1 /proc/uptime >>{times}; echo crash; exit 7"))],
    }));
    let starts: Vec<f64> = space
        .wait_lines("times", 5)
        .iter()
        .map(|line| line.parse().unwrap())
        .collect();
    let delays: Vec<f64> = starts.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(delays[0] >= 1.0, "{delays:?}");
    assert!(
        delays.windows(2).all(|pair| pair[1] > pair[0] * 1.3),
        "each is longer: {delays:?}"
    );
    pod.wait_until("it shows the back-off", |pod| {
        pod.shown() == "CrashLoopBackOff"
    });
    let status = pod.container("c");
    let waiting = &status["state"]["waiting"];
    assert_eq!(waiting["reason"], "CrashLoopBackOff");
    assert!(
        waiting["message"]
            .as_str()
            .is_some_and(|text| text.contains("back-off")),
        "{waiting}"
    );
    let last = &status["lastState"]["terminated"];
    assert_eq!(
        (&last["exitCode"], &last["reason"]),
        (&json!(7), &json!("Error"))
    );
    assert!(status["restartCount"].as_u64() >= Some(4), "{status}");
    assert_eq!(status["started"], false);
    assert_eq!(pod.phase(), "Running");
    let ready = pod.condition("Ready");
    assert_eq!(
        (&ready["status"], &ready["reason"]),
        (&json!("False"), &json!("ContainersNotReady"))
    );

    let (before, count) = (space.lines("times").len(), pod.restarts("c"));
    host.vks_ok(&["restart", "pod", "crash", "-n", "crash"]);
    // Three runs within the first delays: with the old back-off the second alone would take as long as the first five.
    let starts: Vec<f64> = space
        .wait_lines("times", before + 2)
        .iter()
        .map(|line| line.parse().unwrap())
        .collect();
    let delay = starts[before + 1] - starts[before];
    assert!(delay < delays[3], "{delay} is not less than {}", delays[3]);
    assert!(
        pod.restarts("c") >= count,
        "the count of restarts never falls"
    );
}

/// A stop that comes while a container's own good end is still being seen to, as at a shutdown, does not make it run again.
#[test]
fn what_ended_well_just_before_a_stop_has_ended() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "raceend");
    let (log, go) = (space.path("log"), space.path("go"));
    let script = format!("echo ran >>{log}; until test -e {go}; do sleep 0.1; done");
    let pod = space.pod(
        "p",
        &json!({ "restartPolicy": "OnFailure", "containers": [sh("c", &script)] }),
    );
    host.wait(&format!("grep -q ran {log}"));
    let unit = pod.unit("c");
    let drop_in = format!("/etc/systemd/system/{unit}.d");
    host.ok(&format!(
        "mkdir -p '{drop_in}'; printf '[Service]\\nExecStopPost=\\nExecStopPost=/bin/sleep 2\\n\
         ExecStopPost=+:/usr/bin/vks record %%n\\n' >'{drop_in}/slow.conf'; systemctl daemon-reload; touch {go}"
    ));
    host.wait(&format!(
        "test \"$(systemctl show -P SubState '{unit}')\" = stop-post"
    ));
    host.ok(&format!(
        "systemctl stop vks-raceend-p.slice; rm -r '{drop_in}'; systemctl daemon-reload; systemctl start vks-raceend-p.target"
    ));
    pod.wait_phase("Succeeded");
    assert_eq!(space.lines("log"), ["ran"]);
    assert_eq!(pod.restarts("c"), 0);
}
