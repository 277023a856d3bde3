//! Jobs whose indexes count one by one: when some of them are enough, and when some have failed.

use super::host::shared;
use super::jobs::{get, job, wait};
use super::space::Space;
use serde_json::{Value, json};

fn reason(job: &Value, kind: &str) -> String {
    let conditions = job["status"]["conditions"].as_array().unwrap();
    let found = conditions.iter().find(|one| one["type"] == kind);
    found.unwrap_or_else(|| panic!("no condition {kind}: {conditions:?}"))["reason"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[test]
fn a_job_is_complete_when_enough_indexes_are() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "jobenough");
    let script = format!(
        "echo $JOB_COMPLETION_INDEX >>{}; test $JOB_COMPLETION_INDEX = 1 || exec sleep 1d",
        space.path("log")
    );
    let more = json!({ "completions": 3, "parallelism": 3, "completionMode": "Indexed",
        "successPolicy": { "rules": [{ "succeededIndexes": "0-1", "succeededCount": 1 }] } });
    space.apply_ok("j", &[job(&space, "j", &script, &more)]);
    wait(&space, "j", "Complete");
    let done = get(&host, "jobenough", "job", "j");
    assert_eq!(reason(&done, "SuccessCriteriaMet"), "SuccessPolicy");
    assert_eq!(done["status"]["completedIndexes"], "1");
    // The others are ended, and do not come back.
    host.wait("! systemctl list-units --no-legend --state=running 'vks.jobenough.*' | grep -q .");
    let mut lines = space.lines("log");
    lines.sort();
    assert_eq!(lines, ["0", "1", "2"]);
}

#[test]
fn an_index_that_fails_does_not_fail_the_others() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "jobeach");
    let script = format!(
        "echo $JOB_COMPLETION_INDEX >>{}; test $JOB_COMPLETION_INDEX != 1",
        space.path("log")
    );
    let more = json!({ "completions": 3, "parallelism": 1, "completionMode": "Indexed", "backoffLimitPerIndex": 0 });
    space.apply_ok("j", &[job(&space, "j", &script, &more)]);
    wait(&space, "j", "Failed");
    let done = get(&host, "jobeach", "job", "j");
    assert_eq!(reason(&done, "Failed"), "FailedIndexes");
    assert_eq!(done["status"]["completedIndexes"], "0,2");
    assert_eq!(done["status"]["failedIndexes"], "1");
    assert_eq!(space.lines("log"), ["0", "1", "2"], "each ran once");
}

#[test]
fn so_many_failed_indexes_end_a_job() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "jobmost");
    let script = format!(
        "echo $JOB_COMPLETION_INDEX >>{}; test $JOB_COMPLETION_INDEX = 0 && exec sleep 1d; exit 1",
        space.path("log")
    );
    let more = json!({ "completions": 4, "parallelism": 2, "completionMode": "Indexed",
        "backoffLimitPerIndex": 0, "maxFailedIndexes": 1 });
    space.apply_ok("j", &[job(&space, "j", &script, &more)]);
    wait(&space, "j", "Failed");
    let done = get(&host, "jobmost", "job", "j");
    assert_eq!(reason(&done, "Failed"), "MaxFailedIndexesExceeded");
    host.wait("! systemctl list-units --no-legend --state=running 'vks.jobmost.*' | grep -q .");
    let mut lines = space.lines("log");
    lines.sort();
    assert_eq!(lines, ["0", "1", "2"], "the last one never ran");
}
