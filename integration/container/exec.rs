//! `vks exec`.

use super::host::shared;
use super::space::{Space, sleeper, with};
use serde_json::json;

fn spec() -> serde_json::Value {
    json!({
        "hostNetwork": false,
        "volumes": [{ "name": "v", "emptyDir": {} }],
        "containers": [with(sleeper("c"), &json!({
            "env": [{ "name": "WORD", "value": "of %n $x\nthe container" }],
            "workingDir": "/etc",
            "securityContext": { "runAsUser": 4711, "runAsGroup": 4712 },
            "volumeMounts": [{ "name": "v", "mountPath": "/t/exec/in" }],
        }))],
    })
}

#[test]
fn in_the_containers_world_with_its_exit_code() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "exec");
    let pod = space.ready("e", &spec());
    let run = |script: &str| host.vks(&["exec", "e", "-n", "exec", "--", "/bin/sh", "-c", script]);
    assert_eq!(
        run("echo \"$WORD\"; pwd; id -u; id -g").stdout,
        "of %n $x\nthe container\n/etc\n4711\n4712\n"
    );
    let pid = pod.pid("c");
    for namespace in ["net", "mnt"] {
        let wanted = host.ok(&format!("readlink /proc/{pid}/ns/{namespace}"));
        assert_eq!(
            run(&format!("readlink /proc/self/ns/{namespace}")).stdout,
            wanted,
            "{namespace}"
        );
    }
    let group = host.ok(&format!("cat /proc/{pid}/cgroup"));
    let unit = pod.unit("c");
    assert!(
        run("cat /proc/self/cgroup").stdout.contains(&unit),
        "{group}"
    );
    assert_eq!(run("exit 42").code, 42);
    assert_eq!(run("true").code, 0);
    assert_eq!(run("kill -TERM $$").code, 143);
    let both = run("echo out; echo err >&2");
    assert_eq!(
        (both.stdout.as_str(), both.stderr.trim_end()),
        ("out\n", "err")
    );
    let missing = host.vks(&["exec", "e", "-n", "exec", "--", "/no/such/program"]);
    assert_ne!(missing.code, 0);
    assert!(
        missing.stderr.contains("/no/such/program"),
        "{}",
        missing.stderr
    );
    assert_eq!(
        host.vks(&["exec", "nobody", "-n", "exec", "--", "true"])
            .code,
        1
    );
    assert_eq!(
        host.vks_ok(&["logs", "e", "-n", "exec"]),
        "",
        "what exec prints is not in the log"
    );
}

#[test]
fn standard_input_byte_for_byte() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "execin");
    space.ready("e", &json!({ "containers": [sleeper("c")] }));
    host.ok("head -c 1000000 /dev/urandom >/t/execin/in; vks exec -i e -n execin -- cat </t/execin/in >/t/execin/out");
    host.ok("cmp /t/execin/in /t/execin/out");
    assert_eq!(
        host.ok("echo x | vks exec e -n execin -- cat"),
        "",
        "without -i there is nothing to read"
    );
}

/// What is run in a container ends with it.
#[test]
fn ends_with_the_container() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "execend");
    let pod = space.ready("e", &json!({ "containers": [sleeper("c")] }));
    host.ok(
        "systemd-run -q --unit exec-of-test -p RemainAfterExit=yes vks exec e -n execend -- \
         /bin/sh -c 'echo $$ >/t/execend/pid; exec sleep 1d'",
    );
    let inside = space.wait_lines("pid", 1).remove(0);
    pod.delete();
    assert_ne!(
        host.machine
            .exec(&["test", "-e", &format!("/proc/{inside}")])
            .code,
        0
    );
    host.wait("systemctl show -P SubState exec-of-test | grep -Eq 'exited|failed'");
    host.ok("systemctl stop exec-of-test; systemctl reset-failed exec-of-test 2>/dev/null || true");
}
