//! At shutdown, pods that matter more end later.

use super::host::own;
use super::space::{Space, sh, with};
use serde_json::{Value, json};

/// Takes a while to end, and says when it is asked to and when it is done.
fn slow(name: &str) -> Value {
    sh(
        "c",
        &format!(
            "trap 'echo stop {name} >>/t/prio/log; sleep 1; echo end {name} >>/t/prio/log; sync; exit 0' TERM; \
             while :; do sleep 1d & wait $!; done"
        ),
    )
}

#[test]
fn the_order_at_shutdown_is_that_of_priorities() {
    let Some(mut host) = own("priority") else {
        return;
    };
    {
        let space = Space::new_kept(&host, "prio");
        let class = json!({
            "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass",
            "metadata": { "name": "high" }, "value": 1000,
        });
        let of = |name: &'static str, more: &Value| {
            space.manifest(name, &with(json!({ "containers": [slow(name)] }), more))
        };
        // By names that sort the other way round.
        let pods = [
            of("z-plain", &json!({})),
            of("y-low", &json!({ "priority": -1 })),
            of("b-high", &json!({ "priorityClassName": "high" })),
            of(
                "a-critical",
                &json!({ "priorityClassName": "system-node-critical" }),
            ),
        ];
        space.apply_ok("waits", &pods);
        let high = space.known("b-high");
        high.wait_until("it waits for its class", |pod| {
            let waiting = pod.container("c")["state"]["waiting"]["message"].clone();
            waiting
                .as_str()
                .is_some_and(|text| text.contains("no PriorityClass with name high"))
        });
        let mut all = pods.to_vec();
        all.push(class);
        space.apply_ok("waits", &all);
        for name in ["z-plain", "y-low", "b-high", "a-critical"] {
            space
                .known(name)
                .wait_until("it is ready", |pod| pod.is_ready());
        }
        let plain = space.known("z-plain").unit("c");
        assert_eq!(host.property(&plain, "ExecStop"), "");
        // A stop of one pod alone waits for nobody.
        host.vks_ok(&["restart", "pod/a-critical", "-n", "prio"]);
        host.wait("grep -q 'end a-critical' /t/prio/log && vks get pod a-critical -n prio | grep -q '1/1'");
        host.ok("rm /t/prio/log; sync");
    }
    host.machine.reboot();
    let space = Space::new_kept(&host, "prio");
    // A class can be that of all who name none. Whoever has a priority waits at shutdown for those below.
    let usual = json!({
        "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": { "name": "usual" },
        "value": 12, "globalDefault": true, "preemptionPolicy": "Never",
    });
    let later = space.manifest("later", &json!({ "containers": [slow("later")] }));
    space.apply_ok("later", &[usual, later]);
    let later = space.known("later");
    later.wait_until("it runs", |pod| pod.is_ready());
    let stop = host.property(&later.unit("c"), "ExecStop");
    assert!(stop.contains("hook pre-stop"), "{stop}");
    let log = space.lines("log");
    let at = |line: &str| {
        log.iter()
            .position(|l| l == line)
            .unwrap_or_else(|| panic!("{line}: {log:?}"))
    };
    assert!(
        at("end z-plain") < at("stop b-high") && at("end y-low") < at("stop b-high"),
        "{log:?}"
    );
    assert!(at("end b-high") < at("stop a-critical"), "{log:?}");
    assert_eq!(log.last().map(String::as_str), Some("end a-critical"));
}

#[test]
fn the_deadline_counts_from_the_first_start() {
    let Some(mut host) = own("deadlineboot") else {
        return;
    };
    {
        let space = Space::new_kept(&host, "dl");
        let pod = |seconds: u32| json!({ "activeDeadlineSeconds": seconds, "containers": [sh("c", "echo up >>/t/dl/log; exec sleep 1d")] });
        space.ready("long", &pod(3600));
        space.ready("p", &pod(25));
        // A restart of the pod by systemd alone does not begin it anew.
        let target = "vks-dl-long.target";
        host.ok(&format!(
            "sleep 3; systemctl stop {target}; systemctl start {target}"
        ));
        host.wait("systemctl is-active vks-dl-long-deadline.service");
        host.ok("sync");
    }
    host.machine.reboot();
    let space = Space::new_kept(&host, "dl");
    let pod = space.known("p");
    pod.wait_phase("Failed");
    assert_eq!(pod.status()["reason"], "DeadlineExceeded");
    let begun = host.ok("cat /var/lib/vks/pods/*/deadline-start");
    assert_eq!(begun.matches("wall").count(), 2, "{begun}");
    // Since the first start, not since the boot: a quarter of an hour is what a slow machine may take to boot.
    let since: i64 = host
        .ok("date +%s; date -d \"$(vks get pod p -n dl -o json | sed -n 's/.*\"startTime\": *\"\\([^\"]*\\)\".*/\\1/p' | head -n 1)\" +%s")
        .lines()
        .map(|line| line.parse::<i64>().unwrap())
        .reduce(|now, start| now - start)
        .unwrap();
    assert!(since >= 25, "{since} s");
    assert_eq!(space.known("long").phase(), "Running");
}
