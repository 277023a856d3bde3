//! Containers and pods that end.

use super::*;
use ActiveState::*;
use RestartPolicy::*;

#[test]
fn a_crash_and_its_back_off() {
    let pod = pod(Always, vec![], vec![container("web")]);
    let back_off = Some(Duration::from_millis(17_300));
    let run = CurrentRun {
        back_off,
        ..ended("web", 1, 3)
    };
    let host = Host::new(pod)
        .record("web", earlier("web", 1, 1))
        .record("web", record("web", 3))
        .state("web", Activating, "auto-restart", run);
    let status = host.status();
    let web = &status.container_statuses[0];
    let message = "back-off 17s restarting failed container=web pod=web_default(u-1)";
    assert_eq!(waiting(&web.state), ("CrashLoopBackOff", message));
    assert_eq!(exit(&web.last_state), (3, "Error"));
    assert_eq!((web.restart_count, web.ready), (2, false));
    assert_eq!(status.phase, Phase::Running, "it will run again");
    assert_eq!(host.row(), "0/1 CrashLoopBackOff 2 (90s ago)");
    // And when it runs again.
    let host = host.state(
        "web",
        Active,
        "running",
        CurrentRun {
            invocation: invocation("web", 100),
            ..alive("web")
        },
    );
    let status = host.status();
    assert_eq!(exit(&status.container_statuses[0].last_state), (3, "Error"));
    assert_eq!(status.container_statuses[0].restart_count, 2);
    assert_eq!(host.row(), "1/1 Running 2 (90s ago)");
}

#[test]
fn an_end_that_is_not_recorded_yet() {
    let pod = pod(Always, vec![], vec![container("web")]);
    let host = Host::new(pod).record("web", earlier("web", 1, 1)).state(
        "web",
        Deactivating,
        "stop-post",
        ended("web", 2, 9),
    );
    let web = &host.status().container_statuses[0];
    assert_eq!(exit(&web.state), (137, "Error"));
    assert_eq!(exit(&web.last_state), (1, "Error"));
    assert_eq!(
        web.restart_count, 1,
        "the run that ended was the first restart"
    );
}

#[test]
fn a_program_that_is_not_there() {
    let pod = pod(Always, vec![], vec![container("web")]);
    let short = RunRecord {
        finished: time(101),
        ..record("web", 203)
    };
    let host = Host::new(pod).record("web", short).state(
        "web",
        Activating,
        "auto-restart",
        ended("web", 1, 203),
    );
    let web = &host.status().container_statuses[0];
    assert_eq!(exit(&web.last_state), (128, "StartError"));
    assert_eq!(host.row(), "0/1 CrashLoopBackOff 1 (99s ago)");
}

#[test]
fn out_of_memory() {
    let pod = pod(Never, vec![], vec![container("web")]);
    let record = RunRecord {
        exit_code: None,
        signal: Some(9),
        result: "oom-kill".into(),
        ..record("web", 0)
    };
    let host =
        Host::new(pod)
            .record("web", record)
            .state("web", Failed, "failed", ended("web", 2, 9));
    assert_eq!(
        exit(&host.status().container_statuses[0].state),
        (137, "OOMKilled")
    );
    assert_eq!(host.row(), "0/1 OOMKilled 0");
    assert_eq!(host.status().phase, Phase::Failed);
}

#[test]
fn pods_that_run_to_their_end() {
    let cases = [
        (
            Never,
            0,
            Phase::Succeeded,
            "0/1 Completed 0",
            "PodCompleted",
        ),
        (Never, 3, Phase::Failed, "0/1 Error 0", "PodFailed"),
        (
            OnFailure,
            0,
            Phase::Succeeded,
            "0/1 Completed 0",
            "PodCompleted",
        ),
    ];
    for (policy, code, phase, row, reason) in cases {
        let pod = pod(policy, vec![], vec![container("web")]);
        let state = if code == 0 { Inactive } else { Failed };
        let host = Host::new(pod).record("web", record("web", code)).state(
            "web",
            state,
            "dead",
            ended("web", 1, code),
        );
        let after_reboot = Host::new(host.pod.clone())
            .record("web", record("web", code))
            .unloaded();
        for host in [host, after_reboot] {
            let status = host.status();
            assert_eq!((status.phase, &*host.row()), (phase, row));
            assert_eq!(status.container_statuses[0].restart_count, 0);
            assert_eq!(status.conditions[0].last_transition_time, Some(time(110)));
            let conditions = conditions(&status);
            let end = format!("-{reason} -{reason} +");
            assert!(
                conditions.ends_with(&end) && conditions.starts_with("- +"),
                "{conditions}"
            );
        }
    }
}

#[test]
fn what_was_stopped_will_run_again() {
    let pod = pod(OnFailure, vec![], vec![container("web")]);
    let stopped = RunRecord {
        stopped: true,
        ..record("web", 0)
    };
    let host = Host::new(pod).record("web", stopped);
    let status = host.status();
    let web = &status.container_statuses[0];
    assert_eq!(waiting(&web.state), ("ContainerCreating", ""));
    assert_eq!(exit(&web.last_state), (0, "Completed"));
    assert_eq!(status.phase, Phase::Running, "it has run before");
    // A run of another spec says nothing of this one.
    let pod = host.pod.clone();
    let other = RunRecord {
        spec: "other".into(),
        ..record("web", 0)
    };
    assert_eq!(
        waiting(
            &Host::new(pod)
                .record("web", other)
                .status()
                .container_statuses[0]
                .state
        )
        .0,
        "ContainerCreating"
    );
}

#[test]
fn one_main_has_ended_and_one_runs() {
    let pod = pod(OnFailure, vec![], vec![container("job"), container("web")]);
    let host = Host::new(pod)
        .running("web")
        .record("job", record("job", 0))
        .state("job", Inactive, "dead", ended("job", 1, 0));
    let status = host.status();
    assert_eq!(status.phase, Phase::Running);
    assert_eq!(exit(&status.container_statuses[0].state), (0, "Completed"));
    assert_eq!(host.row(), "1/2 NotReady 0");
}

#[test]
fn the_active_deadline() {
    let pod = pod(Always, vec![], vec![container("web"), container("late")]);
    let mut host = Host::new(pod).running("web");
    host.observed.deadline_exceeded = true;
    assert_eq!(
        host.status().phase,
        Phase::Pending,
        "not over as long as something runs"
    );
    let stopped = RunRecord {
        stopped: true,
        ..record("web", 143)
    };
    let host = host
        .record("web", stopped)
        .state("web", Inactive, "dead", ended("web", 1, 143));
    let status = host.status();
    assert_eq!(
        (status.phase, status.reason.as_deref()),
        (Phase::Failed, Some("DeadlineExceeded"))
    );
    assert_eq!(exit(&status.container_statuses[1].state), (143, "Error"));
    assert_eq!(host.unloaded().status().phase, Phase::Failed);
}

#[test]
fn the_termination_message_is_told() {
    let pod = pod(Never, vec![], vec![container("web")]);
    let said = RunRecord {
        message: "no disk".into(),
        ..record("web", 1)
    };
    let host =
        Host::new(pod)
            .record("web", said)
            .state("web", Failed, "failed", ended("web", 1, 1));
    let json = serde_json::to_value(host.status()).unwrap();
    let end = &json["containerStatuses"][0]["state"]["terminated"];
    assert_eq!(end["message"], "no disk");
    assert_eq!(end["exitCode"], 1);
    assert_eq!(
        end["containerID"],
        format!("systemd://{}", invocation("web", 99))
    );
    assert_eq!(end["finishedAt"], "1970-01-01T00:01:50Z");
}
