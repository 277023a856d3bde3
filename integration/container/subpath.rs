//! Mounts of a part of a volume, and that no path leads out of it.

use super::host::shared;
use super::space::{Pod, Space, sh, sleeper, with};
use serde_json::{Value, json};

/// Runs something in the mount namespace of a container.
fn inside(pod: &Pod, container: &str, script: &str) -> super::lab::Output {
    let pid = pod.pid(container);
    pod.host()
        .machine
        .exec(&["nsenter", "-t", &pid, "-m", "/bin/sh", "-c", script])
}

fn mounts(container: Value, mounts: &Value) -> Value {
    with(container, &json!({ "volumeMounts": mounts }))
}

#[test]
fn a_part_of_a_volume_is_seen_at_its_place() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "subpath");
    space.apply_ok(
        "map",
        &[space.object(
            "ConfigMap",
            "m",
            &json!({ "app.conf": "one\n", "other": "x" }),
        )],
    );
    let env = json!({ "env": [{ "name": "POD", "valueFrom": { "fieldRef": { "fieldPath": "metadata.name" } } }] });
    let pod = space.ready("part", &json!({
        "volumes": [{ "name": "e", "emptyDir": {} }, { "name": "m", "configMap": { "name": "m" } }],
        "initContainers": [mounts(sh("make", "mkdir /t/subpath/all/there && echo init >/t/subpath/all/there/file"),
            &json!([{ "name": "e", "mountPath": "/t/subpath/all" }]))],
        "containers": [
            mounts(sleeper("whole"), &json!([{ "name": "e", "mountPath": "/t/subpath/all" }])),
            with(mounts(sleeper("c"), &json!([
                { "name": "e", "mountPath": "/t/subpath/there", "subPath": "there" },
                { "name": "e", "mountPath": "/t/subpath/made", "subPath": "made/for/it" },
                { "name": "e", "mountPath": "/t/subpath/expr", "subPathExpr": "logs/$(POD)", "readOnly": true },
                { "name": "m", "mountPath": "/t/subpath/app.conf", "subPath": "app.conf" },
            ])), &env),
        ],
    }));
    assert_eq!(
        inside(&pod, "c", "cat /t/subpath/there/file /t/subpath/app.conf").stdout,
        "init\none\n"
    );
    inside(&pod, "c", "echo mine >/t/subpath/made/file");
    assert_eq!(
        inside(&pod, "whole", "cat /t/subpath/all/made/for/it/file").stdout,
        "mine\n"
    );
    assert_eq!(
        inside(&pod, "whole", "stat -c %a /t/subpath/all/made").stdout,
        "777\n",
        "as the volume"
    );
    inside(&pod, "whole", "echo log >/t/subpath/all/logs/part/file");
    assert_eq!(
        inside(&pod, "c", "cat /t/subpath/expr/file").stdout,
        "log\n"
    );
    assert_ne!(
        inside(&pod, "c", "echo x >/t/subpath/expr/file").code,
        0,
        "read-only"
    );
    assert_ne!(
        inside(&pod, "c", "echo x >/t/subpath/app.conf").code,
        0,
        "read-only"
    );
    assert_eq!(
        inside(&pod, "c", "ls /t/subpath | sort")
            .stdout
            .lines()
            .filter(|name| *name == "all")
            .count(),
        1
    );
    // As in Kubernetes, a single file does not follow its config map until the container starts again.
    space.apply_ok(
        "map",
        &[space.object("ConfigMap", "m", &json!({ "app.conf": "two\n" }))],
    );
    let uid = pod.json()["metadata"]["uid"].as_str().unwrap().to_owned();
    host.wait(&format!(
        "grep -q two /var/lib/vks/pods/{uid}/volumes/m/app.conf"
    ));
    assert_eq!(inside(&pod, "c", "cat /t/subpath/app.conf").stdout, "one\n");
    let before = pod.invocation("c");
    host.ok(&format!("kill {}", pod.pid("c")));
    pod.wait_until("it runs again", |pod| {
        // Past what is still to be run after its start.
        pod.invocation("c") != before && host.property(&pod.unit("c"), "ActiveState") == "active"
    });
    assert_eq!(
        inside(&pod, "c", "cat /t/subpath/app.conf /t/subpath/made/file").stdout,
        "two\nmine\n"
    );
    // Nothing of it is left in the host's mounts while the container has it.
    assert_eq!(
        host.ok(&format!(
            "grep -c '/run/vks/pods/{uid}/sub/' /proc/self/mountinfo || true"
        )),
        "0\n"
    );
    pod.delete();
    assert_eq!(
        host.ok(&format!("grep -c {uid} /proc/self/mountinfo || true")),
        "0\n"
    );
    host.ok(&format!(
        "test ! -e /run/vks/pods/{uid}; test ! -e /t/subpath/app.conf; test ! -e /t/subpath/made"
    ));
}

#[test]
fn a_variable_that_is_not_there_holds_the_pod() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "subexpr");
    let spec = |expr: &str| {
        json!({
            "volumes": [{ "name": "e", "emptyDir": {} }],
            "containers": [with(mounts(sleeper("c"), &json!([{ "name": "e", "mountPath": "/t/subexpr/in", "subPathExpr": expr }])),
                &json!({ "env": [{ "name": "UP", "value": "../up" }] }))],
        })
    };
    for (name, expr, word) in [
        ("none", "$(NOPE)/x", "NOPE"),
        ("up", "a/$(UP)", "no relative path"),
    ] {
        let pod = space.pod(name, &spec(expr));
        pod.wait_until("it says why", |pod| {
            let message = pod.container("c")["state"]["waiting"]["message"].clone();
            message.as_str().is_some_and(|text| text.contains(word))
        });
    }
    let words = space.refused(&space.manifest("dots", &json!({
        "volumes": [{ "name": "e", "emptyDir": {} }],
        "containers": [mounts(sleeper("c"), &json!([{ "name": "e", "mountPath": "/t/subexpr/in", "subPath": "a/../../x" }]))],
    })));
    assert!(words.contains("subPath: must not contain '..'"), "{words}");
}

#[test]
fn a_link_leads_nowhere_but_into_the_volume() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "sublink");
    host.ok("mkdir -p /t/sublink/host && echo host >/t/sublink/host/file");
    let make = "cd /t/sublink/v && mkdir -p t/sublink/host && echo inside >t/sublink/host/file && \
        ln -s /t/sublink/host absolute && ln -s ../../../../../../t/sublink/host up";
    let pod = space.ready("l", &json!({
        "volumes": [{ "name": "e", "emptyDir": {} }],
        "initContainers": [mounts(sh("make", make), &json!([{ "name": "e", "mountPath": "/t/sublink/v" }]))],
        "containers": [mounts(sleeper("c"), &json!([
            { "name": "e", "mountPath": "/t/sublink/a", "subPath": "absolute" },
            { "name": "e", "mountPath": "/t/sublink/u", "subPath": "up" },
        ]))],
    }));
    assert_eq!(
        inside(&pod, "c", "cat /t/sublink/a/file /t/sublink/u/file").stdout,
        "inside\ninside\n"
    );
    // One that would be outside is not made there, and holds the container.
    let bad = space.pod("bad", &json!({
        "volumes": [{ "name": "e", "emptyDir": {} }],
        "initContainers": [mounts(sh("make", "ln -s /t/sublink/nothere /t/sublink/v/dangling"),
            &json!([{ "name": "e", "mountPath": "/t/sublink/v" }]))],
        "containers": [mounts(sleeper("c"), &json!([{ "name": "e", "mountPath": "/t/sublink/d", "subPath": "dangling/x" }]))],
    }));
    host.wait(
        "journalctl KUBERNETES_NAMESPACE=sublink -o cat | grep -q 'failed to prepare subPath'",
    );
    assert!(bad.container("c")["state"]["running"].is_null());
    host.ok("test ! -e /t/sublink/nothere");
}

/// One container swaps a directory and a link without end, the other starts again and again: what it gets is always of
/// the volume.
#[test]
fn a_race_never_shows_the_host() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "subrace");
    host.ok("mkdir -p /t/subrace/host && echo host >/t/subrace/host/who");
    // renameat2(RENAME_EXCHANGE) as fast as it goes: at each moment the name is a directory or a link out.
    let swap = "import ctypes, os
os.chdir('/t/subrace/v')
os.makedirs('dir/deep'); open('dir/who', 'w').write('inside')
open('dir/deep/who', 'w').write('inside')
os.symlink('/t/subrace/host', 'link')
libc = ctypes.CDLL(None)
open('/t/subrace/swapping', 'w')
while True:
    libc.renameat2(-100, b'dir', -100, b'link', 2)
";
    let swapper = json!({ "name": "swap", "image": "host:/usr/bin/python3", "args": ["-c", swap] });
    let look = "cat /t/subrace/in/who >>/t/subrace/log 2>/dev/null || echo none >>/t/subrace/log; echo >>/t/subrace/log; exit 0";
    let part =
        |path: &str, make: &str| json!([{ "name": "e", "mountPath": path, "subPath": make }]);
    let pod = space.ready("swapper", &json!({
        "volumes": [{ "name": "e", "hostPath": { "path": "/t/subrace/shared", "type": "DirectoryOrCreate" } }],
        "containers": [mounts(swapper, &json!([{ "name": "e", "mountPath": "/t/subrace/v" }]))],
    }));
    host.wait("test -e /t/subrace/swapping");
    let victim = space.pod(
        "victim",
        &json!({
            "volumes": [{ "name": "e", "hostPath": { "path": "/t/subrace/shared" } }],
            "containers": [mounts(sh("c", look), &part("/t/subrace/in", "dir"))],
        }),
    );
    // systemd's back-off is for programs that fail, not for a test.
    host.wait("ls /etc/systemd/system.attached/vks.subrace.victim.*");
    let unit = victim.unit("c");
    host.ok(&format!(
        "for i in $(seq 80); do timeout 1 systemctl restart '{unit}' 2>/dev/null || systemctl stop '{unit}'; done; true"
    ));
    let log = space.lines("log");
    let seen = |word: &str| log.iter().filter(|line| *line == word).count();
    assert_eq!(seen("host"), 0, "{log:?}");
    assert!(seen("inside") > 10, "{log:?}");
    assert_eq!(pod.restarts("swap"), 0);
}
