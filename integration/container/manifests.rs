//! Manifests in their formats, and what is said of wrong ones.

use super::host::{Host, own, shared};
use super::space::{Space, sleeper};
use serde_json::json;

/// Puts a file into the directory of manifests.
pub fn put(host: &Host, name: &str, text: &str) {
    host.machine
        .write(&format!("/etc/vks/pods.d/{name}"), text, "0644");
}

/// Removes it, and waits until its pods are gone.
pub fn take(host: &Host, name: &str, namespace: &str) {
    host.ok(&format!("rm /etc/vks/pods.d/{name}"));
    host.wait(&format!(
        "! ls /etc/systemd/system.attached | grep -q 'vks[.-]{namespace}[.-]'"
    ));
}

const TOML: &str = r#"
[metadata]
name = "t"
namespace = "formats"
[spec]
hostNetwork = true
[[spec.containers]]
name = "c"
image = "host:/bin/sleep"
args = ["1d", "1s"]
env = [{ name = "ODD", value = "a\n\"b\" %n" }]
"#;

const YAML: &str = r#"
apiVersion: v1
kind: Pod
metadata: { name: y, namespace: formats }
spec:
  hostNetwork: true
  containers:
  - name: c
    image: host:/bin/sleep
    args: [1d, "1s"]
    env:
    - name: ODD
      value: "a\n\"b\" %n"
"#;

const JSON: &str = r#"{ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "j", "namespace": "formats" },
"spec": { "hostNetwork": true, "containers": [{ "name": "c", "image": "host:/bin/sleep", "args": ["1d", "1s"],
"env": [{ "name": "ODD", "value": "a\n\"b\" %n" }] }] } }"#;

#[test]
fn a_pod_is_the_same_in_each_format() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "formats");
    let files = [("f.toml", TOML), ("f.yaml", YAML), ("f.json", JSON)];
    for (name, text) in files {
        put(&host, name, text);
    }
    let seen = ["t", "y", "j"].map(|name| {
        let pod = space.known(name);
        host.vks_ok(&[
            "wait",
            &format!("pod/{name}"),
            "-n",
            "formats",
            "--for=create",
            "--timeout=60s",
        ]);
        pod.wait_for("condition=Ready");
        let pid = pod.pid("c");
        let mut environ = host.words(&format!("/proc/{pid}/environ"));
        // What systemd adds for each unit.
        environ.retain(|word| word.starts_with("ODD="));
        (host.words(&format!("/proc/{pid}/cmdline")), environ)
    });
    assert_eq!(seen[0].0, ["/bin/sleep", "1d", "1s"]);
    assert_eq!(seen[0].1, ["ODD=a\n\"b\" %n"]);
    assert!(seen.iter().all(|other| *other == seen[0]), "{seen:?}");
    // Specs differ in nothing either.
    let spec = |name: &str| host.get("formats", name)["spec"].clone();
    assert_eq!((spec("t"), spec("y")), (spec("j"), spec("j")));
    host.ok("rm /etc/vks/pods.d/f.toml /etc/vks/pods.d/f.yaml /etc/vks/pods.d/f.json");
    host.wait("! ls /etc/systemd/system.attached | grep -q formats");
}

const MANY: &str = r#"
apiVersion: v1
kind: ConfigMap
metadata: { name: m, namespace: many }
data: { key: from the map }
---
apiVersion: v1
kind: Secret
metadata: { name: s, namespace: many }
data: { key: aGlkZGVu }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: d, namespace: many }
spec:
  replicas: 2
  selector: { matchLabels: { app: d } }
  template:
    metadata: { labels: { app: d } }
    spec:
      hostNetwork: true
      containers:
      - name: c
        image: host:/bin/sleep
        args: [1d]
        env:
        - { name: M, valueFrom: { configMapKeyRef: { name: m, key: key } } }
        - { name: S, valueFrom: { secretKeyRef: { name: s, key: key } } }
"#;

const MORE: &str = r#"
[[items]]
metadata = { name = "one", namespace = "many" }
spec = { hostNetwork = true, containers = [{ name = "c", image = "host:sleep", args = ["1d"] }] }
[[items]]
metadata = { name = "two", namespace = "many" }
spec = { hostNetwork = true, containers = [{ name = "c", image = "host:sleep", args = ["1d"] }] }
"#;

#[test]
fn one_file_may_hold_many_objects() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "many");
    put(&host, "many.yaml", MANY);
    put(&host, "more.toml", MORE);
    host.wait("test $(vks get pods -n many -o name | wc -l) = 4");
    let all: &'static str = host
        .vks_ok(&["get", "pods", "-n", "many", "-o", "name"])
        .leak();
    let names: Vec<&str> = all
        .lines()
        .filter_map(|line| line.strip_prefix("pod/"))
        .collect();
    let [first, second, one, two] = names[..] else {
        panic!("{names:?}")
    };
    assert_eq!((one, two), ("one", "two"));
    for name in names {
        space.known(name).wait_for("condition=Ready");
    }
    let words = host.words(&format!("/proc/{}/environ", space.known(second).pid("c")));
    for wanted in ["M=from the map", "S=hidden"] {
        assert!(
            words.iter().any(|word| word == wanted),
            "{wanted} is not in {words:?}"
        );
    }
    assert_eq!(
        host.vks_ok(&["get", "pods", "-n", "many", "-l", "app=d", "-o", "name"]),
        format!("pod/{first}\npod/{second}\n")
    );
    // Fewer replicas: only the last one goes.
    let life = space.known(first).life("c");
    put(
        &host,
        "many.yaml",
        &MANY.replace("replicas: 2", "replicas: 1"),
    );
    host.wait(&format!("! vks get pod {second} -n many"));
    assert_eq!(space.known(first).life("c"), life);
    host.ok("rm /etc/vks/pods.d/many.yaml");
    take(&host, "more.toml", "many");
}

/// Each problem with its file and line, all of them at once, and what is right is not complained about.
#[test]
fn verify_says_everything_at_once() {
    let Some(host) = shared() else { return };
    host.ok("mkdir -p /t/verify");
    let files = [
        (
            "a.yaml",
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\nspec:\n  hostNetwork: true\n  containers:\n  - name: c\n    \
                    image: host:/bin/true\n    imagee: x\n    args: [1]\n  restartPolicy: Sometimes\n",
        ),
        (
            "b.toml",
            "[metadata]\nname = \"b\"\n[spec]\nruntimeClassName = \"X\"\n[[spec.containers]]\nname = \"C\"\nimage = \"deb:X\"\n",
        ),
        ("c.json", "{ \"kind\": \"Pod\",\n  \"apiVersion\": }\n"),
        (
            "d.yaml",
            "apiVersion: v1\nkind: Pod\nmetadata: { name: fine }\nspec: { containers: [{ name: c, image: \"host:true\" }] }\n",
        ),
    ];
    for (name, text) in files {
        host.machine
            .write(&format!("/t/verify/{name}"), text, "0644");
    }
    let out = host.vks(&["verify", "/t/verify"]);
    assert_eq!(out.code, 1, "{}{}", out.stdout, out.stderr);
    let all = out.stdout + &out.stderr;
    for (place, word) in [
        ("a.yaml:10", "imagee"),
        ("a.yaml:11", "args"),
        ("a.yaml:12", "restartPolicy"),
        ("b.toml:4", "runtimeClassName"),
        ("b.toml:6", "name"),
        ("b.toml:7", "image"),
        ("c.json:2", ""),
    ] {
        let found = all
            .lines()
            .any(|line| line.contains(&format!("{place}:")) && line.contains(word));
        assert!(found, "no line about {place} {word} in:\n{all}");
    }
    assert!(!all.contains("d.yaml"), "{all}");
    assert_eq!(host.vks(&["verify", "/t/verify/d.yaml"]).code, 0);
    assert_ne!(host.vks(&["verify", "/t/verify/none.yaml"]).code, 0);
}

/// A pod of two files is nobody's: it is said, and what runs is kept.
#[test]
fn two_files_for_one_pod() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "twice");
    let text = |seconds: &str| {
        YAML.replace("formats", "twice")
            .replace("name: y", "name: p")
            .replace("1d", seconds)
    };
    put(&host, "twice-a.yaml", &text("1000001s"));
    host.vks_ok(&[
        "wait",
        "pod/p",
        "-n",
        "twice",
        "--for=create",
        "--timeout=60s",
    ]);
    let pod = space.known("p");
    pod.wait_for("condition=Ready");
    let life = pod.life("c");
    put(&host, "twice-b.yaml", &text("1000002s"));
    host.wait("vks get pods -n twice 2>&1 | grep -q twice-b.yaml");
    assert_eq!(host.vks(&["verify"]).code, 1);
    space.ready("after", &json!({ "containers": [sleeper("c")] }));
    assert_eq!(pod.life("c"), life);
    host.ok("rm /etc/vks/pods.d/twice-b.yaml");
    host.wait("! vks get pods -n twice 2>&1 | grep -q twice-b.yaml");
    assert_eq!(pod.life("c"), life);
    host.ok("rm /etc/vks/pods.d/twice-a.yaml");
    host.wait("! vks get pod p -n twice");
}

/// A directory that cannot be read, or is away, is no reason to stop anything, not even for an agent that starts then.
#[test]
fn a_directory_that_is_away_stops_nothing() {
    let Some(host) = own("away") else { return };
    let space = Space::new(&host, "away");
    put(&host, "p.yaml", &YAML.replace("formats", "away"));
    host.vks_ok(&[
        "wait",
        "pod/y",
        "-n",
        "away",
        "--for=create",
        "--timeout=60s",
    ]);
    let pod = space.known("y");
    pod.wait_for("condition=Ready");
    let life = pod.life("c");
    let seen_to = |word: &'static str| {
        // What the agent does about the directory it has done when it has seen to what came after.
        let after = space.ready("after", &json!({ "containers": [sleeper(word)] }));
        assert_eq!(pod.life("c"), life, "after: {word}");
        after.delete();
        host.ok("systemctl restart vks.service");
        let after = space.ready("after", &json!({ "containers": [sleeper(word)] }));
        assert_eq!(pod.life("c"), life, "after a restart of the agent: {word}");
        after.delete();
        assert_eq!(pod.life("c"), life, "after a delete: {word}");
    };
    host.ok("mv /etc/vks/pods.d /etc/vks/pods.away");
    seen_to("moved");
    host.ok("ln -s pods.d /etc/vks/pods.d");
    seen_to("loop");
    let said = host.vks(&["get", "pods", "-n", "away"]);
    assert!(said.stderr.contains("/etc/vks/pods.d"), "{}", said.stderr);
    host.ok("rm /etc/vks/pods.d; touch /etc/vks/pods.d");
    seen_to("file");
    host.ok("rm /etc/vks/pods.d; mv /etc/vks/pods.away /etc/vks/pods.d");
    seen_to("back");
    // The file itself cannot be read.
    // In one step each time: a file that is gone for a moment is a removed file.
    host.ok("cp /etc/vks/pods.d/p.yaml /t/away/; ln -s nowhere /etc/vks/pods.d/.new; mv -T /etc/vks/pods.d/.new /etc/vks/pods.d/p.yaml");
    seen_to("dangling");
    host.ok("mv -T /t/away/p.yaml /etc/vks/pods.d/p.yaml");
    seen_to("file-back");
    // And now it is really taken away.
    take(&host, "p.yaml", "away");
}
