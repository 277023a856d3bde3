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
    let driver = r#"
import fcntl, os, pty, signal, struct, sys, termios
def size(fd, rows, cols): fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))
child, fd = pty.fork()
if child == 0:
    size(0, 31, 77)
    os.execvp("vks", ["vks", "exec", "-it", "e", "-n", "exectty", "--", "/bin/sh"])
text = b""
def until(part):
    global text
    while part not in text:
        text += os.read(fd, 4096)
    before, text = text.split(part, 1)
    return before.decode()
os.write(fd, b"stty -echo; echo rea''dy\n")
until(b"ready\r\n")
os.write(fd, b"stty size; tty; echo do''ne\n")
print(until(b"done\r\n"))
size(fd, 45, 123)
os.write(fd, b"until stty size | grep 45; do sleep 0.05; done; echo do''ne\n")
print(until(b"done\r\n"))
os.write(fd, b"sleep 1000; echo status $?; echo do''ne\n")
os.write(fd, b"\x03")
print('interrupted')
os.write(fd, b"exit 7\n")
while True:
    try:
        if not os.read(fd, 4096): break
    except OSError: break
print("exit", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"#;
    host.machine.write("/t/exectty/driver.py", driver, "0644");
    let out = host
        .machine
        .exec(&["timeout", "60", "python3", "/t/exectty/driver.py"]);
    assert_eq!(out.code, 0, "{}{}", out.stdout, out.stderr);
    assert!(out.stdout.contains("31 77"), "{}", out.stdout);
    assert!(out.stdout.contains("/dev/pts/"), "{}", out.stdout);
    assert!(out.stdout.contains("45 123"), "{}", out.stdout);
    assert!(out.stdout.contains("exit 7"), "{}", out.stdout);
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
