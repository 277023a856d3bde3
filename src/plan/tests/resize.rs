//! Changes of requests and limits: in place, without a stop and without a reload.

use super::*;
use crate::model::quantity::{Bytes, CpuMillis};

fn with_limit(cpu: u64, memory: u64) -> Pod {
    let mut pod = pod("a");
    pod.spec.containers.push(container("other"));
    pod.spec.containers[0].resources = Resources {
        cpu_request: Some(CpuMillis(cpu)),
        cpu_limit: Some(CpuMillis(cpu)),
        memory_request: Some(Bytes(memory)),
        memory_limit: Some(Bytes(memory)),
    };
    pod
}

#[test]
fn a_change_of_resources_is_a_resize() {
    let mut host = running(&desired([with_limit(100, 1 << 20)]));
    let want = desired([with_limit(200, 2 << 20)]);
    let lines = steps(&want, &host);
    let kinds: Vec<&str> = lines
        .iter()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert!(
        kinds.iter().all(|kind| ["write", "resize"].contains(kind)),
        "{lines:#?}"
    );
    assert_eq!(kinds.last(), Some(&"resize"));
    settle(&want, &mut host, 1);
    assert_eq!((host.reloads, host.resizes), (0, 1));
    assert!(host.stopped.is_empty());
}

#[test]
fn resources_come_and_go_without_a_stop() {
    let mut bare = with_limit(1, 1);
    bare.spec.containers[0].resources = Resources::default();
    let mut host = running(&desired([bare.clone()]));
    for pod in [with_limit(100, 1 << 20), bare] {
        settle(&desired([pod]), &mut host, 1);
    }
    assert_eq!((host.reloads, host.resizes), (0, 2));
    assert!(host.stopped.is_empty());
}

#[test]
fn the_policy_can_ask_for_a_restart() {
    let memory = |bytes| {
        let mut pod = with_limit(100, bytes);
        pod.spec.containers[0].resize.memory = true;
        pod
    };
    let mut host = running(&desired([memory(1 << 20)]));
    let mut cpu = memory(1 << 20);
    cpu.spec.containers[0].resources.cpu_limit = Some(CpuMillis(300));
    settle(&desired([cpu]), &mut host, 1);
    assert!(host.stopped.is_empty());
    settle(&desired([memory(2 << 20)]), &mut host, 1);
    assert_eq!(host.stopped.len(), 1);
}

#[test]
fn a_resize_that_was_cut_short_is_made_up_for() {
    let host = running(&desired([with_limit(100, 1 << 20)]));
    let want = desired([with_limit(200, 2 << 20)]);
    let plan = plan_now(&want, &host);
    let (key, pod) = plan.pods.iter().next().unwrap();
    for count in 1..pod.steps.len() {
        let mut host = host.clone();
        host.run_part(key, pod, count);
        settle(&want, &mut host, 1);
        assert_eq!(host.reloads + host.resizes, 1, "after {count} steps");
        assert!(host.stopped.is_empty());
    }
}
