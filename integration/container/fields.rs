//! Fields that have one small effect each, many in one pod, and those that can say only one thing. Which test sees which
//! field: integration/fields/seen.txt.

use super::host::shared;
use super::jobs::get;
use super::space::{Pod, Space, sh, sleeper, with};
use serde_json::{Value, json};

fn inside(pod: &Pod, container: &str, script: &str) -> String {
    let argv = [
        "exec",
        pod.name,
        "-n",
        pod.space.name,
        "-c",
        container,
        "--",
        "sh",
        "-c",
        script,
    ];
    pod.host().vks_ok(&argv)
}

/// Values that mean nothing on one host are refused by the name of the field, and the one that is left is accepted.
#[test]
fn words_that_can_say_one_thing_only() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "onlyone");
    let of = |spec: &Value| {
        let whole = with(json!({ "containers": [sleeper("c")] }), spec);
        space.manifest("p", &whole)
    };
    let container = |more: &Value| of(&json!({ "containers": [with(sleeper("c"), more)] }));
    for (wrong, field) in [
        (of(&json!({ "os": { "name": "windows" } })), "spec.os.name"),
        (
            of(&json!({ "automountServiceAccountToken": true })),
            "spec.automountServiceAccountToken",
        ),
        (
            of(
                &json!({ "securityContext": { "seLinuxChangePolicy": "Recursive", "seLinuxOptions": { "level": "s0" } } }),
            ),
            "spec.securityContext",
        ),
        (
            container(&json!({ "securityContext": { "procMount": "Unmasked" } })),
            "spec.containers[0].securityContext.procMount",
        ),
    ] {
        let said = space.refused(&wrong);
        assert!(said.contains(field), "{field}: {said}");
    }
    let pod = space.ready(
        "p",
        &json!({
            "os": { "name": "linux" },
            "automountServiceAccountToken": false,
            "serviceAccountName": "robot",
            "containers": [with(sleeper("c"), &json!({
                "securityContext": { "procMount": "Default" },
                "env": [{ "name": "WHO", "valueFrom": { "fieldRef": { "apiVersion": "v1", "fieldPath": "spec.serviceAccountName" } } }],
            }))],
        }),
    );
    let environment = host.words(&format!("/proc/{}/environ", pod.pid("c")));
    assert!(
        environment.contains(&"WHO=robot".to_owned()),
        "{environment:?}"
    );
    assert_eq!(
        inside(
            &pod,
            "c",
            "ls -d /var/run/secrets/kubernetes.io 2>/dev/null | wc -l"
        ),
        "0\n"
    );
}

#[test]
fn bytes_of_a_config_map_and_of_a_secret() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "binary");
    let mut map = space.object("ConfigMap", "m", &json!({ "text": "ä" }));
    map["binaryData"] = json!({ "bytes": "AP8KAA==" });
    let mut secret = space.object("Secret", "s", &json!({}));
    secret["data"] = json!({ "key": "c2Vj/2U=" });
    space.apply_ok("m", &[map, secret]);
    let pod = space.ready(
        "p",
        &json!({
            "volumes": [{ "name": "m", "projected": { "sources": [{ "configMap": { "name": "m" } }, { "secret": { "name": "s" } }] } }],
            "containers": [with(sleeper("c"), &json!({ "volumeMounts": [{ "name": "m", "mountPath": "/t/binary/in" }] }))],
        }),
    );
    let seen = inside(
        &pod,
        "c",
        "od -An -v -tx1 /t/binary/in/bytes; cat /t/binary/in/text",
    );
    assert_eq!(seen, " 00 ff 0a 00\nä");
    let hidden = inside(&pod, "c", "od -An -v -tx1 /t/binary/in/key");
    assert_eq!(hidden, " 73 65 63 ff 65\n");
}

/// An older name is as good, and a probe may ask another address than the pod's.
#[test]
fn probes_of_another_address() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "probehost");
    let served = |name: &str, port: u16, probe: &Value| {
        json!({
            "name": name, "image": "host:python3",
            "args": ["-m", "http.server", "--bind", "127.0.0.77", "--directory", "/t/probehost", port.to_string()],
            "readinessProbe": with(probe.clone(), &json!({ "periodSeconds": 1 })),
        })
    };
    let asked =
        |port: u16| json!({ "httpGet": { "host": "127.0.0.77", "path": "/", "port": port } });
    let knocked = |port: u16| json!({ "tcpSocket": { "host": "127.0.0.77", "port": port } });
    let pod = space.ready(
        "p",
        &json!({ "serviceAccount": "robot", "containers": [served("a", 18_771, &asked(18_771)), served("b", 18_772, &knocked(18_772))] }),
    );
    assert_eq!(
        pod.json()["spec"]["serviceAccount"],
        "robot",
        "shown as it was written"
    );
    let elsewhere = space.pod(
        "other",
        &json!({ "containers": [served("a", 18_773, &json!({ "tcpSocket": { "port": 18_773 } }))] }),
    );
    host.wait("ss -Hltn | grep -q '127.0.0.77:18773'");
    host.wait("journalctl -u vks-probehost-other-probes.service -o cat | grep -q .");
    assert!(!elsewhere.is_ready(), "it does not listen there");
}

#[test]
fn so_many_templates_are_remembered() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "history");
    let of = |kind: &str, name: &str, value: &str| {
        let container = with(
            sleeper("c"),
            &json!({ "env": [{ "name": "V", "value": value }] }),
        );
        let mut object = json!({
            "apiVersion": "apps/v1", "kind": kind, "metadata": { "name": name, "namespace": "history" },
            "spec": {
                "revisionHistoryLimit": 1,
                "selector": { "matchLabels": { "app": name } },
                "template": {
                    "metadata": { "labels": { "app": name } },
                    "spec": { "hostNetwork": true, "terminationGracePeriodSeconds": 2, "containers": [container] },
                },
            },
        });
        if kind == "StatefulSet" {
            object["spec"]["persistentVolumeClaimRetentionPolicy"] =
                json!({ "whenDeleted": "Retain", "whenScaled": "Retain" });
        }
        object
    };
    let all = [
        ("Deployment", "one"),
        ("StatefulSet", "two"),
        ("DaemonSet", "three"),
    ];
    for value in ["a", "b", "c"] {
        let objects = all.map(|(kind, name)| of(kind, name, value));
        space.apply_ok("all", &objects);
        for (kind, name) in all {
            let what = format!("{}/{name}", kind.to_lowercase());
            host.vks_ok(&["rollout", "status", &what, "-n", "history", "--timeout=80s"]);
        }
    }
    for (kind, name) in all {
        let what = format!("{}/{name}", kind.to_lowercase());
        let history = host.vks_ok(&["rollout", "history", &what, "-n", "history"]);
        let numbers: Vec<&str> = history
            .lines()
            .skip(2)
            .filter_map(|line| line.split_whitespace().next())
            .collect();
        assert_eq!(numbers, ["2", "3"], "{kind}: {history}");
    }
    let mut set = of("StatefulSet", "two", "c");
    set["spec"]["persistentVolumeClaimRetentionPolicy"] = json!({ "whenDeleted": "Delete" });
    let said = space.refused(&set);
    assert!(said.contains("whenDeleted"), "{said}");
    set["spec"]["persistentVolumeClaimRetentionPolicy"] = json!({ "whenScaled": "Delete" });
    assert!(space.refused(&set).contains("whenScaled"));
    assert_eq!(
        get(&host, "history", "sts", "two")["status"]["readyReplicas"],
        1
    );
}

#[test]
fn a_volume_is_mounted_as_it_says() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "pvmount");
    let claim = |name: &str| {
        json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": { "name": name, "namespace": "pvmount" },
            "spec": { "accessModes": ["ReadWriteOnce"], "volumeName": format!("pvmount-{name}"),
                "resources": { "requests": { "storage": "1Mi" } } },
        })
    };
    let volume = |name: &str, csi: &Value| {
        let whole = with(
            json!({ "driver": "mount.vks.io", "fsType": "tmpfs", "volumeHandle": format!("handle-{name}") }),
            csi,
        );
        json!({
            "apiVersion": "v1", "kind": "PersistentVolume", "metadata": { "name": format!("pvmount-{name}") },
            "spec": {
                "accessModes": ["ReadWriteOnce"], "capacity": { "storage": "4Mi" },
                "mountOptions": ["nodev", "size=3m"], "csi": whole,
            },
        })
    };
    let attributes = json!({ "volumeAttributes": { "options": "mode=0711" } });
    let objects = [
        volume("a", &attributes),
        claim("a"),
        volume("b", &json!({ "readOnly": true })),
        claim("b"),
    ];
    space.apply_ok("objects", &objects);
    let from = |name: &str| json!({ "name": name, "persistentVolumeClaim": { "claimName": name } });
    let at = |name: &str| json!({ "name": name, "mountPath": format!("/t/pvmount/{name}") });
    let pod = space.ready(
        "p",
        &json!({
            "volumes": [from("a"), from("b")],
            "containers": [with(sleeper("c"), &json!({ "volumeMounts": [at("a"), at("b")] }))],
        }),
    );
    let mounted = inside(
        &pod,
        "c",
        "findmnt -n -o SOURCE,OPTIONS /t/pvmount/a | tail -n 1",
    );
    for part in ["handle-a", "nodev", "size=3072k", "mode=711"] {
        assert!(mounted.contains(part), "{part}: {mounted}");
    }
    assert_eq!(
        inside(&pod, "c", "echo x >/t/pvmount/a/f && cat /t/pvmount/a/f"),
        "x\n"
    );
    assert_eq!(
        inside(&pod, "c", "echo x 2>/dev/null >/t/pvmount/b/f || echo no"),
        "no\n"
    );
    // The same from outside.
    let outside = host.ok(
        "findmnt -rn -t tmpfs -o SOURCE,TARGET | grep '^handle-[ab] /run/vks/vksmounts/' | wc -l",
    );
    assert_eq!(outside, "2\n");
}

/// What other containers have, an ephemeral one has too.
#[test]
fn an_ephemeral_container_with_everything() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "ephall");
    let map = space.object("ConfigMap", "m", &json!({ "K": "from the map" }));
    space.apply_ok("m", &[map]);
    let base = json!({
        "volumes": [{ "name": "m", "configMap": { "name": "m" } }, { "name": "e", "emptyDir": {} }],
        "containers": [sleeper("app")],
    });
    let pod = space.ready("p", &base);
    let life = pod.life("app");
    let script = "{ echo $ONE $K; pwd; id -u; cat /t/ephall/in/K; echo; test -t 0 && echo terminal; } >/t/ephall/e/out; \
                  cat /t/ephall/e/out >/t/ephall/out; echo bye >/t/ephall/last; exit 4";
    let look = with(
        sh("look", script),
        &json!({
            "env": [{ "name": "ONE", "value": "1" }],
            "envFrom": [{ "configMapRef": { "name": "m" } }],
            "imagePullPolicy": "IfNotPresent",
            "securityContext": { "runAsUser": 0 },
            "stdin": true,
            "tty": true,
            "terminationMessagePath": "/t/ephall/last",
            "terminationMessagePolicy": "FallbackToLogsOnError",
            "volumeMounts": [{ "name": "m", "mountPath": "/t/ephall/in" }, { "name": "e", "mountPath": "/t/ephall/e" }],
            "workingDir": "/usr",
        }),
    );
    let quiet = with(
        sh("quiet", "echo last words; exit 5"),
        &json!({ "terminationMessagePolicy": "FallbackToLogsOnError" }),
    );
    let more = with(base, &json!({ "ephemeralContainers": [look, quiet] }));
    space.apply_ok("p", &[space.manifest("p", &more)]);
    let ended = |name: &str| {
        let all = pod.status()["ephemeralContainerStatuses"].clone();
        let all = all.as_array().cloned().unwrap_or_default();
        let one = all.into_iter().find(|one| one["name"] == name);
        one.map_or(Value::Null, |one| one["state"]["terminated"].clone())
    };
    pod.wait_until("both have ended", |_| {
        ended("look")["exitCode"] == 4 && ended("quiet")["exitCode"] == 5
    });
    assert_eq!(
        space.lines("out"),
        ["1 from the map", "/usr", "0", "from the map", "terminal"]
    );
    assert_eq!(ended("look")["message"], "bye\n");
    assert_eq!(ended("quiet")["message"], "last words\n");
    assert_eq!(pod.life("app"), life);
}
