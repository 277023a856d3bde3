//! Volumes of files: downwardAPI and projected volumes, keys at chosen paths with chosen modes, and objects that do not
//! change.

use super::host::shared;
use super::space::{Pod, Space, sleeper, with};
use serde_json::{Value, json};

/// Runs something in the mount namespace of a container.
fn inside(pod: &Pod, container: &str, script: &str) -> super::lab::Output {
    let pid = pod.pid(container);
    pod.host()
        .machine
        .exec(&["nsenter", "-t", &pid, "-m", "/bin/sh", "-c", script])
}

fn mounted(container: Value, path: &str) -> Value {
    with(
        container,
        &json!({ "volumeMounts": [{ "name": "v", "mountPath": path }] }),
    )
}

/// A pod with labels and annotations.
fn labelled(space: &Space, name: &str, labels: &Value, spec: &Value) -> Value {
    let mut manifest = space.manifest(name, spec);
    manifest["metadata"]["labels"] = labels.clone();
    manifest["metadata"]["annotations"] = json!({ "note": "two\nlines" });
    manifest
}

#[test]
fn facts_are_files_and_followed_live() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "downward");
    let at = space.path("in");
    let resources = json!({ "resources": { "requests": { "cpu": "250m", "memory": "32Mi" }, "limits": { "memory": "100Mi" } } });
    let spec = json!({
        "volumes": [{ "name": "v", "downwardAPI": { "defaultMode": 0o640, "items": [
            { "path": "name", "fieldRef": { "fieldPath": "metadata.name" } },
            { "path": "meta/labels", "fieldRef": { "fieldPath": "metadata.labels" }, "mode": 0o444 },
            { "path": "meta/app", "fieldRef": { "fieldPath": "metadata.labels['app']" } },
            { "path": "note", "fieldRef": { "fieldPath": "metadata.annotations" } },
            { "path": "uid", "fieldRef": { "fieldPath": "metadata.uid" } },
            { "path": "cpu", "resourceFieldRef": { "containerName": "c", "resource": "requests.cpu", "divisor": "1m" } },
            { "path": "cores", "resourceFieldRef": { "containerName": "c", "resource": "limits.cpu" } },
            { "path": "memory", "resourceFieldRef": { "containerName": "c", "resource": "limits.memory", "divisor": "1Mi" } },
        ] } }],
        "containers": [with(mounted(sleeper("c"), &at), &resources)],
    });
    let labels = json!({ "app": "web", "tier": "one" });
    space.apply_ok("facts", &[labelled(&space, "facts", &labels, &spec)]);
    let pod = space.known("facts");
    pod.wait_for("condition=Ready");
    let cat = |file: &str| inside(&pod, "c", &format!("cat {at}/{file}")).stdout;
    assert_eq!(cat("name"), "facts");
    assert_eq!(cat("meta/labels"), "app=\"web\"\ntier=\"one\"");
    assert_eq!(cat("meta/app"), "web");
    assert_eq!(cat("note"), "note=\"two\\nlines\"");
    assert_eq!(
        Some(cat("uid").as_str()),
        pod.json()["metadata"]["uid"].as_str()
    );
    assert_eq!((cat("cpu"), cat("memory")), ("250".into(), "100".into()));
    assert_eq!(
        cat("cores"),
        host.ok("nproc").trim(),
        "without a limit, the host's"
    );
    assert_eq!(
        inside(
            &pod,
            "c",
            &format!("stat -L -c %a {at}/name {at}/meta/labels")
        )
        .stdout,
        "640\n444\n"
    );
    assert_ne!(inside(&pod, "c", &format!("echo x >{at}/name")).code, 0);

    // New labels arrive without a restart, all at once.
    let life = pod.life("c");
    let labels = json!({ "app": "web2" });
    space.apply_ok("facts", &[labelled(&space, "facts", &labels, &spec)]);
    host.wait(&format!(
        "grep -q web2 /proc/{}/root{at}/meta/app",
        pod.pid("c")
    ));
    assert_eq!(cat("meta/labels"), "app=\"web2\"");
    assert_eq!(pod.life("c"), life);
}

#[test]
fn a_projection_joins_its_sources_and_is_followed_live() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "projected");
    let at = space.path("in");
    let map = |value: &str| space.object("ConfigMap", "m", &json!({ "one": value, "two": "2" }));
    space.apply_ok("map", &[map("1")]);
    space.apply_ok(
        "secret",
        &[space.object("Secret", "s", &json!({ "key": "hidden" }))],
    );
    let spec = json!({
        "volumes": [{ "name": "v", "projected": { "defaultMode": 0o600, "sources": [
            { "configMap": { "name": "m", "items": [{ "key": "one", "path": "map/one" }] } },
            { "secret": { "name": "s", "items": [{ "key": "key", "path": "secret/key", "mode": 0o400 }] } },
            { "downwardAPI": { "items": [{ "path": "name", "fieldRef": { "fieldPath": "metadata.name" } }] } },
            { "configMap": { "name": "none", "optional": true } },
        ] } }],
        "containers": [mounted(sleeper("c"), &at)],
    });
    let pod = space.ready("p", &spec);
    let files = format!(
        "cd {at} && cat map/one secret/key name && stat -L -c %a map/one secret/key name && stat -f -c %T ."
    );
    assert_eq!(
        inside(&pod, "c", &files).stdout,
        "1hiddenp600\n400\n600\ntmpfs\n",
        "with a secret in it, all is in memory"
    );
    assert_eq!(
        inside(&pod, "c", &format!("ls {at}")).stdout,
        "map\nname\nsecret\n",
        "only the keys that were named"
    );
    let life = pod.life("c");
    space.apply_ok("map", &[map("changed")]);
    host.wait(&format!(
        "grep -q changed /proc/{}/root{at}/map/one",
        pod.pid("c")
    ));
    assert_eq!(pod.life("c"), life);
}

#[test]
fn an_api_token_is_refused_by_name() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "notoken");
    let spec = json!({
        "volumes": [{ "name": "v", "projected": { "sources": [{ "serviceAccountToken": { "path": "token" } }] } }],
        "containers": [mounted(sleeper("c"), "/t/notoken/in")],
    });
    let words = space.refused(&space.manifest("t", &spec));
    assert!(
        words.contains("sources[0].serviceAccountToken") && words.contains("API server"),
        "{words}"
    );
}

#[test]
fn keys_at_chosen_paths_with_chosen_modes() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "items");
    let at = space.path("in");
    space.apply_ok(
        "map",
        &[space.object("ConfigMap", "m", &json!({ "a": "A", "b": "B", "c": "C" }))],
    );
    let spec = |items: &Value| {
        json!({
            "volumes": [{ "name": "v", "configMap": { "name": "m", "defaultMode": 0o700, "items": items } }],
            "containers": [mounted(sleeper("c"), &at)],
        })
    };
    let pod = space.ready(
        "k",
        &spec(&json!([{ "key": "a", "path": "deep/er/x" }, { "key": "b", "path": "y", "mode": 0o440 }])),
    );
    assert_eq!(
        inside(
            &pod,
            "c",
            &format!("cd {at} && ls && cat deep/er/x y && stat -L -c %a deep/er/x y")
        )
        .stdout,
        "deep\ny\nAB700\n440\n"
    );
    // A key that is not there holds the pod, and says which.
    let held = space.pod("held", &spec(&json!([{ "key": "nope", "path": "x" }])));
    held.wait_until("it says which key", |pod| {
        let message = pod.container("c")["state"]["waiting"]["message"].clone();
        message.as_str().is_some_and(|text| text.contains("nope"))
    });
}

#[test]
fn an_immutable_object_is_not_followed() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "immutable");
    let map = |value: &str| {
        let mut map = space.object("ConfigMap", "m", &json!({ "key": value }));
        map["immutable"] = json!(true);
        map
    };
    space.apply_ok(
        "map",
        &[
            map("first"),
            space.object("ConfigMap", "live", &json!({ "key": "first" })),
        ],
    );
    let volumes = json!([{ "name": "v", "configMap": { "name": "m" } }, { "name": "live", "configMap": { "name": "live" } }]);
    let container = |name: &str| {
        with(
            sleeper(name),
            &json!({ "volumeMounts": [
            { "name": "v", "mountPath": "/t/immutable/in" }, { "name": "live", "mountPath": "/t/immutable/live" },
        ] }),
        )
    };
    let pod = space.ready(
        "old",
        &json!({ "volumes": volumes, "containers": [container("c")] }),
    );
    // Made anew with other data, as one has to. A map that is followed says when the agent has seen it.
    space.apply_ok(
        "map",
        &[
            map("second"),
            space.object("ConfigMap", "live", &json!({ "key": "second" })),
        ],
    );
    let pid = pod.pid("c");
    host.wait(&format!(
        "grep -q second /proc/{pid}/root/t/immutable/live/key"
    ));
    assert_eq!(inside(&pod, "c", "cat /t/immutable/in/key").stdout, "first");
    let new = space.ready(
        "new",
        &json!({ "volumes": volumes, "containers": [container("c")] }),
    );
    assert_eq!(
        inside(&new, "c", "cat /t/immutable/in/key").stdout,
        "second"
    );
}
