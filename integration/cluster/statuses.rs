//! The status of a pod in each situation that people meet, field by field, as the API server has it: compared with the
//! references in `statuses/`. `VKS_BLESS=1` writes them anew; each was read against the kubelet's rules.

use super::lab::{repository, state};
use super::node::{LONG, Node, pod, shared};
use serde_json::{Value, json};
use std::path::PathBuf;

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
            } else if let Some((before, uid)) = text.split_once("pod=") {
                // A back-off names the pod with its uid.
                let name = uid.split_once('(').map_or(uid, |(name, _)| name);
                *text = format!("{before}pod={name}(UID)");
            } else if let Some((before, _)) = text.split_once(" Threshold quantity: ") {
                *text = format!("{before} Threshold quantity: N, available: N. ");
            }
        }
        _ => {}
    }
}

/// Compares the status of a pod, once it says what is waited for.
fn situation(node: &Node, name: &str, manifest: &str, path: &str, wanted: &str) {
    node.plane.apply(manifest);
    node.wait(&["pod", name], path, wanted);
    compare(node, name, name);
}

/// The status of a pod as text that is the same in each run.
fn shown(text: &str) -> String {
    let object: Value = serde_json::from_str(text).unwrap();
    let mut status = object["status"].clone();
    plain(&mut status);
    serde_json::to_string_pretty(&status).unwrap() + "\n"
}

/// A reference, and its file; with `VKS_BLESS=1` it is written anew first.
#[expect(
    clippy::disallowed_methods,
    reason = "a file of the repository, by the hand of who changes it"
)]
fn recorded(name: &str, is: impl FnOnce() -> String) -> (PathBuf, String) {
    let file = repository().join(format!("integration/cluster/statuses/{name}.json"));
    if std::env::var_os("VKS_BLESS").is_some() {
        std::fs::write(&file, shown(&is())).unwrap();
    }
    let reference = std::fs::read_to_string(&file).unwrap_or_default();
    (file, reference)
}

/// Compares the status of a pod with a reference, which it may take a moment to reach.
pub fn compare(node: &Node, name: &str, reference: &str) {
    let args = ["get", "pod", name, "-o", "json"];
    let (file, reference) = recorded(reference, || node.plane.kubectl_ok(&args));
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
fn a_pod_that_is_restarted_again_and_again() {
    let Some(node) = shared() else { return };
    // The third time: seen for long enough, whatever else the machine does.
    let restarts = "{.status.containerStatuses[0].restartCount}";
    situation(&node, "s-crash", &pod("s-crash", "exit 7"), restarts, "3");
    node.plane
        .kubectl_ok(&["delete", "pod", "s-crash", "--now"]);
}

/// A pod is deleted while an init container of it runs. A finalizer keeps the object, so that its last status can be read.
#[test]
fn a_pod_that_is_deleted_while_it_starts() {
    let Some(node) = shared() else { return };
    let name = "s-deleted";
    let inits = "  initContainers:\n  - {name: first, image: 'host:/bin/sh', \
                 args: [-c, 'trap \"exit 9\" TERM; while :; do sleep 60 & wait; done']}\n  \
                 - {name: second, image: 'host:sleep', args: ['1']}\n  containers:";
    let manifest = pod(name, "exec sleep 3600")
        .replace("  containers:", inits)
        .replace(
            "{name: s-deleted}",
            "{name: s-deleted, finalizers: [example.com/kept]}",
        );
    node.plane.apply(&manifest);
    let running = "{.status.initContainerStatuses[0].started}";
    node.wait(&["pod", name], running, "true");
    node.plane
        .kubectl_ok(&["delete", "pod", name, "--wait=false"]);
    node.wait(&["pod", name], "{.status.phase}", "Failed");
    compare(&node, name, name);
    node.host
        .wait("! systemctl is-active -q 'vks.default.s\\x2ddeleted.sh.service'");
    let patch = "{\"metadata\":{\"finalizers\":null}}";
    node.plane.kubectl_ok(&["patch", "pod", name, "-p", patch]);
    node.gone(&["pod", name]);
}

/// Changes words of an object in the store of the API server, whose watch then tells of it.
pub const IN_STORE: &str = r#"
import os, subprocess, sys
etcdctl, key, *changes = sys.argv[1:]
os.environ["ETCDCTL_API"] = "3"
value = subprocess.run([etcdctl, "get", key, "--print-value-only"], capture_output=True, check=True).stdout[:-1]
for change in changes:
    old, new = change.encode().split(b"=")
    assert old in value and len(old) == len(new), (old, value)
    value = value.replace(old, new)
subprocess.run([etcdctl, "put", key], input=value, check=True)
"#;

/// A server of 1.20 takes no change of a pod's resources. What one of today would take is put into its store past it; from
/// there on all is real: the watch tells of it, and the node changes what runs.
#[test]
fn a_pod_whose_resources_change() {
    let Some(node) = shared() else { return };
    let name = "s-resize";
    let manifest = pod(name, "exec sleep 3600").replace(
        "args:",
        "resources: {limits: {cpu: 731m, memory: 97Mi}}, args:",
    );
    node.plane.apply(&manifest);
    let ready = "{.status.containerStatuses[0].ready}";
    node.wait(&["pod", name], ready, "true");
    let unit = "vks.default.s\\x2dresize.sh.service";
    let before = node.pid(unit);
    assert_eq!(node.host.property(unit, "CPUQuotaPerSecUSec"), "731ms");
    let etcdctl = state().join("plane/bin/etcdctl");
    let changes = ["731m=832m", "97Mi=98Mi"];
    let key = format!("/registry/pods/default/{name}");
    let args = ["python3", "-c", IN_STORE, etcdctl.to_str().unwrap(), &key];
    node.plane.ok("exec", &[&args[..], &changes].concat());
    node.host.wait(&format!(
        "test $(systemctl show -P CPUQuotaPerSecUSec '{unit}') = 832ms"
    ));
    assert_eq!(
        node.host.property(unit, "MemoryMax"),
        (98 << 20).to_string()
    );
    assert_eq!(node.pid(unit), before);
    // Fields of today, which this server drops, are read from vks itself.
    let vks = || node.host.vks_ok(&["get", "pod", name, "-o", "json"]);
    let (_, reference) = recorded(name, vks);
    assert_eq!(shown(&vks()), reference);
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
