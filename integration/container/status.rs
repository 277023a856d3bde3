//! The status of a pod, as `vks get -o yaml|json`, the table and `describe` tell it.

use super::host::shared;
use super::space::{Space, sh, sleeper, with};
use serde_json::{Value, json};

fn conditions(status: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let list = status["conditions"].as_array().unwrap();
    list.iter()
        .map(|condition| (text(&condition["type"]), text(&condition["status"])))
        .collect()
}

const KINDS: [&str; 5] = [
    "PodReadyToStartContainers",
    "Initialized",
    "Ready",
    "ContainersReady",
    "PodScheduled",
];

fn sorted(mut pairs: Vec<(String, String)>) -> Vec<(String, String)> {
    pairs.sort();
    pairs
}

fn with_values(values: [&str; 5]) -> Vec<(String, String)> {
    sorted(
        KINDS
            .iter()
            .zip(values)
            .map(|(kind, value)| ((*kind).to_owned(), value.to_owned()))
            .collect(),
    )
}

/// A time as `get` prints it is the second in which systemd says it was.
fn same_second(host: &super::host::Host, rfc3339: &Value, unit: &str, property: &str) {
    let seconds = host.ok(&format!("date -d '{}' +%s", rfc3339.as_str().unwrap()));
    let systemd = host.ok(&format!(
        "date -d \"$(systemctl show -P {property} --timestamp=unix -- '{unit}')\" +%s"
    ));
    assert_eq!(seconds, systemd, "{property}");
}

#[test]
fn of_a_running_pod() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "strun");
    let mut manifest = space.manifest("run", &json!({
        "initContainers": [sh("init", "true"), with(sleeper("side"), &json!({ "restartPolicy": "Always" }))],
        "containers": [sleeper("main")],
    }));
    manifest["metadata"]["labels"] = json!({ "app": "run" });
    space.apply_ok("run", &[manifest.clone()]);
    let pod = space.known("run");
    pod.wait_for("condition=Ready");
    let object = pod.json();
    assert_eq!(
        (&object["apiVersion"], &object["kind"]),
        (&json!("v1"), &json!("Pod"))
    );
    assert_eq!(object["metadata"]["labels"], json!({ "app": "run" }));
    assert_eq!(object["spec"]["containers"][0]["image"], "host:/bin/sleep");
    let status = &object["status"];
    assert_eq!(
        (&status["phase"], &status["qosClass"]),
        (&json!("Running"), &json!("BestEffort"))
    );
    assert_eq!(sorted(conditions(status)), with_values(["True"; 5]));
    assert!(status["startTime"].is_string(), "{status}");

    let main = pod.container("main");
    let id = format!("systemd://{}", pod.invocation("main"));
    assert_eq!(main["containerID"], id.as_str());
    assert_eq!(
        (&main["ready"], &main["started"], &main["restartCount"]),
        (&json!(true), &json!(true), &json!(0))
    );
    assert_eq!(main["image"], "host:/bin/sleep");
    same_second(
        &host,
        &main["state"]["running"]["startedAt"],
        &pod.unit("main"),
        "ExecMainStartTimestamp",
    );
    assert!(
        main.get("lastState").is_none_or(|last| *last == json!({})),
        "{main}"
    );
    let init = pod.container("init");
    assert_eq!(init["state"]["terminated"]["reason"], "Completed");
    assert_eq!(init["ready"], true);
    assert_eq!(
        status["initContainerStatuses"][0]["name"], "init",
        "in the order of the spec"
    );
    assert_eq!(status["initContainerStatuses"][1]["name"], "side");

    let table = host.vks_ok(&["get", "pods", "-n", "strun"]);
    let rows: Vec<Vec<&str>> = table
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(rows[0], ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]);
    assert_eq!(
        rows[1][..4],
        ["run", "2/2", "Running", "0"],
        "kubectl counts sidecars"
    );
    assert!(
        host.vks_ok(&["get", "pods", "-A"])
            .lines()
            .any(|line| line.starts_with("strun "))
    );
    assert!(
        host.vks_ok(&["get", "pods", "-n", "strun", "-o", "wide"])
            .contains("NODE")
    );
    assert_eq!(
        host.vks_ok(&["get", "pods", "-n", "strun", "-o", "name"]),
        "pod/run\n"
    );
    assert_eq!(
        host.vks_ok(&["get", "pods", "-n", "strun", "-l", "app=run", "-o", "name"]),
        "pod/run\n"
    );
    assert_eq!(
        host.vks_ok(&["get", "pods", "-n", "strun", "-l", "app!=run", "-o", "name"]),
        ""
    );
    let none = host.vks(&["get", "pod", "nobody", "-n", "strun"]);
    assert_eq!(none.code, 1);
    assert!(
        none.stderr.contains("nobody") && none.stderr.contains("not found"),
        "{}",
        none.stderr
    );
}

/// YAML is read by a reader that is not ours.
#[test]
fn yaml_is_the_same_as_json() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "styaml");
    let odd = [
        "yes",
        "1e3",
        "0x10",
        "a: b",
        "- x",
        "# no",
        "two\nlines\n",
        " lead",
        "tail ",
        "'",
        "\"",
        "\u{1f980}",
        "null",
        "~",
        "2026-01-01",
        "",
    ];
    let env: Vec<Value> = odd
        .iter()
        .enumerate()
        .map(|(i, value)| json!({ "name": format!("V{i}"), "value": value }))
        .collect();
    space.ready(
        "yaml",
        &json!({ "containers": [with(sleeper("c"), &json!({ "env": env }))] }),
    );
    let yaml = host.vks_ok(&["get", "pod", "yaml", "-n", "styaml", "-o", "yaml"]);
    host.machine.write("/t/styaml/out.yaml", &yaml, "0644");
    let read = "import yaml, json, sys; print(json.dumps(yaml.load(open('/t/styaml/out.yaml'), yaml.BaseLoader)))";
    let out = host.machine.exec(&["python3", "-c", read]);
    if out.stderr.contains("No module named") {
        eprintln!("SKIP: no YAML reader on the machine");
        return;
    }
    let object: Value = serde_json::from_str(&out.stdout).unwrap();
    assert_eq!(object["status"]["phase"], "Running");
    let values = object["spec"]["containers"][0]["env"].as_array().unwrap();
    let got: Vec<&str> = values
        .iter()
        .map(|entry| entry["value"].as_str().unwrap())
        .collect();
    assert_eq!(got, odd);
}

#[test]
fn of_ended_pods() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "stend");
    let pod = space.pod(
        "mixed",
        &json!({ "restartPolicy": "Never", "containers": [
        sh("fine", "exit 0"), sh("bad", "exit 42"), sh("signal", "kill -SEGV $$"),
        { "name": "nothing", "image": "host:/no/such/program" },
    ] }),
    );
    pod.wait_phase("Failed");
    let ended = |name: &str| pod.container(name)["state"]["terminated"].clone();
    assert_eq!(
        (&ended("fine")["exitCode"], &ended("fine")["reason"]),
        (&json!(0), &json!("Completed"))
    );
    assert_eq!(
        (&ended("bad")["exitCode"], &ended("bad")["reason"]),
        (&json!(42), &json!("Error"))
    );
    let signal = ended("signal");
    assert_eq!(
        (&signal["exitCode"], &signal["signal"], &signal["reason"]),
        (&json!(139), &json!(null), &json!("Error")),
        "a kubelet tells no signal"
    );
    let nothing = ended("nothing");
    assert_ne!(nothing["exitCode"], 0, "{nothing}");
    assert_eq!(nothing["reason"], "StartError", "{nothing}");
    for name in ["fine", "bad", "signal"] {
        let ended = ended(name);
        assert!(
            ended["startedAt"].as_str() <= ended["finishedAt"].as_str(),
            "{ended}"
        );
        assert!(
            ended["containerID"]
                .as_str()
                .is_some_and(|id| id.starts_with("systemd://")),
            "{ended}"
        );
        assert_eq!(pod.container(name)["ready"], false);
    }
    let status = pod.status();
    assert_eq!(
        conditions(&status)
            .into_iter()
            .find(|(kind, _)| kind == "Ready")
            .unwrap()
            .1,
        "False"
    );
    assert_eq!(pod.condition("Ready")["reason"], "PodFailed");
}

/// restartCount and the state before, over kills, `vks restart` and restarts of the agent.
#[test]
fn restarts_are_counted_and_never_forgotten() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "stcount");
    let pod = space.ready(
        "count",
        &json!({ "containers": [sleeper("c"), sleeper("other")] }),
    );
    let first = pod.invocation("c");
    host.ok(&format!("kill -KILL {}", pod.pid("c")));
    pod.wait_until("one restart", |pod| {
        pod.restarts("c") == 1 && pod.container("c")["state"]["running"].is_object()
    });
    let last = pod.container("c")["lastState"]["terminated"].clone();
    assert_eq!(
        (&last["exitCode"], &last["signal"]),
        (&json!(137), &json!(null))
    );
    assert_eq!(last["containerID"], format!("systemd://{first}"));
    let other = pod.life("other");
    host.vks_ok(&["restart", "pod", "count", "-n", "stcount", "-c", "c"]);
    pod.wait_until("two restarts", |pod| {
        pod.restarts("c") == 2 && pod.container("c")["state"]["running"].is_object()
    });
    assert_eq!(pod.life("other"), other, "only that container");
    let life = pod.life("c");
    host.ok("systemctl reload vks.service");
    assert_eq!(
        (pod.restarts("c"), pod.restarts("other"), pod.life("c")),
        (2, 0, life)
    );
    host.vks_ok(&["restart", "pod", "count", "-n", "stcount"]);
    pod.wait_until("all anew", |pod| {
        pod.restarts("c") == 3 && pod.restarts("other") == 1
    });
}

/// Each state goes by in `get -w`, in order.
#[test]
fn watch_shows_changes_as_they_come() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "stwatch");
    host.ok("systemd-run -q --unit watch-of-test -p StandardOutput=file:/t/stwatch/out vks get pods -w -n stwatch --no-headers");
    let open = space.path("open");
    let pod = space.pod(
        "w",
        &json!({ "restartPolicy": "Never", "containers": [
        sh("c", &format!("until test -e {open}; do sleep 0.05; done; exit 5")),
    ] }),
    );
    host.wait("grep -q Running /t/stwatch/out");
    host.ok(&format!("touch {open}"));
    host.wait("grep -q Error /t/stwatch/out");
    pod.delete();
    host.wait("! vks get pod w -n stwatch 2>/dev/null");
    host.ok("systemctl stop watch-of-test");
    let seen = space.lines("out");
    let seen: Vec<String> = seen
        .into_iter()
        .filter(|line| !line.starts_with("No resources") && !line.starts_with("warning: "))
        .collect();
    let states: Vec<&str> = seen
        .iter()
        .map(|line| line.split_whitespace().nth(2).unwrap())
        .collect();
    let at = |state: &str| states.iter().position(|s| *s == state);
    assert!(
        at("Running") < at("Error") && at("Running").is_some(),
        "{seen:?}"
    );
    assert!(seen.iter().all(|line| line.starts_with("w ")), "{seen:?}");
}

#[test]
fn describe_tells_what_one_looks_for() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "stdesc");
    space.apply_ok(
        "map",
        &[space.object("ConfigMap", "m", &json!({ "k": "v" }))],
    );
    let pod = space.ready(
        "d",
        &json!({
            "volumes": [{ "name": "v", "configMap": { "name": "m" } }],
            "containers": [with(sleeper("c"), &json!({
                "volumeMounts": [{ "name": "v", "mountPath": "/t/stdesc/in" }],
                "env": [{ "name": "WORD", "value": "shown" }],
                "livenessProbe": { "exec": { "command": ["true"] }, "periodSeconds": 7 },
            }))],
        }),
    );
    let text = host.vks_ok(&["describe", "pod", "d", "-n", "stdesc"]);
    let invocation = pod.invocation("c");
    for part in [
        "Name:",
        "stdesc",
        "c:",
        "host:/bin/sleep",
        "Running",
        "WORD",
        "shown",
        "/t/stdesc/in",
        "Liveness",
        "period=7s",
        &invocation,
        "BestEffort",
    ] {
        assert!(text.contains(part), "{part} is not in:\n{text}");
    }
    assert_eq!(
        host.vks(&["describe", "pod", "nobody", "-n", "stdesc"])
            .code,
        1
    );
}

#[test]
fn the_agent_tells_systemd_how_it_is() {
    let Some(host) = shared() else { return };
    host.wait("systemctl is-active vks.service");
    let space = Space::new(&host, "stagent");
    space.ready("p", &json!({ "containers": [sleeper("c")] }));
    host.wait("systemctl show -P StatusText vks.service | grep -q wanted");
    assert_ne!(
        host.property("vks.service", "WatchdogTimestampMonotonic"),
        "0"
    );
}
