//! CronJobs on a real systemd: a timer, a Job for each time, with and without an agent.

use super::host::{own, shared};
use super::jobs::get;
use super::space::Space;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::process::Command;

fn cron_job(space: &Space, name: &str, script: &str, more: &Value) -> Value {
    let pod = json!({
        "hostNetwork": true,
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 2,
        "containers": [{ "name": "c", "image": "host:sh", "args": ["-c", script] }],
    });
    let mut spec = json!({
        "schedule": "* * * * *",
        "jobTemplate": { "spec": { "template": { "spec": pod } } },
    });
    for (key, value) in more.as_object().unwrap() {
        spec[key] = value.clone();
    }
    json!({ "apiVersion": "batch/v1", "kind": "CronJob", "metadata": { "name": name, "namespace": space.name }, "spec": spec })
}

/// The pods of a CronJob whose Job's spec was given whole.
fn with_template(mut whole: Value, space: &Space) -> Value {
    let pods =
        cron_job(space, "x", "exit 1", &json!({}))["spec"]["jobTemplate"]["spec"]["template"]
            .take();
    whole["spec"]["jobTemplate"]["spec"]["template"] = pods;
    whole
}

#[test]
fn each_minute_has_one_job_with_and_without_an_agent() {
    let Some(mut host) = own("cron") else { return };
    {
        let space = Space::new_kept(&host, "cron");
        let script = format!("date +%s >>{}", space.path("log"));
        let more = json!({ "successfulJobsHistoryLimit": 2 });
        let failing = json!({ "failedJobsHistoryLimit": 1, "jobTemplate": {
            "metadata": { "labels": { "of": "f" }, "annotations": { "example.org/note": "each has it" } },
            "spec": { "backoffLimit": 0 },
        } });
        let failing = with_template(cron_job(&space, "f", "exit 1", &failing), &space);
        space.apply_ok("c", &[cron_job(&space, "c", &script, &more), failing]);
        let timer = "vks-cron-c-cron.timer";
        host.wait(&format!("systemctl is-active {timer}"));
        space.wait_lines("log", 1);
        // The timer's service makes the Job where no agent does.
        host.ok("systemctl stop vks.service");
        space.wait_lines("log", 2);
        assert_eq!(host.property("vks.service", "ActiveState"), "inactive");
    }
    // Over a reboot, without an agent still.
    host.ok("systemctl disable vks.service");
    host.machine.reboot();
    host.wait("systemctl is-active vks-cron-c-cron.timer");
    {
        let space = Space::new_kept(&host, "cron");
        let count = space.lines("log").len();
        space.wait_lines("log", count + 1);
        late(&host);
        host.ok("systemctl enable --now vks.service");
        host.wait("test \"$(vks get jobs -n cronlate -o name)\" = job.batch/patient-$(cat /t/cronlate/minute)");
        host.wait("journalctl -u vks.service -o cat | grep -q 'CronJob cronlate/late: the run of .* is left out: it is too late for it'");
        host.vks_ok(&["delete", "cronjob", "late", "patient", "-n", "cronlate"]);
        host.wait("test \"$(vks get jobs -n cron --no-headers | grep -c Complete)\" = 2");
        let minutes: Vec<u64> = space
            .lines("log")
            .iter()
            .map(|line| line.parse::<u64>().unwrap() / 60)
            .collect();
        let distinct: BTreeSet<&u64> = minutes.iter().collect();
        assert_eq!(
            distinct.len(),
            minutes.len(),
            "one for each minute: {minutes:?}"
        );
        let status = get(&host, "cron", "cronjob", "c");
        let last = status["status"]["lastScheduleTime"].as_str().unwrap();
        assert!(last.ends_with(":00Z"), "{last}");
        let newest = format!("job.batch/c-{}", minutes.last().unwrap());
        let jobs = host.vks_ok(&["get", "jobs", "-n", "cron", "-o", "name"]);
        assert!(
            jobs.lines().any(|line| line == newest),
            "{newest} is not in {jobs}"
        );
        // Of those that failed, of which there were as many, the last one is kept.
        host.wait(
            "test \"$(vks get jobs -n cron --no-headers | grep '^f-' | grep -c Failed)\" = 1",
        );
        let labelled = host.vks_ok(&["get", "jobs", "-n", "cron", "-l", "of=f", "-o", "json"]);
        let labelled: Value = serde_json::from_str(&labelled).unwrap();
        let items = labelled["items"].as_array().unwrap();
        assert!(!items.is_empty());
        for job in items {
            let metadata = &job["metadata"];
            assert!(metadata["name"].as_str().unwrap().starts_with("f-"));
            assert_eq!(metadata["annotations"]["example.org/note"], "each has it");
        }
        host.vks_ok(&["delete", "cronjob", "c", "f", "-n", "cron"]);
    }
    host.wait("! ls /etc/systemd/system.attached /var/lib/vks/controllers /var/lib/vks/manifests | grep -q cron");
    host.wait(
        "! systemctl list-units --all --no-legend 'vks-cron-*' | grep -v not-found | grep -q .",
    );
}

/// Two CronJobs whose time was half an hour ago, when nothing ran on the host: startingDeadlineSeconds tells them apart.
/// No agent may run meanwhile.
fn late(host: &super::host::Host) {
    let space = Space::new_kept(host, "cronlate");
    let minute = host.ok("m=$(($(date +%s) / 60 - 30)); echo $m | tee /t/cronlate/minute");
    let schedule = format!("{} * * * *", minute.trim().parse::<u64>().unwrap() % 60);
    let object = |name: &str, seconds: u32| {
        let more = json!({ "schedule": schedule, "timeZone": "Etc/UTC", "startingDeadlineSeconds": seconds });
        cron_job(&space, name, "true", &more)
    };
    space.apply_ok("c", &[object("late", 600), object("patient", 6000)]);
    // As if the host had seen them before that time, and had been off since.
    host.ok(
        "cd /var/lib/vks/controllers && python3 -c 'import datetime as d, json
last = (d.datetime.now(d.UTC) - d.timedelta(minutes=50)).strftime(\"%Y-%m-%dT%H:%M:%SZ\")
for name in [\"late\", \"patient\"]:
    path = f\"cronjob.cronlate.{name}.json\"
    record = json.load(open(path))
    record[\"cron\"] = {\"last\": last}
    json.dump(record, open(path, \"w\"))'",
    );
}

#[test]
fn runs_that_overlap_follow_the_policy() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "overlap");
    let script = |name: &str| format!("echo start >>{}; exec sleep 1d", space.path(name));
    let object = |name: &str, policy: &str| {
        cron_job(
            &space,
            name,
            &script(name),
            &json!({ "concurrencyPolicy": policy }),
        )
    };
    space.apply_ok(
        "c",
        &[
            object("allow", "Allow"),
            object("forbid", "Forbid"),
            object("replace", "Replace"),
        ],
    );
    space.wait_lines("allow", 1);
    space.wait_lines("allow", 2);
    space.wait_lines("replace", 2);
    let jobs = || host.vks_ok(&["get", "jobs", "-n", "overlap", "-o", "name"]);
    let of = |name: &str| jobs().lines().filter(|line| line.contains(name)).count();
    host.wait("test \"$(vks get jobs -n overlap -o name | grep -c replace)\" = 1");
    assert_eq!(
        (of("allow"), of("forbid"), of("replace")),
        (2, 1, 1),
        "{}",
        jobs()
    );
    assert_eq!(space.lines("forbid").len(), 1);
    // Suspended: no timer, what runs goes on.
    let more = json!({ "concurrencyPolicy": "Allow", "suspend": true });
    space.apply_ok("c", &[cron_job(&space, "allow", &script("allow"), &more)]);
    host.wait("! systemctl is-active -q vks-overlap-allow-cron.timer");
    assert_eq!(of("allow"), 2);
    let row = host.vks_ok(&["get", "cronjob", "allow", "-n", "overlap", "--no-headers"]);
    assert!(
        row.starts_with("allow   * * * * *   <none>   True   2   "),
        "{row}"
    );
    space.apply_ok(
        "c",
        &[
            object("allow", "Allow"),
            object("forbid", "Forbid"),
            object("replace", "Replace"),
        ],
    );
}

#[test]
fn times_are_those_of_the_zone() {
    let Some(host) = shared() else { return };
    let zone = Command::new("base64")
        .arg("/usr/share/zoneinfo/Asia/Tokyo")
        .output()
        .unwrap();
    let text = String::from_utf8(zone.stdout).unwrap();
    let script = "mkdir -p /usr/share/zoneinfo/Asia && base64 -d >/usr/share/zoneinfo/Asia/Tokyo";
    let fed = host.machine.feed(&["/bin/sh", "-c", script], &text);
    assert_eq!(fed.code, 0, "{}", fed.stderr);
    let space = Space::new(&host, "zone");
    let more = json!({ "schedule": "0 3 * * *", "timeZone": "Asia/Tokyo" });
    space.apply_ok("c", &[cron_job(&space, "c", "true", &more)]);
    host.wait("systemctl is-active vks-zone-c-cron.timer");
    let next = host.property("vks-zone-c-cron.timer", "NextElapseUSecRealtime");
    assert!(next.ends_with(" 18:00:00 UTC"), "{next}");
    let about = host.vks_ok(&["describe", "cronjob", "c", "-n", "zone"]);
    assert!(about.contains("T18:00:00Z (in "), "{about}");
    let unknown = json!({ "timeZone": "Nowhere/Land" });
    let out = space.apply("wrong", &[cron_job(&space, "w", "true", &unknown)], &[]);
    assert_eq!(out.code, 1);
    assert!(
        out.stderr.contains("this host has no such time zone"),
        "{}",
        out.stderr
    );
    // Nothing of it was taken on, so that there is nothing to delete.
    let none = json!({ "apiVersion": "v1", "kind": "List", "items": [] });
    host.machine
        .write(&space.path("wrong.json"), &none.to_string(), "0600");
}
