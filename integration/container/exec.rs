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

/// A terminal of the container's own, as large as ours, which follows ours.
#[test]
fn a_terminal_with_our_size() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "exectty");
    space.ready("e", &json!({ "containers": [sleeper("c")] }));
    let driver = include_str!("exec/terminal.py");
    host.machine.write("/t/exectty/driver.py", driver, "0644");
    let out = host
        .machine
        .exec(&["timeout", "60", "python3", "/t/exectty/driver.py"]);
    assert_eq!(out.code, 0, "{}{}", out.stdout, out.stderr);
    for part in ["31 77", "/dev/pts/", "45 123", "status 130", "exit 7"] {
        assert!(out.stdout.contains(part), "{part}: {}", out.stdout);
    }
}

/// What a process hands on only by itself: limits, weight for the out-of-memory killer, file mode mask.
#[test]
fn with_the_limits_of_the_container() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "execlim");
    let pod = space.ready("e", &json!({ "containers": [sleeper("c")] }));
    let pid = pod.pid("c");
    host.ok(&format!(
        "prlimit --pid {pid} --nofile=123:456 --core=0:1000 --stack=4000000: && echo 321 >/proc/{pid}/oom_score_adj"
    ));
    let script = "ulimit -Sn; ulimit -Hn; ulimit -Sc; cat /proc/self/oom_score_adj; umask";
    let out = host.vks_ok(&["exec", "e", "-n", "execlim", "--", "/bin/sh", "-c", script]);
    let umask = host.ok(&format!("sed -n 's/^Umask:[^0-9]*//p' /proc/{pid}/status"));
    assert_eq!(out, format!("123\n456\n0\n321\n{umask}"));
    let all = format!("vks exec e -n execlim -- cat /proc/self/limits | diff - /proc/{pid}/limits");
    host.ok(&all);
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
