//! The ends of containers: failed starts, shortened and lengthened grace periods, and what was printed last.

use super::host::shared;
use super::space::{Pod, Space, sh, sleeper, with};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

fn exec(script: &str) -> Value {
    json!({ "exec": { "command": ["/bin/sh", "-c", script] } })
}

/// Deaf to SIGTERM, which it writes down.
fn stubborn(log: &str) -> Value {
    sh(
        "c",
        &format!(
            "trap 'echo term >>{log}' TERM; echo up >>{log}; while :; do sleep 1d & wait; done"
        ),
    )
}

fn wait_first_end(pod: &Pod) -> Value {
    pod.wait_until("it has ended", |pod| pod.restarts("c") >= 1);
    pod.container("c")["lastState"]["terminated"].clone()
}

fn lasted(pod: &Pod) -> Duration {
    // The record has microseconds in the journal's time, the status whole seconds: enough here.
    let script = format!(
        "cat /var/lib/vks/pods/{}/runs/c.json",
        pod.json()["metadata"]["uid"].as_str().unwrap()
    );
    let runs: Value = serde_json::from_str(&pod.host().ok(&script)).unwrap();
    let run = &runs["last"][0];
    let at = |key: &str| {
        let text = run[key].as_str().unwrap();
        let seconds = pod.host().ok(&format!("date -d {text} +%s"));
        seconds.trim_end().parse::<u64>().unwrap()
    };
    Duration::from_secs(at("finished") - at("started"))
}

/// The startup probe's own grace period, not the pod's, and the container's hook before it.
#[test]
fn a_failed_startup_probe_has_its_own_grace_and_runs_the_hook() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "lcstartup");
    let log = space.path("log");
    let probe = with(
        exec("exit 1"),
        &json!({ "periodSeconds": 1, "failureThreshold": 2, "terminationGracePeriodSeconds": 3 }),
    );
    let container = with(
        stubborn(&log),
        &json!({
            "startupProbe": probe,
            "lifecycle": { "preStop": exec(&format!("echo hook >>{log}")) },
        }),
    );
    let pod = space.pod(
        "s",
        &json!({ "terminationGracePeriodSeconds": 600, "containers": [container] }),
    );
    let end = wait_first_end(&pod);
    assert_eq!(
        (&end["exitCode"], &end["signal"]),
        (&json!(137), &json!(null))
    );
    assert_eq!(
        space.lines("log")[..3],
        ["up", "hook", "term"].map(str::to_owned)
    );
    let lasted = lasted(&pod);
    let expected = Duration::from_secs(3)..Duration::from_secs(30);
    assert!(expected.contains(&lasted), "{lasted:?}");
    pod.host().vks_ok(&[
        "delete",
        "pod",
        "s",
        "-n",
        "lcstartup",
        "--grace-period",
        "2",
    ]);
}

#[test]
fn a_failed_post_start_hook_runs_the_other_hook() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "lcpost");
    let log = space.path("log");
    let container = with(
        stubborn(&log),
        &json!({ "lifecycle": {
            "postStart": exec(&format!("until grep -q up {log}; do sleep 0.1; done; exit 3")),
            "preStop": exec(&format!("echo hook >>{log}")),
        } }),
    );
    let pod = space.pod(
        "p",
        &json!({ "terminationGracePeriodSeconds": 2, "containers": [container] }),
    );
    wait_first_end(&pod);
    assert_eq!(
        space.lines("log")[..3],
        ["up", "hook", "term"].map(str::to_owned)
    );
}

/// systemd itself has the new time: nobody kills by a second signal.
#[test]
fn delete_changes_the_grace_period_of_systemd_and_of_the_hook() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "lcgrace");
    let log = space.path("log");
    let container = with(
        stubborn(&log),
        &json!({ "lifecycle": { "preStop": exec("exec sleep 1d") } }),
    );
    let pod = space.ready(
        "short",
        &json!({ "terminationGracePeriodSeconds": 3600, "containers": [container, sleeper("other")] }),
    );
    let unit = pod.unit("c");
    space.wait_lines("log", 1);
    host.vks_ok(&[
        "delete",
        "pod",
        "short",
        "-n",
        "lcgrace",
        "--grace-period",
        "4",
    ]);
    let told = host.ok(&format!("journalctl -u '{unit}' -o cat --no-pager"));
    // The hook had the four seconds, and the process two more.
    assert!(
        told.contains("PreStopHook did not end within the grace period of 4 s"),
        "{told}"
    );
    assert_eq!(space.lines("log"), ["up", "term"]);
    // A longer time is one too.
    let slow = sh(
        "c",
        &format!(
            "trap 'sleep 5; echo slow >>{log}; exit 0' TERM; echo ready >>{log}; while :; do sleep 1d & wait; done"
        ),
    );
    let spec = json!({ "terminationGracePeriodSeconds": 2, "containers": [slow] });
    space.ready("long", &spec);
    space.wait_lines("log", 3);
    host.vks_ok(&[
        "delete",
        "pod",
        "long",
        "-n",
        "lcgrace",
        "--grace-period",
        "60",
    ]);
    assert_eq!(space.lines("log").last().unwrap(), "slow");
    // What is written for it goes with the pod.
    assert_eq!(
        host.ok("ls -d /etc/systemd/system.attached/*lcgrace*.d 2>/dev/null || true"),
        ""
    );
}

#[test]
fn a_second_delete_shortens_the_first() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "lcagain");
    let log = space.path("log");
    let pod = space.ready(
        "p",
        &json!({ "terminationGracePeriodSeconds": 3600, "containers": [stubborn(&log)] }),
    );
    space.wait_lines("log", 1);
    let pid = pod.pid("c");
    host.vks_ok(&["delete", "pod", "p", "-n", "lcagain", "--wait=false"]);
    space.wait_lines("log", 2);
    let begun = Instant::now();
    host.vks_ok(&["delete", "pod", "p", "-n", "lcagain", "--grace-period", "2"]);
    assert!(begun.elapsed() < Duration::from_secs(60));
    assert_ne!(
        host.machine
            .exec(&["test", "-e", &format!("/proc/{pid}")])
            .code,
        0
    );
}

/// Containers that print more than journald's limit for all and end at once.
#[test]
fn no_line_of_a_quick_container_is_lost() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "lcburst");
    let names = ["b0", "b1", "b2", "b3"];
    let manifests: Vec<Value> = names
        .iter()
        .enumerate()
        .map(|(index, name)| {
            let network = index % 2 == 0;
            space.manifest(
                name,
                &json!({ "restartPolicy": "Never", "hostNetwork": network, "terminationGracePeriodSeconds": 60, "containers": [
                    { "name": "c", "image": "host:/usr/bin/seq", "args": ["60000"] },
                ] }),
            )
        })
        .collect();
    space.apply_ok("all", &manifests);
    for name in names {
        let pod = space.known(name);
        pod.wait_phase("Succeeded");
        let count = host.ok(&format!("vks logs {name} -n lcburst | sort -un | wc -l"));
        assert_eq!(count.trim_end(), "60000", "{name}");
    }
}

/// The one that lacks something waits, and says for what.
#[test]
fn a_container_without_its_config_map_does_not_hold_up_the_others() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "lcconf");
    let env = json!({ "env": [{ "name": "A", "valueFrom": { "configMapKeyRef": { "name": "conf", "key": "a" } } }] });
    let needy = with(
        sh(
            "needy",
            &format!("echo got $A >>{}; exec sleep 1d", space.path("log")),
        ),
        &env,
    );
    let pod = space.pod("p", &json!({ "containers": [sleeper("other"), needy] }));
    pod.wait_until("the other runs", |pod| {
        pod.container("other")["ready"] == true
    });
    let state = pod.container("needy")["state"]["waiting"].clone();
    assert_eq!(state["reason"], "CreateContainerConfigError");
    assert_eq!(state["message"], "configmap \"conf\" not found");
    assert_eq!(pod.phase(), "Pending");
    assert_eq!(pod.shown(), "CreateContainerConfigError");
    let life = pod.life("other");
    let conf = space.object("ConfigMap", "conf", &json!({ "a": "it" }));
    space.apply_ok("conf", &[conf]);
    assert_eq!(space.wait_lines("log", 1), ["got it"]);
    pod.wait_for("condition=Ready");
    assert_eq!(pod.life("other"), life, "nobody touched it");
    // Without it again, what runs goes on.
    let needy = pod.life("needy");
    host.vks_ok(&["delete", "configmap", "conf", "-n", "lcconf"]);
    host.ok("systemctl reload vks.service");
    assert_eq!(pod.life("needy"), needy);
    assert_eq!(pod.phase(), "Running");
}
