use super::*;
use crate::model::pod::RestartPolicy;
use crate::plan::tests::{container, pod};

fn resources(cpu: [Option<u64>; 2], memory: [Option<u64>; 2]) -> Resources {
    Resources {
        cpu_request: cpu[0].map(CpuMillis),
        cpu_limit: cpu[1].map(CpuMillis),
        memory_request: memory[0].map(Bytes),
        memory_limit: memory[1].map(Bytes),
    }
}

fn with(name: &str, resources: Resources) -> Container {
    Container {
        resources,
        ..container(name)
    }
}

fn spec(containers: Vec<Container>) -> PodSpec {
    PodSpec {
        containers,
        ..pod("a").spec
    }
}

fn host(total: u64, swap: u64, behaviour: Swap) -> Settings {
    Settings {
        memory: Some(HostMemory { total, swap }),
        swap: behaviour,
        ..Settings::default()
    }
}

fn value(settings: &[(&str, String)], key: &str) -> Option<String> {
    let found = settings.iter().find(|(name, _)| *name == key);
    found.map(|(_, value)| value.clone())
}

#[test]
fn weights_are_the_kubelets() {
    for (millis, weight) in [(0, 1), (2, 1), (100, 4), (500, 20), (1000, 39), (4000, 157)] {
        assert_eq!(cpu_weight(millis), weight, "{millis}m");
    }
}

#[test]
fn a_limit_is_a_request_too() {
    let limits = resources([None, Some(1250)], [None, Some(64 << 20)]);
    let texts = |class| -> Vec<(&str, String)> { settings(&limits, class) };
    let wanted = [
        ("CPUWeight", "49".to_owned()),
        ("CPUQuota", "125.0%".to_owned()),
        ("MemoryLow", "67108864".to_owned()),
        ("MemoryMax", "67108864".to_owned()),
    ];
    assert_eq!(texts(QosClass::Burstable), wanted);
    assert_eq!(texts(QosClass::Guaranteed)[2].0, "MemoryMin");
    assert!(settings(&Resources::default(), QosClass::BestEffort).is_empty());
}

#[test]
fn one_without_a_cpu_request_stands_behind_those_with_one() {
    let asking = resources([Some(100), None], [None, None]);
    let spec = spec(vec![with("a", asking), container("b")]);
    let of = |index: usize| {
        let container = &spec.containers[index];
        of_container(&spec, ContainerRole::Main, container, &Settings::default())
    };
    assert_eq!(value(&of(0), "CPUWeight").as_deref(), Some("4"));
    assert_eq!(value(&of(1), "CPUWeight").as_deref(), Some("1"));
}

#[test]
fn oom_scores_are_the_kubelets() {
    let gib = |n: u64| n << 30;
    let score = |containers: Vec<Container>, total: Option<u64>| {
        let spec = spec(containers);
        let memory = total.map(|total| HostMemory { total, swap: 0 });
        oom_score(
            &spec,
            ContainerRole::Main,
            &spec.containers[0].resources,
            memory,
        )
    };
    let burstable = |bytes| resources([None, None], [Some(bytes), None]);
    let guaranteed = resources([Some(1), Some(1)], [Some(1), Some(1)]);
    for (asked, total, wanted) in [
        (Resources::default(), Some(gib(4)), 1000),
        (guaranteed, Some(gib(4)), -997),
        (burstable(gib(1)), Some(gib(4)), 750),
        (burstable(gib(4)), Some(gib(4)), 3),
        (burstable(gib(9)), Some(gib(4)), 3),
        (burstable(1), Some(gib(4)), 999),
        (burstable(gib(1)), None, 999),
    ] {
        assert_eq!(score(vec![with("a", asked)], total), wanted, "{asked:?}");
    }
    // A sidecar outlives the least of the mains; what the pod has over is shared out.
    let mut spec = spec(vec![with("a", burstable(gib(2)))]);
    let mut sidecar = with("s", burstable(gib(1)));
    sidecar.restart_policy = Some(RestartPolicy::Always);
    spec.init_containers = vec![sidecar.clone()];
    let memory = Some(HostMemory {
        total: gib(8),
        swap: 0,
    });
    let sidecar_score =
        |spec: &PodSpec| oom_score(spec, ContainerRole::Sidecar, &sidecar.resources, memory);
    assert_eq!(sidecar_score(&spec), 750);
    spec.resources = burstable(gib(5));
    assert_eq!(sidecar_score(&spec), 625);
}

#[test]
fn swap_follows_the_node() {
    let burstable = resources([None, None], [Some(1 << 30), None]);
    let capped = resources([None, None], [Some(1 << 30), Some(1 << 30)]);
    let cases = [
        (burstable, Swap::NoSwap, Some("0")),
        (burstable, Swap::UnlimitedSwap, None),
        (burstable, Swap::LimitedSwap, Some("536870912")),
        (capped, Swap::LimitedSwap, Some("0")),
        (Resources::default(), Swap::LimitedSwap, Some("0")),
    ];
    for (asked, behaviour, wanted) in cases {
        let spec = spec(vec![with("a", asked)]);
        let host = host(4 << 30, 2 << 30, behaviour);
        let got = of_container(&spec, ContainerRole::Main, &spec.containers[0], &host);
        assert_eq!(
            value(&got, "MemorySwapMax").as_deref(),
            wanted,
            "{asked:?} {behaviour:?}"
        );
    }
}

#[test]
fn the_pod_itself_goes_before_its_containers() {
    let mut spec = spec(vec![
        with("a", resources([Some(100), None], [None, None])),
        container("b"),
    ]);
    spec.resources = resources([Some(500), Some(1000)], [None, Some(1 << 30)]);
    let got = of_slice(&spec, &Settings::default());
    assert_eq!(value(&got, "CPUWeight").as_deref(), Some("20"));
    assert_eq!(value(&got, "CPUQuota").as_deref(), Some("100.0%"));
    assert_eq!(value(&got, "MemoryMax").as_deref(), Some("1073741824"));
    assert_eq!(value(&got, "TasksMax"), None);
    let limited = Settings {
        pids_limit: Some(99),
        ..Settings::default()
    };
    assert_eq!(
        value(&of_slice(&spec, &limited), "TasksMax").as_deref(),
        Some("99")
    );
}
