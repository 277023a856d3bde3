//! StatefulSets on a real systemd: places, order, partitions.

use super::host::{Host, shared};
use super::jobs::get;
use super::space::Space;
use serde_json::{Value, json};

/// Waits until all pods of the set are as it says.
fn rolled_out(host: &Host, namespace: &str) {
    let status = ["rollout", "status", "statefulset/db", "-n"];
    host.vks_ok(&[&status[..], &[namespace, "--timeout=60s"]].concat());
}

/// Pods that are ready when a file of their name is there.
fn set(space: &Space, replicas: u32, value: &str, more: &Value) -> Value {
    let ready = format!("test -e {}-$POD", space.path("ready"));
    let container = json!({
        "name": "c", "image": "host:sleep", "args": ["1d"],
        "env": [
            { "name": "V", "value": value },
            { "name": "POD", "valueFrom": { "fieldRef": { "fieldPath": "metadata.name" } } },
        ],
        "readinessProbe": { "exec": { "command": ["sh", "-c", ready] }, "periodSeconds": 1 },
    });
    let mut spec = json!({
        "replicas": replicas,
        "serviceName": "db",
        "selector": { "matchLabels": { "app": "db" } },
        "template": {
            "metadata": { "labels": { "app": "db" } },
            "spec": { "hostNetwork": true, "terminationGracePeriodSeconds": 2, "containers": [container] },
        },
    });
    for (key, value) in more.as_object().unwrap() {
        spec[key] = value.clone();
    }
    json!({ "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": { "name": "db", "namespace": space.name }, "spec": spec })
}

fn names(space: &Space) -> Vec<String> {
    let text = space
        .host
        .vks_ok(&["get", "pods", "-n", space.name, "-o", "name"]);
    text.lines()
        .map(|line| line.trim_start_matches("pod/").to_owned())
        .collect()
}

fn value(space: &Space, pod: &str) -> String {
    let pod = space.host.get(space.name, pod);
    let env = &pod["spec"]["containers"][0]["env"];
    env[0]["value"].as_str().unwrap().to_owned()
}

fn wait_names(space: &Space, wanted: &str) {
    let ns = space.name;
    space.host.wait(&format!("test \"$(vks get pods -n {ns} --no-headers | awk '{{print $1}}' | tr '\\n' ' ')\" = '{wanted} '"));
}

#[test]
fn pods_come_one_by_one_and_are_updated_from_the_top() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "ordered");
    space.apply_ok("db", &[set(&space, 3, "one", &json!({}))]);
    for (ordinal, there) in ["db-0", "db-0 db-1", "db-0 db-1 db-2"]
        .into_iter()
        .enumerate()
    {
        wait_names(&space, there);
        host.wait(&format!(
            "vks get pod db-{ordinal} -n ordered --no-headers | grep -q Running"
        ));
        // It is not ready, so that none follows it.
        assert_eq!(names(&space).join(" "), there);
        host.ok(&format!("touch {}-db-{ordinal}", space.path("ready")));
    }
    rolled_out(&host, "ordered");
    let row = host.vks_ok(&["get", "sts", "-n", "ordered", "--no-headers"]);
    assert!(row.starts_with("db   3/3   "), "{row}");
    // Only what is not below the partition changes.
    let partition =
        |number: u32| json!({ "updateStrategy": { "rollingUpdate": { "partition": number } } });
    let before: Vec<Value> = (0..3)
        .map(|n| host.get("ordered", &format!("db-{n}"))["metadata"]["uid"].clone())
        .collect();
    space.apply_ok("db", &[set(&space, 3, "two", &partition(2))]);
    rolled_out(&host, "ordered");
    let values: Vec<String> = (0..3).map(|n| value(&space, &format!("db-{n}"))).collect();
    assert_eq!(values, ["one", "one", "two"]);
    for (n, uid) in before.iter().take(2).enumerate() {
        let now = &host.get("ordered", &format!("db-{n}"))["metadata"]["uid"];
        assert_eq!(now, uid, "it was left alone");
    }
    assert_eq!(
        get(&host, "ordered", "sts", "db")["status"]["updatedReplicas"],
        1
    );
    space.apply_ok("db", &[set(&space, 3, "two", &partition(0))]);
    rolled_out(&host, "ordered");
    let values: Vec<String> = (0..3).map(|n| value(&space, &format!("db-{n}"))).collect();
    assert_eq!(values, ["two", "two", "two"]);
    let steps = host.ok("journalctl -u vks.service -o cat | grep -o 'pod ordered/db-[01]: remove'");
    assert_eq!(
        steps,
        "pod ordered/db-1: remove\npod ordered/db-0: remove\n"
    );
    host.vks_ok(&["rollout", "undo", "statefulset/db", "-n", "ordered"]);
    rolled_out(&host, "ordered");
    assert_eq!(value(&space, "db-0"), "one");
    host.vks_ok(&["scale", "statefulset/db", "-n", "ordered", "--replicas=1"]);
    wait_names(&space, "db-0");
}

#[test]
fn a_broken_update_can_be_taken_back() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "forced");
    let more = json!({ "podManagementPolicy": "Parallel", "ordinals": { "start": 4 } });
    host.ok(&format!("touch {0}-db-4 {0}-db-5", space.path("ready")));
    space.apply_ok("db", &[set(&space, 2, "good", &more)]);
    rolled_out(&host, "forced");
    assert_eq!(names(&space), ["db-4", "db-5"]);
    let mut broken = set(&space, 2, "bad", &more);
    broken["spec"]["template"]["spec"]["containers"][0]["image"] = json!("host:false");
    space.apply_ok("db", &[broken]);
    host.wait("vks get pod db-5 -n forced --no-headers | grep -Eq 'Error|CrashLoop'");
    // The other is kept: so many may be away, and no more.
    assert_eq!(value(&space, "db-4"), "good");
    host.vks_ok(&["rollout", "undo", "statefulset/db", "-n", "forced"]);
    rolled_out(&host, "forced");
    assert_eq!(value(&space, "db-5"), "good");
}

#[test]
fn each_pod_has_a_claim_that_outlives_it() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "claims");
    let claim = json!({
        "metadata": { "name": "data" },
        "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } },
    });
    let object = |value: &str| {
        let more = json!({ "podManagementPolicy": "Parallel", "volumeClaimTemplates": [claim] });
        let mut object = set(&space, 2, value, &more);
        let container = &mut object["spec"]["template"]["spec"]["containers"][0];
        container["image"] = json!("host:sh");
        container["args"] = json!(["-c", "echo $POD $V >>/data/log; exec sleep 1d"]);
        container["volumeMounts"] = json!([{ "name": "data", "mountPath": "/data" }]);
        object
    };
    host.ok(&format!("touch {0}-db-0 {0}-db-1", space.path("ready")));
    space.apply_ok("db", &[object("one")]);
    rolled_out(&host, "claims");
    space.apply_ok("db", &[object("two")]);
    rolled_out(&host, "claims");
    for pod in ["db-0", "db-1"] {
        let log = host.vks_ok(&["exec", pod, "-n", "claims", "--", "cat", "/data/log"]);
        assert_eq!(
            log,
            format!("{pod} one\n{pod} two\n"),
            "its own, and the one it had"
        );
    } // It outlives the pods, and who no longer needs it removes it.
    host.vks_ok(&["delete", "statefulset", "db", "-n", "claims"]);
    let kept = host.ok("grep -lr '^db-0 one' /var/lib/vks/volumes");
    assert_eq!(kept.lines().count(), 1, "{kept}");
}

/// What a template asks for is asked for by each claim.
#[test]
fn a_claim_gets_what_its_template_asks_for() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "claimask");
    let claim = json!({
        "metadata": { "name": "data" },
        "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "2Gi" } } },
    });
    let mut object = set(
        &space,
        1,
        "one",
        &json!({ "volumeClaimTemplates": [claim] }),
    );
    let container = &mut object["spec"]["template"]["spec"]["containers"][0];
    container["volumeMounts"] = json!([{ "name": "data", "mountPath": "/t/claimask/in" }]);
    let volume = |size: &str| {
        json!({
            "apiVersion": "v1", "kind": "PersistentVolume", "metadata": { "name": "claimask" },
            "spec": { "accessModes": ["ReadWriteOnce"], "capacity": { "storage": size }, "persistentVolumeReclaimPolicy": "Retain",
                "hostPath": { "path": "/t/claimask/volume" }, "claimRef": { "namespace": "claimask", "name": "data-db-0" } },
        })
    };
    host.ok(&format!(
        "mkdir -p /t/claimask/volume && echo kept >/t/claimask/volume/f && touch {}-db-0",
        space.path("ready")
    ));
    space.apply_ok("db", &[volume("1Gi"), object]);
    host.wait("journalctl -u vks.service -o cat | grep -q 'claimask.* is smaller than the claim asks for'");
    assert_eq!(
        host.ok("systemctl list-units --no-legend --state=running 'vks.claimask.*' | wc -l"),
        "0\n"
    );
    space.apply_ok("volume", &[volume("2Gi")]);
    rolled_out(&host, "claimask");
    let seen = host.vks_ok(&[
        "exec",
        "db-0",
        "-n",
        "claimask",
        "--",
        "cat",
        "/t/claimask/in/f",
    ]);
    assert_eq!(seen, "kept\n");
}

/// maxUnavailable: so many from the top are away at a time.
#[test]
fn so_many_are_updated_at_a_time() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "twobytwo");
    let object = |value: &str| {
        let rolling = json!({ "rollingUpdate": { "maxUnavailable": 2 } });
        let more = json!({ "podManagementPolicy": "Parallel", "updateStrategy": rolling });
        let mut object = set(&space, 3, value, &more);
        let ready = format!("test -e {}-$POD-$V", space.path("ready"));
        let container = &mut object["spec"]["template"]["spec"]["containers"][0];
        container["readinessProbe"]["exec"]["command"][2] = json!(ready);
        object
    };
    let open = |pods: &str, value: &str| {
        let ready = space.path("ready");
        host.ok(&format!(
            "for p in {pods}; do touch {ready}-db-$p-{value}; done"
        ));
    };
    open("0 1 2", "one");
    space.apply_ok("db", &[object("one")]);
    rolled_out(&host, "twobytwo");
    space.apply_ok("db", &[object("two")]);
    let running =
        "systemctl list-units --no-legend --plain --state=running 'vks.twobytwo.*' | wc -l";
    let of_two = "for p in db-1 db-2; do vks get pod $p -n twobytwo -o json | grep -A1 '\"name\": \"V\"' | grep -q two || exit 1; done";
    host.wait(&format!("( {of_two} ) && test $({running}) = 3"));
    let values = || {
        (0..3)
            .map(|n| value(&space, &format!("db-{n}")))
            .collect::<Vec<_>>()
    };
    // None of the two is ready: the third stays.
    assert_eq!(values(), ["one", "two", "two"]);
    open("1", "two");
    host.wait("vks get pod db-1 -n twobytwo --no-headers | grep -q ' 1/1 '");
    host.wait("vks get pod db-0 -n twobytwo -o json | grep -A1 '\"name\": \"V\"' | grep -q two");
    open("0 2", "two");
    rolled_out(&host, "twobytwo");
    assert_eq!(values(), ["two", "two", "two"]);
}
