use super::*;
use crate::cli::tests::pod;
use crate::model::identity::{Identity, UnitRole};
use crate::model::log_run::DEFAULT_CONTAINER;
use crate::model::name::{ContainerName, ObjectKey};
use crate::model::observed::{ObservedPod, ObservedUnit};
use crate::model::pod::{ContainerRole, SourcePath};
use crate::model::status::{ContainerState, Running, Terminated, Waiting};
use crate::model::time::Timestamp;

fn terminated(id: &str) -> ContainerState {
    ContainerState::Terminated(Terminated {
        exit_code: 1,
        reason: "Error".into(),
        message: None,
        started_at: None,
        finished_at: None,
        container_id: Some(format!("systemd://{id}")),
    })
}

fn with(state: ContainerState, last_state: ContainerState, id: Option<&str>) -> PodView {
    let mut pod = pod();
    let status = &mut pod.report.status.container_statuses[0];
    (status.state, status.last_state) = (state, last_state);
    status.container_id = id.map(|id| format!("systemd://{id}"));
    pod.observed = Some(observed());
    pod
}

/// The host's side of the pod: the unit of its container.
fn observed() -> ObservedPod {
    let source = SourcePath("/etc/vks/pods.d/shop.yaml".into());
    let identity = Identity {
        addresses: Vec::new(),
        pod: ObjectKey {
            namespace: "default".parse().unwrap(),
            name: "shop".parse().unwrap(),
        },
        uid: "0123-abcd".parse().unwrap(),
        role: UnitRole::Container {
            name: "web".parse().unwrap(),
            role: ContainerRole::Main,
            image: "host:/usr/bin/web".into(),
            image_id: "host:/usr/bin/web".into(),
        },
        source: source.clone(),
        spec_hash: "".into(),
        manifest: None,
    };
    let unit = ObservedUnit {
        digest: None,
        loaded_digest: None,
        fixed_digest: None,
        identity: Some(identity),
        state: Default::default(),
    };
    ObservedPod {
        addresses: Vec::new(),
        uid: "0123-abcd".parse().unwrap(),
        source,
        created: None,
        manifest: None,
        enabled: true,
        units: [("vks.default.shop.web.service".parse().unwrap(), unit)].into(),
        payloads: Default::default(),
        runs: Default::default(),
        deadline_exceeded: false,
        deleted: false,
        conditions: Default::default(),
        reload_needed: false,
        given: None,
    }
}

fn shown(pod: &PodView, previous: bool) -> Result<String, String> {
    run(pod, "web", previous)
        .map(|run| {
            format!(
                "{}{}",
                run.invocation,
                if run.running { " running" } else { "" }
            )
        })
        .map_err(|error| error.to_string())
}

#[test]
fn the_run_shown_is_the_kubelets_choice() {
    let running = || ContainerState::Running(Running { started_at: None });
    let waiting = |reason: &str| {
        ContainerState::Waiting(Waiting {
            reason: reason.into(),
            message: None,
        })
    };
    let none = ContainerState::Empty;
    let cases = [
        (with(running(), none.clone(), Some("a")), Ok("a running")),
        (with(running(), terminated("b"), Some("a")), Ok("a running")),
        (with(terminated("a"), none.clone(), Some("a")), Ok("a")),
        (
            with(waiting("CrashLoopBackOff"), terminated("b"), Some("b")),
            Ok("b"),
        ),
        (
            with(waiting("PodInitializing"), none.clone(), None),
            Err(r#"container "web" in pod "shop" is waiting to start: PodInitializing"#),
        ),
    ];
    for (pod, expected) in cases {
        let expected = expected.map(str::to_owned).map_err(str::to_owned);
        assert_eq!(shown(&pod, false), expected);
    }
    let twice = with(running(), terminated("b"), Some("a"));
    assert_eq!(shown(&twice, true), Ok("b".to_owned()));
    let once = with(running(), none, Some("a"));
    let message = r#"previous terminated container "web" in pod "shop" not found"#;
    assert_eq!(shown(&once, true), Err(message.to_owned()));
}

#[test]
fn the_container_shown_is_kubectls_choice() {
    let mut pod = pod();
    let (name, note) = one(&pod, None).unwrap();
    assert_eq!(name, "web");
    let expected = r#"Defaulted container "web" out of: web, log, setup (init), proxy (init)"#;
    assert_eq!(note.as_deref(), Some(expected));
    let asked: ContainerName = "proxy".parse().unwrap();
    assert_eq!(one(&pod, Some(&asked)), Ok(("proxy".to_owned(), None)));
    let unknown: ContainerName = "x".parse().unwrap();
    let error = one(&pod, Some(&unknown)).unwrap_err().to_string();
    assert_eq!(
        error,
        "container x is not valid for pod shop: it has web, log, setup (init), proxy (init)"
    );
    pod.manifest["metadata"]["annotations"][DEFAULT_CONTAINER] = "log".into();
    assert_eq!(one(&pod, None), Ok(("log".to_owned(), None)));
}

#[test]
fn a_run_ends_where_the_next_begins() {
    use crate::model::observed::{RunRecord, Runs};
    let at = Timestamp::from_micros;
    let mut pod = with(
        ContainerState::Running(Running { started_at: at(40) }),
        terminated("b"),
        Some("a"),
    );
    let record = |start| RunRecord {
        invocation: "x".into(),
        started: at(start),
        finished: at(start + 5).unwrap(),
        exit_code: Some(1),
        signal: None,
        result: "exit-code".into(),
        message: "".into(),
        spec: "".into(),
        stopped: false,
    };
    let runs = Runs {
        count: 3,
        last: [10, 20, 30].map(record).into(),
    };
    let observed = pod.observed.as_mut().unwrap();
    observed.runs.insert("web".parse().unwrap(), runs);
    let next = |start| next_start(&pod, "web", at(start));
    assert_eq!([10, 20, 30, 40].map(next), [at(20), at(30), at(40), None]);
    assert_eq!(next_start(&pod, "other", at(10)), None);
    assert_eq!(next_start(&pod, "web", None), None);
}
