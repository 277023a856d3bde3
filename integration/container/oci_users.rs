//! `hostUsers: false`: containers whose users are not the host's, seen from inside and from outside.

use super::oci::{OciHost, PLAIN, container, shell};
use super::space::Space;
use serde_json::json;

/// The ids that pods are given begin here.
const FIRST: u32 = 0x7000_0000;

const LOOKS: &str = "cat /proc/self/uid_map /proc/self/gid_map; id -u; stat -c '%u %g %n' /bin/sh /srv /dev/null /data /secret/key; \
    cat /secret/key; echo mine >/data/own; echo theirs >/data/given; chown 33:34 /data/given; mkdir /made; \
    echo fresh >/made/file; chown 1000 /made/file; stat -c '%u %n' /made /made/file; cat /proc/sys/kernel/hostname; \
    python3 -c 'import socket; socket.socket().bind((\"\", 80)); print(\"port 80\")'; \
    chown 65536 /made/file 2>&1 | grep -o Invalid; cat /proc/1/root/etc/shadow 2>/dev/null; \
    grep -E 'CapEff|CapBnd' /proc/self/status; touch /made/done; exec sleep 1d";

#[test]
fn users_of_a_pod_are_not_the_hosts() {
    let Some(on) = OciHost::boot("ociusers") else {
        return;
    };
    on.start(PLAIN);
    on.registry(5000, "");
    let space = Space::new(&on.host, "ociusers");
    let secret = space.object("Secret", "s", &json!({ "key": "hidden\n" }));
    space.apply_ok("secret", &[secret]);
    let whole = |script: &str| {
        json!({ "hostNetwork": false, "hostUsers": false,
            "volumes": [{ "name": "data", "emptyDir": {} },
                { "name": "secret", "secret": { "secretName": "s", "defaultMode": 256 } }],
            "containers": [shell(script, &json!({
                "readinessProbe": { "exec": { "command": ["test", "-f", "/made/done"] } },
                "volumeMounts": [{ "name": "data", "mountPath": "/data" },
                    { "name": "secret", "mountPath": "/secret" }] }))] })
    };
    let pod = space.ready("one", &whole(LOOKS));
    let map = format!("         0 {FIRST}      65536\n");
    let log = on.host.vks_ok(&["logs", "one", "-n", "ociusers"]);
    let caps = "00000000a00425fb";
    assert_eq!(
        log,
        format!(
            "{map}{map}0\n0 0 /bin/sh\n0 0 /srv\n0 0 /dev/null\n0 0 /data\n0 0 /secret/key\nhidden\n0 /made\n1000 /made/file\n\
             one\nport 80\nInvalid\nCapEff:\t{caps}\nCapBnd:\t{caps}\n"
        )
    );
    outside(&on, &pod.pid("c"));
    // Another pod has other ids.
    let other = space.ready("two", &whole(LOOKS));
    let pid = other.pid("c");
    assert_eq!(
        on.host.ok(&format!("stat -c %u /proc/{pid}")),
        format!("{}\n", FIRST + 65536)
    );
    // A user of the image, by its own number.
    space.ready(
        "app",
        &json!({ "hostNetwork": false, "hostUsers": false, "containers": [container("app:1", &json!({}))] }),
    );
    on.host
        .wait("vks logs app -n ociusers | grep '^who 1234 1235 77 1235 /home/app /srv/app 1$'");
    // A root directory of the host's, as the container sees it and as it is.
    on.host.ok("cp -a $(dirname $(dirname $(dirname $(ls -d /var/lib/vks/images/layers/*/fs/usr/bin/dash)))) /var/lib/vks/copy");
    let script = "id -u; stat -c %u /usr /srv; echo x >/written; exec sleep 1d";
    space.ready(
        "dir",
        &json!({ "hostNetwork": false, "hostUsers": false, "containers": [{ "name": "c",
            "image": "dir:/var/lib/vks/copy", "command": ["sh", "-c", script] }] }),
    );
    on.host.wait("test -e /var/lib/vks/copy/written");
    assert_eq!(
        on.host.vks_ok(&["logs", "dir", "-n", "ociusers"]),
        "0\n0\n0\n"
    );
    assert_eq!(on.host.ok("stat -c %u /var/lib/vks/copy/written"), "0\n");
    all_of_proc(&on, &space);
    for name in ["one", "two", "app", "dir", "all"] {
        space.known(name).delete();
    }
    on.host
        .ok("! ls -d /run/vks/users/* /run/vks/pods/* /run/netns/vks-* 2>/dev/null");
}

/// `procMount: Unmasked`: all of /proc, and what root of the pod may not write there is for the kernel to say.
fn all_of_proc(on: &OciHost, space: &Space<'_>) {
    let script = "grep -c ' /proc/' /proc/self/mountinfo; \
        for file in net/ipv4/ip_forward kernel/core_pattern vm/drop_caches; do \
        (echo 1 >/proc/sys/$file) 2>&1 | grep -o denied; done; exec sleep 1d";
    let all = shell(
        script,
        &json!({ "securityContext": { "procMount": "Unmasked" } }),
    );
    space.ready(
        "all",
        &json!({ "hostNetwork": false, "hostUsers": false, "containers": [all] }),
    );
    on.host.wait("test $(vks logs all -n ociusers | wc -l) = 4");
    assert_eq!(
        on.host.vks_ok(&["logs", "all", "-n", "ociusers"]),
        "0\ndenied\ndenied\ndenied\n"
    );
}

/// What the host sees of the first pod.
fn outside(on: &OciHost, pid: &str) {
    let ok = |script: &str| on.host.ok(script);
    let owner = format!("{FIRST}\n");
    assert_eq!(ok(&format!("stat -c %u /proc/{pid}")), owner);
    for kind in ["user", "mnt", "net", "ipc", "uts"] {
        let of = |pid: &str| ok(&format!("readlink /proc/{pid}/ns/{kind}"));
        assert_ne!(of(pid), of("1"), "{kind}");
    }
    // Volumes: owned as the pod sees it. Its own layer: by the ids that only it has.
    let volume = "/var/lib/vks/pods/*/volumes/data";
    assert_eq!(
        ok(&format!("stat -c '%u:%g' {volume}/own {volume}/given")),
        "0:0\n33:34\n"
    );
    let layer = "/var/lib/vks/pods/*/rootfs/c/upper/made";
    assert_eq!(
        ok(&format!("stat -c %u {layer} {layer}/file")),
        format!("{FIRST}\n{}\n", FIRST + 1000)
    );
    // The layer of the image is as it was.
    assert_eq!(
        ok("stat -c %u /var/lib/vks/images/layers/*/fs/usr | sort -u"),
        "0\n"
    );
    let inside = |script: &str| {
        on.host
            .vks_ok(&["exec", "one", "-n", "ociusers", "--", "sh", "-c", script])
    };
    assert_eq!(
        inside("id -u; id -g; cat /proc/self/uid_map; stat -c %u /data/own; touch /data/in"),
        format!("0\n0\n         0 {FIRST}      65536\n0\n")
    );
    assert_eq!(ok(&format!("stat -c %u {volume}/in")), "0\n");
    // What is the host's root is nobody there.
    assert_eq!(inside("stat -c %u /proc/sys/kernel"), "65534\n");
}

#[test]
fn what_cannot_have_users_of_its_own_says_so() {
    let Some(on) = OciHost::boot("ocinousers") else {
        return;
    };
    on.start(PLAIN);
    on.registry(5000, "");
    let space = Space::new(&on.host, "ocinousers");
    // Programs of the host.
    space.pod(
        "host",
        &json!({ "hostNetwork": false, "hostUsers": false,
            "containers": [{ "name": "c", "image": "host:sleep", "args": ["1d"] }] }),
    );
    on.host.wait(
        "vks get pod host -n ocinousers -o yaml | grep -q 'in which the users of hostUsers: false have no place'",
    );
    // A volume on a file system without such mounts: the machine's own is an overlay.
    on.host.ok("mkdir -p /srv/plain");
    space.pod(
        "volume",
        &json!({ "hostNetwork": false, "hostUsers": false, "restartPolicy": "Never",
            "volumes": [{ "name": "v", "hostPath": { "path": "/srv/plain" } }],
            "containers": [shell("echo ran", &json!({ "volumeMounts": [{ "name": "v", "mountPath": "/v" }] }))] }),
    );
    on.host.wait(
        "journalctl -q --no-pager | grep -q 'cannot mount /srv/plain on \"/v\" with the pod.s own users'",
    );
    on.host
        .wait("vks get pod volume -n ocinousers -o yaml | grep -q StartError");
}
