//! exec, cp, attach and port-forward by kubectl, which speaks SPDY.

use super::{LONG, MASTER, Node, read_all, read_until};
use crate::space::{sh, sleeper, with};
use serde_json::json;
use std::io::Write as _;

#[test]
fn exec_with_exit_codes_input_and_a_terminal() {
    let Some(node) = Node::new("apiexec") else {
        return;
    };
    let spec = json!({
        "hostNetwork": false,
        "containers": [with(sleeper("c"), &json!({
            "env": [{ "name": "WORD", "value": "of the container" }],
            "securityContext": { "runAsUser": 4711, "runAsGroup": 4712 },
        }))],
    });
    node.pod("e", &spec);
    let run = |script: &str| {
        node.plane
            .kubectl(&["exec", "e", "--", "/bin/sh", "-c", script])
    };
    let out = run("echo \"$WORD\"; id -u; echo err >&2; cat /proc/self/cgroup");
    assert!(
        out.stdout.starts_with("of the container\n4711\n"),
        "{out:?}"
    );
    assert!(out.stderr.contains("err"), "{out:?}");
    for code in [0, 1, 42, 127] {
        let out = run(&format!("exit {code}"));
        assert_eq!(out.code, code, "{out:?}");
    }
    assert_eq!(run("kill -TERM $$").code, 143);
    let out = node.plane.kubectl(&["exec", "e", "--", "/no/such/program"]);
    assert_eq!(out.code, 127, "{out:?}");
    assert!(out.stderr.contains("/no/such/program"), "{out:?}");
    // Half-close: the end of the input is seen, and the output comes after it.
    let input = vec![b'x'; 3_000_000];
    let out = node.kubectl_with(
        &["exec", "-i", "e", "--", "/bin/sh", "-c", "wc -c; echo done"],
        &input,
    );
    assert_eq!(
        (out.stdout.as_str(), out.code),
        ("3000000\ndone\n", 0),
        "{}",
        out.stderr
    );
    let out = node.kubectl_with(&["exec", "-i", "e", "--", "cat"], &input);
    assert_eq!(out.stdout.len(), input.len());
    // What is left in the background is not waited for, and loses nothing of what came before.
    let out = run("sleep 1d & echo before");
    assert_eq!((out.stdout.as_str(), out.code), ("before\n", 0));
    // A program that reads nothing of its input.
    let out = node.kubectl_with(&["exec", "-i", "e", "--", "true"], &input);
    assert_eq!(out.code, 0, "{out:?}");
    // A terminal, with its size, from a terminal.
    let home = node.plane.home.display();
    let inner = format!(
        "stty rows 33 cols 77; exec env KUBECONFIG={home}/admin.conf {}/plane/bin/kubectl exec -it e -- \
         /bin/sh -c 'tty; sleep 1; stty size; read x; echo got $x; exit 7'",
        crate::lab::state().display()
    );
    let argv = ["script", "-qec", &inner, "/dev/null"];
    let mut command = node.plane.command("exec", &argv);
    let mut child = command
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let text = read_until(child.stdout.as_mut().unwrap(), "33 77");
    assert!(text.contains("/dev/pts/"), "{text}");
    stdin.write_all(b"it\n").unwrap();
    read_until(child.stdout.as_mut().unwrap(), "got it");
    assert_eq!(child.wait().unwrap().code(), Some(7));
    // /run, and what is not there.
    let (code, text) = node.curl(MASTER, &["-X", "POST"], "/run/default/e/c?cmd=id%20-u");
    assert_eq!((code.as_str(), text.trim()), ("200", "4711"));
    assert_eq!(
        node.curl(MASTER, &["-X", "POST"], "/run/default/e/zzz?cmd=id")
            .0,
        "404"
    );
    assert_eq!(
        node.curl(MASTER, &[], "/exec/default/e/c?command=id&output=1")
            .0,
        "400"
    );
    assert_eq!(
        node.curl(MASTER, &[], "/exec/default/e/c?command=id").0,
        "400"
    );
    // Nothing is left behind.
    node.host.wait("! pgrep -f '[v]ks enter' && ! pgrep -x cat");
}

#[test]
fn files_are_copied_both_ways() {
    let Some(node) = Node::new("apicp") else {
        return;
    };
    node.pod(
        "c",
        &json!({ "hostNetwork": true, "containers": [sleeper("c")] }),
    );
    let dir = node.plane.home.join("files");
    std::fs::create_dir(&dir).unwrap();
    let bytes: Vec<u8> = (0..5_000_000u32).flat_map(|n| n.to_le_bytes()).collect();
    std::fs::write(dir.join("big"), &bytes).unwrap();
    let path = |name: &str| dir.join(name).display().to_string();
    node.plane.kubectl_ok(&["cp", &path("big"), "c:/t/big"]);
    node.plane.kubectl_ok(&["cp", "c:/t/big", &path("back")]);
    assert!(std::fs::read(path("back")).unwrap() == bytes);
}

#[test]
fn ports_of_a_pod_are_reached() {
    let Some(node) = Node::new("apiports") else {
        return;
    };
    let serve = "socat TCP-LISTEN:8080,bind=127.0.0.1,fork,reuseaddr SYSTEM:'read x; echo you said $x; hostname' & \
                 exec socat -u TCP-LISTEN:8081,bind=127.0.0.1,fork,reuseaddr SYSTEM:'wc -c >/t/counted'";
    node.pod(
        "p",
        &json!({ "hostname": "inside", "containers": [sh("c", serve)] }),
    );
    node.pod("h", &json!({ "hostNetwork": true, "containers": [sh("c", "exec socat TCP-LISTEN:8090,bind=127.0.0.1,fork,reuseaddr SYSTEM:'echo of the host'")] }));
    let forward = |args: &[&str]| {
        let mut child = node.start(&[&["port-forward"], args].concat());
        let text = read_until(child.stdout.as_mut().unwrap(), "Forwarding from 127.0.0.1");
        (child, text)
    };
    let ask = |script: &str| {
        let argv = ["timeout", "60", "bash", "-c", script];
        crate::lab::Output::of_command(node.plane.command("exec", &argv)).stdout
    };
    let (mut child, _) = forward(&["pod/p", "18080:8080", "18081:8081", "18099:9"]);
    let say = |text: &str| format!("exec 3<>/dev/tcp/127.0.0.1/18080; echo {text} >&3; cat <&3");
    for number in 0..20 {
        let text = ask(&say(&format!("hello {number}")));
        assert_eq!(text, format!("you said hello {number}\ninside\n"));
    }
    // Many at the same time, beside one that says nothing.
    let many = format!(
        "exec 4<>/dev/tcp/127.0.0.1/18080; for i in $(seq 1 20); do ({}) & done; wait",
        say("$i")
    );
    assert_eq!(
        ask(&many)
            .lines()
            .filter(|line| line.starts_with("you said"))
            .count(),
        20
    );
    // A port where nobody is.
    ask("exec 3<>/dev/tcp/127.0.0.1/18099; cat <&3");
    let text = read_until(child.stderr.as_mut().unwrap(), "refused");
    assert!(text.contains("port 9"), "{text}");
    // A half that is closed: all of it has arrived.
    ask("head -c 5000000 /dev/zero >/dev/tcp/127.0.0.1/18081");
    node.host
        .machine
        .wait_until("all bytes", LONG, "test \"$(cat /t/counted)\" = 5000000");
    child.kill().unwrap();
    child.wait().unwrap();
    let (mut child, _) = forward(&["pod/h", "18090:8090"]);
    assert_eq!(ask("cat </dev/tcp/127.0.0.1/18090"), "of the host\n");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn attaching_to_what_runs() {
    let Some(node) = Node::new("apiattach") else {
        return;
    };
    node.pod("a", &json!({ "hostNetwork": true, "containers": [
        with(sh("c", "while read x; do echo heard $x; test $x = end && exit 3; done; exec sleep 1d"), &json!({ "stdin": true })),
    ], "restartPolicy": "Never" }));
    let mut child = node.start(&["attach", "-i", "a"]);
    let mut stdin = child.stdin.take().unwrap();
    // Output is shown from when one is attached: say something until it is.
    stdin.write_all(b"one\n").unwrap();
    let out = child.stdout.as_mut().unwrap();
    read_until(out, "heard one");
    stdin.write_all(b"two\n").unwrap();
    read_until(out, "heard two");
    stdin.write_all(b"end\n").unwrap();
    let status = child.wait().unwrap();
    assert!(status.success(), "{status}");
}

/// What the next run writes at once is not shown with the one that is followed.
#[test]
fn who_follows_sees_one_run() {
    let Some(node) = Node::new("apilogs") else {
        return;
    };
    let script =
        "n=$(cat /t/run); i=0; while [ $i -lt 300 ]; do i=$((i+1)); echo $n; done; exec sleep 1d";
    node.host.ok("echo 0 >/t/run");
    let container = sh("c", script);
    node.pod(
        "l",
        &json!({ "hostNetwork": true, "containers": [container] }),
    );
    for run in 0..8 {
        let mut child = node.start(&["logs", "-f", "l"]);
        let mut stdout = child.stdout.take().unwrap();
        let wanted = format!("{run}\n").repeat(300);
        let mut said = read_until(&mut stdout, &wanted);
        // It is followed, and what comes now is of the next one.
        node.host.ok(&format!(
            "echo {} >/t/run; vks restart pod l -c c >/dev/null",
            run + 1
        ));
        said.push_str(&read_all(&mut stdout));
        child.wait().unwrap();
        assert_eq!(said, wanted, "run {run}");
        let next = run + 1;
        node.host
            .wait(&format!("vks logs l 2>/dev/null | grep -q ^{next}$"));
    }
}
