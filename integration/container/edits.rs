//! Manifests that are changed, broken, mended and removed while their pods run.

use super::host::shared;
use super::manifests::{put, take};
use super::space::{Pod, Space, sh, sleeper, with};
use serde_json::{Value, json};

fn lives(pod: &Pod, containers: &[&str]) -> Vec<(String, String)> {
    containers
        .iter()
        .map(|container| pod.life(container))
        .collect()
}

/// The manifest as a file in the directory; waits until the pod is ready.
fn placed<'a>(space: &'a Space<'a>, name: &'static str, spec: &Value) -> Pod<'a> {
    let file = format!("{}-{name}.json", space.name);
    put(space.host, &file, &space.manifest(name, spec).to_string());
    space.host.vks_ok(&[
        "wait",
        &format!("pod/{name}"),
        "-n",
        space.name,
        "--for=create",
        "--timeout=60s",
    ]);
    let pod = space.known(name);
    pod.wait_for("condition=Ready");
    pod
}

#[test]
fn a_change_restarts_only_what_it_changes() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "change");
    let log = space.path("log");
    let spec = |value: &str| {
        json!({
            "initContainers": [sh("init", &format!("echo init >>{log}")), with(sleeper("side"), &json!({ "restartPolicy": "Always" }))],
            "containers": [with(sleeper("a"), &json!({ "env": [{ "name": "V", "value": value }] })), sleeper("b")],
        })
    };
    let pod = placed(&space, "p", &spec("one"));
    let uid = pod.json()["metadata"]["uid"].clone();
    let other = placed(&space, "q", &json!({ "containers": [sleeper("c")] }));
    let (kept, a) = (lives(&pod, &["side", "b"]), pod.life("a"));
    let others = other.life("c");
    put(
        &host,
        "change-p.json",
        &space.manifest("p", &spec("two")).to_string(),
    );
    pod.wait_until("the new spec runs", |pod| {
        let environ = host.machine.sh(&format!(
            "tr '\\0' '\\n' </proc/{}/environ | grep -x V=two",
            pod.pid("a")
        ));
        environ.code == 0
    });
    pod.wait_for("condition=Ready");
    assert_ne!(pod.life("a"), a);
    assert_eq!(lives(&pod, &["side", "b"]), kept);
    assert_eq!(other.life("c"), others);
    assert_eq!(
        space.lines("log"),
        ["init"],
        "init containers do not run again"
    );
    assert_eq!(pod.json()["metadata"]["uid"], uid, "it is the same pod");
    assert_eq!(
        pod.json()["spec"]["containers"][0]["env"][0]["value"],
        "two"
    );
    take_all(&space);
}

fn take_all(space: &Space) {
    space
        .host
        .ok(&format!("rm /etc/vks/pods.d/{}-*", space.name));
    space.host.wait(&format!(
        "! ls /etc/systemd/system.attached | grep -q 'vks[.-]{}[.-]'",
        space.name
    ));
}

#[test]
fn labels_and_order_in_the_file_restart_nothing() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "labels");
    let spec = json!({ "containers": [sleeper("a"), sleeper("b")] });
    let pod = placed(&space, "p", &spec);
    let kept = lives(&pod, &["a", "b"]);
    let mut manifest = space.manifest("p", &json!({ "containers": [sleeper("b"), sleeper("a")] }));
    manifest["metadata"]["labels"] = json!({ "app": "new" });
    put(
        &host,
        "labels-p.json",
        &serde_json::to_string_pretty(&manifest).unwrap(),
    );
    host.wait("test \"$(vks get pods -n labels -l app=new -o name)\" = pod/p");
    assert_eq!(lives(&pod, &["a", "b"]), kept);
    take_all(&space);
}

#[test]
fn containers_come_and_go() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "comego");
    let pod = placed(
        &space,
        "p",
        &json!({ "containers": [
        { "name": "a", "image": "host:sleep", "args": ["1d"] }, { "name": "old", "image": "host:sh", "args": ["-c", "exec sleep 1d"] },
    ] }),
    );
    let a = pod.life("a");
    let old = pod.pid("old");
    put(&host, "comego-p.json", &space.manifest("p", &json!({ "containers": [
        { "name": "a", "image": "host:sleep", "args": ["1d"] }, { "name": "new", "image": "host:python3", "args": ["-c", "import signal; signal.pause()"] },
    ] })).to_string());
    host.wait(&format!("! test -e /proc/{old}"));
    host.wait("ls /etc/systemd/system.attached | grep -q comego.*python3");
    pod.wait_for("condition=Ready");
    pod.life("new");
    assert_eq!(pod.life("a"), a);
    assert_eq!(
        host.ok("ls /etc/systemd/system.attached | grep -c 'vks.comego.*sh.service' || true"),
        "0\n"
    );
    take_all(&space);
}

#[test]
fn a_broken_edit_keeps_what_runs_and_says_so() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "broken");
    let good = space.manifest("p", &json!({ "containers": [sleeper("c")] }));
    let pod = placed(&space, "p", &json!({ "containers": [sleeper("c")] }));
    let life = pod.life("c");
    let mut wrong = good.clone();
    wrong["spec"]["containers"][0]["wrong"] = json!(1);
    let breaks = [
        ("field", serde_json::to_string_pretty(&wrong).unwrap()),
        ("syntax", "{ \"kind\": ".to_owned()),
        ("empty", String::new()),
    ];
    for (what, text) in breaks {
        put(&host, "broken-p.json", &text);
        host.wait("vks get pods -n broken 2>&1 >/dev/null | grep -q broken-p.json");
        let get = host.vks(&["get", "pods", "-n", "broken"]);
        assert_eq!(get.code, 0, "{what}");
        assert!(get.stdout.contains("Running"), "{what}: {}", get.stdout);
        let verify = host.vks(&["verify"]);
        assert_eq!(verify.code, 1, "{what}");
        assert!(
            (verify.stdout + &verify.stderr).contains("/etc/vks/pods.d/broken-p.json"),
            "{what}"
        );
        host.wait("journalctl -u vks.service -o cat | grep -q broken-p.json");
        space.ready("after", &json!({ "containers": [sleeper(what)] }));
        assert_eq!(pod.life("c"), life, "{what}");
        put(&host, "broken-p.json", &good.to_string());
        host.wait("! vks get pods -n broken 2>&1 >/dev/null | grep -q broken-p.json");
        assert_eq!(pod.life("c"), life, "mended: {what}");
    }
    // With its line, where there is one.
    put(
        &host,
        "broken-p.json",
        &serde_json::to_string_pretty(&wrong).unwrap(),
    );
    host.wait("vks get pods -n broken 2>&1 >/dev/null | grep -Eq 'broken-p.json:[0-9]+: .*wrong'");
    host.wait("journalctl -u vks.service -o cat | grep -Eq 'broken-p.json:[0-9]+: .*wrong'");
    take(&host, "broken-p.json", "broken-none");
    host.wait("! vks get pod p -n broken");
}

#[test]
fn a_removed_file_stops_its_pods_with_their_grace() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "removed");
    let log = space.path("log");
    let script = format!(
        "trap 'echo term >>{log}; sleep 1; echo done >>{log}; exit 0' TERM; while :; do sleep 1d & wait $!; done"
    );
    let pod = placed(
        &space,
        "p",
        &json!({ "hostNetwork": false, "containers": [sh("c", &script)] }),
    );
    let uid = pod.json()["metadata"]["uid"].as_str().unwrap().to_owned();
    take(&host, "removed-p.json", "removed");
    assert_eq!(space.lines("log"), ["term", "done"]);
    host.wait(&format!(
        "! ls -d /var/lib/vks/pods/{uid} /run/vks/pods/{uid} /run/netns/vks-{uid}"
    ));
    assert_eq!(host.vks(&["get", "pod", "p", "-n", "removed"]).code, 1);
}

/// A change of what the sandbox makes, or of an init container, is a new life of the whole pod.
#[test]
fn a_changed_init_container_runs_before_all_anew() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "initedit");
    let log = space.path("log");
    let spec = |word: &str| {
        json!({
            "initContainers": [sh("init", &format!("echo init {word} >>{log}"))],
            "containers": [sh("c", &format!("echo main >>{log}; exec sleep 1d"))],
        })
    };
    let pod = placed(&space, "p", &spec("one"));
    space.wait_lines("log", 2);
    let before = pod.invocation("c");
    put(
        &host,
        "initedit-p.json",
        &space.manifest("p", &spec("two")).to_string(),
    );
    assert_eq!(
        space.wait_lines("log", 4),
        ["init one", "main", "init two", "main"]
    );
    pod.wait_for("condition=Ready");
    assert_ne!(pod.invocation("c"), before);
    take_all(&space);
}

/// A config map that is used in the environment: what runs keeps its values, as with Kubernetes.
#[test]
fn a_changed_config_map_in_the_environment_restarts_nothing() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "envedit");
    space.apply_ok(
        "m",
        &[space.object("ConfigMap", "m", &json!({ "k": "one" }))],
    );
    let pod = space.ready("p", &json!({ "containers": [with(sleeper("c"), &json!({ "envFrom": [{ "configMapRef": { "name": "m" } }] }))] }));
    let life = pod.life("c");
    space.apply_ok(
        "m",
        &[space.object("ConfigMap", "m", &json!({ "k": "two" }))],
    );
    space.ready("after", &json!({ "containers": [sleeper("c")] }));
    assert_eq!(pod.life("c"), life);
    host.vks_ok(&["restart", "pod", "p", "-n", "envedit"]);
    pod.wait_until("it runs anew", |pod| {
        pod.pid("c") != "0" && pod.life("c") != life
    });
    let words = host.words(&format!("/proc/{}/environ", pod.pid("c")));
    assert!(words.iter().any(|word| word == "k=two"), "{words:?}");
}
