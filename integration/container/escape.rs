//! A container without a single privilege tries every way out that `escape.py` knows; and that those ways do lead
//! somewhere is shown by a container that has every privilege.

use super::host::{Host, shared};
use super::security::ready_in;
use super::space::{Pod, Space, sh, with};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const WAYS: &str = include_str!("escape.py");

/// What must be tried, at the least: the script may know more.
const CHECKLIST: [&str; 34] = [
    "ptrace-another-pod",
    "ptrace-init",
    "read-memory-of-another",
    "environment-of-another",
    "root-of-another",
    "signal-another",
    "mount",
    "remount-writable",
    "unmount-what-hides",
    "pivot-root",
    "make-a-device",
    "memory-device",
    "kernel-log-device",
    "any-sysctl",
    "sysrq",
    "any-of-sys",
    "volume-of-another",
    "secrets-of-another",
    "socket-of-another",
    "manifests",
    "lock-of-the-agent",
    "systemd-private",
    "system-bus",
    "systemd-notify",
    "write-a-unit",
    "other-cgroup",
    "new-cgroup",
    "add-a-key",
    "user-namespace",
    "mounts-of-init",
    "network-of-another",
    "become-root",
    "setuid-program",
    "load-a-module",
];

/// What leads out of a container that is trusted, and harms nobody. Keyrings are not in it: this lab's machines have none.
const LEADS_OUT: [&str; 21] = [
    "ptrace-another-pod",
    "environment-of-another",
    "root-of-another",
    "signal-another",
    "signal-init",
    "mount",
    "volume-of-another",
    "secrets-of-another",
    "socket-of-another",
    "manifests",
    "systemd-private",
    "system-bus",
    "write-a-unit",
    "user-namespace",
    "mounts-of-init",
    "setuid-program",
    "passwords",
    "tmp-of-the-host",
    "chroot",
    "raw-socket",
    "become-another-user",
];

/// A pod with something to steal: a secret, a socket in a volume, a process.
fn victim<'a>(space: &'a Space<'_>) -> Pod<'a> {
    space.apply_ok(
        "hidden",
        &[space.object("Secret", "hidden", &json!({ "key": "of the victim" }))],
    );
    let listen = "exec python3 -c 'import socket, time; s = socket.socket(socket.AF_UNIX); s.bind(\"/srv/data/socket\"); \
                  s.listen(); import os; os.chmod(\"/srv/data/socket\", 0o777); time.sleep(86400)'";
    let container = with(
        sh("c", listen),
        &json!({
            "env": [{ "name": "HIDDEN", "value": "of the victim" }],
            "volumeMounts": [{ "name": "data", "mountPath": "/srv/data" }, { "name": "hidden", "mountPath": "/srv/hidden" }],
        }),
    );
    let pod = ready_in(
        space,
        "victim",
        "strict",
        &json!({
            "hostNetwork": false,
            "volumes": [{ "name": "data", "emptyDir": {} }, { "name": "hidden", "secret": { "secretName": "hidden" } }],
            "containers": [container],
        }),
    );
    space.host.wait(&format!(
        "test -S /proc/{}/root/srv/data/socket",
        pod.pid("c")
    ));
    pod
}

/// The ways a container of a profile and security context found, tried against the victim.
fn found(
    space: &Space<'_>,
    name: &'static str,
    script: &str,
    victim: &Pod<'_>,
    (profile, security): (&str, &Value),
) -> BTreeMap<String, bool> {
    let host = space.host;
    let program = format!("/usr/local/lib/{name}.py");
    host.machine.write(&program, script, "0644");
    let uid = victim.json()["metadata"]["uid"]
        .as_str()
        .unwrap()
        .to_owned();
    let volumes = format!("/var/lib/vks/pods/{uid}/volumes");
    let run = format!(
        "python3 {program} {} {volumes} {volumes}/data/socket {uid}; exec sleep 1d",
        victim.pid("c")
    );
    let container = with(
        sh("c", &run),
        &json!({ "securityContext": security, "volumeMounts": [{ "name": "own", "mountPath": "/srv/own" }] }),
    );
    ready_in(
        space,
        name,
        profile,
        &json!({ "hostNetwork": false, "volumes": [{ "name": "own", "emptyDir": {} }], "containers": [container] }),
    );
    let log = format!("vks logs {name} -n {}", space.name);
    host.wait(&format!("{log} | grep -qx tried"));
    let said = host.ok(&log);
    let lines = said.lines().filter_map(|line| line.split_once(' '));
    lines
        .map(|(way, how)| (way.to_owned(), how == "out"))
        .collect()
}

/// What must not change whatever is tried.
fn state(host: &Host, victim: &Pod<'_>) -> String {
    let pid = victim.pid("c");
    host.ok(&format!(
        "cat /proc/{pid}/comm /proc/{pid}/cgroup /proc/sys/kernel/hostname /proc/sys/kernel/core_pattern; \
         systemctl show -P MainPID vks.service; ls -d /etc/escaped /usr/bin/escaped /var/escaped /etc/systemd/system*/x.service \
         2>/dev/null || true"
    ))
}

#[test]
fn there_is_no_way_out_of_a_container_without_privileges() {
    let Some(host) = shared() else { return };
    host.ok(
        "install -m 4755 /usr/bin/id /usr/local/bin/id-of-root; echo x >/tmp/of-the-host; touch /root/of-the-host; \
         mkdir -p /etc/vks/pods.d",
    );
    let space = Space::new(&host, "escape");
    let victim = victim(&space);
    let before = state(&host, &victim);
    let none = json!({
        "runAsNonRoot": true, "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "privileged": false,
        "capabilities": { "drop": ["ALL"] }, "seccompProfile": { "type": "RuntimeDefault" },
    });
    let ways = found(&space, "attacker", WAYS, &victim, ("strict", &none));
    for way in CHECKLIST {
        assert_eq!(ways.get(way), Some(&false), "{way}: {ways:#?}");
    }
    let out: Vec<&String> = ways
        .iter()
        .filter(|(_, out)| **out)
        .map(|(way, _)| way)
        .collect();
    assert!(out.is_empty(), "ways out: {out:?}");
    assert!(ways.len() >= 70, "{} ways were tried", ways.len());
    assert_eq!(
        state(&host, &victim),
        before,
        "something has changed outside"
    );

    // A checklist on which nothing can fail would show nothing.
    let script = harmless();
    let ways = found(&space, "trusted", &script, &victim, ("trusted", &json!({})));
    host.ok("rm -f /etc/systemd/system*/x.service; systemctl daemon-reload");
    for way in LEADS_OUT {
        assert_eq!(ways.get(way), Some(&true), "{way}: {ways:#?}");
    }
}

/// The script with nothing but what is asserted to lead somewhere: on a machine that other tests share.
fn harmless() -> String {
    let mut out = String::new();
    let mut skipping = false;
    for line in WAYS.lines() {
        // A way begins at the fourth column; what is deeper belongs to the one before.
        if !line.starts_with("     ") && !line.starts_with("    )") {
            let way = line.trim_start().strip_prefix('"');
            let way = way
                .and_then(|rest| rest.split_once("\": "))
                .map(|(way, _)| way);
            skipping = way.is_some_and(|way| !LEADS_OUT.contains(&way));
        }
        if !skipping {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}
