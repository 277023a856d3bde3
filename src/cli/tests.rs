//! The command line as a whole, and the pod that the tests of its parts share.

use super::view::PodView;
use super::*;
use crate::model::name::PodKey;
use crate::model::pod::QosClass;
use crate::model::status::{
    Condition, ConditionKind, ContainerState, ContainerStatus, Phase, PodReport, PodStatus,
    Running, Terminated, Waiting,
};
use crate::model::time::Timestamp;
use clap::CommandFactory;
use serde_json::json;

pub fn time(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn container(name: &str, state: ContainerState) -> ContainerStatus {
    ContainerStatus {
        name: name.parse().unwrap(),
        ready: matches!(state, ContainerState::Running(_)),
        container_id: Some(format!("systemd://{name}1")),
        state,
        last_state: ContainerState::Empty,
        restart_count: 0,
        image: "host:/usr/bin/web".into(),
        image_id: "/usr/bin/web".into(),
        started: Some(true),
        resources: None,
        allocated_resources: Default::default(),
    }
}

fn manifest() -> serde_json::Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "shop",
            "namespace": "default",
            "labels": {"app": "shop", "tier": "front"},
            "annotations": {"note": "yes"},
        },
        "spec": {
            "initContainers": [
                {"name": "setup", "image": "host:true", "command": ["sh", "-c", "echo a\necho b"]},
                {"name": "proxy", "image": "host:proxy", "restartPolicy": "Always"},
            ],
            "containers": [
                {
                    "name": "web",
                    "image": "host:/usr/bin/web",
                    "args": ["--port", "80"],
                    "ports": [{"containerPort": 80, "name": "http"}],
                    "resources": {"limits": {"cpu": "500m", "memory": "64Mi"}},
                    "livenessProbe": {"httpGet": {"path": "/healthz", "port": 80}, "periodSeconds": 3},
                    "readinessProbe": {"exec": {"command": ["test", "-e", "/x"]}},
                    "envFrom": [{"configMapRef": {"name": "common"}, "prefix": "C_"}],
                    "env": [
                        {"name": "MODE", "value": "fast"},
                        {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "db", "key": "pw"}}},
                        {"name": "ME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                    ],
                    "volumeMounts": [{"name": "data", "mountPath": "/data"}],
                },
                {"name": "log", "image": "host:log"},
            ],
            "volumes": [
                {"name": "data", "emptyDir": {}},
                {"name": "keys", "secret": {"secretName": "db"}},
            ],
        },
    })
}

/// A pod with an init container that has ended, a sidecar, a main that runs and one that waits.
pub fn pod() -> PodView {
    let started_at = Some(time("2023-11-14T22:13:20Z"));
    let ended = ContainerState::Terminated(Terminated {
        exit_code: 1,
        reason: "Error".into(),
        message: Some("no\x1b[31m disk\n".into()),
        started_at,
        finished_at: Some(time("2023-11-14T22:13:25Z")),
        container_id: Some("systemd://log0".into()),
    });
    let waiting = ContainerState::Waiting(Waiting {
        reason: "CrashLoopBackOff".into(),
        message: None,
    });
    let running = || ContainerState::Running(Running { started_at });
    let mut log = container("log", waiting);
    log.last_state = ended;
    log.restart_count = 3;
    let condition = |kind, status| Condition {
        kind,
        status,
        last_transition_time: None,
        reason: (!status).then_some("ContainersNotReady".into()),
        message: None,
    };
    let status = PodStatus {
        host_ips: Vec::new(),
        pod_ips: Vec::new(),
        phase: Phase::Running,
        conditions: vec![
            condition(ConditionKind::Initialized, true),
            condition(ConditionKind::Ready, false),
        ],
        reason: None,
        message: None,
        host_ip: Some("192.0.2.1".into()),
        pod_ip: None,
        start_time: started_at,
        init_container_statuses: vec![container("proxy", running())],
        container_statuses: vec![container("web", running()), log],
        ephemeral_container_statuses: Vec::new(),
        qos_class: QosClass::Burstable,
    };
    let report = PodReport {
        key: PodKey {
            namespace: Namespace::default_namespace(),
            name: "shop".parse().unwrap(),
        },
        uid: Some("0123-abcd".parse().unwrap()),
        manifest: manifest().to_string().into(),
        status,
        terminating: false,
    };
    PodView::new(report, None)
}

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(line.split_whitespace())
}

#[test]
fn clap_finds_no_contradiction() {
    Cli::command().debug_assert();
}

#[test]
fn kubectls_lines_are_understood() {
    let good = [
        "vks get pods",
        "vks get po web -o yaml -n x",
        "vks -n x get pods -A -owide --no-headers -l app=web,!old -w",
        "vks describe pod/web",
        "vks logs web",
        "vks logs web side",
        "vks logs pod/web -c side -f --tail=20 --since=5m --timestamps --prefix",
        "vks logs -l app=web --tail=-1",
        "vks logs web -p --since-time=2026-01-31T12:00:00Z --limit-bytes=10",
        "vks exec web -- ls -l",
        "vks exec -it web -c side -- sh",
        "vks top pods --containers",
        "vks wait --for=condition=Ready pod/web --timeout=1m",
        "vks wait --for=delete pods --all",
        "vks apply -f a.yaml -f b --wait",
        "vks delete pod web --wait=false",
        "vks explain pod.spec.containers --recursive",
        "vks completions zsh",
    ];
    for line in good {
        assert!(parse(line).is_ok(), "{line}: {:?}", parse(line).err());
    }
    let bad = [
        "vks",
        "vks get",
        "vks get pods -o xml",
        "vks get pods -n Bad_",
        "vks get pods -l a=b=c",
        "vks logs",
        "vks logs web -l a=b",
        "vks logs web --since 5",
        "vks logs web --since 5m --since-time 2026-01-31T12:00:00Z",
        "vks logs web side -c other",
        "vks wait pod/web",
        "vks wait --for=ready pod/web",
        "vks apply",
        "vks nothing",
    ];
    for line in bad {
        assert_eq!(
            parse(line).err().map(|error| error.exit_code()),
            Some(2),
            "{line}"
        );
    }
}

#[test]
fn every_verb_has_examples_and_a_page() {
    for verb in Cli::command().get_subcommands() {
        let name = verb.get_name();
        assert!(verb.get_about().is_some(), "{name}");
        if name != "version" {
            assert!(verb.get_after_help().is_some(), "{name}");
        }
        let mut page = Vec::new();
        clap_mangen::Man::new(verb.clone())
            .render(&mut page)
            .unwrap();
        assert!(
            page.starts_with(b".ie") || page.starts_with(b".TH"),
            "{name}"
        );
    }
}

#[test]
fn a_row_is_kubectls() {
    let columns = pods::Columns {
        namespace: true,
        wide: true,
        profile: crate::model::security::Profile::Strict,
        labels: true,
    };
    let mut table = table::Table::new(&columns.headers(), true, table::Colours(false));
    let place = pods::Place {
        node: "node1",
        exposure: "1.4",
    };
    let row = columns.row(&pod(), place, time("2023-11-14T22:16:40Z"));
    let text = table.text(vec![row]);
    assert_eq!(
        text,
        "NAMESPACE   NAME   READY   STATUS             RESTARTS        AGE     IP       NODE    NOMINATED NODE   READINESS GATES   PROFILE   EXPOSURE   LABELS\n\
         default     shop   2/3     CrashLoopBackOff   3 (3m15s ago)   3m20s   <none>   node1   <none>           <none>            strict    1.4        app=shop,tier=front\n"
    );
}

#[test]
fn an_object_is_manifest_and_status() {
    let object = object::object(&pod().report);
    let keys: Vec<&String> = object.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["apiVersion", "kind", "metadata", "spec", "status"]);
    assert_eq!(object["metadata"]["uid"], "0123-abcd");
    assert_eq!(object["status"]["conditions"][1]["status"], "False");
    let yaml = yaml::to_yaml(&object::list(vec![object]));
    assert!(
        yaml.starts_with("apiVersion: v1\nitems:\n- apiVersion: v1\n  kind: Pod\n  metadata:\n")
    );
    assert!(yaml.contains("\n      note: \"yes\"\n"));
    assert!(yaml.ends_with("\nkind: List\nmetadata:\n  resourceVersion: \"\"\n"));
}
