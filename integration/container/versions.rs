//! The newest systemd, and one that is too old.

use super::host::{Host, own_of};
use super::lab::Tier;
use super::space::{Space, sh, sleeper, with};
use serde_json::json;

fn version(host: &Host) -> u32 {
    let text = host.ok("systemctl --version | head -n1");
    text.split_whitespace()
        .nth(1)
        .unwrap()
        .split(['.', '~'])
        .next()
        .unwrap()
        .parse()
        .unwrap()
}

#[test]
fn the_newest_systemd() {
    let Some(host) = own_of(Tier::Container262, "sid", "newest") else {
        return;
    };
    host.ok("systemctl enable --now vks-pods.target vks.service");
    assert!(version(&host) >= 258, "{}", version(&host));
    let space = Space::new(&host, "newest");
    space.apply_ok("s", &[space.object("Secret", "s", &json!({ "k": "v" }))]);
    let pod = space.ready("p", &json!({
        "hostNetwork": false,
        "hostname": "named",
        "volumes": [{ "name": "e", "emptyDir": {} }, { "name": "s", "secret": { "secretName": "s" } }],
        "initContainers": [sh("init", "true"), with(sleeper("side"), &json!({ "restartPolicy": "Always" }))],
        "containers": [with(sh("c", "echo hello; exec sleep 1d"), &json!({
            "volumeMounts": [{ "name": "s", "mountPath": "/t/newest/s" }, { "name": "e", "mountPath": "/t/newest/e" }],
            "readinessProbe": { "exec": { "command": ["test", "-s", "/t/newest/s/k"] }, "periodSeconds": 1 },
            "lifecycle": { "preStop": { "exec": { "command": ["touch", "/t/newest/stopped"] } } },
        }))],
    }));
    host.wait("vks logs p -c c -n newest | grep -qx hello");
    assert_eq!(
        host.vks(&[
            "exec", "p", "-c", "c", "-n", "newest", "--", "sh", "-c", "exit 9"
        ])
        .code,
        9
    );
    // From systemd 258 on the host name is systemd's to give (ProtectHostname=private:NAME), and no process of ours is before
    // the program.
    let name = host.vks_ok(&["exec", "p", "-c", "c", "-n", "newest", "--", "uname", "-n"]);
    assert_eq!(name, "named\n");
    let unit = pod.unit("c");
    assert_eq!(host.property(&unit, "ProtectHostname"), "yes");
    assert!(!host.property(&unit, "ExecStart").contains("launch"));
    let spaces = host.ok(&format!(
        "readlink /proc/{}/ns/uts /proc/1/ns/uts",
        pod.pid("c")
    ));
    let spaces: Vec<&str> = spaces.lines().collect();
    assert_ne!(spaces[0], spaces[1], "a namespace of its own");
    let life = pod.life("side");
    host.ok(&format!("kill -KILL {}", pod.pid("c")));
    pod.wait_until("it runs again", |pod| {
        pod.restarts("c") == 1 && pod.is_ready()
    });
    assert_eq!(pod.life("side"), life);
    let job = space.pod(
        "job",
        &json!({ "restartPolicy": "Never", "containers": [sh("c", "exit 3")] }),
    );
    job.wait_phase("Failed");
    host.ok("systemctl restart vks.service");
    assert_eq!(pod.life("side"), life);
    pod.delete();
    host.ok("test -e /t/newest/stopped");
}

#[test]
fn a_systemd_that_is_too_old_is_refused_and_left_alone() {
    let Some(host) = own_of(Tier::Container252, "bookworm", "oldest") else {
        return;
    };
    assert!(version(&host) < 255, "{}", version(&host));
    let before = host.ok("find /etc/systemd /var/lib/vks -printf '%p %C@\\n' | sort");
    let text = r#"{ "kind": "Pod", "apiVersion": "v1", "metadata": { "name": "p" },
        "spec": { "hostNetwork": true, "containers": [{ "name": "c", "image": "host:sleep", "args": ["1d"] }] } }"#;
    for argv in [
        vec!["vks", "apply", "-f", "-"],
        vec!["timeout", "60", "vks", "run"],
    ] {
        let out = host.machine.feed(&argv, text);
        assert_eq!(out.code, 1, "{argv:?} {}{}", out.stdout, out.stderr);
        for part in ["systemd 252", "255"] {
            assert!(
                out.stderr.contains(part),
                "{argv:?}: {part} is not in {}",
                out.stderr
            );
        }
    }
    assert_eq!(
        host.ok("find /etc/systemd /var/lib/vks -printf '%p %C@\\n' | sort"),
        before,
        "nothing was written"
    );
    assert_eq!(host.ok("pgrep -x sleep || true"), "");
    // What needs no systemd works.
    assert_eq!(
        host.machine.feed(&["vks", "render", "-f", "-"], text).code,
        0
    );
}
