//! The agent against the rest of the host: what it puts right, what it survives.

use super::host::{own, shared};
use super::space::{Space, sleeper};
use serde_json::json;

/// Whoever stops a container's unit behind the agent's back finds it running again.
#[test]
fn what_should_run_runs() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "converge");
    let pod = space.ready("p", &json!({ "containers": [sleeper("a"), sleeper("b")] }));
    let (a, b) = (pod.life("a"), pod.life("b"));
    host.ok(&format!(
        "systemctl stop '{}'",
        pod.unit("a").replace('\\', "\\\\")
    ));
    pod.wait_until("it runs again", |pod| {
        pod.pid("a") != "0" && pod.life("a") != a
    });
    assert_eq!(pod.life("b"), b);
}

/// A unit file that somebody removed or changed is written again.
#[test]
fn unit_files_are_put_right() {
    let Some(host) = own("unitfiles") else { return };
    let space = Space::new(&host, "files");
    let pod = space.ready("p", &json!({ "containers": [sleeper("c")] }));
    let life = pod.life("c");
    let file = format!("/etc/systemd/system.attached/{}", pod.unit("c"));
    let text = host.machine.read(&file);
    host.ok(&format!("rm '{file}'; systemctl restart vks.service"));
    host.wait(&format!("test -e '{file}'"));
    assert_eq!(host.machine.read(&file), text);
    host.ok(&format!(
        "echo '# somebody' >>'{file}'; systemctl restart vks.service"
    ));
    host.wait(&format!("! grep -q somebody '{file}'"));
    assert_eq!(pod.life("c"), life);
}

#[test]
fn reload_reads_all_again_and_touches_nothing() {
    let Some(host) = own("reload") else { return };
    let space = Space::new(&host, "reload");
    let pod = space.ready("p", &json!({ "containers": [sleeper("c")] }));
    let (life, agent) = (pod.life("c"), host.property("vks.service", "MainPID"));
    host.ok("systemctl reload vks.service");
    assert_eq!(host.property("vks.service", "MainPID"), agent);
    assert_eq!(pod.life("c"), life);
    host.ok("systemctl daemon-reload");
    space.ready("q", &json!({ "containers": [sleeper("c")] }));
    assert_eq!(
        (pod.life("c"), host.property("vks.service", "MainPID")),
        (life, agent)
    );
}

/// systemd re-executes itself, D-Bus goes away and comes back: the agent is there afterwards, pods never knew.
#[test]
fn it_outlives_dbus_and_systemd() {
    let Some(host) = own("dbus") else { return };
    let space = Space::new(&host, "dbus");
    let pod = space.ready("p", &json!({ "containers": [sleeper("c")] }));
    let life = pod.life("c");
    for script in [
        "systemctl daemon-reexec",
        "systemctl restart dbus.service",
        "systemctl kill --signal=KILL dbus.service",
    ] {
        host.machine.sh(script);
        host.wait("systemctl is-active vks.service && busctl --system list");
        space
            .ready("after", &json!({ "containers": [sleeper("c")] }))
            .delete();
        assert_eq!(pod.life("c"), life, "{script}");
    }
}

/// A watchdog that is not fed ends the agent; it comes back and pods go on.
#[test]
fn a_stuck_agent_is_replaced() {
    let Some(host) = own("stuck") else { return };
    host.ok(
        "mkdir -p /run/systemd/system/vks.service.d && printf '[Service]\\nWatchdogSec=3s\\n' \
         >/run/systemd/system/vks.service.d/test.conf && systemctl daemon-reload && systemctl restart vks.service",
    );
    let space = Space::new(&host, "stuck");
    let pod = space.ready("p", &json!({ "containers": [sleeper("c")] }));
    let life = pod.life("c");
    let agent = host.property("vks.service", "MainPID");
    host.ok(&format!("kill -STOP {agent}"));
    host.wait(&format!("p=$(systemctl show -P MainPID vks.service); test $p != 0 && test $p != {agent} && systemctl is-active vks.service"));
    assert_eq!(pod.life("c"), life);
    // One that is fed lives on: longer than the watchdog allows without.
    let agent = host.property("vks.service", "MainPID");
    host.wait("test $(( $(cut -d. -f1 /proc/uptime) - $(systemctl show -P ExecMainStartTimestampMonotonic vks.service) / 1000000 )) -ge 7");
    assert_eq!(host.property("vks.service", "MainPID"), agent);
}

/// A pod is removed while the agent is away by removing its file: the next agent does it.
#[test]
fn what_changed_while_it_was_away() {
    let Some(host) = own("absent") else { return };
    let space = Space::new(&host, "absent");
    let keep = space.manifest("keep", &json!({ "containers": [sleeper("c")] }));
    let gone = space.manifest("gone", &json!({ "containers": [sleeper("c")] }));
    super::manifests::put(&host, "keep.json", &keep.to_string());
    super::manifests::put(&host, "gone.json", &gone.to_string());
    for name in ["keep", "gone"] {
        host.vks_ok(&[
            "wait",
            &format!("pod/{name}"),
            "-n",
            "absent",
            "--for=create",
            "--timeout=60s",
        ]);
        space.known(name).wait_for("condition=Ready");
    }
    let life = space.known("keep").life("c");
    host.ok(
        "systemctl stop vks.service; rm /etc/vks/pods.d/gone.json; systemctl start vks.service",
    );
    host.wait("! vks get pod gone -n absent");
    assert_eq!(space.known("keep").life("c"), life);
    super::manifests::take(&host, "keep.json", "absent");
}
