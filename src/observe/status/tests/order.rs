//! Init containers and sidecars.

use super::*;
use ActiveState::*;
use RestartPolicy::*;

#[test]
fn init_containers_one_after_the_other() {
    let pod = pod(
        Always,
        vec![container("one"), container("two")],
        vec![container("web")],
    );
    let host = Host::new(pod).state("one", Activating, "start", alive("one"));
    assert_eq!(host.row(), "0/1 Init:0/2 0");
    let status = host.status();
    assert_eq!(status.phase, Phase::Pending);
    assert_eq!(
        conditions(&status),
        "+ -ContainersNotInitialized -ContainersNotReady -ContainersNotReady +"
    );
    let message = status.conditions[1].message.as_deref();
    assert_eq!(
        message,
        Some("containers with incomplete status: [one two]")
    );
    assert_eq!(status.init_container_statuses[0].started, Some(true));
    let host = host
        .through("one")
        .state("two", Activating, "start", alive("two"));
    assert_eq!(host.row(), "0/1 Init:1/2 0");
    let one = &host.status().init_container_statuses[0];
    assert_eq!(
        (one.ready, one.restart_count, exit(&one.state)),
        (true, 0, (0, "Completed"))
    );
    let host = host.through("two");
    assert_eq!(host.row(), "0/1 PodInitializing 0");
    assert_eq!(
        host.status().conditions[1].last_transition_time,
        Some(time(110))
    );
    let host = host.running("web");
    assert_eq!(host.row(), "1/1 Running 0");
    assert_eq!(conditions(&host.status()), "+ + + + +");
}

#[test]
fn an_init_container_that_fails() {
    let init = || vec![container("one")];
    let again = Host::new(pod(Always, init(), vec![container("web")]))
        .record("one", record("one", 1))
        .state("one", Activating, "auto-restart", ended("one", 1, 1));
    assert_eq!(again.row(), "0/1 Init:CrashLoopBackOff 1 (90s ago)");
    assert_eq!(again.status().phase, Phase::Pending);
    let never = Host::new(pod(Never, init(), vec![container("web")]))
        .record("one", record("one", 1))
        .state("one", Failed, "failed", ended("one", 1, 1));
    assert_eq!(never.row(), "0/1 Init:Error 0");
    assert_eq!(never.status().phase, Phase::Failed);
    assert_eq!(never.unloaded().status().phase, Phase::Failed);
}

#[test]
fn init_containers_run_again_after_a_boot() {
    let pod = pod(Always, vec![container("one")], vec![container("web")]);
    let host = Host::new(pod).record("one", record("one", 0)).record(
        "web",
        RunRecord {
            stopped: true,
            ..record("web", 143)
        },
    );
    let status = host.status();
    assert_eq!(
        waiting(&status.init_container_statuses[0].state).0,
        "PodInitializing"
    );
    assert_eq!(host.row(), "0/1 Init:0/1 1 (90s ago)");
    assert_eq!(status.phase, Phase::Pending);
    assert!(!status.conditions[1].status);
}

#[test]
fn sidecars_count_and_gate() {
    let pod = pod(Never, vec![sidecar("proxy")], vec![container("web")]);
    let host = Host::new(pod).state("proxy", Activating, "start-post", alive("proxy"));
    assert_eq!(host.row(), "0/2 Init:0/1 0");
    assert_eq!(host.status().phase, Phase::Pending);
    let host = host.running("proxy");
    assert_eq!(host.row(), "1/2 PodInitializing 0");
    let host = host.running("web");
    assert_eq!(host.row(), "2/2 Running 0");
    // The main has ended, the sidecar is about to be stopped, then it is.
    let host =
        host.record("web", record("web", 0))
            .state("web", Inactive, "dead", ended("web", 1, 0));
    assert_eq!(host.status().phase, Phase::Running);
    assert_eq!(host.row(), "1/2 Completed 0");
    let stopped = RunRecord {
        stopped: true,
        exit_code: None,
        signal: Some(15),
        ..record("proxy", 0)
    };
    let host =
        host.record("proxy", stopped)
            .state("proxy", Inactive, "dead", ended("proxy", 2, 15));
    assert_eq!(host.status().phase, Phase::Succeeded);
    assert_eq!(
        exit(&host.status().init_container_statuses[0].state),
        (143, "Error")
    );
    assert_eq!(host.row(), "0/2 Completed 0");
    assert_eq!(host.unloaded().row(), "0/2 Completed 0");
}
