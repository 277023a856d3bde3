//! verify, render, plan, apply and delete, with and without an agent.

use super::host::{Host, own, shared};
use super::lab;
use super::space::{Space, sh, sleeper, with};
use serde_json::json;

/// All that vks may ever change, with times and content.
fn picture(host: &Host) -> String {
    host.ok(
        "{ find /etc/systemd /etc/vks /var/lib/vks /run/vks /run/systemd/system /run/netns /dev/termination-log \
         -printf '%p %y %m %l %C@\\n' 2>/dev/null; systemctl list-units --all --no-legend 'vks*'; } | sort",
    )
}

/// An agent that is not there cannot have done it.
#[test]
fn render_plan_verify_and_get_touch_nothing() {
    let Some(host) = own("touch") else { return };
    let space = Space::new(&host, "touch");
    space.ready("there", &json!({ "containers": [sleeper("c")] }));
    host.ok("systemctl stop vks.service; mkdir /t/touch/made");
    let text = space
        .manifest(
            "new",
            &json!({ "hostNetwork": false, "containers": [sleeper("c")] }),
        )
        .to_string();
    host.machine.write("/t/touch/new.json", &text, "0600");
    let before = picture(&host);
    let rendered = host.vks_ok(&["render", "-f", "/t/touch/new.json"]);
    for part in ["ExecStart=", "[X-kubernetes]", "vks-touch-new.slice"] {
        assert!(rendered.contains(part), "{part} is not in {rendered}");
    }
    host.vks_ok(&[
        "render",
        "-f",
        "/t/touch/new.json",
        "--output-dir",
        "/t/touch/made",
    ]);
    let plan = host.vks_ok(&["plan", "-f", "/t/touch/new.json"]);
    for part in [
        "touch/new",
        "vks-touch-new.target",
        "vks.touch.new.sleep.service",
    ] {
        assert!(plan.contains(part), "{part} is not in {plan}");
    }
    assert!(!plan.contains("there"), "{plan}");
    host.vks_ok(&["verify"]);
    host.vks_ok(&["get", "pods", "-A", "-o", "yaml"]);
    host.vks_ok(&["describe", "pod", "there", "-n", "touch"]);
    assert_eq!(picture(&host), before);
    let made = host.ok("ls /t/touch/made");
    assert!(
        made.contains("vks-touch-new.target") && made.contains("vks.touch.new.sleep.service"),
        "{made}"
    );
    host.ok("systemctl start vks.service");
}

/// The units of every example, rendered and checked by systemd.
#[test]
fn systemd_has_nothing_to_say_about_the_examples_units() {
    let Some(host) = shared() else { return };
    let mut count = 0;
    for entry in std::fs::read_dir(lab::repository().join("examples")).unwrap() {
        let path = entry.unwrap().path();
        let Ok(files) = std::fs::read_dir(&path) else {
            continue;
        };
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        // What a cluster is given, not a host.
        if name == "kubernetes" {
            continue;
        }
        for file in files
            .map(|file| file.unwrap().path())
            .filter(|file| file.is_file())
        {
            let to = format!(
                "/t/examples/{name}/{}",
                file.file_name().unwrap().to_string_lossy()
            );
            host.machine
                .write(&to, &std::fs::read_to_string(&file).unwrap(), "0644");
        }
        host.vks_ok(&["verify", &format!("/t/examples/{name}")]);
        // A package is looked for on the host before anything can be rendered: its `made/` is judged by test.sh.
        if name == "uptimed" {
            continue;
        }
        host.vks_ok(&[
            "render",
            "-f",
            &format!("/t/examples/{name}"),
            "--output-dir",
            &format!("/t/examples/{name}/units"),
        ]);
        let said = host.verify_units(&format!("/t/examples/{name}/units"), "[^.-]*");
        let said: Vec<&str> = said
            .lines()
            .filter(|line| !line.contains("is not executable: No such file"))
            .collect();
        assert!(said.is_empty(), "{name}: {said:?}");
        count += 1;
    }
    assert!(count >= 5, "{count} examples");
}

/// After an apply there is nothing left to do, on the real host as in the model.
#[test]
fn plan_is_empty_after_apply() {
    let Some(host) = own("planned") else { return };
    let space = Space::new(&host, "planned");
    let nothing = host.vks_ok(&["plan"]);
    space.apply_ok(
        "objects",
        &[
            space.object("ConfigMap", "m", &json!({ "a": "b" })),
            space.object("Secret", "s", &json!({ "a": "b" })),
        ],
    );
    space.ready("full", &json!({
        "hostNetwork": false,
        "activeDeadlineSeconds": 3600,
        "volumes": [
            { "name": "e", "emptyDir": {} }, { "name": "m", "configMap": { "name": "m" } },
            { "name": "s", "secret": { "secretName": "s" } }, { "name": "h", "hostPath": { "path": "/t" } },
        ],
        "initContainers": [sh("init", "true"), { "name": "side", "image": "host:sleep", "args": ["1d"], "restartPolicy": "Always" }],
        "containers": [{
            "name": "c", "image": "host:sleep", "args": ["1d"],
            "resources": { "limits": { "memory": "64Mi", "cpu": "500m" } },
            "envFrom": [{ "secretRef": { "name": "s" } }, { "configMapRef": { "name": "m" } }],
            "volumeMounts": [
                { "name": "e", "mountPath": "/t/planned/e" }, { "name": "m", "mountPath": "/t/planned/m" },
                { "name": "s", "mountPath": "/t/planned/s" }, { "name": "h", "mountPath": "/t/planned/h" },
            ],
            "livenessProbe": { "exec": { "command": ["true"] } },
        }],
    }));
    let done = space.pod(
        "done",
        &json!({ "restartPolicy": "Never", "containers": [sh("c", "exit 1")] }),
    );
    done.wait_phase("Failed");
    let crash = space.pod("crash", &json!({ "containers": [sh("c", "exit 1")] }));
    crash.wait_until("it crashes", |pod| pod.shown() == "CrashLoopBackOff");
    space.pod("stuck", &json!({ "containers": [{ "name": "c", "image": "host:sleep", "envFrom": [{ "configMapRef": { "name": "none" } }] }] }));
    let again = host.vks_ok(&["plan"]);
    // Blocked pods may be said; steps may not.
    for word in ["write", "start", "stop", "remove", "enable", "reload"] {
        assert!(
            !again
                .lines()
                .any(|line| line.trim_start().starts_with(word)),
            "{again}"
        );
    }
    assert_eq!(
        again
            .lines()
            .filter(|line| !line.contains("stuck") && !line.contains("none"))
            .collect::<Vec<_>>(),
        nothing.lines().collect::<Vec<_>>()
    );
}

#[test]
fn apply_and_delete_without_an_agent() {
    let Some(host) = own("agentless") else { return };
    host.ok("systemctl disable --now vks.service");
    let space = Space::new(&host, "alone");
    let pod = space.ready(
        "p",
        &json!({ "hostNetwork": false, "containers": [sleeper("c")] }),
    );
    let life = pod.life("c");
    assert_eq!(pod.phase(), "Running");
    space.ready(
        "p",
        &json!({ "hostNetwork": false, "containers": [sleeper("c"), sh("d", "exec sleep 1d")] }),
    );
    assert_eq!(pod.life("c"), life);
    // Several at once wait for each other's lock, and none is lost.
    let script: String = (0..6)
        .map(|i| {
            let name = format!("m{i}");
            let text = space.manifest(&name, &json!({ "containers": [sleeper("c")] })).to_string();
            host.machine.write(&format!("/t/alone/{name}.json"), &text, "0600");
            format!("vks apply -f /t/alone/{name}.json --wait >/t/alone/{name}.out 2>&1 || touch /t/alone/failed & ")
        })
        .collect();
    host.ok(&format!("{script} wait"));
    assert_eq!(
        host.machine.exec(&["test", "-e", "/t/alone/failed"]).code,
        1,
        "{}",
        host.machine.sh("cat /t/alone/*.out").stdout
    );
    let running = host.vks_ok(&["get", "pods", "-n", "alone", "--no-headers"]);
    assert_eq!(
        running
            .lines()
            .filter(|line| line.contains("Running"))
            .count(),
        7,
        "{running}"
    );
    // The agent takes over what is there as it is.
    host.ok("systemctl start vks.service");
    assert_eq!(pod.life("c"), life);
    host.ok("systemctl stop vks.service");
    for i in 0..6 {
        host.vks_ok(&["delete", "pod", &format!("m{i}"), "-n", "alone"]);
    }
    pod.delete();
    assert_eq!(
        host.ok("ls /var/lib/vks/manifests /var/lib/vks/pods 2>/dev/null | grep -c . || true")
            .trim(),
        "2",
        "only the two headings of ls"
    );
}

/// A lock that somebody holds is said, not waited for without end.
#[test]
fn the_agent_is_alone() {
    let Some(host) = shared() else { return };
    let second = host.machine.exec(&["timeout", "60", "vks", "run"]);
    assert!(second.code != 0 && second.code != 124, "{second:?}");
    assert!(second.stderr.contains("lock"), "{}", second.stderr);
}

#[test]
fn apply_refuses_what_is_wrong_and_changes_nothing() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "refused");
    let good = space.manifest("good", &json!({ "containers": [sleeper("c")] }));
    let mut bad = space.manifest("bad", &json!({ "containers": [sleeper("c")] }));
    bad["spec"]["containers"][0]["stdin"] = json!("yes");
    let out = space.apply("both", &[good, bad], &[]);
    assert_eq!(out.code, 1, "{}{}", out.stdout, out.stderr);
    assert!(out.stderr.contains("stdin"), "{}", out.stderr);
    assert_eq!(
        host.vks(&["get", "pod", "good", "-n", "refused"]).code,
        1,
        "none of the file is taken on"
    );
    // So that there is nothing to delete.
    let none = json!({ "apiVersion": "v1", "kind": "List", "items": [] });
    host.machine
        .write(&space.path("both.json"), &none.to_string(), "0600");
}

#[test]
fn apply_wait_says_what_does_not_come_up() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "waitfail");
    let out = space.apply(
        "p",
        &[space.manifest(
            "p",
            &json!({ "containers": [with(sleeper("c"), &json!({
            "readinessProbe": { "exec": { "command": ["false"] } }
        }))] }),
        )],
        &["--wait", "--timeout", "3s"],
    );
    assert_eq!(out.code, 1, "{}{}", out.stdout, out.stderr);
    assert!((out.stdout + &out.stderr).contains('p'));
    let wait = host.vks(&[
        "wait",
        "pod/p",
        "-n",
        "waitfail",
        "--for=condition=Ready",
        "--timeout=1s",
    ]);
    assert_eq!(wait.code, 1);
    assert!(wait.stderr.contains("timed out"), "{}", wait.stderr);
}

#[test]
fn standard_input_is_a_file_too() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "stdin");
    let text = space
        .manifest("p", &json!({ "containers": [sleeper("c")] }))
        .to_string();
    let out = host
        .machine
        .feed(&["vks", "apply", "-f", "-", "--wait"], &text);
    assert_eq!(out.code, 0, "{}{}", out.stdout, out.stderr);
    assert!(out.stdout.contains("pod/p"), "{}", out.stdout);
    let again = host
        .machine
        .feed(&["vks", "apply", "-f", "-", "--wait"], &text);
    assert!(again.stdout.contains("unchanged"), "{}", again.stdout);
    let out = host.machine.feed(&["vks", "delete", "-f", "-"], &text);
    assert_eq!(out.code, 0, "{}{}", out.stdout, out.stderr);
    drop(space);
}

#[test]
fn completions_and_man_pages_are_there() {
    let Some(host) = shared() else { return };
    for shell in ["bash", "zsh", "fish"] {
        let script = host.vks_ok(&["completions", shell]);
        assert!(
            script.contains("vks") && script.contains("describe"),
            "{shell}"
        );
    }
    host.ok("vks completions bash >/t/completions && bash -n /t/completions");
    host.ok("mkdir -p /t/man && vks man --help >/dev/null");
    assert_eq!(host.vks(&["no-such-verb"]).code, 2);
    assert_eq!(host.vks(&["--version"]).code, 0);
}
