//! `vks logs`.

use super::host::shared;
use super::space::{Pod, Space, sh, sleeper, with};
use serde_json::json;

fn logs(pod: &Pod, more: &[&str]) -> String {
    let argv: Vec<&str> = ["logs", pod.name, "-n", pod.space.name]
        .iter()
        .chain(more)
        .copied()
        .collect();
    pod.host().vks_ok(&argv)
}

fn wait_logs(pod: &Pod, more: &[&str], part: &str) -> String {
    pod.wait_until(&format!("{part:?} in the log"), |pod| {
        logs(pod, more).contains(part)
    });
    logs(pod, more)
}

#[test]
fn lines_of_a_container_by_number_and_container() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "logs");
    let pod = space.ready("l", &json!({
        "initContainers": [sh("init", "echo from init")],
        "containers": [sh("a", "seq 1 20; echo err >&2; exec sleep 1d"), sh("b", "echo from b; exec sleep 1d")],
    }));
    let all = wait_logs(&pod, &["-c", "a"], "err");
    let numbers: String = (1..=20).map(|n| format!("{n}\n")).collect();
    assert_eq!(all, format!("{numbers}err\n"));
    assert_eq!(logs(&pod, &["-c", "a", "--tail", "3"]), "19\n20\nerr\n");
    assert_eq!(logs(&pod, &["-c", "a", "--tail", "0"]), "");
    assert_eq!(logs(&pod, &["-c", "init"]), "from init\n");
    assert_eq!(wait_logs(&pod, &["-c", "b"], "b"), "from b\n");
    let everything = logs(&pod, &["--all-containers"]);
    for part in ["from init\n", "from b\n", "20\n"] {
        assert!(everything.contains(part), "{everything}");
    }
    let wrong = host.vks(&["logs", "l", "-n", "logs", "-c", "zzz"]);
    assert_eq!(wrong.code, 1);
    assert!(wrong.stderr.contains("zzz"), "{}", wrong.stderr);
    assert_eq!(host.vks(&["logs", "nobody", "-n", "logs"]).code, 1);
}

#[test]
fn by_time_and_with_times() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "logtime");
    let pod = space.ready("l", &json!({ "containers": [
        sh("c", "echo early; sleep 3; date --rfc-3339=ns >/t/logtime/between; echo late; exec sleep 1d"),
    ] }));
    wait_logs(&pod, &[], "late");
    let between = space.read("between").trim_end().replace(' ', "T");
    // A log line may get its time up to a moment after it was written, never before.
    assert_eq!(logs(&pod, &["--since-time", &between]), "late\n");
    assert_eq!(logs(&pod, &["--since", "1h"]), "early\nlate\n");
    let stamped = logs(&pod, &["--timestamps"]);
    let (time, line) = stamped.lines().next().unwrap().split_once(' ').unwrap();
    assert_eq!(line, "early");
    assert!(
        time.ends_with('Z') && time.contains('.') && time.len() >= 27,
        "{time}"
    );
    host.ok(&format!("date -d '{time}'"));
}

#[test]
fn the_run_before() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "logprev");
    let runs = space.path("runs");
    // What ends before journald has looked at it is of no unit for it.
    let script = format!(
        "echo run >>{runs}; echo this is run $(cat {runs} | wc -l); test $(cat {runs} | wc -l) = 1 || exec sleep 1d"
    );
    let pod = space.pod("l", &json!({ "containers": [sh("c", &script)] }));
    pod.wait_until("the second run", |pod| {
        pod.restarts("c") == 1 && pod.container("c")["state"]["running"].is_object()
    });
    assert_eq!(wait_logs(&pod, &[], "run 2"), "this is run 2\n");
    assert_eq!(logs(&pod, &["--previous"]), "this is run 1\n");
    let first = space.ready("once", &json!({ "containers": [sleeper("c")] }));
    assert_eq!(
        host.vks(&["logs", first.name, "-n", "logprev", "--previous"])
            .code,
        1,
        "there was none before"
    );
}

/// What a pod of the same name wrote before it was deleted is not shown, nor what hooks and probes write, nor
/// systemd's own lines.
#[test]
fn only_this_pods_containers_own_words() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "logown");
    let spec = |word: &str| {
        json!({ "containers": [with(
        sh("c", &format!("echo {word}; exec sleep 1d")),
        &json!({
            "lifecycle": { "postStart": { "exec": { "command": ["echo", "hook speaks"] } } },
            "readinessProbe": { "exec": { "command": ["echo", "probe speaks"] }, "periodSeconds": 1 },
        }),
    )] })
    };
    let old = space.ready("l", &spec("old"));
    wait_logs(&old, &[], "old");
    old.delete();
    let new = space.ready("l", &spec("new"));
    assert_eq!(wait_logs(&new, &[], "new"), "new\n");
    assert_eq!(logs(&new, &["--since", "1h"]), "new\n");
}

#[test]
fn follow_until_the_run_ends() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "logfollow");
    let open = space.path("open");
    let pod = space.ready("l", &json!({ "restartPolicy": "Never", "containers": [
        sh("c", &format!("echo first; until test -e {open}; do sleep 0.05; done; seq 1 1000; printf 'no line break'")),
    ] }));
    host.ok(
        "systemd-run -q --unit follow-of-test -p RemainAfterExit=yes -p StandardOutput=file:/t/logfollow/out \
         vks logs -f l -n logfollow",
    );
    host.wait("grep -q first /t/logfollow/out");
    host.ok(&format!("touch {open}"));
    host.wait("test $(systemctl show -P SubState follow-of-test) = exited");
    assert_eq!(
        host.property("follow-of-test.service", "ExecMainStatus"),
        "0"
    );
    host.ok("systemctl stop follow-of-test");
    let numbers: String = (1..=1000).map(|n| format!("{n}\n")).collect();
    assert_eq!(
        space.read("out"),
        format!("first\n{numbers}no line break\n")
    );
    pod.wait_phase("Succeeded");
    assert_eq!(
        logs(&pod, &["--tail", "1"]),
        "no line break\n",
        "the log stays after the end"
    );
}

/// What the next run writes is not shown with the one that is followed, also when it comes at once.
#[test]
fn who_follows_sees_one_run() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "logone");
    let runs = space.path("runs");
    let script = format!(
        "echo run >>{runs}; n=$(cat {runs} | wc -l); i=0; while [ $i -lt 300 ]; do i=$((i+1)); echo $n; done; \
         systemd-cat sh -c \"echo $n; sleep 0.2\"; exec sleep 0.3"
    );
    space.ready("l", &json!({ "containers": [sh("c", &script)] }));
    host.ok(&format!(
        "i=0; until test $i = 12; do i=$((i+1)); timeout 60 vks logs -f l -n logone >/t/logone/follow.$i 2>>/t/logone/said || echo \"$i: $?\" >>/t/logone/said; \
         vks restart pod l -n logone -c c >/dev/null; until vks get pod l -n logone | grep -q ' Running '; do :; done; done; test $(cat {runs} | wc -l) -ge 12"
    ));
    assert_eq!(host.ok("cat /t/logone/said"), "");
    let mixed = host.ok("for f in /t/logone/follow.*; do echo $(sort -u $f | wc -l) $(cat $f | wc -l); done | sort -u");
    assert_eq!(mixed, "1 301\n", "of one run, whole");
}

#[test]
fn bytes_that_are_no_text_and_very_long_lines() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "logbytes");
    let script = "import sys, time\nout = sys.stdout.buffer\nout.write(b'\\xff\\x01\\x1b[1m\\xc3\\n')\n\
                  out.write(b'x' * 30000 + b'\\n' + b'end\\n')\nout.flush()\ntime.sleep(1e6)";
    let pod = space.ready("l", &json!({ "containers": [{ "name": "c", "image": "host:python3", "args": ["-c", script] }] }));
    wait_logs(&pod, &[], "end");
    host.ok("vks logs l -n logbytes >/t/logbytes/out");
    let got = host.bytes("/t/logbytes/out");
    assert_eq!(got[..8], *b"\xff\x01\x1b[1m\xc3\n");
    assert_eq!(got.len(), 8 + 30_001 + 4);
}

/// A burst is not cut by journald's rate limit.
#[test]
fn many_lines_at_once() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "logburst");
    let pod = space.ready(
        "l",
        &json!({ "containers": [sh("c", "seq 1 50000; exec sleep 1d")] }),
    );
    wait_logs(&pod, &["--tail", "1"], "50000");
    assert_eq!(host.ok("vks logs l -n logburst | wc -l"), "50000\n");
}

#[test]
fn of_many_pods_by_label() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "loglabel");
    for name in ["one", "two"] {
        let mut manifest = space.manifest(
            name,
            &json!({ "containers": [sh("c", &format!("echo from {name}; exec sleep 1d"))] }),
        );
        manifest["metadata"]["labels"] = json!({ "app": "many" });
        space.apply_ok(name, &[manifest]);
        let pod = space.known(name);
        pod.wait_for("condition=Ready");
        wait_logs(&pod, &[], "from");
    }
    let both = host.vks_ok(&["logs", "-l", "app=many", "-n", "loglabel", "--prefix"]);
    assert!(
        both.contains("from one") && both.contains("from two"),
        "{both}"
    );
}
