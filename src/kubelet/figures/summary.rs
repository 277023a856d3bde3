//! `/stats/summary` (kubelet/pkg/apis/stats/v1alpha1).

use super::collect::{Collected, ContainerFigures, PodFigures};
use crate::host::usage::{Traffic, Usage};
use crate::model::time::Timestamp;
use serde_json::{Map, Value, json};

/// All of it. Rates are left out: they would need a reading before this one.
pub fn of(node: &str, collected: &Collected) -> Value {
    let time = collected.time;
    let pods: Vec<Value> = collected
        .pods
        .iter()
        .map(|pod| pod_stats(pod, time))
        .collect();
    let mut host = stats(Some(&collected.host), time);
    host.insert("nodeName".into(), node.into());
    host.insert("startTime".into(), text(collected.booted));
    host.insert("network".into(), network(&collected.traffic, time));
    host.insert("systemContainers".into(), json!([]));
    if let Some(fs) = file_system("/var/lib", time) {
        host.insert("runtime".into(), json!({ "imageFs": fs }));
        host.insert("fs".into(), fs);
    }
    json!({ "node": host, "pods": pods })
}

fn pod_stats(pod: &PodFigures, time: Timestamp) -> Value {
    let containers: Vec<Value> = pod
        .containers
        .iter()
        .map(|one| container(one, time))
        .collect();
    let mut found = stats(pod.usage.as_ref(), time);
    found.insert(
        "podRef".into(),
        json!({ "name": pod.name, "namespace": pod.namespace, "uid": pod.uid }),
    );
    found.insert("startTime".into(), text(pod.started));
    found.insert("containers".into(), containers.into());
    if !pod.traffic.is_empty() {
        found.insert("network".into(), network(&pod.traffic, time));
    }
    if let Some(usage) = &pod.usage {
        found.insert(
            "process_stats".into(),
            json!({ "process_count": usage.tasks }),
        );
    }
    found.into()
}

fn container(container: &ContainerFigures, time: Timestamp) -> Value {
    let mut found = stats(container.usage.as_ref(), time);
    found.insert("name".into(), container.name.as_str().into());
    found.insert("startTime".into(), text(container.started));
    found.into()
}

/// Processor and memory.
fn stats(usage: Option<&Usage>, time: Timestamp) -> Map<String, Value> {
    let mut found = Map::new();
    let Some(usage) = usage else {
        return found;
    };
    let time = time.to_rfc3339_nano();
    let available = usage
        .limit
        .map(|limit| limit.saturating_sub(usage.working_set));
    let mut memory = json!({
        "time": time,
        "usageBytes": usage.memory,
        "workingSetBytes": usage.working_set,
        "rssBytes": usage.anonymous,
        "pageFaults": usage.faults.0,
        "majorPageFaults": usage.faults.1,
    });
    if let Some(available) = available {
        memory["availableBytes"] = available.into();
    }
    found.insert(
        "cpu".into(),
        json!({ "time": time, "usageCoreNanoSeconds": usage.cpu.saturating_mul(1000) }),
    );
    found.insert("memory".into(), memory);
    found.insert(
        "swap".into(),
        json!({ "time": time, "swapUsageBytes": usage.swap }),
    );
    found
}

fn network(traffic: &[Traffic], time: Timestamp) -> Value {
    let one = |traffic: &Traffic| {
        json!({
            "name": traffic.name,
            "rxBytes": traffic.received.0,
            "rxErrors": traffic.received.1,
            "txBytes": traffic.sent.0,
            "txErrors": traffic.sent.1,
        })
    };
    let mut found = traffic.first().map_or_else(|| json!({}), one);
    found["time"] = time.to_rfc3339_nano().into();
    found["interfaces"] = traffic.iter().map(one).collect();
    found
}

fn file_system(path: &str, time: Timestamp) -> Option<Value> {
    let found = rustix::fs::statvfs(path).ok()?;
    Some(json!({
        "time": time.to_rfc3339_nano(),
        "availableBytes": found.f_bavail * found.f_frsize,
        "capacityBytes": found.f_blocks * found.f_frsize,
        "usedBytes": (found.f_blocks - found.f_bfree) * found.f_frsize,
        "inodesFree": found.f_ffree,
        "inodes": found.f_files,
        "inodesUsed": found.f_files - found.f_ffree,
    }))
}

fn text(time: Option<Timestamp>) -> Value {
    time.map_or(Value::Null, |time| time.to_string().into())
}
