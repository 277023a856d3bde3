use super::*;
use crate::model::pod::QosClass;
use crate::model::status::{
    Condition, ConditionKind, ContainerState, ContainerStatus, Phase, Running, Terminated, Waiting,
};
use crate::model::time::Timestamp;

fn at(seconds: u64) -> Option<Timestamp> {
    Timestamp::from_micros((1_700_000_000 + seconds) * 1_000_000)
}

fn container(state: ContainerState) -> ContainerStatus {
    ContainerStatus {
        name: "main".parse().unwrap(),
        ready: matches!(state, ContainerState::Running(_)),
        started: Some(matches!(state, ContainerState::Running(_))),
        state,
        last_state: ContainerState::Empty,
        restart_count: 0,
        image: "host:sleep".to_owned(),
        image_id: "host:sleep".to_owned(),
        container_id: Some("systemd://0a".to_owned()),
        resources: None,
        allocated_resources: Default::default(),
    }
}

fn made(phase: Phase, state: ContainerState) -> PodStatus {
    let ready = matches!(state, ContainerState::Running(_));
    PodStatus {
        phase,
        conditions: [ConditionKind::Ready, ConditionKind::PodScheduled]
            .map(|kind| Condition {
                status: ready || kind == ConditionKind::PodScheduled,
                last_transition_time: at(0),
                reason: (!ready && kind == ConditionKind::Ready)
                    .then(|| "ContainersNotReady".into()),
                message: None,
                kind,
            })
            .into(),
        reason: None,
        message: None,
        host_ip: Some("192.0.2.1".to_owned()),
        host_ips: Vec::new(),
        pod_ip: None,
        pod_ips: Vec::new(),
        start_time: at(0),
        init_container_statuses: Vec::new(),
        container_statuses: vec![container(state)],
        ephemeral_container_statuses: Vec::new(),
        qos_class: QosClass::BestEffort,
    }
}

fn running() -> ContainerState {
    ContainerState::Running(Running { started_at: at(1) })
}

fn exited(exit_code: i32) -> ContainerState {
    ContainerState::Terminated(Terminated {
        exit_code,
        reason: "Completed".to_owned(),
        message: None,
        started_at: at(1),
        finished_at: at(2),
        container_id: None,
    })
}

fn about(known: &Value) -> About<'_> {
    About {
        uid: "u",
        generation: Some(3),
        known,
        evicted: None,
        resize: None,
        ended: false,
        now: at(9).unwrap(),
    }
}

#[test]
fn a_patch_is_for_one_pod_and_says_what_it_saw() {
    let known = json!({ "phase": "Pending", "qosClass": "BestEffort" });
    let new = status(&made(Phase::Running, running()), about(&known));
    let body = patch(&new, about(&known)).unwrap();
    assert_eq!(body["metadata"], json!({ "uid": "u" }));
    assert_eq!(body["status"]["observedGeneration"], 3);
    assert_eq!(body["status"]["conditions"][0]["observedGeneration"], 3);
    assert_eq!(
        body["status"]["conditions"][0]["lastProbeTime"],
        Value::Null
    );
    assert_eq!(
        body["status"]["containerStatuses"][0]["state"]["running"]["startedAt"],
        "2023-11-14T22:13:21Z"
    );
    // An old server keeps neither the generation nor anything it does not know.
    let mut answer = new.clone();
    answer.as_object_mut().unwrap().remove("observedGeneration");
    let known = taken(answer, &new);
    assert_eq!(patch(&new, about(&known)), None);
}

#[test]
fn the_server_keeps_times_and_conditions_of_others() {
    let known = json!({
        "startTime": "2020-01-01T00:00:00Z",
        "conditions": [
            { "type": "example.com/x", "status": "True" },
            { "type": "Ready", "status": "True", "lastTransitionTime": "2020-01-01T00:00:07Z" },
            { "type": "PodScheduled", "status": "True", "lastTransitionTime": "2020-01-01T00:00:01Z" },
        ],
    });
    let new = status(&made(Phase::Running, running()), about(&known));
    assert_eq!(new["startTime"], "2020-01-01T00:00:00Z");
    assert_eq!(
        new["conditions"][0]["lastTransitionTime"],
        "2020-01-01T00:00:07Z"
    );
    let merged = taken(known.clone(), &new);
    assert_eq!(merged["conditions"].as_array().unwrap().len(), 3);
    assert_eq!(patch(&new, about(&merged)), None);
    let waiting = ContainerState::Waiting(Waiting {
        reason: "x".to_owned(),
        message: None,
    });
    let next = status(&made(Phase::Running, waiting), about(&merged));
    assert_eq!(
        next["conditions"][0]["lastTransitionTime"],
        "2023-11-14T22:13:20Z"
    );
    assert!(patch(&next, about(&merged)).is_some());
}

#[test]
fn what_does_not_apply_any_more_is_taken_back() {
    let known = json!({ "message": "old", "podIPs": [{ "ip": "10.0.0.9" }] });
    let mut new = made(Phase::Running, running());
    new.pod_ips = vec![crate::model::status::Ip {
        ip: "10.0.0.1".to_owned(),
    }];
    let new = status(&new, about(&known));
    let body = patch(&new, about(&known)).unwrap();
    assert_eq!(body["status"]["message"], Value::Null);
    assert!(body["status"].as_object().unwrap().contains_key("message"));
    assert_eq!(
        body["status"]["podIPs"],
        json!([{ "$patch": "replace" }, { "ip": "10.0.0.1" }])
    );
}

#[test]
fn the_end_of_a_deleted_pod_is_final() {
    let known = Value::Null;
    let ended = About {
        ended: true,
        ..about(&known)
    };
    let cases = [
        (running(), "Failed", 137),
        (exited(0), "Succeeded", 0),
        (exited(143), "Failed", 143),
        (
            ContainerState::Waiting(Waiting {
                reason: "x".to_owned(),
                message: None,
            }),
            "Failed",
            137,
        ),
    ];
    for (state, phase, code) in cases {
        let new = status(&made(Phase::Running, state), ended);
        assert_eq!(new["phase"], phase);
        let end = &new["containerStatuses"][0]["state"]["terminated"];
        assert_eq!(end["exitCode"], code);
        assert_eq!(new["conditions"][0]["status"], "False");
        assert!(is_terminal(&new));
    }
}

#[test]
fn words_of_a_condition_are_taken_back() {
    let waiting = ContainerState::Waiting(Waiting {
        reason: "x".to_owned(),
        message: None,
    });
    let known = status(&made(Phase::Pending, waiting), about(&Value::Null));
    assert_eq!(known["conditions"][0]["reason"], "ContainersNotReady");
    let new = status(&made(Phase::Running, running()), about(&known));
    let body = patch(&new, about(&known)).unwrap();
    let ready = body["status"]["conditions"][0].as_object().unwrap();
    assert_eq!(ready.get("reason"), Some(&Value::Null));
}

#[test]
fn an_evicted_pod_has_failed_for_that_reason() {
    let known = json!({});
    let made_running = made(Phase::Running, running());
    let made = status(
        &made_running,
        About {
            evicted: Some(("Evicted", "low on memory")),
            ..about(&known)
        },
    );
    assert_eq!(made["phase"], "Failed");
    assert_eq!(
        (&made["reason"], &made["message"]),
        (&json!("Evicted"), &json!("low on memory"))
    );
    let conditions = made["conditions"].as_array().unwrap();
    let target = conditions
        .iter()
        .find(|one| one["type"] == "DisruptionTarget")
        .unwrap();
    assert_eq!(
        (&target["status"], &target["reason"]),
        (&json!("True"), &json!("TerminationByKubelet"))
    );
    assert!(target["lastTransitionTime"].is_string());
    assert!(made["containerStatuses"][0]["state"]["terminated"].is_object());
}

#[test]
fn what_never_began_still_waits_when_the_pod_has_ended() {
    let waits = || {
        ContainerState::Waiting(Waiting {
            reason: "PodInitializing".to_owned(),
            message: None,
        })
    };
    let known = json!({});
    let ended = About {
        ended: true,
        ..about(&known)
    };
    let of = |inits: Vec<ContainerState>| {
        let mut made = made(Phase::Pending, waits());
        made.init_container_statuses = inits.into_iter().map(container).collect();
        status(&made, ended)
    };
    let state = |made: &Value, list: &str, index: usize| made[list][index]["state"].clone();
    // The first was running, and nobody knows how it ended; the second and the container had no turn.
    let made = of(vec![running(), waits()]);
    assert_eq!(made["phase"], "Failed");
    let first = state(&made, "initContainerStatuses", 0);
    assert_eq!(first["terminated"]["reason"], "ContainerStatusUnknown");
    for (list, index) in [("initContainerStatuses", 1), ("containerStatuses", 0)] {
        let state = state(&made, list, index);
        assert_eq!(state["waiting"]["reason"], "PodInitializing", "{list}");
    }
    // All have run: the container might have.
    let made = of(vec![exited(0)]);
    let last = state(&made, "containerStatuses", 0);
    assert_eq!(last["terminated"]["exitCode"], 137);
    // Nothing is known of any: the first counts as begun.
    let made = of(vec![waits(), waits()]);
    let first = state(&made, "initContainerStatuses", 0);
    assert_eq!(first["terminated"]["exitCode"], 137);
    assert_eq!(
        state(&of(Vec::new()), "containerStatuses", 0)["terminated"]["exitCode"],
        137
    );
}

#[test]
fn a_resize_that_waits_is_told_until_it_is_there() {
    let known = Value::Null;
    let pod = made(Phase::Running, running());
    let waits = About {
        resize: Some(("Deferred", "no room")),
        ..about(&known)
    };
    let told = status(&pod, waits);
    assert_eq!(
        (
            &told["conditions"][0]["type"],
            &told["conditions"][0]["reason"]
        ),
        (&json!("PodResizePending"), &json!("Deferred"))
    );
    // The same again is no patch; without it, the condition goes.
    assert_eq!(
        patch(
            &told,
            About {
                resize: Some(("Deferred", "no room")),
                ..about(&told)
            }
        ),
        None
    );
    let after = about(&told);
    let made = status(&pod, after);
    let change = patch(&made, after).unwrap();
    let conditions = change["status"]["conditions"].as_array().unwrap();
    assert!(
        conditions.contains(&json!({ "$patch": "delete", "type": "PodResizePending" })),
        "{change}"
    );
}
