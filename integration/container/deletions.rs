//! Pods of controllers deleted by hand: each ends with its grace period, and its controller makes another.

use super::host::shared;
use super::jobs::{get, job};
use super::space::{Space, pause};
use serde_json::{Value, json};
use std::time::Duration;

/// A controller of one pod that notes what happens to it, with the word `value` of its template. When told to end, it
/// waits for the file `go`.
fn set(space: &Space, kind: &str, value: &str, more: &Value) -> Value {
    let (log, go) = (space.path("log"), space.path("go"));
    let script = format!(
        "echo start {value} >>{log}; trap 'echo term >>{log}; until test -e {go}; do sleep 0.1; done; echo end >>{log}; exit 0' TERM; \
         sleep 1d & wait"
    );
    let mut spec = json!({
        "selector": { "matchLabels": { "app": "web" } },
        "template": {
            "metadata": { "labels": { "app": "web" } },
            "spec": {
                "hostNetwork": true, "terminationGracePeriodSeconds": 60,
                "containers": [{ "name": "c", "image": "host:sh", "args": ["-c", script] }],
            },
        },
    });
    for (key, value) in more.as_object().unwrap() {
        spec[key] = value.clone();
    }
    json!({ "apiVersion": "apps/v1", "kind": kind, "metadata": { "name": "web", "namespace": space.name }, "spec": spec })
}

fn pods(space: &Space) -> Vec<String> {
    let out = space
        .host
        .vks_ok(&["get", "pods", "-n", space.name, "-o", "name"]);
    out.lines()
        .map(|line| line.trim_start_matches("pod/").to_owned())
        .collect()
}

fn uid(space: &Space, pod: &str) -> String {
    let pod = space.host.get(space.name, pod);
    pod["metadata"]["uid"].as_str().unwrap().to_owned()
}

/// Deletes the one pod of a controller with a new template, and sees that the new one comes when the old one has gone.
fn by_hand(space: &Space, kind: &str) {
    let host = space.host;
    let on_delete = json!({ "updateStrategy": { "type": "OnDelete" } });
    space.apply_ok("web", &[set(space, kind, "one", &on_delete)]);
    space.wait_lines("log", 1);
    let pod = pods(space).remove(0);
    let before = uid(space, &pod);
    space.apply_ok("web", &[set(space, kind, "two", &on_delete)]);
    host.wait(&format!(
        "test $(vks rollout history {}/web -n {} | grep -c '^[0-9]') = 2",
        kind.to_lowercase(),
        space.name
    ));
    assert_eq!(uid(space, &pod), before, "the new template waits");
    let out = host.vks_ok(&["delete", "pod", &pod, "-n", space.name, "--wait=false"]);
    assert_eq!(out, format!("pod \"{pod}\" deleted\n"));
    space.wait_lines("log", 2);
    host.wait(&format!(
        "vks get pods -n {} --no-headers | grep -q Terminating",
        space.name
    ));
    // Another would be begun by now.
    pause(Duration::from_millis(500));
    assert_eq!(space.lines("log"), ["start one", "term"], "it has its time");
    host.ok(&format!("touch {}", space.path("go")));
    let lines = space.wait_lines("log", 4);
    assert_eq!(lines, ["start one", "term", "end", "start two"]);
    let after = pods(space).remove(0);
    assert_ne!(uid(space, &after), before);
    // Once more, and waiting for the end of that life, not of its name.
    host.vks_ok(&["delete", "pod", &after, "-n", space.name]);
    let lines = space.wait_lines("log", 7);
    assert_eq!(lines[4..], ["term", "end", "start two"]);
}

#[test]
fn a_stateful_set_takes_a_new_template_when_its_pod_is_deleted() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "delsts");
    by_hand(&space, "StatefulSet");
    assert_eq!(pods(&space), ["web-0"]);
}

#[test]
fn a_daemon_set_takes_a_new_template_when_its_pod_is_deleted() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "delds");
    by_hand(&space, "DaemonSet");
    assert_eq!(pods(&space).len(), 1);
}

/// A Deployment does not wait: the next one is there while the one before has its time.
#[test]
fn a_deployment_makes_another_at_once() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "deldep");
    space.apply_ok("web", &[set(&space, "Deployment", "one", &json!({}))]);
    space.wait_lines("log", 1);
    let pod = pods(&space).remove(0);
    // By a label, which finds what controllers have made.
    let out = host.vks_ok(&[
        "delete",
        "pods",
        "-n",
        "deldep",
        "-l",
        "app=web",
        "--wait=false",
    ]);
    assert_eq!(out, format!("pod \"{pod}\" deleted\n"));
    let mut lines = space.wait_lines("log", 3);
    lines.sort();
    assert_eq!(lines, ["start one", "start one", "term"]);
    host.ok(&format!("touch {}", space.path("go")));
    host.wait(&format!("! vks get pod {pod} -n deldep"));
    assert_eq!(pods(&space).len(), 1);
    let none = host.vks(&["delete", "pod", "none", "-n", "deldep"]);
    assert_eq!(
        (none.code, none.stderr.as_str()),
        (1, "error: pod deldep/none not found\n")
    );
}

/// podReplacementPolicy: whether the next one waits for the end of the one before. A pod that was deleted has failed, and
/// the next one comes after the delay that a failure has.
#[test]
fn a_job_replaces_a_pod_at_once_or_when_it_has_ended() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "deljob");
    let of = |name: &str, policy: &str| {
        let (log, go) = (space.path(name), space.path("go"));
        let script = format!(
            "echo start >>{log}; trap 'echo term >>{log}; until test -e {go}; do sleep 0.1; done; echo end >>{log}; exit 1' TERM; sleep 1d & wait"
        );
        let mut job = job(
            &space,
            name,
            &script,
            &json!({ "podReplacementPolicy": policy }),
        );
        job["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = json!(80);
        job
    };
    space.apply_ok(
        "j",
        &[of("now", "TerminatingOrFailed"), of("late", "Failed")],
    );
    space.wait_lines("now", 1);
    space.wait_lines("late", 1);
    host.vks_ok(&[
        "delete",
        "pod",
        "now-0",
        "late-0",
        "-n",
        "deljob",
        "--wait=false",
    ]);
    space.wait_lines("late", 2);
    let mut lines = space.wait_lines("now", 3);
    lines.sort();
    assert_eq!(lines, ["start", "start", "term"]);
    // The delay is the same for both: the other would have its second pod too.
    pause(Duration::from_secs(1));
    assert_eq!(space.lines("late"), ["start", "term"]);
    host.ok(&format!("touch {}", space.path("go")));
    let lines = space.wait_lines("late", 4);
    assert_eq!(lines, ["start", "term", "end", "start"]);
    for name in ["now", "late"] {
        let status = &get(&host, "deljob", "job", name)["status"];
        assert_eq!(
            (&status["failed"], &status["active"]),
            (&json!(1), &json!(1)),
            "{name}: {status}"
        );
    }
}

/// What somebody else is to look after is not for vks, which says so.
#[test]
fn a_job_of_another_manager_is_refused_by_name() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "delother");
    let other = json!({ "managedBy": "example.com/queue" });
    let said = space.refused(&job(&space, "j", "true", &other));
    assert!(
        said.contains("spec.managedBy: \"example.com/queue\" does not run on this host"),
        "{said}"
    );
    assert_eq!(pods(&space), [""; 0]);
    let ours = json!({ "managedBy": "kubernetes.io/job-controller" });
    space.apply_ok("j", &[job(&space, "j", "true", &ours)]);
    super::jobs::wait(&space, "j", "Complete");
}
