//! Restart rules, the end of sidecars, and messages from the log.

use super::host::shared;
use super::space::{Space, sh, sleeper, with};
use serde_json::{Value, json};

fn rules(policy: &str, action: &str, operator: &str, values: &[u8]) -> Value {
    json!({
        "restartPolicy": policy,
        "restartPolicyRules": [{ "action": action, "exitCodes": { "operator": operator, "values": values } }],
    })
}

/// Ends with the codes of a list, one after the other.
fn ends(log: &str, ends: &[&str]) -> Value {
    let cases: String = ends
        .iter()
        .enumerate()
        .map(|(index, end)| format!("{}) {end};; ", index + 1))
        .collect();
    sh(
        "c",
        &format!("echo run >>{log}; case $(wc -l <{log}) in {cases} esac; exec sleep 1d"),
    )
}

#[test]
fn exit_codes_start_a_container_again_that_runs_once() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "lcrule");
    let (one, other) = (space.path("one"), space.path("other"));
    let listed = with(
        ends(&one, &["exit 42", "kill -KILL $$", "exit 1"]),
        &rules("Never", "Restart", "In", &[42, 137]),
    );
    let pod = space.pod(
        "in",
        &json!({ "restartPolicy": "Never", "containers": [listed] }),
    );
    pod.wait_phase("Failed");
    assert_eq!(space.lines("one").len(), 3);
    assert_eq!(pod.container("c")["state"]["terminated"]["exitCode"], 1);
    assert_eq!(pod.restarts("c"), 2);
    let others = with(
        ends(&other, &["exit 3", "exit 143"]),
        &rules("Never", "Restart", "NotIn", &[0, 143]),
    );
    let pod = space.pod(
        "notin",
        &json!({ "restartPolicy": "Never", "containers": [others] }),
    );
    pod.wait_phase("Failed");
    assert_eq!(space.lines("other").len(), 2);
    host.ok("systemctl reload vks.service");
    assert_eq!(
        space.lines("other").len(),
        2,
        "the agent does not start it either"
    );
}

/// Once `done` has been there, the first run asks for all containers to be started again; the second stays.
fn worker(log: &str) -> Value {
    with(
        sh(
            "worker",
            &format!(
                "echo worker >>{log}; until grep -q done {log}; do sleep 0.1; done; test $(grep -c worker {log}) -lt 2 && exit 88; exec sleep 1d"
            ),
        ),
        &rules("Never", "RestartAllContainers", "In", &[88]),
    )
}

#[test]
fn a_rule_starts_the_whole_pod_again() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "lcall");
    let log = space.path("log");
    let init = sh("init", &format!("echo init >>{log}"));
    let done = sh("done", &format!("echo done >>{log}"));
    let worker = worker(&log);
    let spec = json!({ "restartPolicy": "Never", "hostNetwork": false,
        "initContainers": [init], "containers": [done, worker, sleeper("beside")] });
    let pod = space.pod("p", &spec);
    let sandbox = |pod: &super::space::Pod| {
        let uid = pod.json()["metadata"]["uid"].as_str().unwrap().to_owned();
        host.ok(&format!("stat -c %i /run/netns/vks-{uid}"))
    };
    space.wait_lines("log", 3);
    let before = sandbox(&pod);
    let lines = space.wait_lines("log", 6);
    let count = |word: &str| lines.iter().filter(|line| *line == word).count();
    assert_eq!(
        (count("init"), count("worker"), count("done")),
        (2, 2, 2),
        "{lines:?}"
    );
    assert_eq!(lines[3], "init", "the init container first: {lines:?}");
    pod.wait_until("it runs again", |pod| {
        pod.container("worker")["state"]["running"].is_object()
            && pod.container("beside")["ready"] == true
    });
    assert_eq!(pod.restarts("beside"), 1);
    assert_eq!(sandbox(&pod), before, "the network stays");
    assert_eq!(pod.container("done")["state"]["terminated"]["exitCode"], 0);
}

/// One container has ended well, but systemd has not come round to its record when a rule starts all again.
#[test]
fn a_rule_also_starts_one_that_has_just_ended() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "lcjust");
    let (log, gate) = (space.path("log"), space.path("gate"));
    let unit = "vks.lcjust.p.sh:done.service";
    // What an administrator may do too: `systemctl edit`.
    host.ok(&format!(
        "mkdir -p '/etc/systemd/system/{unit}.d' && printf '%s\\n' '[Service]' 'ExecStopPost=' \
         \"ExecStopPost=/bin/sh -c 'until test -e {gate}; do sleep 0.1; done'\" \
         'ExecStopPost=+:/usr/bin/vks record \"%n\"' >'/etc/systemd/system/{unit}.d/late.conf'"
    ));
    let done = sh("done", &format!("echo done >>{log}"));
    let worker = worker(&log);
    let spec = json!({ "restartPolicy": "Never", "terminationGracePeriodSeconds": 120,
        "containers": [done, worker] });
    let pod = space.pod("p", &spec);
    host.wait(&format!(
        "test \"$(systemctl show -p SubState --value '{unit}')\" = stop-post && systemctl list-jobs | grep -q '{unit} *restart'"
    ));
    host.ok(&format!("touch {gate}"));
    let lines = space.wait_lines("log", 4);
    let count = |word: &str| lines.iter().filter(|line| *line == word).count();
    assert_eq!((count("worker"), count("done")), (2, 2), "{lines:?}");
    pod.wait_until("the second run is the last", |pod| {
        pod.container("done")["state"]["terminated"]["exitCode"] == 0 && pod.restarts("done") == 1
    });
    pod.delete();
    host.ok(&format!("rm -r '/etc/systemd/system/{unit}.d'"));
}

/// Without the agent: what ends them is the last main's own record.
#[test]
fn sidecars_end_with_the_last_main() {
    let Some(host) = super::host::own("lcside") else {
        return;
    };
    let space = Space::new(&host, "lcside");
    let log = space.path("log");
    let side = |name: &str| {
        with(
            sh(
                name,
                &format!(
                    "trap 'echo {name} >>{log}; exit 0' TERM; while :; do sleep 1d & wait; done"
                ),
            ),
            &json!({ "restartPolicy": "Always" }),
        )
    };
    let main = |name: &str, open: &str| {
        sh(
            name,
            &format!("until test -e {open}; do sleep 0.1; done; echo {name} >>{log}"),
        )
    };
    let (one, two) = (space.path("one"), space.path("two"));
    let pod = space.ready("p", &json!({ "restartPolicy": "OnFailure",
        "initContainers": [side("first"), side("second")], "containers": [main("a", &one), main("b", &two)] }));
    host.ok("systemctl stop vks.service");
    host.ok(&format!("touch {one}"));
    space.wait_lines("log", 1);
    host.ok(&format!("touch {two}"));
    let lines = space.wait_lines("log", 4);
    assert_eq!(lines, ["a", "b", "second", "first"]);
    pod.wait_phase("Succeeded");
    host.ok("systemctl start vks.service");
}

#[test]
fn the_log_stands_in_for_an_empty_message() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "lcmsg");
    let fall = json!({ "terminationMessagePolicy": "FallbackToLogsOnError" });
    let many = "for i in $(seq 200); do echo line $i; done; exit 1";
    let pod = space.pod(
        "p",
        &json!({ "restartPolicy": "Never", "hostNetwork": false, "containers": [
        with(sh("many", many), &fall),
        with(sh("file", "echo log; printf file >/dev/termination-log; exit 1"), &fall),
        with(sh("good", "echo log"), &fall),
        sh("without", "echo log; exit 1"),
    ] }),
    );
    pod.wait_phase("Failed");
    let message = |name: &str| pod.container(name)["state"]["terminated"]["message"].clone();
    let expected: String = (121..=200).map(|i| format!("line {i}\n")).collect();
    pod.wait_until("the record is there", |_| {
        message("many") == json!(expected)
    });
    assert_eq!(message("file"), "file");
    assert_eq!(
        (message("good"), message("without")),
        (Value::Null, Value::Null)
    );
}
