//! emptyDir, hostPath, configMap and secret volumes, as the processes see them.

use super::host::{Host, shared};
use super::space::{Pod, Space, sh, sleeper, with};
use serde_json::{Value, json};

fn mount(container: Value, volume: &str, path: &str, more: &Value) -> Value {
    let one = with(json!({ "name": volume, "mountPath": path }), more);
    with(container, &json!({ "volumeMounts": [one] }))
}

/// A file as a container sees it.
fn seen(pod: &Pod, container: &str, path: &str) -> String {
    pod.host()
        .ok(&format!("cat /proc/{}/root{path}", pod.pid(container)))
}

/// Runs something in the mount namespace of a container.
fn inside(pod: &Pod, container: &str, script: &str) -> super::lab::Output {
    let pid = pod.pid(container);
    pod.host()
        .machine
        .exec(&["nsenter", "-t", &pid, "-m", "/bin/sh", "-c", script])
}

fn is_there(host: &Host, path: &str) -> bool {
    host.machine.exec(&["test", "-e", path]).code == 0
}

#[test]
fn empty_dir_is_shared_survives_a_restart_and_goes_with_the_pod() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "emptydir");
    let volume = json!([{ "name": "v", "emptyDir": {} }]);
    let pod = space.ready(
        "empty",
        &json!({ "volumes": volume, "containers": [
        mount(sleeper("a"), "v", "/t/emptydir/at-a", &json!({})),
        mount(sleeper("b"), "v", "/t/emptydir/at-b", &json!({})),
    ] }),
    );
    assert_eq!(
        inside(
            &pod,
            "a",
            "ls -A /t/emptydir/at-a; echo words >/t/emptydir/at-a/file"
        )
        .stdout,
        ""
    );
    assert_eq!(
        inside(&pod, "b", "cat /t/emptydir/at-b/file").stdout,
        "words\n"
    );
    assert_eq!(host.ok("ls -A /t/emptydir/at-a"), "", "not on the host");
    let before = pod.invocation("a");
    host.ok(&format!("kill {}", pod.pid("a")));
    pod.wait_until("it runs again", |pod| {
        pod.invocation("a") != before && pod.pid("a") != "0"
    });
    assert_eq!(
        inside(&pod, "a", "cat /t/emptydir/at-a/file").stdout,
        "words\n"
    );
    let uid = pod.json()["metadata"]["uid"].as_str().unwrap().to_owned();
    pod.delete();
    assert!(
        !is_there(&host, "/t/emptydir/at-a") && !is_there(&host, "/t/emptydir/at-b"),
        "mount points are removed"
    );
    assert!(!is_there(&host, &format!("/var/lib/vks/pods/{uid}")));
    // A new pod of the same name has a new directory.
    let again = space.ready("empty", &json!({ "volumes": volume, "containers": [mount(sleeper("a"), "v", "/t/emptydir/at-a", &json!({}))] }));
    assert_eq!(inside(&again, "a", "ls -A /t/emptydir/at-a").stdout, "");
}

#[test]
fn empty_dir_of_another_user() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "emptyuser");
    let user = json!({ "securityContext": { "runAsUser": 4711 } });
    let pod = space.ready("user", &json!({ "volumes": [{ "name": "v", "emptyDir": {} }], "containers": [
        with(mount(sh("c", "echo mine >/t/emptyuser/d/file && exec sleep 1d"), "v", "/t/emptyuser/d", &json!({})), &user),
    ] }));
    host.wait(&format!(
        "test -s /proc/{}/root/t/emptyuser/d/file",
        pod.pid("c")
    ));
    assert_eq!(seen(&pod, "c", "/t/emptyuser/d/file"), "mine\n");
}

#[test]
fn what_was_there_before_is_left_alone() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "mountpoint");
    host.ok("mkdir -p /t/mountpoint/there && echo host >/t/mountpoint/there/file");
    let pod = space.ready(
        "over",
        &json!({ "volumes": [{ "name": "v", "emptyDir": {} }], "containers": [
        with(sleeper("c"), &json!({ "volumeMounts": [
            { "name": "v", "mountPath": "/t/mountpoint/there" },
            { "name": "v", "mountPath": "/t/mountpoint/new/deep/er" },
        ] })),
    ] }),
    );
    assert_eq!(inside(&pod, "c", "ls -A /t/mountpoint/there").stdout, "");
    pod.delete();
    assert_eq!(host.ok("cat /t/mountpoint/there/file"), "host\n");
    assert!(!is_there(&host, "/t/mountpoint/new"));
    assert_eq!(
        host.ok("grep -c mountpoint /proc/self/mountinfo || true"),
        "0\n"
    );
}

#[test]
fn host_paths_of_each_type() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "hostpath");
    host.ok(
        "cd /t/hostpath && mkdir dir && echo in-dir >dir/file && echo alone >file && \
         python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"/t/hostpath/socket\")'",
    );
    let types = [
        ("plain", "dir", ""),
        ("dir", "dir", "Directory"),
        ("made", "made", "DirectoryOrCreate"),
        ("file", "file", "File"),
        ("madefile", "madefile", "FileOrCreate"),
        ("socket", "socket", "Socket"),
        ("char", "/dev/null", "CharDevice"),
    ];
    let path = |path: &str| {
        if path.starts_with('/') {
            path.to_owned()
        } else {
            format!("/t/hostpath/{path}")
        }
    };
    let volumes: Vec<Value> = types
        .iter()
        .map(|(name, at, kind)| json!({ "name": name, "hostPath": { "path": path(at), "type": kind } }))
        .collect();
    let mounts: Vec<Value> = types
        .iter()
        .map(|(name, _, _)| json!({ "name": name, "mountPath": format!("/t/hostpath/in/{name}"), "readOnly": *name == "plain" }))
        .collect();
    let pod = space.ready("types", &json!({
        "volumes": volumes, "containers": [with(sleeper("c"), &json!({ "volumeMounts": mounts }))],
    }));
    assert_eq!(seen(&pod, "c", "/t/hostpath/in/dir/file"), "in-dir\n");
    assert_eq!(seen(&pod, "c", "/t/hostpath/in/file"), "alone\n");
    for (test, name) in [
        ("-d", "made"),
        ("-f", "madefile"),
        ("-S", "socket"),
        ("-c", "char"),
    ] {
        assert_eq!(
            inside(&pod, "c", &format!("test {test} /t/hostpath/in/{name}")).code,
            0,
            "{name}"
        );
    }
    assert_eq!(
        host.ok("stat -c '%a %F' /t/hostpath/made /t/hostpath/madefile"),
        "755 directory\n644 regular empty file\n"
    );
    assert_eq!(
        inside(&pod, "c", "echo new >/t/hostpath/in/dir/new").code,
        0
    );
    assert_eq!(host.ok("cat /t/hostpath/dir/new"), "new\n");
    assert_ne!(
        inside(&pod, "c", "echo no >/t/hostpath/in/plain/no").code,
        0,
        "read-only"
    );
    pod.delete();
    assert!(
        !is_there(&host, "/t/hostpath/in"),
        "mount points are removed"
    );
    assert_eq!(
        host.ok("cat /t/hostpath/dir/file /t/hostpath/file; ls -d /t/hostpath/made"),
        "in-dir\nalone\n/t/hostpath/made\n"
    );
}

#[test]
fn a_host_path_that_is_not_what_it_should_be_holds_the_pod() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "hostwrong");
    let spec = json!({
        "volumes": [{ "name": "v", "hostPath": { "path": "/t/hostwrong/late", "type": "Directory" } }],
        "containers": [mount(sleeper("c"), "v", "/t/hostwrong/in", &json!({}))],
    });
    let pod = space.pod("wrong", &spec);
    host.wait("journalctl KUBERNETES_NAMESPACE=hostwrong + _SYSTEMD_UNIT=vks-hostwrong-wrong-sandbox.service | grep -q late");
    pod.wait_until("it says why", |pod| {
        pod.container("c")["state"]["waiting"].is_object()
    });
    assert_eq!(pod.phase(), "Pending");
    host.ok("mkdir /t/hostwrong/late");
    pod.wait_for("condition=Ready");
}

fn config_pod<'a>(space: &'a Space<'a>, kind: &str, data: &Value) -> Pod<'a> {
    let source = if kind == "Secret" {
        json!({ "secret": { "secretName": "o" } })
    } else {
        json!({ "configMap": { "name": "o" } })
    };
    space.apply_ok("object", &[space.object(kind, "o", data)]);
    let at = space.path("in");
    // Reads in a loop: both files must always be of one generation.
    let reader = format!(
        "import os\nwhile True:\n fd = os.open('{at}/..data', os.O_RDONLY)\n try:\n  \
         a, b = (open(f, opener=lambda p, f: os.open(p, f, dir_fd=fd)).read() for f in ('a', 'b'))\n \
         except FileNotFoundError: continue\n finally: os.close(fd)\n \
         if a != b: open('{}', 'a').write(a + b)\n open('{}', 'w').write(a)\n",
        space.path("torn"),
        space.path("reading"),
    );
    let reads =
        json!({ "name": "reader", "image": "host:/usr/bin/python3", "args": ["-c", reader] });
    space.ready("config", &json!({
        "volumes": [with(json!({ "name": "v" }), &source)],
        "containers": [mount(sleeper("c"), "v", &at, &json!({})), mount(reads, "v", &at, &json!({}))],
    }))
}

fn live_update(kind: &str, name: &'static str) {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, name);
    let pod = config_pod(
        &space,
        kind,
        &json!({ "a": "0", "b": "0", "gone.later": "x %n\n" }),
    );
    let at = space.path("in");
    let list = |pod: &Pod| inside(pod, "c", &format!("ls {at}")).stdout;
    assert_eq!(list(&pod), "a\nb\ngone.later\n");
    assert_eq!(seen(&pod, "c", &format!("{at}/gone.later")), "x %n\n");
    assert_ne!(
        inside(&pod, "c", &format!("echo x >{at}/a")).code,
        0,
        "read-only"
    );
    let (life, reader) = (pod.life("c"), pod.life("reader"));
    // Not its inode: that of what has gone may be given again.
    let data = |pod: &Pod| inside(pod, "c", &format!("readlink {at}/..data")).stdout;
    let before = data(&pod);
    for round in 1..=8 {
        let value = round.to_string();
        space.apply_ok(
            "object",
            &[space.object(kind, "o", &json!({ "a": value, "b": value, "new": "n" }))],
        );
        host.wait(&format!(
            "test \"$(cat {})\" = {round}",
            space.path("reading")
        ));
    }
    assert_eq!(list(&pod), "a\nb\nnew\n");
    assert_ne!(data(&pod), before, "one flip of ..data");
    assert!(
        !is_there(&host, &space.path("torn")),
        "a reader saw halves: {}",
        space.read("torn")
    );
    assert_eq!(
        (pod.life("c"), pod.life("reader")),
        (life, reader),
        "nothing was started anew"
    );
}

#[test]
fn config_map_is_followed_live() {
    live_update("ConfigMap", "configmap");
}

#[test]
fn secret_is_followed_live() {
    live_update("Secret", "secretvol");
}

#[test]
fn secrets_are_on_tmpfs_and_for_root_only_on_the_host() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "secretfs");
    let binary: Vec<u8> = (0..=255).collect();
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "s", "namespace": "secretfs" },
        "data": { "bin": base64(&binary) },
    });
    space.apply_ok("object", &[secret]);
    let user = json!({ "securityContext": { "runAsUser": 4711 } });
    let spec = json!({
        "volumes": [{ "name": "v", "secret": { "secretName": "s" } }],
        "containers": [
            mount(sleeper("root"), "v", "/t/secretfs/in", &json!({})),
            with(mount(sh("user", "cat /t/secretfs/in/bin >/t/secretfs/copy; exec sleep 1d"), "v", "/t/secretfs/in", &json!({})), &user),
        ],
    });
    let pod = space.ready("secret", &spec);
    let at = format!("/proc/{}/root/t/secretfs/in/bin", pod.pid("root"));
    assert_eq!(host.bytes(&at), binary);
    assert_eq!(
        inside(&pod, "root", "stat -f -c %T -L /t/secretfs/in/bin").stdout,
        "tmpfs\n"
    );
    let uid = pod.json()["metadata"]["uid"].as_str().unwrap().to_owned();
    let open = host.ok(&format!(
        "for d in /run/vks/pods/{uid} /var/lib/vks/pods/{uid}/secrets; do stat -c %a $d; done; \
         setpriv --reuid 4712 --regid 4712 --clear-groups find /run/vks /var/lib/vks -name bin 2>/dev/null || true"
    ));
    assert_eq!(open, "700\n700\n");
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk
            .iter()
            .fold(0u32, |word, byte| word << 8 | u32::from(*byte))
            << (8 * (3 - chunk.len()));
        for index in 0..4 {
            let digit = ALPHABET[(word >> (18 - 6 * index) & 63) as usize];
            out.push(if index > chunk.len() {
                '='
            } else {
                char::from(digit)
            });
        }
    }
    out
}

#[test]
fn an_optional_object_may_be_missing_and_come_later() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "optional");
    let pod = space.ready("optional", &json!({
        "volumes": [
            { "name": "m", "configMap": { "name": "later", "optional": true } },
            { "name": "s", "secret": { "secretName": "never", "optional": true } },
        ],
        "containers": [with(sleeper("c"), &json!({ "volumeMounts": [
            { "name": "m", "mountPath": "/t/optional/m" }, { "name": "s", "mountPath": "/t/optional/s" },
        ] }))],
    }));
    assert_eq!(inside(&pod, "c", "ls /t/optional/m /t/optional/s").code, 0);
    let life = pod.life("c");
    space.apply_ok(
        "later",
        &[space.object("ConfigMap", "later", &json!({ "key": "value" }))],
    );
    host.wait(&format!(
        "test -e /proc/{}/root/t/optional/m/key",
        pod.pid("c")
    ));
    assert_eq!(seen(&pod, "c", "/t/optional/m/key"), "value");
    assert_eq!(pod.life("c"), life);
}

#[test]
fn a_missing_object_holds_the_pod() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "missing");
    let pod = space.pod(
        "missing",
        &json!({
            "volumes": [{ "name": "m", "configMap": { "name": "later" } }],
            "containers": [mount(sleeper("c"), "m", "/t/missing/m", &json!({}))],
        }),
    );
    pod.wait_until("it says what it lacks", |pod| {
        let waiting = pod.container("c")["state"]["waiting"].clone();
        waiting["reason"] == "ContainerCreating"
    });
    assert!(
        host.vks_ok(&["describe", "pod", "missing", "-n", "missing"])
            .contains("later")
    );
    space.apply_ok(
        "later",
        &[space.object("ConfigMap", "later", &json!({ "key": "value" }))],
    );
    pod.wait_for("condition=Ready");
    assert_eq!(seen(&pod, "c", "/t/missing/m/key"), "value");
}
