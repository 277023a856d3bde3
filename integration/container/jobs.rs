//! Jobs on a real systemd: what runs, how often, and that each end is counted once.

use super::host::{Host, own, shared};
use super::space::Space;
use serde_json::{Value, json};

/// A Job whose pods run a shell script; `more` is laid over its spec.
pub fn job(space: &Space, name: &str, script: &str, more: &Value) -> Value {
    let mut spec = json!({ "template": { "spec": {
        "hostNetwork": true,
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 2,
        "containers": [{ "name": "c", "image": "host:sh", "args": ["-c", script] }],
    } } });
    for (key, value) in more.as_object().unwrap() {
        spec[key] = value.clone();
    }
    json!({ "apiVersion": "batch/v1", "kind": "Job", "metadata": { "name": name, "namespace": space.name }, "spec": spec })
}

pub fn wait(space: &Space, name: &str, condition: &str) {
    let of = format!("job/{name}");
    let goal = format!("--for=condition={condition}");
    space
        .host
        .vks_ok(&["wait", &of, "-n", space.name, &goal, "--timeout=90s"]);
}

pub fn get(host: &Host, namespace: &str, kind: &str, name: &str) -> Value {
    let text = host.vks_ok(&["get", kind, name, "-n", namespace, "-o", "json"]);
    serde_json::from_str(&text).unwrap()
}

fn reason(status: &Value, kind: &str) -> String {
    let conditions = status["status"]["conditions"].as_array().unwrap();
    let found = conditions
        .iter()
        .find(|condition| condition["type"] == kind);
    found.unwrap()["reason"].as_str().unwrap().to_owned()
}

#[test]
fn completions_run_so_many_at_a_time() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "jobpar");
    let log = space.path("log");
    let script = format!("echo start >>{log}; sleep 0.7; echo end >>{log}");
    let more = json!({ "completions": 5, "parallelism": 2 });
    space.apply_ok("j", &[job(&space, "j", &script, &more)]);
    wait(&space, "j", "Complete");
    let mut running = 0;
    let mut most = 0;
    for line in space.lines("log") {
        running += if line == "start" { 1 } else { -1 };
        most = most.max(running);
    }
    assert_eq!((running, most), (0, 2));
    assert_eq!(space.lines("log").len(), 10);
    assert_eq!(get(&host, "jobpar", "job", "j")["status"]["succeeded"], 5);
    let names = host.vks_ok(&["get", "pods", "-n", "jobpar", "-o", "name"]);
    assert_eq!(names, "pod/j-0\npod/j-1\npod/j-2\npod/j-3\npod/j-4\n");
    let row = host.vks_ok(&["get", "jobs", "-n", "jobpar", "--no-headers"]);
    assert!(row.starts_with("j   Complete   5/5   "), "{row}");
    // Applied again it is the same, and runs no more. Nor would anything else: that is said.
    space.apply_ok("j", &[job(&space, "j", &script, &more)]);
    for (other, field) in [
        (
            job(
                &space,
                "j",
                &script,
                &json!({ "completions": 6, "parallelism": 2 }),
            ),
            "completions",
        ),
        (job(&space, "j", "true", &more), "template"),
    ] {
        let said = space.refused(&other);
        let wanted = format!("Job jobpar/j: spec.{field} stays as it is");
        assert!(
            said.contains(&wanted) && said.contains("vks delete job j -n jobpar"),
            "{said}"
        );
    }
    space.ready(
        "other",
        &json!({ "containers": [super::space::sleeper("c")] }),
    );
    assert_eq!(space.lines("log").len(), 10);
}

#[test]
fn each_index_has_its_number() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "jobidx");
    let script = format!("echo $JOB_COMPLETION_INDEX >>{}", space.path("log"));
    let more = json!({ "completions": 3, "parallelism": 3, "completionMode": "Indexed" });
    space.apply_ok("j", &[job(&space, "j", &script, &more)]);
    wait(&space, "j", "Complete");
    let mut lines = space.lines("log");
    lines.sort();
    assert_eq!(lines, ["0", "1", "2"]);
    assert_eq!(
        get(&host, "jobidx", "job", "j")["status"]["completedIndexes"],
        "0-2"
    );
    let label = "batch.kubernetes.io/job-completion-index=1";
    let names = host.vks_ok(&["get", "pods", "-n", "jobidx", "-l", label, "-o", "name"]);
    assert_eq!(names, "pod/j-1-1\n");
}

#[test]
fn a_pod_that_fails_is_replaced_after_a_while() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "jobfail");
    let log = space.path("log");
    let script = format!("date +%s >>{log}; test $(wc -l <{log}) -ge 2");
    space.apply_ok("j", &[job(&space, "j", &script, &json!({}))]);
    wait(&space, "j", "Complete");
    let times: Vec<u64> = space
        .lines("log")
        .iter()
        .map(|line| line.parse().unwrap())
        .collect();
    assert_eq!(times.len(), 2);
    assert!(
        times[1] - times[0] >= 9,
        "ten seconds after a failure: {times:?}"
    );
    let status = get(&host, "jobfail", "job", "j");
    assert_eq!(
        (&status["status"]["succeeded"], &status["status"]["failed"]),
        (&json!(1), &json!(1))
    );
    let pods = host.vks_ok(&["get", "pods", "-n", "jobfail", "--no-headers"]);
    assert!(
        pods.contains("j-0   0/1   Error") && pods.contains("j-1   0/1   Completed"),
        "{pods}"
    );
}

#[test]
fn failures_end_a_job() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "jobend");
    let never = job(&space, "limit", "exit 3", &json!({ "backoffLimit": 0 }));
    let long = job(
        &space,
        "late",
        "exec sleep 1d",
        &json!({ "activeDeadlineSeconds": 2 }),
    );
    let rule = json!({ "action": "FailJob", "onExitCodes": { "operator": "In", "values": [42] } });
    let policy = job(
        &space,
        "policy",
        "exit 42",
        &json!({ "podFailurePolicy": { "rules": [rule] } }),
    );
    let mut again = job(&space, "again", "exit 1", &json!({ "backoffLimit": 2 }));
    again["spec"]["template"]["spec"]["restartPolicy"] = json!("OnFailure");
    // The same exit code, of the container that the rule names and of another one.
    let of = |name: &str, codes: [u32; 2]| {
        let rule = json!({ "action": "FailJob", "onExitCodes": { "containerName": "b", "operator": "In", "values": [42] } });
        let more = json!({ "backoffLimit": 0, "podFailurePolicy": { "rules": [rule] } });
        let mut job = job(&space, name, &format!("exit {}", codes[0]), &more);
        let containers = job["spec"]["template"]["spec"]["containers"]
            .as_array_mut()
            .unwrap();
        let mut other = containers[0].clone();
        other["name"] = json!("b");
        other["args"][1] = json!(format!("exit {}", codes[1]));
        containers.push(other);
        job
    };
    let (named, unnamed) = (of("named", [0, 42]), of("unnamed", [42, 0]));
    space.apply_ok("j", &[never, long, policy, again, named, unnamed]);
    for (name, why) in [
        ("named", "PodFailurePolicy"),
        ("unnamed", "BackoffLimitExceeded"),
        ("limit", "BackoffLimitExceeded"),
        ("late", "DeadlineExceeded"),
        ("policy", "PodFailurePolicy"),
        ("again", "BackoffLimitExceeded"),
    ] {
        wait(&space, name, "Failed");
        assert_eq!(reason(&get(&host, "jobend", "job", name), "Failed"), why);
    }
    // What still ran has been ended.
    host.wait("! systemctl list-units --no-legend --state=running 'vks.jobend.*' | grep -q .");
    let about = host.vks_ok(&["describe", "job", "policy", "-n", "jobend"]);
    assert!(
        about.contains("Container c failed with exit code 42 for pod jobend/policy-0"),
        "{about}"
    );
}

#[test]
fn a_suspended_job_waits_and_an_old_one_goes() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "jobttl");
    let script = format!("echo run >>{}", space.path("log"));
    let more = |suspend: bool| json!({ "suspend": suspend, "ttlSecondsAfterFinished": 2 });
    space.apply_ok("j", &[job(&space, "j", &script, &more(true))]);
    wait(&space, "j", "Suspended");
    assert_eq!(
        host.vks_ok(&["get", "pods", "-n", "jobttl", "-o", "name"]),
        ""
    );
    space.apply_ok("j", &[job(&space, "j", &script, &more(false))]);
    host.vks_ok(&[
        "wait",
        "job/j",
        "-n",
        "jobttl",
        "--for=delete",
        "--timeout=60s",
    ]);
    assert_eq!(space.lines("log"), ["run"]);
    host.wait("! vks get pods -n jobttl -o name | grep -q .");
    assert_eq!(
        host.vks_ok(&["get", "jobs", "-n", "jobttl", "-o", "name"]),
        ""
    );
}

#[test]
fn an_agent_that_is_killed_and_a_reboot_count_nothing_twice() {
    let Some(mut host) = own("jobs-chaos") else {
        return;
    };
    let script = |log: &str, seconds: &str| format!("sleep {seconds}; echo end >>{log}");
    {
        let space = Space::new_kept(&host, "chaos");
        let more = json!({ "completions": 8, "parallelism": 3, "backoffLimit": 1000 });
        let log = space.path("log");
        space.apply_ok("j", &[job(&space, "j", &script(&log, "0.4"), &more)]);
        // Again and again, whatever it was doing.
        host.ok("i=0; until vks get job j -n chaos --no-headers | grep -q Complete; do \
                 systemctl kill -s KILL vks.service; systemctl reset-failed vks.service; systemctl start vks.service; \
                 i=$((i+1)); test $i -lt 200 || exit 1; sleep 0.2; done");
        assert_eq!(space.lines("log").len(), 8);
        let status = get(&host, "chaos", "job", "j");
        assert_eq!(
            (&status["status"]["succeeded"], &status["status"]["failed"]),
            (&json!(8), &json!(0))
        );
        // Another that is in the middle when the host goes down.
        let log = space.path("two");
        space.apply_ok(
            "two",
            &[job(
                &space,
                "two",
                &script(&log, "2"),
                &json!({ "completions": 4, "parallelism": 2 }),
            )],
        );
        // What the host itself ends is no failure to this one, which may have none.
        let spared = json!({ "backoffLimit": 0, "podReplacementPolicy": "Failed", "podFailurePolicy": { "rules": [
            { "action": "Ignore", "onPodConditions": [{ "type": "DisruptionTarget", "status": "True" }] },
        ] } });
        let again = format!(
            "echo run >>{0}; test $(wc -l <{0}) -ge 2 || exec sleep 1d",
            space.path("spared")
        );
        space.apply_ok("spared", &[job(&space, "spared", &again, &spared)]);
        space.wait_lines("spared", 1);
        space.wait_lines("two", 2);
    }
    host.machine.reboot();
    host.wait("systemctl is-active vks.service");
    let space = Space::new_kept(&host, "chaos");
    wait(&space, "two", "Complete");
    assert_eq!(space.lines("two").len(), 4);
    assert_eq!(get(&host, "chaos", "job", "two")["status"]["succeeded"], 4);
    wait(&space, "spared", "Complete");
    let status = &get(&host, "chaos", "job", "spared")["status"];
    assert_eq!(
        (&status["succeeded"], &status["failed"]),
        (&json!(1), &json!(0)),
        "{status}"
    );
    // What had ended before the reboot has not run again.
    assert_eq!(space.lines("log").len(), 8);
    assert_eq!(get(&host, "chaos", "job", "j")["status"]["succeeded"], 8);
    host.vks_ok(&["delete", "job", "j", "two", "spared", "-n", "chaos"]);
    host.wait("! ls /var/lib/vks/controllers /var/lib/vks/pods | grep -q '[.-]'");
}

#[test]
fn systemd_goes_on_without_an_agent() {
    let Some(host) = own("jobs-alone") else {
        return;
    };
    host.ok("systemctl stop vks.service");
    let space = Space::new_kept(&host, "alone");
    let log = space.path("log");
    let script = format!("echo run >>{log}; test $(wc -l <{log}) -ge 3");
    let mut job = job(&space, "j", &script, &json!({}));
    job["spec"]["template"]["spec"]["restartPolicy"] = json!("OnFailure");
    space.apply_ok("j", &[job]);
    space.wait_lines("log", 3);
    host.wait("vks get job j -n alone --no-headers | grep -q Complete");
    host.ok("systemctl start vks.service");
    wait(&space, "j", "Complete");
    assert_eq!(get(&host, "alone", "job", "j")["status"]["succeeded"], 1);
    assert_eq!(space.lines("log").len(), 3);
}
