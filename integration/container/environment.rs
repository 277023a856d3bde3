//! The environment of a container, compared byte for byte in /proc/PID/environ.

use super::host::{Host, shared};
use super::space::{Pod, Space, sleeper, with};
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn environ(host: &Host, pod: &Pod, container: &str) -> BTreeMap<String, String> {
    let words = host.words(&format!("/proc/{}/environ", pod.pid(container)));
    words
        .into_iter()
        .map(|word| {
            word.split_once('=')
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .unwrap()
        })
        .collect()
}

fn check(got: &BTreeMap<String, String>, wanted: &[(&str, &str)]) {
    for (name, value) in wanted {
        assert_eq!(got.get(*name).map(String::as_str), Some(*value), "{name}");
    }
}

const ODD: [(&str, &str); 16] = [
    ("EMPTY", ""),
    ("SPACES", "  two  words  "),
    ("QUOTES", "\"double\" and 'single'"),
    ("BACKSLASH", "a\\b\\\\c\\"),
    ("PERCENT", "%n %% 100%"),
    ("DOLLAR", "$HOME ${HOME} $"),
    ("LINES", "one\ntwo\n\nfour\n"),
    ("CARRIAGE", "a\r\nb"),
    ("TAB", "\ta\t"),
    ("COMMENT", "#; not a comment"),
    ("CONTINUED", "line\\\nnext"),
    ("UNICODE", "grüße \u{1f980} \u{feff}"),
    ("EQUALS", "a=b=c"),
    ("BACKTICK", "`id` $(id)"),
    ("JSON", "{\"a\": [\"b\\n\", 'c']}"),
    ("_lower_1", "x"),
];

#[test]
fn values_in_the_manifest_arrive_byte_for_byte() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "envtext");
    let env: Vec<Value> = ODD
        .iter()
        .map(|(name, value)| json!({ "name": name, "value": value }))
        .collect();
    let pod = space.ready(
        "text",
        &json!({ "containers": [with(sleeper("c"), &json!({ "env": env }))] }),
    );
    check(&environ(&host, &pod, "c"), &ODD);
}

#[test]
fn values_of_config_maps_and_secrets_arrive_byte_for_byte() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "envrefs");
    let data: Value = ODD
        .iter()
        .map(|(name, value)| ((*name).to_owned(), json!(value)))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let from = |key: &str, object: &str| -> Vec<Value> {
        ODD.iter()
            .map(|(name, _)| json!({ "name": name, "valueFrom": { key: { "name": object, "key": name } } }))
            .collect()
    };
    let spec = json!({ "containers": [
        with(sleeper("map"), &json!({ "env": from("configMapKeyRef", "odd") })),
        with(sleeper("secret"), &json!({ "env": from("secretKeyRef", "hidden") })),
        with(sleeper("whole"), &json!({ "envFrom": [
            { "configMapRef": { "name": "odd" } }, { "prefix": "S_", "secretRef": { "name": "hidden" } },
        ] })),
    ] });
    space.apply_ok(
        "objects",
        &[
            space.object("ConfigMap", "odd", &data),
            space.object("Secret", "hidden", &data),
        ],
    );
    let pod = space.ready("refs", &spec);
    check(&environ(&host, &pod, "map"), &ODD);
    check(&environ(&host, &pod, "secret"), &ODD);
    let whole = environ(&host, &pod, "whole");
    check(&whole, &ODD);
    let prefixed: Vec<(String, &str)> = ODD
        .iter()
        .map(|(name, value)| (format!("S_{name}"), *value))
        .collect();
    for (name, value) in &prefixed {
        assert_eq!(whole.get(name).map(String::as_str), Some(*value), "{name}");
    }
}

#[test]
fn later_variables_win_and_see_earlier_ones() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "envorder");
    space.apply_ok(
        "objects",
        &[
            space.object(
                "ConfigMap",
                "first",
                &json!({ "A": "first", "B": "first", "not-a-variable": "x" }),
            ),
            space.object(
                "ConfigMap",
                "second",
                &json!({ "B": "second", "C": "second" }),
            ),
        ],
    );
    let pod = space.ready("order", &json!({ "containers": [with(sleeper("c"), &json!({
        "envFrom": [
            { "configMapRef": { "name": "first" } },
            { "configMapRef": { "name": "second" } },
            { "configMapRef": { "name": "absent", "optional": true } },
            { "prefix": "P_", "configMapRef": { "name": "first" } },
        ],
        "env": [
            { "name": "C", "value": "own" },
            { "name": "D", "value": "$(A)-$(B)-$(C)-$(LATER)-$$(A)" },
            { "name": "LATER", "value": "x" },
            { "name": "C", "value": "again $(C)" },
            { "name": "MISSING", "valueFrom": { "configMapKeyRef": { "name": "first", "key": "zzz", "optional": true } } },
        ],
    }))] }));
    let got = environ(&host, &pod, "c");
    check(
        &got,
        &[
            ("A", "first"),
            ("B", "second"),
            ("C", "again own"),
            ("D", "first-second-own-$(LATER)-$(A)"),
            ("P_A", "first"),
        ],
    );
    assert!(
        !got.contains_key("MISSING") && !got.contains_key("not-a-variable"),
        "{got:?}"
    );
}

#[test]
fn fields_of_the_pod() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "envfields");
    let fields = [
        ("NAME", "metadata.name"),
        ("NAMESPACE", "metadata.namespace"),
        ("UID_OF_POD", "metadata.uid"),
        ("LABEL", "metadata.labels['app']"),
        ("NOTE", "metadata.annotations['example.org/note']"),
        ("NODE", "spec.nodeName"),
        ("ACCOUNT", "spec.serviceAccountName"),
    ];
    let env: Vec<Value> = fields
        .iter()
        .map(|(name, path)| json!({ "name": name, "valueFrom": { "fieldRef": { "fieldPath": path } } }))
        .collect();
    let mut manifest = space.manifest(
        "fields",
        &json!({ "containers": [with(sleeper("c"), &json!({ "env": env }))] }),
    );
    manifest["metadata"]["labels"] = json!({ "app": "shown" });
    manifest["metadata"]["annotations"] = json!({ "example.org/note": "50% of \"it\"" });
    space.apply_ok("fields", &[manifest]);
    let pod = space.known("fields");
    pod.wait_for("condition=Ready");
    let uid = pod.json()["metadata"]["uid"].as_str().unwrap().to_owned();
    let node = host.ok("hostname").trim_end().to_owned();
    check(
        &environ(&host, &pod, "c"),
        &[
            ("NAME", "fields"),
            ("NAMESPACE", "envfields"),
            ("UID_OF_POD", &uid),
            ("LABEL", "shown"),
            ("NOTE", "50% of \"it\""),
            ("NODE", &node),
            ("ACCOUNT", "default"),
        ],
    );
}

/// The pod says what it lacks, starts as soon as it is there, and does not stop when it is taken away.
#[test]
fn a_missing_object_holds_the_pod_until_it_is_there() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "envwait");
    let pod = space.pod(
        "waits",
        &json!({ "containers": [with(sleeper("c"), &json!({
        "env": [{ "name": "V", "valueFrom": { "secretKeyRef": { "name": "late", "key": "v" } } }],
    }))] }),
    );
    pod.wait_until("it says what it lacks", |pod| {
        let waiting = &pod.container("c")["state"]["waiting"];
        waiting["reason"] == "CreateContainerConfigError"
            && waiting["message"]
                .as_str()
                .is_some_and(|m| m.contains("late"))
    });
    assert_eq!(pod.phase(), "Pending");
    space.apply_ok(
        "late",
        &[space.object("Secret", "late", &json!({ "v": "here" }))],
    );
    pod.wait_for("condition=Ready");
    check(&environ(&host, &pod, "c"), &[("V", "here")]);
    let life = pod.life("c");
    host.vks_ok(&["delete", "-f", &space.path("late.json")]);
    host.wait("test -z \"$(ls /var/lib/vks/manifests | grep late)\"");
    // Whatever the agent does about it, it has done when it has seen to what came after.
    space.ready("after", &json!({ "containers": [sleeper("c")] }));
    assert_eq!(pod.life("c"), life, "absence is no reason to stop");
}
