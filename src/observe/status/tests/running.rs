//! Pods that start and run, or cannot yet.

use super::*;
use ActiveState::*;
use RestartPolicy::*;

#[test]
fn a_pod_that_the_host_does_not_have_yet() {
    let pod = pod(Always, vec![container("setup")], vec![container("web")]);
    let status = status(&pod, None, &[], &Facts::default());
    assert_eq!(status.phase, Phase::Pending);
    assert_eq!(
        waiting(&status.container_statuses[0].state),
        ("PodInitializing", "")
    );
    assert_eq!(status.start_time, None);
    assert_eq!(row(&pod, &status, false), "0/1 Init:0/1 0");
    let json = serde_json::to_value(&status).unwrap();
    assert_eq!(
        json["containerStatuses"][0]["state"]["waiting"]["reason"],
        "PodInitializing"
    );
    assert!(json["containerStatuses"][0].get("containerID").is_none());
}

#[test]
fn a_pod_that_runs() {
    let pod = pod(Always, vec![], vec![container("web"), container("log")]);
    let host = Host::new(pod).running("web").running("log");
    let status = host.status();
    assert_eq!(status.phase, Phase::Running);
    assert_eq!(conditions(&status), "+ + + + +");
    assert_eq!(status.start_time, Some(time(50)));
    assert_eq!(
        (status.host_ip.as_deref(), status.pod_ip.as_deref()),
        (Some("10.0.0.1"), Some("10.0.0.1"))
    );
    let names: Vec<_> = status
        .container_statuses
        .iter()
        .map(|c| c.name.as_str())
        .collect();
    assert_eq!(names, ["log", "web"], "by name");
    let log = &status.container_statuses[0];
    assert_eq!(
        (log.ready, log.started, log.restart_count),
        (true, Some(true), 0)
    );
    assert_eq!(
        log.container_id.as_deref(),
        Some(&*format!("systemd://{}", invocation("log", 99)))
    );
    assert_eq!(host.row(), "2/2 Running 0");
    assert_eq!(host.row_when(true), "2/2 Terminating 0");
    let kinds: Vec<_> = status.conditions.iter().map(|c| c.kind.clone()).collect();
    assert!(kinds.is_sorted() && kinds[0] == ConditionKind::PodReadyToStartContainers);
}

#[test]
fn a_startup_probe_or_hook_that_has_not_ended_yet() {
    let pod = pod(Always, vec![], vec![container("web")]);
    let host = Host::new(pod).state("web", Activating, "start-post", alive("web"));
    let status = host.status();
    let web = &status.container_statuses[0];
    assert_eq!((web.ready, web.started), (false, Some(false)));
    assert_eq!(host.row(), "0/1 Running 0");
    assert_eq!(
        conditions(&status),
        "+ + -ContainersNotReady -ContainersNotReady +"
    );
    let message = status.conditions[2].message.as_deref();
    assert_eq!(message, Some("containers with unready status: [web]"));
}

#[test]
fn readiness_is_what_the_prober_says_of_this_run() {
    let id = invocation("web", 99);
    let cases = [
        (format!("web:{}=ready", &id[..8]), Active, true),
        (
            format!("a:00000000=ready web:{}=notready", &id[..8]),
            Active,
            false,
        ),
        ("web:ffffffff=ready".to_owned(), Active, false),
        (String::new(), Active, false),
        (format!("web:{}=ready", &id[..8]), Failed, false),
    ];
    for (text, active, ready) in cases {
        let pod = pod(Always, vec![], vec![with_readiness("web")]);
        let prober = CurrentRun {
            status_text: text.clone().into(),
            ..alive("prober")
        };
        let host = Host::new(pod).running("web").with_unit(
            "vks-web-probes.service",
            UnitRole::Probes,
            active,
            prober,
        );
        assert_eq!(host.status().container_statuses[0].ready, ready, "{text:?}");
    }
}

#[test]
fn what_blocks_a_pod_is_said_where_it_belongs() {
    let pod = pod(Always, vec![], vec![container("web"), container("log")]);
    let mut blocked = Blocked {
        container: Some("web".parse().unwrap()),
        reason: "CreateContainerConfigError",
        message: "config map default/conf is not there".into(),
    };
    let alone = status(
        &pod,
        None,
        std::slice::from_ref(&blocked),
        &Facts::default(),
    );
    assert_eq!(
        waiting(&alone.container_statuses[0].state).0,
        "ContainerCreating"
    );
    assert_eq!(
        waiting(&alone.container_statuses[1].state).0,
        "CreateContainerConfigError"
    );
    let host = Host::new(pod).running("log");
    let status = host.told(std::slice::from_ref(&blocked));
    assert!(matches!(
        status.container_statuses[0].state,
        ContainerState::Running(_)
    ));
    assert_eq!(
        row(&host.pod, &status, false),
        "1/2 CreateContainerConfigError 0"
    );
    blocked.container = None;
    blocked.reason = "ContainerCreating";
    let status = host.told(std::slice::from_ref(&blocked));
    let (reason, message) = waiting(&status.container_statuses[1].state);
    assert_eq!((reason, message), ("ContainerCreating", &*blocked.message));
}

#[test]
fn the_sandbox_comes_first() {
    let mut pod = pod(Always, vec![], vec![container("web")]);
    pod.spec.host_network = false;
    let run = |result: &str| CurrentRun {
        result: result.into(),
        finished: Some(time(60)),
        ..CurrentRun::default()
    };
    let sandbox = "vks-default-web-sandbox.service";
    let up = Host::new(pod.clone()).with_unit(sandbox, UnitRole::Sandbox, Active, run("success"));
    let status = up.status();
    assert!(status.conditions[0].status);
    assert_eq!(status.pod_ip, None);
    let failed = Host::new(pod).with_unit(sandbox, UnitRole::Sandbox, Failed, run("exit-code"));
    let status = failed.status();
    assert!(!status.conditions[0].status);
    let (reason, message) = waiting(&status.container_statuses[0].state);
    assert_eq!(reason, "ContainerCreating");
    assert!(message.contains(sandbox), "{message}");
}
