//! Volumes that are mounted, in memory or from elsewhere, and how mounts are seen: read-only, propagation, devices.

use super::host::{Host, shared};
use super::space::{Pod, Space, sleeper, with};
use serde_json::{Value, json};

/// Runs something in the mount namespace of a container.
fn inside(pod: &Pod, container: &str, script: &str) -> super::lab::Output {
    let pid = pod.pid(container);
    pod.host()
        .machine
        .exec(&["nsenter", "-t", &pid, "-m", "/bin/sh", "-c", script])
}

fn mounted(container: Value, path: &str, more: &Value) -> Value {
    let mount = with(json!({ "name": "v", "mountPath": path }), more);
    with(container, &json!({ "volumeMounts": [mount] }))
}

/// The states of the mount units of vks whose files have a word in them.
fn mount_units(host: &Host, what: &str) -> String {
    host.ok(&format!(
        "cd /etc/systemd/system.attached && for u in $(grep -l '{what}' *vksmounts*.mount); do systemctl is-active $u; done"
    ))
}

#[test]
fn memory_has_its_size_is_shared_and_goes_with_the_pod() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "memory");
    let at = space.path("in");
    let pod = space.ready("m", &json!({
        "volumes": [{ "name": "v", "emptyDir": { "medium": "Memory", "sizeLimit": "2Mi" } }],
        "containers": [mounted(sleeper("a"), &at, &json!({})), mounted(sleeper("b"), &at, &json!({}))],
    }));
    assert_eq!(
        inside(
            &pod,
            "a",
            &format!("stat -f -c %T {at}; stat -c %a {at}; echo words >{at}/x")
        )
        .stdout,
        "tmpfs\n777\n"
    );
    assert_eq!(inside(&pod, "b", &format!("cat {at}/x")).stdout, "words\n");
    let full = inside(&pod, "a", &format!("head -c 3000000 /dev/zero >{at}/big"));
    assert!(full.stderr.contains("No space left"), "{full:?}");
    assert_eq!(
        inside(&pod, "a", &format!("stat -c %s {at}/big"))
            .stdout
            .trim(),
        (2 * 1024 * 1024 - 4096).to_string(),
        "all of it, less the page of the other file"
    );
    // A restart of a container keeps it, the end of the pod does not.
    let before = pod.invocation("a");
    host.ok(&format!("kill {}", pod.pid("a")));
    pod.wait_until("it runs again", |pod| {
        pod.invocation("a") != before && pod.pid("a") != "0"
    });
    assert_eq!(inside(&pod, "a", &format!("cat {at}/x")).stdout, "words\n");
    let uid = pod.json()["metadata"]["uid"].as_str().unwrap().to_owned();
    pod.delete();
    assert_eq!(
        host.ok(&format!("grep -c {uid} /proc/self/mountinfo || true")),
        "0\n"
    );
    assert_eq!(
        host.ok(&format!("ls -d /run/vks/pods/{uid} 2>&1 || true"))
            .lines()
            .count(),
        1
    );
    host.ok(&format!("test ! -e /run/vks/pods/{uid} && test ! -e {at}"));
}

#[test]
fn the_memory_limit_of_the_pod_bounds_it_too() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "memlimit");
    let limits = json!({ "resources": { "limits": { "memory": "64Mi" } } });
    let pod = space.ready(
        "m",
        &json!({
            "volumes": [{ "name": "v", "emptyDir": { "medium": "Memory", "sizeLimit": "1Gi" } }],
            "containers": [with(mounted(sleeper("c"), "/t/memlimit/in", &json!({})), &limits)],
        }),
    );
    let size = inside(&pod, "c", "df -k --output=size /t/memlimit/in | tail -n 1").stdout;
    assert_eq!(size.trim(), "65536");
}

#[test]
fn read_only_holds_below_too() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "recursive");
    host.ok("mkdir -p /t/recursive/dir/below && mount -t tmpfs below /t/recursive/dir/below");
    let spec = |more: &Value| {
        json!({
            "volumes": [{ "name": "v", "hostPath": { "path": "/t/recursive/dir" } }],
            "containers": [mounted(sleeper("c"), "/t/recursive/in", more)],
        })
    };
    let pod = space.ready(
        "ro",
        &spec(&json!({ "readOnly": true, "recursiveReadOnly": "Enabled" })),
    );
    for file in ["x", "below/x"] {
        let out = inside(&pod, "c", &format!("echo x >/t/recursive/in/{file}"));
        assert!(
            out.stderr.contains("Read-only file system"),
            "{file}: {out:?}"
        );
    }
    host.ok("echo x >/t/recursive/dir/below/x");
    pod.delete();
    host.ok("umount /t/recursive/dir/below");
    let words =
        space.refused(&space.manifest("wrong", &spec(&json!({ "recursiveReadOnly": "Enabled" }))));
    assert!(words.contains("needs readOnly: true"), "{}", words);
}

#[test]
fn mounts_of_the_host_are_seen_later_or_not() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "propagate");
    host.ok("mkdir -p /t/propagate/dir/sub");
    let container = |name: &str, word: &str| {
        mounted(
            sleeper(name),
            "/t/propagate/in",
            &json!({ "mountPropagation": word }),
        )
    };
    let pod = space.ready(
        "p",
        &json!({
            "volumes": [{ "name": "v", "hostPath": { "path": "/t/propagate/dir" } }],
            "containers": [container("sees", "HostToContainer"), container("private", "None")],
        }),
    );
    host.ok("mount -t tmpfs later /t/propagate/dir/sub && echo words >/t/propagate/dir/sub/file");
    let look = "cat /t/propagate/in/sub/file";
    assert_eq!(inside(&pod, "sees", look).stdout, "words\n");
    assert_ne!(inside(&pod, "private", look).code, 0);
    // What a container mounts never reaches the host.
    inside(
        &pod,
        "sees",
        "mount -t tmpfs own /t/propagate/in && echo x >/t/propagate/in/own",
    );
    host.ok("test ! -e /t/propagate/dir/own && umount /t/propagate/dir/sub");
    pod.delete();
    let refused = json!({
        "volumes": [{ "name": "v", "hostPath": { "path": "/t/propagate/dir" } }],
        "containers": [container("c", "Bidirectional")],
    });
    let words = space.refused(&space.manifest("b", &refused));
    assert!(
        words.contains("mountPropagation") && words.contains("never reaches the host"),
        "{words}"
    );
}

/// In place of the NFS client, which is the kernel's: shows a directory of this host, and says how it was called.
const HELPER: &str = "#!/bin/sh\necho \"$@\" >>/t/nfs/calls\ntest -d /t/nfs/exported || exit 32\nmount --bind /t/nfs/exported \"$2\"\n";

#[test]
fn an_export_is_mounted_by_a_unit_and_tried_again() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "nfs");
    host.machine.write("/usr/sbin/mount.nfs", HELPER, "0755");
    let pod = space.pod("n", &json!({
        "volumes": [{ "name": "v", "nfs": { "server": "files.test", "path": "/exported", "readOnly": true } }],
        "containers": [mounted(sleeper("c"), "/t/nfs/in", &json!({}))],
    }));
    // The server is away: the pod waits, and says for what.
    host.wait("grep -q . /t/nfs/calls && journalctl -u vks-nfs-n-sandbox.service | grep -q 'files.test:/exported is not mounted'");
    assert_eq!(pod.phase(), "Pending");
    host.ok("mkdir /t/nfs/exported && echo words >/t/nfs/exported/file");
    pod.wait_for("condition=Ready");
    assert_eq!(inside(&pod, "c", "cat /t/nfs/in/file").stdout, "words\n");
    assert_ne!(
        inside(&pod, "c", "echo x >/t/nfs/in/file").code,
        0,
        "read-only"
    );
    let calls = space.read("calls");
    assert!(
        calls.starts_with("files.test:/exported /run/vks/vksmounts/") && calls.contains("-o ro"),
        "{calls}"
    );
    assert_eq!(mount_units(&host, "files.test"), "active\n");
    pod.delete();
    by_a_claim(&space);
    host.wait("! grep -q vksmounts /proc/self/mountinfo || ! grep /t/nfs /proc/self/mountinfo");
    assert_eq!(host.ok("cat /t/nfs/exported/file"), "words\n");
    assert_eq!(
        host.ok("grep -l files.test /etc/systemd/system.attached/*.mount 2>/dev/null | wc -l"),
        "0\n"
    );
}

/// The same export as a volume that a claim has, for reading and writing.
fn by_a_claim(space: &Space) {
    space.host.ok("rm /t/nfs/calls");
    let asked = json!({ "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Mi" } } });
    let volume = json!({
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": { "name": "export" },
        "spec": { "accessModes": ["ReadWriteOnce"], "capacity": { "storage": "1Gi" }, "mountOptions": ["noatime"],
            "claimRef": { "namespace": "nfs", "name": "mine" }, "nfs": { "server": "files.test", "path": "/exported" } },
    });
    let claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": { "name": "mine", "namespace": "nfs" },
        "spec": asked,
    });
    space.apply_ok("claim", &[volume, claim]);
    let pod = space.ready(
        "claims",
        &json!({
            "volumes": [{ "name": "v", "persistentVolumeClaim": { "claimName": "mine" } }],
            "containers": [mounted(sleeper("c"), "/t/nfs/in", &json!({}))],
        }),
    );
    let script = "cat /t/nfs/in/file && echo more >/t/nfs/in/more";
    assert_eq!(inside(&pod, "c", script).stdout, "words\n");
    assert_eq!(space.read("exported/more"), "more\n");
    let calls = space.read("calls");
    let called = calls.starts_with("files.test:/exported /run/vks/vksmounts/");
    assert!(called && calls.contains("noatime"), "{calls}");
    pod.delete();
}

#[test]
fn anything_mount_can_mount_is_a_volume() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "csi");
    let csi = json!({ "driver": "mount.vks.io", "fsType": "overlay", "volumeAttributes": {
        "what": "layers", "options": "lowerdir=/t/csi/l/low,upperdir=/t/csi/l/up,workdir=/t/csi/l/work" } });
    // An overlay on an overlay is not for every kernel: the layers are in memory then.
    host.ok("mkdir /t/csi/l && mount -t tmpfs layers /t/csi/l && mkdir -p /t/csi/l/low /t/csi/l/up /t/csi/l/work && echo low >/t/csi/l/low/file");
    let pod = space.ready(
        "o",
        &json!({
            "volumes": [{ "name": "v", "csi": csi }],
            "containers": [mounted(sleeper("c"), "/t/csi/in", &json!({}))],
        }),
    );
    assert_eq!(
        inside(
            &pod,
            "c",
            "cat /t/csi/in/file; echo new >/t/csi/in/new; stat -f -c %T /t/csi/in"
        )
        .stdout,
        "low\noverlayfs\n"
    );
    assert_eq!(host.ok("cat /t/csi/l/up/new"), "new\n");
    pod.delete();
    host.wait("umount /t/csi/l");
    let other = json!({ "volumes": [{ "name": "v", "csi": { "driver": "ebs.csi.aws.com", "fsType": "ext4" } }],
        "containers": [mounted(sleeper("c"), "/t/csi/in", &json!({}))] });
    let words = space.refused(&space.manifest("other", &other));
    assert!(words.contains("csi.driver"), "{words}");
}
