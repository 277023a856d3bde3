//! The rules of planning as cases and properties, on a simulated host.

use super::simulate::Host;
use super::step::Step;
use super::*;
use crate::model::desired::DataObject;
use crate::model::name::ObjectKey;
use crate::model::observed::{ActiveState, RunRecord, Runs};
use crate::model::pod::*;
use crate::model::probe::{Check, Probe, Probes};
use crate::model::time::Timestamp;
use crate::model::volume::{Mount, Volume, VolumeSource};
use std::time::Duration;

mod blocked;
mod ends;
mod ephemeral;
mod given;
mod properties;
mod resize;
mod secrets;
mod volumes;

pub fn container(name: &str) -> Container {
    Container {
        name: name.parse().unwrap(),
        image: "host:/usr/bin/sleep".parse().unwrap(),
        pull_policy: None,
        command: vec![],
        args: vec!["infinity".into()],
        working_dir: None,
        env_from: vec![],
        env: vec![],
        ports: vec![],
        resources: Resources::default(),
        mounts: vec![],
        volume_devices: vec![],
        restart_policy: None,
        restart_rules: vec![],
        probes: Probes::default(),
        post_start: None,
        pre_stop: None,
        termination_message_path: Some("/dev/termination-log".into()),
        message_from_log: false,
        run_as: RunAs::default(),
        stdio: Default::default(),
        stop_signal: None,
        resize: Default::default(),
        security: Default::default(),
        target: None,
    }
}

fn sidecar(name: &str) -> Container {
    Container {
        restart_policy: Some(RestartPolicy::Always),
        ..container(name)
    }
}

pub fn pod(name: &str) -> Pod {
    Pod {
        key: ObjectKey {
            namespace: "default".parse().unwrap(),
            name: name.parse().unwrap(),
        },
        uid: None,
        labels: Default::default(),
        annotations: Default::default(),
        ending: None,
        spec: PodSpec {
            init_containers: vec![],
            containers: vec![container("main")],
            ephemeral_containers: vec![],
            volumes: vec![],
            restart_policy: RestartPolicy::Always,
            host_network: true,
            termination_grace: Duration::from_secs(30),
            active_deadline: None,
            run_as: RunAs::default(),
            security: Default::default(),
            readiness_gates: vec![],
            service_account: "default".into(),
            naming: Default::default(),
            sharing: Default::default(),
            resources: Default::default(),
            devices: vec![],
            priority: Default::default(),
            pulling: Default::default(),
        },
        source: SourcePath("/etc/vks/pods.d/x.yaml".into()),
        manifest: format!("{{\"metadata\":{{\"name\":\"{name}\"}}}}").into(),
    }
}

fn desired(pods: impl IntoIterator<Item = Pod>) -> Desired {
    let pods = pods.into_iter().map(|pod| (pod.key.clone(), pod)).collect();
    Desired {
        pods,
        ..Desired::default()
    }
}

fn plan_now(want: &Desired, host: &Host) -> Plan {
    plan(want, &host.observed, &Settings::default(), b"test")
}

/// Plans and runs until nothing is left to do; at most `limit` rounds.
fn settle(want: &Desired, host: &mut Host, limit: usize) {
    for _ in 0..limit {
        let plan = plan_now(want, host);
        if plan.is_empty() {
            return;
        }
        for (key, pod) in &plan.pods {
            host.run(key, pod);
        }
    }
    let left = plan_now(want, host);
    assert!(left.is_empty(), "still to do: {left:#?}");
}

fn steps(want: &Desired, host: &Host) -> Vec<String> {
    let plan = plan_now(want, host);
    plan.pods
        .values()
        .flat_map(|pod| &pod.steps)
        .map(ToString::to_string)
        .collect()
}

fn running(want: &Desired) -> Host {
    let mut host = Host::default();
    settle(want, &mut host, 1);
    host
}

#[test]
fn a_new_pod_is_written_enabled_and_started_without_a_reload() {
    let want = desired([pod("web")]);
    let plan = plan_now(&want, &Host::default());
    let lines: Vec<String> = plan
        .pods
        .values()
        .flat_map(|pod| &pod.steps)
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        lines,
        [
            "write    vks-default-web.target",
            "make     the pod's directory",
            "write    termination/main",
            "write    vks.default.web.sleep.service",
            "enable   vks-default-web.target",
            "start    vks-default-web.target",
        ]
    );
}

#[test]
fn absence_is_no_reason_to_stop() {
    let mut host = running(&desired([pod("web")]));
    let mut held = desired([]);
    for path in ["/etc/vks/pods.d/x.yaml", "/etc/vks/pods.d", "/etc"] {
        held.held = [path.into()].into();
        assert!(plan_now(&held, &host).is_empty(), "{path}");
    }
    settle(&desired([]), &mut host, 1);
    assert!(host.observed.pods.is_empty());
}

#[test]
fn removal_stops_before_it_removes() {
    let host = running(&desired([pod("web")]));
    let lines = steps(&desired([]), &host);
    assert_eq!(
        lines,
        [
            "stop     vks-default-web.target",
            "stop     vks-default-web.slice",
            "disable  vks-default-web.target",
            "remove   vks.default.web.sleep.service",
            "remove   the pod's directory",
            "remove   vks-default-web.target",
        ]
    );
}

#[test]
fn a_change_of_one_container_stops_only_that_one() {
    let mut web = pod("web");
    web.spec.containers.push(container("other"));
    let mut host = running(&desired([web.clone(), pod("bystander")]));
    web.spec.containers[1].args = vec!["1000".into()];
    let want = desired([web, pod("bystander")]);
    settle(&want, &mut host, 1);
    assert_eq!(
        host.container_stops(),
        ["vks.default.web.sleep:other.service"]
    );
    assert_eq!(host.reloads, 1);
}

#[test]
fn a_label_changes_no_process_and_needs_no_reload() {
    let mut web = pod("web");
    let mut host = running(&desired([web.clone()]));
    web.manifest = "{\"metadata\":{\"labels\":{}}}".into();
    let want = desired([web]);
    assert_eq!(steps(&want, &host), ["write    vks-default-web.target"]);
    settle(&want, &mut host, 1);
    assert_eq!((host.stopped.len(), host.reloads), (0, 0));
}

#[test]
fn a_probe_changes_only_the_prober() {
    let probe = |port| Probe {
        check: Check::TcpSocket { host: None, port },
        initial_delay: Duration::ZERO,
        period: Duration::from_secs(10),
        timeout: Duration::from_secs(1),
        failure_threshold: 3,
        success_threshold: 1,
        termination_grace: None,
    };
    let mut web = pod("web");
    web.spec.containers[0].probes.readiness = Some(probe(80));
    let mut host = running(&desired([web.clone()]));
    web.spec.containers[0].probes.readiness = Some(probe(81));
    settle(&desired([web]), &mut host, 1);
    let stopped: Vec<String> = host.stopped.iter().map(ToString::to_string).collect();
    assert_eq!(stopped, ["vks-default-web-probes.service"]);
}

#[test]
fn a_changed_init_container_starts_the_pod_anew() {
    let mut web = pod("web");
    web.spec.init_containers = vec![container("init")];
    let mut host = running(&desired([web.clone()]));
    web.spec.init_containers[0].args = vec!["1".into()];
    let want = desired([web]);
    assert_eq!(steps(&want, &host)[0], "stop     vks-default-web.slice");
    settle(&want, &mut host, 1);
}

#[test]
fn a_missing_config_map_blocks_a_new_pod_and_keeps_a_running_one() {
    let mut web = pod("web");
    let source = VolumeSource::ConfigMap {
        name: "conf".parse().unwrap(),
        optional: false,
        items: Default::default(),
    };
    web.spec.volumes = vec![Volume {
        name: "conf".parse().unwrap(),
        source,
    }];
    web.spec.containers[0].mounts = vec![Mount {
        volume: "conf".parse().unwrap(),
        path: "/conf".into(),
        read_only: false,
        sub_path: None,
        propagation: Default::default(),
    }];
    let mut want = desired([web]);
    let plan = plan_now(&want, &Host::default());
    let blocked = &plan.blocked.values().next().unwrap()[0];
    assert!(plan.is_empty() && blocked.message.contains("configmap \"conf\" not found"));

    let key = ObjectKey {
        namespace: "default".parse().unwrap(),
        name: "conf".parse().unwrap(),
    };
    let data = [("a".to_owned(), b"1".to_vec())].into();
    want.config_maps.insert(
        key.clone(),
        DataObject {
            data,
            ..DataObject::default()
        },
    );
    let mut host = running(&want);
    want.config_maps
        .get_mut(&key)
        .unwrap()
        .data
        .insert("b".into(), b"2".to_vec());
    assert_eq!(steps(&want, &host), ["write    volumes/conf"]);
    settle(&want, &mut host, 1);
    want.config_maps.clear();
    let plan = plan_now(&want, &host);
    assert!(plan.is_empty() && plan.blocked.len() == 1);
}

fn ended(spec: &str, code: i32, stopped: bool) -> Runs {
    let run = RunRecord {
        invocation: "0".into(),
        started: None,
        finished: Timestamp::from_micros(1).unwrap(),
        exit_code: Some(code),
        signal: None,
        result: "success".into(),
        message: "".into(),
        spec: spec.into(),
        stopped,
    };
    Runs {
        count: 1,
        last: vec![run],
    }
}

/// The pod after its main has ended; the spec hash is that of its unit.
fn after_end(want: &Desired, code: i32, stopped: bool) -> Host {
    let mut host = running(want);
    let pod = host.observed.pods.values_mut().next().unwrap();
    let name = "vks.default.web.sleep.service".parse().unwrap();
    let unit = pod.units.get_mut(&name).unwrap();
    unit.state.active = ActiveState::Inactive;
    let hash = unit.identity.as_ref().unwrap().spec_hash.clone();
    pod.runs
        .insert("main".parse().unwrap(), ended(&hash, code, stopped));
    host
}

#[test]
fn restart_policies_decide_what_is_started_again() {
    let start = "start    vks.default.web.sleep.service";
    let cases = [
        (RestartPolicy::Always, 0, false, true),
        (RestartPolicy::OnFailure, 0, false, false),
        (RestartPolicy::OnFailure, 0, true, true),
        (RestartPolicy::OnFailure, 1, false, true),
        (RestartPolicy::Never, 1, false, false),
        (RestartPolicy::Never, 0, true, false),
    ];
    for (policy, code, stopped, again) in cases {
        let mut web = pod("web");
        web.spec.restart_policy = policy;
        let want = desired([web]);
        let host = after_end(&want, code, stopped);
        let wanted: &[&str] = if again { &[start] } else { &[] };
        assert_eq!(steps(&want, &host), wanted, "{policy:?} {code} {stopped}");
    }
}

#[test]
fn a_new_spec_runs_again_after_the_old_one_was_done() {
    let mut web = pod("web");
    web.spec.restart_policy = RestartPolicy::OnFailure;
    let host = after_end(&desired([web.clone()]), 0, false);
    web.spec.containers[0].args = vec!["2".into()];
    let lines = steps(&desired([web]), &host);
    assert!(
        lines.contains(&"renew    container main".to_owned()),
        "{lines:?}"
    );
    assert_eq!(
        lines.last().unwrap(),
        "start    vks.default.web.sleep.service"
    );
}

#[test]
fn sidecars_end_when_the_mains_have() {
    let mut web = pod("web");
    web.spec.restart_policy = RestartPolicy::Never;
    web.spec.init_containers = vec![sidecar("log")];
    web.spec.containers[0].image = "host:/bin/true".parse().unwrap();
    let want = desired([web]);
    let mut host = running(&want);
    let pod = host.observed.pods.values_mut().next().unwrap();
    let unit = pod
        .units
        .get_mut(&"vks.default.web.true.service".parse().unwrap())
        .unwrap();
    unit.state.active = ActiveState::Inactive;
    let hash = unit.identity.as_ref().unwrap().spec_hash.clone();
    pod.runs
        .insert("main".parse().unwrap(), ended(&hash, 0, false));
    assert_eq!(
        steps(&want, &host),
        ["stop     vks.default.web.sleep.service"]
    );
}

#[test]
fn a_pod_that_was_removed_and_is_still_known_needs_a_reload() {
    let want = desired([pod("web")]);
    let mut host = Host::default();
    host.observed
        .orphans
        .insert("vks-default-web.target".parse().unwrap());
    let lines = steps(&want, &host);
    assert_eq!(
        lines[lines.len() - 2..],
        ["reload   systemd", "start    vks-default-web.target"]
    );
}
