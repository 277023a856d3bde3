//! The status of a pod in each situation that people meet, field by field, as the API server has it: compared with the
//! references in `statuses/`. `VKS_BLESS=1` writes them anew; each was read against the kubelet's rules.

use super::lab::repository;
use super::node::{LONG, Node, pod, shared};
use serde_json::{Value, json};

/// What is another one in each run, as a word.
fn plain(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields.iter_mut() {
                match key.as_str() {
                    "containerID" if value.as_str().is_some_and(|id| !id.is_empty()) => {
                        assert!(value.as_str().unwrap().starts_with("systemd://"), "{value}");
                        *value = json!("ID");
                    }
                    _ => plain(value),
                }
            }
        }
        Value::Array(items) => {
            items.iter_mut().for_each(plain);
            // A server merges conditions in an order of its own.
            items.sort_by_key(|item| item["type"].as_str().unwrap_or_default().to_owned());
        }
        Value::String(text) => {
            let time = text.len() == 20 && text.ends_with('Z') && text.as_bytes()[10] == b'T';
            if time {
                *text = "TIME".to_owned();
            }
        }
        _ => {}
    }
}

/// Compares the status of a pod, once it says what is waited for.
#[expect(
    clippy::disallowed_methods,
    reason = "a file of the repository, by the hand of who changes it"
)]
fn situation(node: &Node, name: &str, manifest: &str, path: &str, wanted: &str) {
    node.plane.apply(manifest);
    node.wait(&["pod", name], path, wanted);
    let shown = |text: &str| {
        let object: Value = serde_json::from_str(text).unwrap();
        let mut status = object["status"].clone();
        plain(&mut status);
        serde_json::to_string_pretty(&status).unwrap() + "\n"
    };
    let args = ["get", "pod", name, "-o", "json"];
    let file = repository().join(format!("integration/cluster/statuses/{name}.json"));
    if std::env::var_os("VKS_BLESS").is_some() {
        std::fs::write(&file, shown(&node.plane.kubectl_ok(&args))).unwrap();
    }
    let reference = std::fs::read_to_string(&file).unwrap_or_default();
    // What is waited for may be told before the rest.
    node.plane
        .wait_for(&format!("as in {}", file.display()), LONG, &args, |text| {
            shown(text) == reference
        });
}

const WAITING: &str = "{.status.containerStatuses[0].state.waiting.reason}";
const ENDED: &str = "{.status.containerStatuses[0].state.terminated.reason}";

fn once(manifest: &str) -> String {
    manifest.replace("  hostNetwork", "  restartPolicy: Never\n  hostNetwork")
}

#[test]
fn pods_that_have_not_begun() {
    let Some(node) = shared() else { return };
    let manifest = pod("s-config", "exec sleep 3600").replace(
        "args:",
        "envFrom: [{configMapRef: {name: not-there}}], args:",
    );
    situation(
        &node,
        "s-config",
        &manifest,
        WAITING,
        "CreateContainerConfigError",
    );
    let manifest = pod("s-image", "exit 0").replace(
        "image: 'host:/bin/sh'",
        "image: 'oci:example.com/none:1', imagePullPolicy: Never",
    );
    situation(&node, "s-image", &manifest, WAITING, "ErrImageNeverPull");
    let first =
        "  initContainers:\n  - {name: first, image: 'host:sleep', args: ['3600']}\n  containers:";
    let manifest = pod("s-init", "exec sleep 3600").replace("  containers:", first);
    let running = "{.status.initContainerStatuses[0].started}";
    situation(&node, "s-init", &manifest, running, "true");
}

#[test]
fn pods_that_run() {
    let Some(node) = shared() else { return };
    let ready = "{.status.containerStatuses[0].ready}";
    situation(
        &node,
        "s-running",
        &pod("s-running", "exec sleep 3600"),
        ready,
        "true",
    );
    let manifest = pod("s-unready", "exec sleep 3600").replace(
        "args:",
        "readinessProbe: {exec: {command: [/bin/false]}}, args:",
    );
    let started = "{.status.containerStatuses[0].started}";
    situation(&node, "s-unready", &manifest, started, "true");
}

#[test]
fn pods_that_have_ended() {
    let Some(node) = shared() else { return };
    situation(
        &node,
        "s-completed",
        &once(&pod("s-completed", "exit 0")),
        ENDED,
        "Completed",
    );
    situation(
        &node,
        "s-error",
        &once(&pod("s-error", "exit 3")),
        ENDED,
        "Error",
    );
    // Long enough for the container to have begun on a busy machine: without a run there is none that could have ended.
    let deadline = once(&pod("s-deadline", "exec sleep 3600"))
        .replace("  hostNetwork", "  activeDeadlineSeconds: 8\n  hostNetwork");
    situation(&node, "s-deadline", &deadline, ENDED, "Error");
}
