use super::*;
use crate::model::node::{Reserved, Taint};
use crate::model::quantity::{Bytes, CpuMillis};

fn settings() -> ClusterSettings {
    ClusterSettings {
        kubeconfig: "/x".into(),
        labels: [("a".to_owned(), "b".to_owned())].into(),
        annotations: BTreeMap::new(),
        taints: vec![Taint {
            key: "k".to_owned(),
            value: String::new(),
            effect: "NoSchedule".to_owned(),
        }],
        reserved: Reserved {
            cpu: CpuMillis(250),
            memory: Bytes(100 << 20),
            ephemeral_storage: Bytes(0),
        },
        pods: 110,
        port: 10250,
        eviction: Default::default(),
        shutdown: None,
    }
}

fn facts() -> HostFacts {
    HostFacts {
        hostname: "host".to_owned(),
        architecture: "amd64",
        addresses: vec!["192.0.2.7".to_owned()],
        cpus: 2,
        memory: 1 << 30,
        storage: 1000,
        huge_pages: [(2048, 4 << 20)].into(),
        ..HostFacts::default()
    }
}

fn healthy() -> Load {
    Load {
        memory_available: 1 << 29,
        storage_available: 500,
        inodes: (50, 100),
        pids: (10, 100),
        memory_stall: 0.0,
        systemd_problem: None,
        images: None,
        lately: [false; 3],
        shutting_down: false,
    }
}

#[test]
fn allocatable_is_capacity_less_what_is_kept() {
    let (capacity, allocatable) = resources(&settings(), &facts());
    assert_eq!(capacity["cpu"], "2");
    assert_eq!(capacity["memory"], "1048576Ki");
    assert_eq!(capacity["hugepages-2Mi"], (4 << 20).to_string());
    assert_eq!(allocatable["cpu"], "1750m");
    assert_eq!(
        allocatable["memory"],
        format!("{}Ki", (1024 - 200 - 4) << 10)
    );
    assert_eq!(allocatable["ephemeral-storage"], "900");
    assert_eq!(allocatable["pods"], "110");
}

#[test]
fn conditions_are_four_with_ready_last() {
    let kinds = |load: &Load| verdicts(&settings(), &facts(), load).map(|(_, status, ..)| status);
    assert_eq!(kinds(&healthy()), [false, false, false, true]);
    let cases = [
        (
            Load {
                memory_available: 1,
                ..healthy()
            },
            [true, false, false, true],
        ),
        (
            Load {
                memory_stall: 80.0,
                ..healthy()
            },
            [true, false, false, true],
        ),
        (
            Load {
                storage_available: 99,
                ..healthy()
            },
            [false, true, false, true],
        ),
        (
            Load {
                inodes: (4, 100),
                ..healthy()
            },
            [false, true, false, true],
        ),
        (
            Load {
                pids: (98, 100),
                ..healthy()
            },
            [false, false, true, true],
        ),
        (
            Load {
                systemd_problem: Some("x".to_owned()),
                ..healthy()
            },
            [false, false, false, false],
        ),
    ];
    for (load, wanted) in cases {
        assert_eq!(kinds(&load), wanted, "{load:?}");
    }
}

#[test]
fn a_transition_time_changes_with_the_status_only() {
    let mut posted = BTreeMap::new();
    let at =
        |seconds: u64| Timestamp::from_micros(1_700_000_000_000_000 + seconds * 1_000_000).unwrap();
    let first = status(&settings(), &facts(), &healthy(), &mut posted, at(0));
    let second = status(&settings(), &facts(), &healthy(), &mut posted, at(10));
    assert_eq!(first["conditions"][3]["type"], "Ready");
    assert_eq!(
        second["conditions"][3]["lastHeartbeatTime"],
        "2023-11-14T22:13:30Z"
    );
    assert_eq!(
        second["conditions"][3]["lastTransitionTime"],
        "2023-11-14T22:13:20Z"
    );
    assert_ne!(first, second);
    assert_eq!(essence(&first), essence(&second));
    let bad = Load {
        pids: (99, 100),
        ..healthy()
    };
    let third = status(&settings(), &facts(), &bad, &mut posted, at(20));
    assert_eq!(
        third["conditions"][2]["lastTransitionTime"],
        "2023-11-14T22:13:40Z"
    );
    assert_ne!(essence(&second), essence(&third));
}

#[test]
fn the_object_has_labels_taints_and_status() {
    let made = node("n", &settings(), &facts(), json!({}));
    assert_eq!(made["metadata"]["labels"]["kubernetes.io/hostname"], "host");
    assert_eq!(made["metadata"]["labels"]["a"], "b");
    assert_eq!(
        made["spec"]["taints"],
        json!([{ "key": "k", "effect": "NoSchedule" }])
    );
}
