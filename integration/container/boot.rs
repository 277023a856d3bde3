//! Reboots: pods come up by systemd alone, and the agent that starts afterwards changes nothing.

use super::host::own;
use super::space::{Space, sh, sleeper, with};
use serde_json::{Value, json};

/// Says when it starts, in seconds since boot, and stays.
fn stays(name: &str) -> Value {
    sh(
        name,
        &format!(
            "echo {name} $(cut -d' ' -f1 /proc/uptime) $(cat /proc/sys/kernel/random/boot_id) >>/t/boot/log; exec sleep 1d"
        ),
    )
}

#[test]
fn pods_come_up_by_systemd_alone() {
    let Some(mut host) = own("reboot") else {
        return;
    };
    let before = set_up(&Space::new_kept(&host, "boot"));
    host.ok("systemctl mask vks.service; rm /t/boot/log; sync");
    host.machine.reboot();

    let space = Space::new_kept(&host, "boot");
    assert_ne!(
        host.ok("systemctl is-active vks.service || true").trim(),
        "active"
    );
    host.wait("grep -q main /t/boot/log && grep -q plain /t/boot/log");
    let pod = space.known("order");
    pod.wait_until("all run", |pod| {
        pod.container("main")["state"]["running"].is_object()
    });
    // In order, by the time since boot that each wrote itself.
    let log = space.lines("log");
    let at = |name: &str| {
        log.iter()
            .position(|line| line == name || line.starts_with(&format!("{name} ")))
            .unwrap_or_else(|| panic!("{name}: {log:?}"))
    };
    assert!(
        at("init") < at("main") && at("init-end") < at("side"),
        "{log:?}"
    );
    let started = |name: &str| -> u64 {
        host.property(&pod.unit(name), "ExecMainStartTimestampMonotonic")
            .parse()
            .unwrap()
    };
    assert!(
        started("init") < started("side") && started("side") < started("main"),
        "sidecars before mains"
    );
    let ended: u64 = host
        .property(&pod.unit("init"), "ExecMainExitTimestampMonotonic")
        .parse()
        .unwrap();
    assert!(ended <= started("side"), "init containers first");
    // What was there is there again: volumes, network, environment.
    let main = pod.pid("main");
    assert_eq!(
        host.ok(&format!(
            "nsenter -t {main} -m cat /t/boot/e/kept /t/boot/s/key /t/boot/m/key"
        )),
        "kept\nhidden\nmapped\n"
    );
    assert_eq!(
        host.ok(&format!("nsenter -t {main} -n ip -o link | wc -l")),
        "2\n"
    );
    let words = host.words(&format!("/proc/{main}/environ"));
    assert!(words.iter().any(|word| word == "S=hidden\n"), "{words:?}");
    // What had ended for good has not run again.
    let ended = space.lines("ended");
    assert_eq!(
        ended,
        ["completed", "failed", "never"],
        "each once, in the first boot"
    );
    assert_eq!(space.known("completed").phase(), "Succeeded");
    assert_eq!(space.known("failed").phase(), "Failed");

    // Status, logs and the rest need no agent either; and now it starts.
    assert_eq!(pod.json()["metadata"]["uid"], before["order"]);
    let names = [("order", "main"), ("order", "side"), ("plain", "c")];
    let lives = || names.map(|(pod, container)| space.known(pod).life(container));
    let alone = lives();
    host.ok("systemctl unmask vks.service; systemctl start vks.service");
    host.wait("systemctl is-active vks.service");
    assert_eq!(lives(), alone, "the agent changes nothing");
    let plan = host.vks_ok(&["plan"]);
    assert!(
        !plan.contains("start") && !plan.contains("write") && !plan.contains("stop"),
        "{plan}"
    );
    assert_eq!(space.lines("ended").len(), 3);
    assert_eq!(
        host.ok("journalctl -b -o cat _SYSTEMD_UNIT=vks.service | grep -c 'pod boot/' || true"),
        "0\n",
        "it had nothing to do"
    );
}

fn set_up(space: &Space) -> Value {
    let host = space.host;
    space.apply_ok(
        "objects",
        &[
            space.object("Secret", "s", &json!({ "key": "hidden\n" })),
            space.object("ConfigMap", "m", &json!({ "key": "mapped\n" })),
        ],
    );
    let init = sh(
        "init",
        "echo init >>/t/boot/log; sleep 0.5; echo init-end >>/t/boot/log",
    );
    let main = with(
        stays("main"),
        &json!({
            "env": [{ "name": "S", "valueFrom": { "secretKeyRef": { "name": "s", "key": "key" } } }],
            "volumeMounts": [
                { "name": "e", "mountPath": "/t/boot/e" }, { "name": "s", "mountPath": "/t/boot/s" }, { "name": "m", "mountPath": "/t/boot/m" },
            ],
            "readinessProbe": { "exec": { "command": ["true"] } },
        }),
    );
    // The mains see the log through the host's file system: the volumes cover none of it.
    let order = space.ready("order", &json!({
        "hostNetwork": false,
        "volumes": [
            { "name": "e", "emptyDir": {} }, { "name": "s", "secret": { "secretName": "s" } }, { "name": "m", "configMap": { "name": "m" } },
        ],
        "initContainers": [init, with(stays("side"), &json!({ "restartPolicy": "Always" }))],
        "containers": [main],
    }));
    host.ok(&format!(
        "nsenter -t {} -m sh -c 'echo kept >/t/boot/e/kept'",
        order.pid("main")
    ));
    space.ready(
        "plain",
        &json!({ "containers": [sh("c", "echo plain >>/t/boot/log; exec sleep 1d")] }),
    );
    let ends = |name: &str, code: u8| sh("c", &format!("echo {name} >>/t/boot/ended; exit {code}"));
    space
        .pod(
            "completed",
            &json!({ "restartPolicy": "OnFailure", "containers": [ends("completed", 0)] }),
        )
        .wait_phase("Succeeded");
    space
        .pod(
            "failed",
            &json!({ "restartPolicy": "Never", "containers": [ends("failed", 1)] }),
        )
        .wait_phase("Failed");
    space
        .pod(
            "never",
            &json!({ "restartPolicy": "Never", "containers": [ends("never", 0)] }),
        )
        .wait_phase("Succeeded");
    json!({ "order": order.json()["metadata"]["uid"] })
}

/// Everything goes also after a reboot, and with the machine's whole life the pods' end.
#[test]
fn delete_after_a_reboot_leaves_nothing() {
    let Some(mut host) = own("rebootdel") else {
        return;
    };
    {
        let space = Space::new_kept(&host, "bootdel");
        space.ready("p", &json!({ "hostNetwork": false, "volumes": [{ "name": "e", "emptyDir": {} }], "containers": [
            with(sleeper("c"), &json!({ "volumeMounts": [{ "name": "e", "mountPath": "/t/bootdel/new/e" }] })),
        ] }));
    }
    host.ok("sync");
    host.machine.reboot();
    let space = Space::new(&host, "bootdel");
    let pod = space.known("p");
    pod.wait_for("condition=Ready");
    pod.delete();
    assert_eq!(host.ok("ls /t/bootdel | grep -c new || true; ls /run/netns 2>/dev/null | grep -vcx vks-dns || true; ls /var/lib/vks/pods /var/lib/vks/manifests | grep -vc '^/\\|^$' || true"), "0\n0\n0\n");
}
