//! How containers with a pid namespace of their own end: by their stop signal, with all of their grace period, every time.

use super::oci::{OciHost, PLAIN};
use super::space::{Space, with};
use serde_json::{Value, json};

/// How often each is stopped. systemd 257 kills some of them at once if nobody waits for them (`plan/units/ending`).
const TIMES: usize = 20;

/// A program that takes its time when it is asked to end, and says when it is through.
fn careful(space: &Space<'_>, name: &str, number: i32) -> Value {
    let script = format!(
        "trap 'sleep 0.3; echo through >>/log/{name}; exit 0' {number}; echo up >>/log/{name}; while :; do sleep 1000 & wait; done"
    );
    space.host.ok(&format!("touch {}", space.path(name)));
    json!({ "name": name, "image": "oci:localhost:5000/base:1", "command": ["sh", "-c", script],
        "volumeMounts": [{ "name": "log", "mountPath": "/log" }] })
}

#[test]
fn every_stop_leaves_the_grace_period() {
    let Some(on) = OciHost::boot("ocistop") else {
        return;
    };
    on.start(PLAIN);
    on.registry(5000, "");
    let space = Space::new(&on.host, "ocistop");
    let log = json!([{ "name": "log", "hostPath": { "path": space.path("") } }]);
    let signal = |name: &str| json!({ "lifecycle": { "stopSignal": name } });
    let plain = careful(&space, "plain", 15);
    let usr1 = with(careful(&space, "usr1", 10), &signal("SIGUSR1"));
    let real = with(careful(&space, "real", 37), &signal("SIGRTMIN+3"));
    let of_host = with(
        careful(&space, "host", 15),
        &json!({ "image": "host:/bin/sh", "command": null,
            "args": ["-c", "trap 'sleep 0.3; echo through >>$0; exit 0' TERM; echo up >>$0; while :; do sleep 1000 & wait; done", space.path("host")] }),
    );
    let pods = [
        (
            "rooted",
            json!({ "volumes": log, "containers": [plain, usr1, real] }),
        ),
        (
            "hosts",
            json!({ "volumes": log, "hostPID": false, "containers": [of_host] }),
        ),
        (
            "init",
            json!({ "volumes": log, "initContainers": [careful(&space, "init", 15)],
            "containers": [{ "name": "c", "image": "host:/bin/sleep", "args": ["1d"] }] }),
        ),
    ];
    for (name, spec) in &pods {
        space.pod(name, spec);
    }
    let containers = [
        ("rooted", "plain"),
        ("rooted", "usr1"),
        ("rooted", "real"),
        ("hosts", "host"),
        ("init", "init"),
    ];
    for (_, container) in containers {
        space.wait_lines(container, 1);
    }
    // Nobody starts them again but this.
    on.host.ok("systemctl stop vks.service");
    // Beside each other: the more is going on, the later systemd looks.
    let loops = containers.map(|(pod, container)| {
        let (unit, file) = (space.known(pod).unit(container), space.path(container));
        format!(
            "(for round in $(seq {TIMES}); do until test $(grep -c up {file}) -eq $round; do sleep 0.05; done; systemctl stop '{unit}'; \
             test $round -eq {TIMES} || systemctl start --no-block '{unit}'; done) &\n"
        )
    });
    on.host.ok(&format!("{} wait", loops.concat()));
    for (pod, container) in containers {
        let wanted = ["up", "through"].repeat(TIMES);
        assert_eq!(space.lines(container), wanted, "{container} of {pod}");
    }
    on.host.ok("systemctl start vks.service");
}

/// Exit codes and reasons are those of the program, as of other containers.
#[test]
fn codes_are_the_programs_own() {
    let Some(on) = OciHost::boot("ociends") else {
        return;
    };
    on.start(PLAIN);
    on.registry(5000, "");
    let space = Space::new(&on.host, "ociends");
    let abort = "import os; os.kill(os.getpid(), 6); os.abort()";
    for (name, command, code, reason) in [
        ("seven", json!(["sh", "-c", "exit 7"]), 7, "Error"),
        (
            "abort",
            json!(["sh", "-c", format!("python3 -c '{abort}'")]),
            134,
            "Error",
        ),
        ("missing", json!(["no-such-program"]), 128, "StartError"),
        ("directory", json!(["/usr"]), 128, "StartError"),
    ] {
        let container =
            json!({ "name": "c", "image": "oci:localhost:5000/base:1", "command": command });
        let pod = space.pod(
            name,
            &json!({ "restartPolicy": "Never", "containers": [container] }),
        );
        pod.wait_phase("Failed");
        let ended = pod.container("c")["state"]["terminated"].clone();
        assert_eq!(ended["exitCode"], code, "{name}: {ended}");
        assert_eq!(ended["reason"], reason, "{name}: {ended}");
        if reason == "StartError" {
            let why = ended["message"].as_str().unwrap_or_default();
            assert!(
                why.contains("cannot be executed (203/EXEC)"),
                "{name}: {ended}"
            );
        }
    }
}
