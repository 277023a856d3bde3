//! Requests and limits as systemd has them, OOM scores, variables of resources, and changes without a restart. What the
//! kernel makes of them is looked at in a virtual machine (vm/resources.sh, vm/resize.sh).

use super::host::shared;
use super::space::{Space, sh, sleeper, with};
use serde_json::json;

#[test]
fn oom_scores_follow_the_class() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "oom");
    let limits = json!({ "resources": { "limits": { "cpu": "100m", "memory": "64Mi" } } });
    let some = json!({ "resources": { "requests": { "memory": "64Mi" } } });
    let score = |pod: &super::space::Pod, name: &str| -> i64 {
        let text = host.ok(&format!("cat /proc/{}/oom_score_adj", pod.pid(name)));
        text.trim().parse().unwrap()
    };
    let guaranteed = space.ready(
        "guaranteed",
        &json!({ "containers": [with(sleeper("c"), &limits)] }),
    );
    // Lowering it is not allowed in this machine.
    assert_eq!(
        host.property(&guaranteed.unit("c"), "OOMScoreAdjust"),
        "-997"
    );
    let best = space.ready("best", &json!({ "containers": [sleeper("c")] }));
    assert_eq!(score(&best, "c"), 1000);
    let burstable = space.ready(
        "burstable",
        &json!({ "containers": [with(sleeper("a"), &some), sleeper("b")] }),
    );
    let total: i64 = host
        .ok("awk '/^MemTotal/ { print $2 * 1024 }' /proc/meminfo")
        .trim()
        .parse()
        .unwrap();
    let wanted = (1000 - (64 << 20) * 1000 / total).clamp(3, 999);
    assert_eq!(score(&burstable, "a"), wanted);
    assert_eq!(score(&burstable, "b"), 999);
}

#[test]
fn the_pod_as_a_whole() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "whole");
    let pod = space.ready("whole", &json!({
        "resources": { "requests": { "cpu": "500m" }, "limits": { "cpu": "1", "memory": "256Mi" } },
        "containers": [with(sleeper("a"), &json!({ "resources": { "limits": { "memory": "64Mi" } } })), sleeper("b")],
    }));
    let slice = "vks-whole-whole.slice";
    for (unit, key, wanted) in [
        (slice, "CPUWeight", "20"),
        (slice, "CPUQuotaPerSecUSec", "1s"),
        (slice, "MemoryMax", "268435456"),
        (&*pod.unit("a"), "MemoryMax", "67108864"),
        (&*pod.unit("b"), "MemoryMax", "infinity"),
    ] {
        assert_eq!(host.property(unit, key), wanted, "{unit} {key}");
    }
    assert_eq!(pod.status()["qosClass"], "Burstable");
}

/// A change of requests and limits is in force at once: nothing restarts, systemd does not reload, and what is in force
/// outlives a reload, a restart of the container and the pod itself.
#[test]
fn resources_change_in_place() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "resize");
    let spec = |cpu: &str, memory: &str| {
        json!({ "containers": [
        with(sleeper("a"), &json!({ "resources": { "limits": { "cpu": cpu, "memory": memory } } })), sleeper("b")] })
    };
    let pod = space.ready("p", &spec("100m", "64Mi"));
    let (a, slice) = (pod.unit("a"), "vks-resize-p.slice");
    let values = || -> Vec<String> {
        let of =
            |unit: &str| ["CPUQuotaPerSecUSec", "MemoryMax"].map(|key| host.property(unit, key));
        [of(&a), of(slice)].concat()
    };
    assert_eq!(values(), ["100ms", "67108864", "infinity", "infinity"]);
    let (life, other) = (pod.life("a"), pod.life("b"));
    let loaded = || host.property(&pod.unit("b"), "StateChangeTimestampMonotonic");
    let before = loaded();
    // Whoever reloads systemd leaves a line.
    let reloads = || host.ok("journalctl -q -o cat _PID=1 | grep -c -i 'reload requested' || true");
    let count = reloads();
    pod.space
        .apply_ok("p", &[space.manifest("p", &spec("250m", "128Mi"))]);
    pod.wait_until("the new limits are in force", |_| {
        values()[..2] == ["250ms", "134217728"]
    });
    assert_eq!(pod.life("a"), life);
    assert_eq!(pod.life("b"), other);
    assert_eq!(loaded(), before);
    assert_eq!(reloads(), count, "systemd was not reloaded");
    host.wait(
        "cd /run/systemd/system.control 2>/dev/null || exit 0; test -z \"$(ls -d vks.resize.* vks-resize-p.slice.d 2>/dev/null)\"",
    );
    // Nothing is left to do.
    let plan = host.vks_ok(&["plan"]);
    assert!(!plan.contains("resize/p"), "{plan}");
    host.ok("systemctl daemon-reload");
    assert_eq!(values()[..2], ["250ms", "134217728"]);
    host.ok(&format!("systemctl restart '{a}'"));
    assert_eq!(values()[..2], ["250ms", "134217728"]);
    // And taken back altogether.
    let life = pod.life("a");
    space.apply_ok(
        "p",
        &[space.manifest("p", &json!({ "containers": [sleeper("a"), sleeper("b")] }))],
    );
    pod.wait_until("the limits are gone", |_| values() == ["infinity"; 4]);
    assert_eq!(pod.life("a"), life);
}

#[test]
fn the_slice_gets_and_loses_limits_in_place() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "slices");
    let spec = |limits: serde_json::Value| json!({ "resources": { "limits": limits }, "containers": [sleeper("a")] });
    let pod = space.ready("p", &spec(json!({})));
    let life = pod.life("a");
    let memory = || host.property("vks-slices-p.slice", "MemoryMax");
    assert_eq!(memory(), "infinity");
    for (limits, wanted) in [
        (json!({ "memory": "64Mi" }), "67108864"),
        (json!({ "memory": "32Mi" }), "33554432"),
        (json!({}), "infinity"),
    ] {
        space.apply_ok("p", &[space.manifest("p", &spec(limits))]);
        pod.wait_until(wanted, |_| memory() == wanted);
    }
    assert_eq!(pod.life("a"), life);
}

#[test]
fn the_policy_asks_for_a_restart() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "resizing");
    let spec = |cpu: &str, memory: &str| {
        json!({ "containers": [with(sleeper("a"), &json!({
        "resources": { "limits": { "cpu": cpu, "memory": memory } },
        "resizePolicy": [{ "resourceName": "memory", "restartPolicy": "RestartContainer" }] }))] })
    };
    let pod = space.ready("p", &spec("100m", "64Mi"));
    let life = pod.life("a");
    let unit = pod.unit("a");
    space.apply_ok("p", &[space.manifest("p", &spec("200m", "64Mi"))]);
    pod.wait_until("the CPU limit", |_| {
        host.property(&unit, "CPUQuotaPerSecUSec") == "200ms"
    });
    assert_eq!(pod.life("a"), life);
    space.apply_ok("p", &[space.manifest("p", &spec("200m", "32Mi"))]);
    pod.wait_until("another run", |pod| {
        pod.invocation("a") != life.1 && pod.pid("a") != "0"
    });
    assert_eq!(host.property(&unit, "MemoryMax"), "33554432");
}

#[test]
fn resources_as_variables() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "resvars");
    let path = space.path("env");
    let from = |name: &str, resource: &str, divisor: &str| {
        let reference = json!({ "resource": resource, "divisor": divisor });
        json!({ "name": name, "valueFrom": { "resourceFieldRef": reference } })
    };
    space.ready("p", &json!({ "containers": [with(sh("a", &format!("echo $A $B $C $D $E >{path}; exec sleep infinity")), &json!({
        "resources": { "limits": { "memory": "64Mi" }, "requests": { "cpu": "1500m" } },
        "env": [from("A", "limits.memory", "1Mi"), from("B", "requests.cpu", "1"), from("C", "requests.cpu", "1m"),
            from("D", "requests.memory", "0"), from("E", "limits.cpu", "1")] }))] }));
    let cpus = host.ok("grep -c ^processor /proc/cpuinfo");
    assert_eq!(
        space.wait_lines("env", 1),
        [format!("64 2 1500 67108864 {}", cpus.trim())]
    );
}
