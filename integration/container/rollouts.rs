//! Deployments and DaemonSets on a real systemd: pods are replaced a few at a time, and back.

use super::host::shared;
use super::jobs::get;
use super::space::{Space, pause};
use serde_json::{Value, json};
use std::time::Duration;

/// Pods that are ready about a second after their start, unless `value` is `never`.
fn deployment(space: &Space, replicas: u32, value: &str, more: &Value) -> Value {
    let container = json!({
        "name": "c", "image": "host:sleep", "args": ["1d"],
        "env": [{ "name": "V", "value": value }],
        "readinessProbe": { "exec": { "command": ["sh", "-c", "test $V != never"] }, "initialDelaySeconds": 1, "periodSeconds": 1 },
    });
    let mut spec = json!({
        "replicas": replicas,
        "selector": { "matchLabels": { "app": "web" } },
        "template": {
            "metadata": { "labels": { "app": "web" } },
            "spec": { "hostNetwork": true, "terminationGracePeriodSeconds": 2, "containers": [container] },
        },
    });
    for (key, value) in more.as_object().unwrap() {
        spec[key] = value.clone();
    }
    json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web", "namespace": space.name }, "spec": spec })
}

fn done(space: &Space) {
    let host = space.host;
    host.vks_ok(&[
        "rollout",
        "status",
        "deployment/web",
        "-n",
        space.name,
        "--timeout=80s",
    ]);
}

/// The value of V in the environment of each process that runs.
fn values(space: &Space) -> Vec<String> {
    let script = format!(
        "for u in $(systemctl list-units --no-legend --plain --state=running 'vks.{}.*sleep.service' | awk '{{print $1}}'); do \
         tr '\\0' '\\n' </proc/$(systemctl show -P MainPID -- $u)/environ | grep ^V=; done | sort",
        space.name
    );
    space.host.ok(&script).lines().map(str::to_owned).collect()
}

/// Notes how many pods are ready, all the time, until [`samples`].
fn watch(space: &Space) {
    let (ns, to, stop) = (space.name, space.path("samples"), space.path("stop"));
    space.host.ok(&format!(
        "rm -f {stop} {to}; systemd-run -q --unit=watch-{ns} sh -c 'until test -e {stop}; do vks get pods -n {ns} --no-headers | grep -c \" 1/1 .*Running\" >>{to}; done'"
    ));
    space.wait_lines("samples", 1);
}

fn samples(space: &Space) -> Vec<u32> {
    let ns = space.name;
    space.host.ok(&format!("touch {}", space.path("stop")));
    space
        .host
        .wait(&format!("! systemctl is-active -q watch-{ns}.service"));
    space
        .lines("samples")
        .iter()
        .map(|line| line.parse().unwrap())
        .collect()
}

#[test]
fn a_rolling_update_keeps_pods_available_and_undo_restores() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "roll");
    let rolling =
        json!({ "strategy": { "rollingUpdate": { "maxSurge": 1, "maxUnavailable": 1 } } });
    space.apply_ok("web", &[deployment(&space, 4, "one", &rolling)]);
    done(&space);
    let names = host.vks_ok(&["get", "pods", "-n", "roll", "-o", "name"]);
    watch(&space);
    space.apply_ok("web", &[deployment(&space, 4, "two", &rolling)]);
    done(&space);
    let seen = samples(&space);
    assert!(seen.iter().all(|ready| (3..=5).contains(ready)), "{seen:?}");
    assert!(seen.len() > 10, "{seen:?}");
    assert_eq!(values(&space), ["V=two"; 4]);
    let history = host.vks_ok(&["rollout", "history", "deployment/web", "-n", "roll"]);
    assert_eq!(
        history,
        "deployment.apps/web\nREVISION  CHANGE-CAUSE\n1         <none>\n2         <none>\n"
    );
    watch(&space);
    host.vks_ok(&["rollout", "undo", "deployment/web", "-n", "roll"]);
    done(&space);
    let seen = samples(&space);
    assert!(seen.iter().all(|ready| (3..=5).contains(ready)), "{seen:?}");
    assert_eq!(values(&space), ["V=one"; 4]);
    assert_eq!(
        host.vks_ok(&["get", "pods", "-n", "roll", "-o", "name"]),
        names,
        "the names of that template"
    );
    let status = get(&host, "roll", "deployment", "web");
    assert_eq!(
        status["metadata"]["annotations"]["deployment.kubernetes.io/revision"],
        "3"
    );
    assert_eq!(status["status"]["availableReplicas"], 4);
}

#[test]
fn a_rollout_that_does_not_get_ready_is_told_and_harms_nothing() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "stuck");
    let more = json!({ "progressDeadlineSeconds": 4, "strategy": { "rollingUpdate": { "maxSurge": 1, "maxUnavailable": 0 } } });
    space.apply_ok("web", &[deployment(&space, 2, "good", &more)]);
    done(&space);
    space.apply_ok("web", &[deployment(&space, 2, "never", &more)]);
    let out = host.vks(&["rollout", "status", "deployment/web", "-n", "stuck"]);
    assert_eq!(out.code, 1);
    assert!(
        out.stderr
            .contains("deployment \"web\" exceeded its progress deadline"),
        "{}",
        out.stderr
    );
    assert_eq!(values(&space), ["V=good", "V=good", "V=never"]);
    host.wait("journalctl -u vks.service -o cat | grep -q 'Deployment stuck/web: .*exceeded its progress deadline'");
    host.vks_ok(&["rollout", "undo", "deployment/web", "-n", "stuck"]);
    done(&space);
    host.wait("! vks get pods -n stuck --no-headers | grep -q 0/1");
    assert_eq!(values(&space), ["V=good", "V=good"]);
}

#[test]
fn pause_scale_restart_and_recreate() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "verbs");
    let recreate = json!({ "strategy": { "type": "Recreate" } });
    space.apply_ok("web", &[deployment(&space, 1, "one", &recreate)]);
    done(&space);
    let verb = |args: &[&str]| host.vks_ok(&[args, &["deployment/web", "-n", "verbs"]].concat());
    assert_eq!(verb(&["rollout", "pause"]), "deployment.apps/web paused\n");
    assert_eq!(
        verb(&["rollout", "restart"]),
        "deployment.apps/web restarted\n"
    );
    let names = host.vks_ok(&["get", "pods", "-n", "verbs", "-o", "name"]);
    assert_eq!(
        verb(&["scale", "--replicas=2"]),
        "deployment.apps/web scaled\n"
    );
    host.wait("test \"$(vks get pods -n verbs --no-headers | grep -c ' 1/1 ')\" = 2");
    let paused = host.vks_ok(&["get", "pods", "-n", "verbs", "-o", "name"]);
    assert!(paused.starts_with(&names), "{paused}: the template waits");
    watch(&space);
    assert_eq!(
        verb(&["rollout", "resume"]),
        "deployment.apps/web resumed\n"
    );
    done(&space);
    assert!(samples(&space).contains(&0), "all old ones end first");
    let after = host.vks_ok(&["get", "pods", "-n", "verbs", "-o", "name"]);
    assert!(!after.contains(names.trim()), "{after}");
    // What comes from somebody else's file is changed there.
    let own = deployment(&space, 1, "x", &json!({}))
        .to_string()
        .replace("\"web\"", "\"file\"");
    host.machine
        .write("/etc/vks/pods.d/verbs-file.json", &own, "0644");
    host.wait("vks get deployment file -n verbs --no-headers | grep -q 1/1");
    let out = host.vks(&["scale", "deployment/file", "-n", "verbs", "--replicas=2"]);
    assert_eq!(out.code, 1);
    assert!(
        out.stderr
            .contains("comes from /etc/vks/pods.d/verbs-file.json: change it there"),
        "{}",
        out.stderr
    );
    let broken = own.replace("replicas", "replicass");
    host.machine
        .write("/etc/vks/pods.d/verbs-file.json", &broken, "0644");
    host.wait("vks get pods -n verbs 2>&1 >/dev/null | grep -q replicass");
    host.ok("vks get pods -n verbs --no-headers | grep 'file-.*1/1 *Running'");
    host.ok("rm /etc/vks/pods.d/verbs-file.json");
    host.wait("! vks get pods -n verbs -o name 2>&1 | grep -q file");
}

#[test]
fn a_daemon_set_has_one_pod() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "daemon");
    let daemon = |value: &str| {
        let mut object = deployment(&space, 1, value, &json!({}));
        object["kind"] = json!("DaemonSet");
        object["spec"].as_object_mut().unwrap().remove("replicas");
        object
    };
    space.apply_ok("web", &[daemon("one")]);
    host.vks_ok(&[
        "rollout",
        "status",
        "ds/web",
        "-n",
        "daemon",
        "--timeout=60s",
    ]);
    let row = host.vks_ok(&["get", "ds", "-n", "daemon", "--no-headers"]);
    assert!(
        row.starts_with("web   1   1   1   1   1   <none>   "),
        "{row}"
    );
    space.apply_ok("web", &[daemon("two")]);
    host.vks_ok(&[
        "rollout",
        "status",
        "ds/web",
        "-n",
        "daemon",
        "--timeout=60s",
    ]);
    assert_eq!(values(&space), ["V=two"]);
}

/// A pod that is ready is not yet available.
#[test]
fn a_pod_counts_when_it_has_been_ready_for_long() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "minready");
    let of = |kind: &str, seconds: u32| {
        let more = json!({ "minReadySeconds": seconds });
        let mut object = deployment(&space, 1, "one", &more);
        object["kind"] = json!(kind);
        object["metadata"]["name"] = json!(kind.to_lowercase());
        if kind == "DaemonSet" {
            object["spec"].as_object_mut().unwrap().remove("replicas");
        }
        object
    };
    let kinds = [
        ("Deployment", "readyReplicas", "availableReplicas"),
        ("StatefulSet", "readyReplicas", "availableReplicas"),
        ("DaemonSet", "numberReady", "numberAvailable"),
    ];
    let all = |seconds: u32| kinds.map(|(kind, ..)| of(kind, seconds));
    space.apply_ok("web", &all(500));
    let number = |kind: &str, key: &str| {
        let name = kind.to_lowercase();
        get(&host, "minready", &name, &name)["status"][key]
            .as_u64()
            .unwrap_or(0)
    };
    host.wait("test $(vks get pods -n minready --no-headers | grep -c ' 1/1 ') = 3");
    for (kind, ready, available) in kinds {
        let name = kind.to_lowercase();
        host.wait(&format!(
            "vks get {name} {name} -n minready -o json | grep -q '\"{ready}\": 1'"
        ));
        assert_eq!(number(kind, available), 0, "{kind}");
    }
    space.apply_ok("web", &all(1));
    for (kind, _, available) in kinds {
        let name = kind.to_lowercase();
        let status = [
            "rollout",
            "status",
            &format!("{name}/{name}"),
            "-n",
            "minready",
            "--timeout=80s",
        ];
        host.vks_ok(&status);
        assert_eq!(number(kind, available), 1, "{kind}");
    }
}

/// The one pod of a DaemonSet: with a surge the next one comes beside it, without one it makes place.
#[test]
fn a_daemon_set_updates_with_and_without_a_surge() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "surge");
    let daemon = |value: &str, surge: u32, away: u32| {
        let rolling = json!({ "maxSurge": surge, "maxUnavailable": away });
        let more = json!({ "updateStrategy": { "rollingUpdate": rolling } });
        let mut object = deployment(&space, 1, value, &more);
        object["kind"] = json!("DaemonSet");
        object["spec"].as_object_mut().unwrap().remove("replicas");
        let container = &mut object["spec"]["template"]["spec"]["containers"][0];
        let ready = format!("test -e {}-$V", space.path("ready"));
        container["readinessProbe"] =
            json!({ "exec": { "command": ["sh", "-c", ready] }, "periodSeconds": 1 });
        object
    };
    let until = |words: &[&str]| {
        let end = std::time::Instant::now() + super::host::LONG;
        while values(&space) != *words {
            assert!(
                std::time::Instant::now() < end,
                "{:?}, not {words:?}",
                values(&space)
            );
            pause(Duration::from_millis(100));
        }
    };
    space.apply_ok("web", &[daemon("one", 0, 1)]);
    until(&["V=one"]);
    host.ok(&format!("touch {}-one", space.path("ready")));
    host.wait("vks get pods -n surge --no-headers | grep -q ' 1/1 '");
    // The next one is not ready: the one before stays beside it.
    space.apply_ok("web", &[daemon("two", 1, 0)]);
    until(&["V=one", "V=two"]);
    pause(Duration::from_secs(2));
    assert_eq!(values(&space), ["V=one", "V=two"]);
    host.ok(&format!("touch {}-two", space.path("ready")));
    until(&["V=two"]);
    space.apply_ok("web", &[daemon("three", 0, 1)]);
    until(&["V=three"]);
    let steps = host.ok("journalctl -u vks.service -o cat | grep -c 'pod surge/web-.*: remove'");
    assert_eq!(steps, "2\n");
}

/// What is not found by its own selector would be nobody's.
#[test]
fn a_selector_has_to_fit_its_template() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "selects");
    for kind in ["Deployment", "StatefulSet", "DaemonSet"] {
        let mut object = deployment(&space, 1, "one", &json!({}));
        object["kind"] = json!(kind);
        let spec = object["spec"].as_object_mut().unwrap();
        if kind == "DaemonSet" {
            spec.remove("replicas");
        }
        object["spec"]["selector"]["matchLabels"] = json!({ "app": "web", "tier": "front" });
        let said = space.refused(&object);
        assert!(
            said.contains("refused.json:1: spec.selector.matchLabels[\"tier\"]: the template has no such label"),
            "{kind}: {said}"
        );
        object["spec"].as_object_mut().unwrap().remove("selector");
        let said = space.refused(&object);
        assert!(said.contains("selector"), "{kind}: {said}");
        object["spec"]["selector"] = json!({ "matchLabels": { "tier": "front" } });
        object["spec"]["template"]["metadata"]["labels"]["tier"] = json!("front");
        let name = kind.to_lowercase();
        space.apply_ok(&name, &[object]);
        let has = get(&host, "selects", &name, "web");
        assert_eq!(has["spec"]["selector"]["matchLabels"]["tier"], "front");
        let wide = host.vks_ok(&["get", &name, "-n", "selects", "-o", "wide", "--no-headers"]);
        assert!(
            kind != "Deployment" || wide.trim_end().ends_with("tier=front"),
            "{wide}"
        );
    }
}
