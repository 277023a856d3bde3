//! Claims: storage that outlives pods, in directories of vks' own and in volumes that are named.

use super::host::{own, shared};
use super::space::{Pod, Space, sh, sleeper, with};
use serde_json::{Value, json};

/// Runs something in the mount namespace of a container.
fn inside(pod: &Pod, container: &str, script: &str) -> super::lab::Output {
    let pid = pod.pid(container);
    pod.host()
        .machine
        .exec(&["nsenter", "-t", &pid, "-m", "/bin/sh", "-c", script])
}

fn claim(space: &Space, name: &str, more: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": { "name": name, "namespace": space.name },
        "spec": with(json!({ "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Mi" } } }), more),
    })
}

fn volume(name: &str, more: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": { "name": name },
        "spec": with(json!({ "accessModes": ["ReadWriteOnce"], "capacity": { "storage": "1Gi" },
            "persistentVolumeReclaimPolicy": "Retain" }), more),
    })
}

/// A pod that has a claim mounted.
fn user(space: &Space, claim: &str, more: &Value) -> Value {
    let source = with(json!({ "claimName": claim }), more);
    json!({
        "volumes": [{ "name": "v", "persistentVolumeClaim": source }],
        "containers": [with(sleeper("c"), &json!({ "volumeMounts": [{ "name": "v", "mountPath": space.path("in") }] }))],
    })
}

fn waits_for(pod: &Pod, word: &str) {
    pod.wait_until(word, |pod| {
        let message = pod.container("c")["state"]["waiting"]["message"].clone();
        message.as_str().is_some_and(|text| text.contains(word))
    });
}

#[test]
fn a_claim_outlives_its_pods_and_itself() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "claim");
    let at = space.path("in");
    let pod = space.pod("first", &user(&space, "data", &json!({})));
    waits_for(&pod, "persistentvolumeclaim \"data\" not found");
    space.apply_ok("claim", &[claim(&space, "data", &json!({}))]);
    pod.wait_for("condition=Ready");
    assert_eq!(
        inside(
            &pod,
            "c",
            &format!("stat -c %a {at}; ls -A {at}; echo words >{at}/file")
        )
        .stdout,
        "777\n"
    );
    assert_eq!(
        host.ok("cat /var/lib/vks/volumes/claim/data/file"),
        "words\n"
    );
    // Nobody else on the host gets there.
    assert_eq!(
        host.ok("stat -c %a /var/lib/vks/volumes /var/lib/vks/volumes/claim"),
        "700\n700\n"
    );
    pod.delete();
    assert_eq!(
        host.ok("cat /var/lib/vks/volumes/claim/data/file"),
        "words\n"
    );
    let again = space.ready(
        "second",
        &user(&space, "data", &json!({ "readOnly": true })),
    );
    assert_eq!(
        inside(&again, "c", &format!("cat {at}/file")).stdout,
        "words\n"
    );
    assert_ne!(
        inside(&again, "c", &format!("echo x >{at}/x")).code,
        0,
        "read-only"
    );
    again.delete();
    host.vks_ok(&["delete", "pvc", "data", "-n", "claim"]);
    assert_eq!(
        host.ok("cat /var/lib/vks/volumes/claim/data/file"),
        "words\n"
    );
}

#[test]
fn a_claim_that_says_delete_goes_when_it_and_its_pods_are_gone() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "reclaim");
    let at = space.path("in");
    let mut doomed = claim(&space, "doomed", &json!({}));
    doomed["metadata"]["annotations"] = json!({ "vks.io/reclaim-policy": "Delete" });
    space.apply_ok("claim", &[doomed, claim(&space, "kept", &json!({}))]);
    let pod = space.ready("user", &user(&space, "doomed", &json!({})));
    let other = space.ready("other", &user(&space, "kept", &json!({})));
    inside(&pod, "c", &format!("echo words >{at}/file"));
    inside(&other, "c", &format!("echo words >{at}/file"));
    host.vks_ok(&["delete", "pvc", "doomed", "kept", "-n", "reclaim"]);
    let dir = "/var/lib/vks/volumes/reclaim";
    // The agent has seen that it is gone.
    host.wait(
        "journalctl -u vks.service -o cat | grep -q 'persistentvolumeclaim \"doomed\" not found'",
    );
    assert_eq!(
        host.ok(&format!("cat {dir}/doomed/file")),
        "words\n",
        "a pod uses it"
    );
    pod.delete();
    host.wait(&format!("test ! -e {dir}/doomed"));
    other.delete();
    assert_eq!(host.ok(&format!("cat {dir}/kept/file")), "words\n");
}

#[test]
fn a_claim_has_the_volume_it_names_or_that_names_it() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "volume");
    host.ok("mkdir -p /t/volume/named /t/volume/kept && echo named >/t/volume/named/file && echo kept >/t/volume/kept/file");
    space.apply_ok("volumes", &[
        volume("named", &json!({ "hostPath": { "path": "/t/volume/named" } })),
        volume("kept", &json!({ "local": { "path": "/t/volume/kept" }, "claimRef": { "namespace": "volume", "name": "for-me" } })),
        volume("small", &json!({ "hostPath": { "path": "/t/volume/named" }, "capacity": { "storage": "1Ki" } })),
        claim(&space, "by-name", &json!({ "volumeName": "named", "storageClassName": "" })),
        claim(&space, "for-me", &json!({})),
        claim(&space, "too-late", &json!({ "volumeName": "named" })),
        claim(&space, "too-large", &json!({ "volumeName": "small" })),
        claim(&space, "nothing", &json!({ "volumeName": "none" })),
    ]);
    let file = format!("cat {}/file", space.path("in"));
    let one = space.ready("one", &user(&space, "by-name", &json!({})));
    assert_eq!(inside(&one, "c", &file).stdout, "named\n");
    let two = space.ready("two", &user(&space, "for-me", &json!({})));
    assert_eq!(inside(&two, "c", &file).stdout, "kept\n");
    waits_for(
        &space.pod("three", &user(&space, "too-late", &json!({}))),
        "already bound to claim volume/by-name",
    );
    waits_for(
        &space.pod("four", &user(&space, "too-large", &json!({}))),
        "smaller than the claim",
    );
    waits_for(
        &space.pod("five", &user(&space, "nothing", &json!({}))),
        "persistentvolume \"none\" not found",
    );
    // Another volume for the claim starts its pods anew, with it.
    space.apply_ok(
        "more",
        &[volume(
            "named",
            &json!({ "hostPath": { "path": "/t/volume/kept" } }),
        )],
    );
    one.wait_until("the other volume", |pod| {
        pod.pid("c") != "0" && inside(pod, "c", &file).stdout == "kept\n"
    });
}

#[test]
fn one_pod_at_a_time_when_the_claim_says_so() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "oncepod");
    space.apply_ok(
        "claim",
        &[claim(
            &space,
            "data",
            &json!({ "accessModes": ["ReadWriteOncePod"] }),
        )],
    );
    let first = space.ready("a", &user(&space, "data", &json!({})));
    let second = space.pod("b", &user(&space, "data", &json!({})));
    waits_for(&second, "ReadWriteOncePod");
    first.delete();
    second.wait_for("condition=Ready");
}

#[test]
fn an_ephemeral_volume_lives_as_long_as_its_pod() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "ephemeral");
    let spec = json!({
        "volumes": [{ "name": "v", "ephemeral": { "volumeClaimTemplate": { "metadata": { "labels": { "a": "b" } },
            "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Mi" } } } } } }],
        "containers": [with(sleeper("c"), &json!({ "volumeMounts": [{ "name": "v", "mountPath": "/t/ephemeral/in" }] }))],
    });
    let pod = space.ready("e", &spec);
    assert_eq!(
        inside(
            &pod,
            "c",
            "ls -A /t/ephemeral/in; echo x >/t/ephemeral/in/x"
        )
        .stdout,
        ""
    );
    let uid = pod.json()["metadata"]["uid"].as_str().unwrap().to_owned();
    assert_eq!(
        host.ok(&format!("cat /var/lib/vks/pods/{uid}/volumes/v/x")),
        "x\n"
    );
    pod.delete();
    host.ok(&format!("test ! -e /var/lib/vks/pods/{uid}"));
    let again = space.ready("e", &spec);
    assert_eq!(inside(&again, "c", "ls -A /t/ephemeral/in").stdout, "");
}

#[test]
fn a_block_device_is_a_device() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "block");
    // A node is enough: nothing of it is read. Where the machine may not make one, there is none to show.
    if host
        .machine
        .sh("test -b /dev/vks-disk || mknod /dev/vks-disk b 7 200")
        .code
        != 0
    {
        eprintln!("SKIP: this machine makes no device nodes");
        return;
    }
    space.apply_ok(
        "volumes",
        &[
            volume(
                "disk",
                &json!({ "local": { "path": "/dev/vks-disk" }, "volumeMode": "Block" }),
            ),
            claim(
                &space,
                "disk",
                &json!({ "volumeName": "disk", "volumeMode": "Block" }),
            ),
        ],
    );
    let spec = |key: &str, path: &str| {
        json!({
            "volumes": [{ "name": "v", "persistentVolumeClaim": { "claimName": "disk" } }],
            "containers": [with(sleeper("c"), &json!({ key: [{ "name": "v", path: "/t/block/in/xvda" }] }))],
        })
    };
    let look = sh(
        "i",
        "stat -c '%F %Hr:%Lr' /t/block/early/xvdb >/t/block/init",
    );
    let early = json!([{ "name": "v", "devicePath": "/t/block/early/xvdb" }]);
    let mut both = spec("volumeDevices", "devicePath");
    both["initContainers"] = json!([with(look, &json!({ "volumeDevices": early }))]);
    let pod = space.ready("b", &both);
    assert_eq!(space.read("init"), "block special file 7:200\n");
    assert_eq!(
        inside(&pod, "c", "stat -c '%F %Hr:%Lr' /t/block/in/xvda").stdout,
        "block special file 7:200\n"
    );
    host.ok("test ! -b /t/block/in/xvda && test ! -b /t/block/early/xvdb");
    pod.delete();
    let wrong = space.pod("wrong", &spec("volumeMounts", "mountPath"));
    waits_for(&wrong, "name it in volumeDevices");
}

#[test]
fn volumes_come_up_at_boot_without_the_agent() {
    let Some(mut host) = own("storage") else {
        return;
    };
    {
        let space = Space::new_kept(&host, "storage");
        host.ok("mkdir -p /t/storage/dir && echo bound >/t/storage/dir/file");
        space.apply_ok(
            "objects",
            &[
                claim(&space, "data", &json!({})),
                space.object("ConfigMap", "m", &json!({ "key": "projected" })),
                space.object("Secret", "s", &json!({ "key": "hidden" })),
            ],
        );
        let pod = space.ready("all", &json!({
            "volumes": [
                { "name": "claim", "persistentVolumeClaim": { "claimName": "data" } },
                { "name": "ram", "emptyDir": { "medium": "Memory" } },
                { "name": "files", "projected": { "sources": [
                    { "configMap": { "name": "m", "items": [{ "key": "key", "path": "deep/map" }] } },
                    { "secret": { "name": "s", "items": [{ "key": "key", "path": "deep/secret", "mode": 0o400 }] } },
                ] } },
                { "name": "mnt", "csi": { "driver": "mount.vks.io", "fsType": "none",
                    "volumeAttributes": { "what": "/t/storage/dir", "options": "bind" } } },
            ],
            "containers": [with(sleeper("c"), &json!({ "volumeMounts": [
                { "name": "claim", "mountPath": "/t/storage/claim" }, { "name": "ram", "mountPath": "/t/storage/ram" },
                { "name": "files", "mountPath": "/t/storage/files" }, { "name": "mnt", "mountPath": "/t/storage/mnt" },
                { "name": "claim", "mountPath": "/t/storage/part", "subPath": "part" },
            ] }))],
        }));
        inside(
            &pod,
            "c",
            "echo words >/t/storage/claim/file; echo part >/t/storage/part/file; echo gone >/t/storage/ram/file",
        );
        host.ok("systemctl mask vks.service; sync");
    }
    host.machine.reboot();
    let space = Space::new_kept(&host, "storage");
    assert_ne!(
        host.ok("systemctl is-active vks.service || true").trim(),
        "active"
    );
    let pod = space.known("all");
    pod.wait_until("it runs", |pod| {
        pod.container("c")["state"]["running"].is_object()
    });
    assert_eq!(
        inside(
            &pod,
            "c",
            "cd /t/storage && cat claim/file part/file mnt/file files/deep/map files/deep/secret; \
            stat -L -c %a files/deep/secret; stat -f -c %T ram; ls -A ram"
        )
        .stdout,
        "words\npart\nbound\nprojectedhidden400\ntmpfs\n"
    );
}
