//! A host that is short of memory or disk ends pods, those that matter least first.

use super::node::{SETTINGS, own, pod};
use super::statuses::compare;

#[test]
fn a_host_that_is_short_of_memory_ends_pods() {
    let Some(node) = own("evict") else { return };
    node.plane.apply(&pod("victim", "exec sleep 3600"));
    node.plane.apply(&pod("vital", "exec sleep 3600").replace(
        "hostNetwork: true",
        "hostNetwork: true\n  priorityClassName: system-node-critical",
    ));
    for name in ["victim", "vital"] {
        node.wait(&["pod", name], "{.status.phase}", "Running");
    }
    let vital = node.pid("vks.default.vital.sh.service");
    // From now on this host has too little, whatever it has.
    let settings = SETTINGS.replace("eviction = { ", "eviction = { memory = '9Pi', ");
    node.settings(&format!("[kubernetes]\n{settings}"));
    node.host.ok("systemctl restart vks.service");
    node.wait(&["pod", "victim"], "{.status.reason}", "Evicted");
    let status = node.get(&["pod", "victim"])["status"].clone();
    assert_eq!(status["phase"], "Failed");
    let message = status["message"].as_str().unwrap();
    assert!(
        message.starts_with("The node was low on resource: memory. Threshold quantity: "),
        "{message}"
    );
    assert!(status["containerStatuses"][0]["state"]["terminated"].is_object());
    compare(&node, "victim", "s-evicted");
    node.host
        .wait("! systemctl is-active -q vks.default.victim.sh.service");
    let path = "{.status.conditions[?(@.type=='MemoryPressure')].status}";
    node.wait(&["node", "n1"], path, "True");
    // The object stays, also over a restart of the agent; what is critical runs on.
    node.host.ok("systemctl restart vks.service");
    node.ready();
    assert_eq!(node.get(&["pod", "victim"])["status"]["reason"], "Evicted");
    assert_eq!(node.pid("vks.default.vital.sh.service"), vital);
    assert_eq!(node.get(&["pod", "vital"])["status"]["phase"], "Running");
    // And goes when it is deleted, with all there is of it.
    node.plane
        .kubectl_ok(&["delete", "pod", "victim", "--timeout=60s"]);
    node.host
        .wait("! ls /etc/systemd/system.attached | grep -q victim");
}

/// State of vks on a small file system of its own.
const SMALL: &str = "set -e
systemctl stop vks.service
cp -a /var/lib/vks /var/tmp/before
mount -t tmpfs -o size=96m,nr_inodes=20k none /var/lib/vks
cp -a /var/tmp/before/. /var/lib/vks
systemctl start vks.service";

/// An image of 24 MB: a directory that `vks image import` takes, written by hand.
const IMAGE: &str = r#"
import hashlib, io, json, os, tarfile
top = "/var/tmp/image"
os.makedirs(top + "/blobs/sha256")
def blob(data):
    name = hashlib.sha256(data).hexdigest()
    open(top + "/blobs/sha256/" + name, "wb").write(data)
    return {"digest": "sha256:" + name, "size": len(data)}
out = io.BytesIO()
with tarfile.open(fileobj=out, mode="w") as tar:
    info = tarfile.TarInfo("big")
    info.size = 24 << 20
    tar.addfile(info, io.BytesIO(os.urandom(info.size)))
layer = out.getvalue()
kind = "application/vnd.oci.image."
config = {"architecture": "amd64", "os": "linux", "config": {"Entrypoint": ["/big"]},
          "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]}}
manifest = {"schemaVersion": 2, "mediaType": kind + "manifest.v1+json",
            "config": {"mediaType": kind + "config.v1+json", **blob(json.dumps(config).encode())},
            "layers": [{"mediaType": kind + "layer.v1.tar", **blob(layer)}]}
index = {"schemaVersion": 2, "manifests": [{"mediaType": kind + "manifest.v1+json", **blob(json.dumps(manifest).encode())}]}
json.dump(index, open(top + "/index.json", "w"))
json.dump({"imageLayoutVersion": "1.0.0"}, open(top + "/oci-layout", "w"))
"#;

/// A pod that writes so many MiB to a volume of its own, or to no more than it says.
fn hog(name: &str, megabytes: u32) -> String {
    pod(
        name,
        &format!("head -c {megabytes}M /dev/urandom >/data/big; exec sleep 3600"),
    )
    .replace(
        "args:",
        "volumeMounts: [{name: data, mountPath: /data}], args:",
    ) + "  volumes: [{name: data, emptyDir: {}}]\n"
}

#[test]
fn a_host_that_is_short_of_disk_removes_images_and_then_ends_pods() {
    let Some(node) = own("disk") else { return };
    node.host.ok(SMALL);
    node.host.machine.write("/var/tmp/image.py", IMAGE, "0644");
    node.host.ok(
        "python3 /var/tmp/image.py && vks image import /var/tmp/image --name oci:example.com/big:1",
    );
    // Images of the last two minutes stay: a pod may be about to name them.
    node.host.ok(
        "before=$(date -u -d '-1 hour' +%FT%TZ); for file in /var/lib/vks/images/refs/*; do \
         sed -i 's/\"fetched\": *\"[^\"]*\"/\"fetched\":\"'$before'\"/' $file; touch -d $before $file; done",
    );
    let settings = SETTINGS.replace(
        "eviction = { storage = 0",
        "eviction = { transition = 25, storage = 40",
    );
    node.settings(&format!(
        "[images]\ndisk_high = 60\ndisk_low = 50\n[kubernetes]\n{settings}"
    ));
    node.host.ok("systemctl restart vks.service");
    node.plane.apply(&hog("small", 1));
    node.wait(&["pod", "small"], "{.status.phase}", "Running");
    let small = node.pid("vks.default.small.sh.service");
    // With the image it is too much, without it is not: the image goes, and no pod.
    node.plane.apply(&hog("middle", 36));
    node.wait(&["pod", "middle"], "{.status.phase}", "Running");
    let pressure = "{.status.conditions[?(@.type=='DiskPressure')]['status','reason','message']}";
    let short = "True KubeletHasDiskPressure kubelet has disk pressure";
    node.wait(&["node", "n1"], pressure, short);
    node.host.wait("test -z \"$(vks image ls --no-headers)\"");
    // Nobody else is taken meanwhile, but who matters.
    node.plane.apply(&pod("late", "exec sleep 3600"));
    node.wait(&["pod", "late"], "{.status.reason}", "Evicted");
    let message = node.get(&["pod", "late"])["status"]["message"].clone();
    assert_eq!(
        message,
        "Pod was rejected: The node had condition: [DiskPressure]. "
    );
    let well = "False KubeletHasNoDiskPressure kubelet has no disk pressure";
    node.wait(&["node", "n1"], pressure, well);
    for name in ["small", "middle"] {
        assert_eq!(node.get(&["pod", name])["status"]["phase"], "Running");
    }
    // Now only a pod can go: the one that uses most. What it wrote goes with it.
    node.plane.apply(&hog("large", 48));
    node.wait(&["pod", "large"], "{.status.reason}", "Evicted");
    let status = node.get(&["pod", "large"])["status"].clone();
    assert_eq!(status["phase"], "Failed");
    let message = status["message"].as_str().unwrap();
    let words = "The node was low on resource: ephemeral-storage. Threshold quantity: ";
    assert!(message.starts_with(words), "{message}");
    let uid = node.get(&["pod", "large"])["metadata"]["uid"].clone();
    node.host.wait(&format!(
        "test ! -e /var/lib/vks/pods/{}/volumes",
        uid.as_str().unwrap()
    ));
    node.wait(&["node", "n1"], pressure, well);
    for name in ["small", "middle"] {
        assert_eq!(node.get(&["pod", name])["status"]["phase"], "Running");
    }
    assert_eq!(node.pid("vks.default.small.sh.service"), small);
    node.plane
        .kubectl_ok(&["delete", "pod", "large", "late", "--timeout=60s"]);
    node.host
        .wait("! ls /etc/systemd/system.attached | grep -q large");
}
