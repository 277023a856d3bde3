//! A secret's value is found nowhere outside its own files.

use super::host::own;
use super::space::{Space, sh, sleeper, with};
use serde_json::json;

/// Unlikely enough to be found only where it was put; plain, and as Secret `data` holds it.
const VALUE: &str = "qX7-unmistakable-Zw3";
const ENCODED: &str = "cVg3LXVubWlzdGFrYWJsZS1adzM=";

#[test]
fn a_secret_is_nowhere_but_in_its_files() {
    let Some(host) = own("secrecy") else { return };
    let space = Space::new(&host, "secrecy");
    let secret = space.object(
        "Secret",
        "s",
        &json!({ "key": VALUE, "OTHER": format!("{VALUE} again") }),
    );
    space.apply_ok("secret", &[secret]);
    let pod = space.ready(
        "uses",
        &json!({
            "volumes": [{ "name": "s", "secret": { "secretName": "s" } }],
            "containers": [with(sleeper("c"), &json!({
                "env": [
                    { "name": "S", "valueFrom": { "secretKeyRef": { "name": "s", "key": "key" } } },
                    { "name": "INDIRECT", "value": "made of $(S)" },
                ],
                "envFrom": [{ "prefix": "P_", "secretRef": { "name": "s" } }],
                "volumeMounts": [{ "name": "s", "mountPath": "/t/secrecy/in" }],
                "readinessProbe": { "exec": { "command": ["true"] }, "periodSeconds": 1 },
                "lifecycle": { "postStart": { "exec": { "command": ["true"] } } },
            }))],
        }),
    );
    let environ = host.words(&format!("/proc/{}/environ", pod.pid("c")));
    assert!(
        environ.contains(&format!("INDIRECT=made of {VALUE}")),
        "the test's own check: the value is in use"
    );

    // A broken manifest with a secret in it: what is said about it does not quote it.
    host.machine.write(
        "/etc/vks/pods.d/bad.yaml",
        &format!("apiVersion: v1\nkind: Secret\nmetadata: {{ name: bad, namespace: secrecy }}\ndata:\n  key: \"{VALUE}!!\"\nstringDate: {{ a: {VALUE} }}\n"),
        "0600",
    );
    host.wait("vks get pods -n secrecy 2>&1 | grep -q bad.yaml");
    // A command line that would show it is refused, by name and not by value.
    let shows = space.pod("shows", &json!({ "containers": [with(
        sh("c", "echo $(S)"),
        &json!({ "env": [{ "name": "S", "valueFrom": { "secretKeyRef": { "name": "s", "key": "key" } } }] }),
    )] }));
    shows.wait_until("it is refused", |pod| {
        pod.container("c")["state"]["waiting"]["reason"] == "CreateContainerConfigError"
    });

    // Crash, restart, exec, change: all that writes records and messages.
    host.ok(&format!("kill -ABRT {}", pod.pid("c")));
    pod.wait_until("it runs again", |pod| {
        pod.restarts("c") == 1 && pod.is_ready()
    });
    host.vks_ok(&["exec", "uses", "-n", "secrecy", "--", "true"]);
    space.apply_ok(
        "secret",
        &[space.object(
            "Secret",
            "s",
            &json!({ "key": VALUE, "OTHER": VALUE, "more": VALUE }),
        )],
    );
    host.ok("systemctl restart vks.service");
    space.ready("after", &json!({ "containers": [sleeper("c")] }));

    let look = |what: &str, script: &str| {
        // What is looked for comes by a file: on the command line it would find itself.
        host.machine
            .write("/mnt/patterns", &format!("{VALUE}\n{ENCODED}\n"), "0600");
        let script = format!("{{ {script}; }} 2>&1 | grep -a -F -f /mnt/patterns | head -n 5");
        let found = host.machine.sh(&script);
        assert_eq!(found.stdout, "", "{what}");
    };
    look("units", "cat /etc/systemd/system.attached/vks*");
    look(
        "properties",
        "systemctl show --all '*'; systemctl cat 'vks*'",
    );
    look("journal", "journalctl -a -o export --no-pager");
    look("command lines", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '");
    look(
        "get, describe, plan, render",
        "vks get pods -A -o yaml; vks get pods -A -o json; vks describe pods -n secrecy; \
         vks plan -v -v; vks render; vks verify; vks get pods -A -v -v",
    );
    look("status", "systemctl status --no-pager -l 'vks*'");
    let unit_files = host.ok(&format!("grep -rlE '{VALUE}|{ENCODED}' /etc /run /usr/lib/systemd /tmp /root 2>/dev/null | sort || true"));
    for file in unit_files.lines() {
        assert!(
            file == "/etc/vks/pods.d/bad.yaml" || file.starts_with("/run/vks/pods/"),
            "{file}"
        );
    }
    let state = host.ok(&format!(
        "grep -rlE '{VALUE}|{ENCODED}' /var --exclude-dir=journal 2>/dev/null | sort || true"
    ));
    let uid = pod.json()["metadata"]["uid"].as_str().unwrap().to_owned();
    for file in state.lines() {
        let own = ["secrets/", "env/"]
            .iter()
            .any(|dir| file.starts_with(&format!("/var/lib/vks/pods/{uid}/{dir}")));
        assert!(own || file.starts_with("/var/lib/vks/manifests/"), "{file}");
        let open = host.ok(&format!("stat -c '%a %U' '{file}'"));
        assert!(
            open.starts_with("400 root") || open.starts_with("600 root"),
            "{file}: {open}"
        );
        let closed = host.machine.sh(&format!(
            "setpriv --reuid 4711 --regid 4711 --clear-groups cat '{file}'"
        ));
        assert_ne!(closed.code, 0, "{file} can be read by others");
    }
    // No core dump of vks' own processes can be made or kept.
    let agent = host.property("vks.service", "MainPID");
    let limits = host.ok(&format!("grep 'Max core file size' /proc/{agent}/limits"));
    assert_eq!(limits.split_whitespace().nth(4), Some("0"), "{limits}");
    host.ok("rm /etc/vks/pods.d/bad.yaml");
}
