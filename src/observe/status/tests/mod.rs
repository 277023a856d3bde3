//! Pods as a host may have them, and what must be said of each.

mod ends;
mod order;
mod properties;
mod running;

use super::*;
use crate::model::identity::{Identity, UnitRole};
use crate::model::name::UnitName;
use crate::model::observed::{ActiveState, CurrentRun, ObservedUnit, RunRecord, UnitState};
use crate::model::pod::*;
use crate::model::probe::{Check, Probe, Probes};
use crate::model::status::{ConditionKind, ContainerState};
use crate::model::time::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

fn time(seconds: u64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000).unwrap()
}

pub(super) fn container(name: &str) -> Container {
    Container {
        name: name.parse().unwrap(),
        image: "host:/usr/bin/sleep".parse().unwrap(),
        pull_policy: None,
        command: vec![],
        args: vec![],
        working_dir: None,
        env_from: vec![],
        env: vec![],
        ports: vec![],
        resources: Resources::default(),
        mounts: vec![],
        volume_devices: vec![],
        restart_policy: None,
        restart_rules: vec![],
        message_from_log: false,
        probes: Probes::default(),
        post_start: None,
        pre_stop: None,
        termination_message_path: None,
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

fn with_readiness(name: &str) -> Container {
    let second = Duration::from_secs(1);
    let readiness = Some(Probe {
        check: Check::TcpSocket {
            host: None,
            port: 80,
        },
        initial_delay: second,
        period: second,
        timeout: second,
        failure_threshold: 1,
        success_threshold: 1,
        termination_grace: None,
    });
    let probes = Probes {
        readiness,
        ..Probes::default()
    };
    Container {
        probes,
        ..container(name)
    }
}

fn pod(policy: RestartPolicy, init: Vec<Container>, main: Vec<Container>) -> Pod {
    Pod {
        key: crate::model::name::ObjectKey {
            namespace: "default".parse().unwrap(),
            name: "web".parse().unwrap(),
        },
        uid: None,
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        ending: None,
        spec: PodSpec {
            init_containers: init,
            containers: main,
            ephemeral_containers: vec![],
            volumes: vec![],
            restart_policy: policy,
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
        source: SourcePath("/etc/vks/pods.d/web.yaml".into()),
        manifest: "{}".into(),
    }
}

/// A host that has a pod: its target is up, its containers have not been started.
struct Host {
    pod: Pod,
    observed: ObservedPod,
}

impl Host {
    fn new(pod: Pod) -> Self {
        let mut host = Self {
            observed: ObservedPod {
                addresses: Vec::new(),
                uid: "u-1".parse().unwrap(),
                created: Some(time(50)),
                source: pod.source.clone(),
                manifest: None,
                enabled: true,
                units: BTreeMap::new(),
                payloads: BTreeMap::new(),
                runs: BTreeMap::new(),
                deadline_exceeded: false,
                deleted: false,
                conditions: BTreeMap::new(),
                reload_needed: false,
                given: None,
            },
            pod,
        };
        for (role, container) in host.pod.spec.clone().all_containers() {
            let role = UnitRole::Container {
                name: container.name.clone(),
                role,
                image: "host:x".into(),
                image_id: "host:x".into(),
            };
            host.unit(&format!("vks.{}.service", container.name), role);
        }
        host.unit("vks-web.target", UnitRole::Pod);
        host.set("vks-web.target", ActiveState::Active, "active", None)
    }

    fn unit(&mut self, name: &str, role: UnitRole) {
        let unit = ObservedUnit {
            digest: None,
            loaded_digest: None,
            fixed_digest: None,
            identity: Some(Identity {
                addresses: Vec::new(),
                pod: self.pod.key.clone(),
                uid: self.observed.uid.clone(),
                role,
                source: self.pod.source.clone(),
                spec_hash: "h".into(),
                manifest: None,
            }),
            state: UnitState::default(),
        };
        self.observed.units.insert(name.parse().unwrap(), unit);
    }

    fn set(mut self, unit: &str, active: ActiveState, sub: &str, run: Option<CurrentRun>) -> Self {
        let unit: UnitName = unit.parse().unwrap();
        let loaded = true;
        let job = false;
        self.observed.units.get_mut(&unit).unwrap().state = UnitState {
            loaded,
            active,
            sub: sub.into(),
            job,
            run,
        };
        self
    }

    fn state(self, name: &str, active: ActiveState, sub: &str, run: CurrentRun) -> Self {
        self.set(&format!("vks.{name}.service"), active, sub, Some(run))
    }

    fn running(self, name: &str) -> Self {
        self.state(name, ActiveState::Active, "running", alive(name))
    }

    /// An init container that has ended well in this boot.
    fn through(self, name: &str) -> Self {
        let run = ended(name, 1, 0);
        self.state(name, ActiveState::Active, "exited", run)
            .record(name, record(name, 0))
    }

    fn with_unit(
        mut self,
        name: &str,
        role: UnitRole,
        active: ActiveState,
        run: CurrentRun,
    ) -> Self {
        self.unit(name, role);
        self.set(name, active, "", Some(run))
    }

    fn record(mut self, name: &str, record: RunRecord) -> Self {
        let runs = self.observed.runs.entry(name.parse().unwrap()).or_default();
        runs.count += 1;
        runs.last.push(record);
        self
    }

    /// After a reboot, before or without a start.
    fn unloaded(mut self) -> Self {
        for unit in self.observed.units.values_mut() {
            unit.state = UnitState::default();
        }
        self
    }

    fn status(&self) -> PodStatus {
        self.told(&[])
    }

    fn told(&self, blocked: &[Blocked]) -> PodStatus {
        let facts = Facts {
            host_mode: false,
            host_ip: Some("10.0.0.1".into()),
        };
        status(&self.pod, Some(&self.observed), blocked, &facts)
    }

    /// The words of `kubectl get pods`: `1/2 Running 0`.
    fn row(&self) -> String {
        self.row_when(false)
    }

    fn row_when(&self, terminating: bool) -> String {
        row(&self.pod, &self.status(), terminating)
    }
}

fn row(pod: &Pod, status: &PodStatus, terminating: bool) -> String {
    let sidecar = |name: &_| {
        let mut init = pod.spec.init_containers.iter();
        init.any(|c| c.name == *name && c.restart_policy.is_some())
    };
    let printed = printer::printed(status, sidecar, terminating);
    let restarts = printed.restarts_with_age(time(200), |age| format!("{}s", age.as_secs()));
    format!("{} {} {restarts}", printed.ready_of_total(), printed.status)
}

fn invocation(name: &str, number: usize) -> Box<str> {
    format!("{name:0>8}{number:0>24}").into()
}

fn alive(name: &str) -> CurrentRun {
    CurrentRun {
        invocation: invocation(name, 99),
        main_pid: 7,
        started: Some(time(100)),
        result: "success".into(),
        ..CurrentRun::default()
    }
}

/// A run that ended by exit (1) or signal (2).
fn ended(name: &str, kind: i32, status: i32) -> CurrentRun {
    CurrentRun {
        main_pid: 0,
        finished: Some(time(110)),
        exit_code_kind: kind,
        exit_status: status,
        result: if status == 0 { "success" } else { "exit-code" }.into(),
        ..alive(name)
    }
}

/// The record of the run [`alive`] and [`ended`] make.
fn record(name: &str, code: i32) -> RunRecord {
    RunRecord {
        invocation: invocation(name, 99),
        started: Some(time(100)),
        finished: time(110),
        exit_code: Some(code),
        signal: None,
        result: if code == 0 { "success" } else { "exit-code" }.into(),
        message: "".into(),
        spec: "h".into(),
        stopped: false,
    }
}

fn earlier(name: &str, code: i32, number: usize) -> RunRecord {
    RunRecord {
        invocation: invocation(name, number),
        ..record(name, code)
    }
}

fn waiting(state: &ContainerState) -> (&str, &str) {
    match state {
        ContainerState::Waiting(w) => (&w.reason, w.message.as_deref().unwrap_or("")),
        other => panic!("{other:?}"),
    }
}

fn exit(state: &ContainerState) -> (i32, &str) {
    match state {
        ContainerState::Terminated(end) => (end.exit_code, &end.reason),
        other => panic!("{other:?}"),
    }
}

/// The conditions as `+` and `-`, with the reasons.
fn conditions(status: &PodStatus) -> String {
    let words = status.conditions.iter().map(|condition| {
        let sign = if condition.status { '+' } else { '-' };
        format!("{sign}{}", condition.reason.as_deref().unwrap_or(""))
    });
    words.collect::<Vec<_>>().join(" ")
}
