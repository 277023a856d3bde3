//! The Node object (kubelet: pkg/kubelet/nodestatus/setters.go).

use crate::model::node::{ClusterSettings, HostFacts, Load, Posted, Short, Shortage};
use crate::model::quantity::Bytes;
use crate::model::time::Timestamp;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Process numbers that are left when the host is said to be short of them.
const LEAST_PIDS: (u64, u64) = (1, 20);
/// Share of a minute lost to waiting for memory, in percent, from which on the host is said to be short of it.
const MOST_STALL: f64 = 40.0;

/// The Node to be created: labels, annotations and taints of the settings, and the status.
pub fn node(name: &str, settings: &ClusterSettings, facts: &HostFacts, status: Value) -> Value {
    let taints: Vec<Value> = settings
        .taints
        .iter()
        .map(|taint| {
            let mut made = json!({ "key": taint.key, "effect": taint.effect });
            if !taint.value.is_empty() {
                made["value"] = taint.value.as_str().into();
            }
            made
        })
        .collect();
    let mut spec = Map::new();
    if !taints.is_empty() {
        spec.insert("taints".to_owned(), taints.into());
    }
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": labels(settings, facts),
            "annotations": annotations(settings),
        },
        "spec": spec,
        "status": status,
    })
}

/// Labels of the node: those that follow from the host, and those of the settings.
pub fn labels(settings: &ClusterSettings, facts: &HostFacts) -> BTreeMap<String, String> {
    let own = [
        ("kubernetes.io/hostname", facts.hostname.as_str()),
        ("kubernetes.io/os", "linux"),
        ("kubernetes.io/arch", facts.architecture),
        ("beta.kubernetes.io/os", "linux"),
        ("beta.kubernetes.io/arch", facts.architecture),
    ];
    let own = own
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.to_owned()));
    own.chain(settings.labels.clone()).collect()
}

/// Annotations of the node.
pub fn annotations(settings: &ClusterSettings) -> BTreeMap<String, String> {
    let attach = "volumes.kubernetes.io/controller-managed-attach-detach";
    let own = std::iter::once((attach.to_owned(), "true".to_owned()));
    own.chain(settings.annotations.clone()).collect()
}

/// What the node has in all, and what of that pods may have.
pub fn resources(settings: &ClusterSettings, facts: &HostFacts) -> (Value, Value) {
    let kept = &settings.reserved;
    let list = |cpu: String, memory: u64, storage: u64| {
        let mut list = json!({
            "cpu": cpu,
            "memory": format!("{}Ki", memory >> 10),
            "ephemeral-storage": storage.to_string(),
            "pods": settings.pods.to_string(),
        });
        for (kib, bytes) in &facts.huge_pages {
            list[format!("hugepages-{}", size(*kib))] = bytes.to_string().into();
        }
        list
    };
    let capacity = list(facts.cpus.to_string(), facts.memory, facts.storage);
    let cpu = (facts.cpus * 1000).saturating_sub(kept.cpu.0);
    let cpu = match cpu % 1000 {
        0 => (cpu / 1000).to_string(),
        _ => format!("{cpu}m"),
    };
    let huge: u64 = facts.huge_pages.values().sum();
    let memory = facts
        .memory
        .saturating_sub(kept.memory.0 + settings.eviction.memory.0 + huge);
    let keep = kept.ephemeral_storage.0 + part(facts.storage, percent(settings.eviction.storage));
    let storage = facts.storage.saturating_sub(keep);
    (capacity, list(cpu, memory, storage))
}

/// `2Mi`, `1Gi`, as resources of huge pages are named.
fn size(kib: u64) -> String {
    match (kib % (1 << 20), kib % (1 << 10)) {
        (0, _) => format!("{}Gi", kib >> 20),
        (_, 0) => format!("{}Mi", kib >> 10),
        _ => format!("{kib}Ki"),
    }
}

fn percent(share: u8) -> (u64, u64) {
    (share.into(), 100)
}

fn part(whole: u64, (of, parts): (u64, u64)) -> u64 {
    (u128::from(whole) * u128::from(of) / u128::from(parts)) as u64
}

/// A condition: type, status, reason, message.
pub type Verdict = (&'static str, bool, &'static str, String);

/// Type, then reason and message when the host is short of it, and when not.
type Words = (&'static str, [&'static str; 2], [&'static str; 2]);

const MEMORY: Words = (
    "MemoryPressure",
    [
        "KubeletHasInsufficientMemory",
        "kubelet has insufficient memory available",
    ],
    [
        "KubeletHasSufficientMemory",
        "kubelet has sufficient memory available",
    ],
);
const DISK: Words = (
    "DiskPressure",
    ["KubeletHasDiskPressure", "kubelet has disk pressure"],
    ["KubeletHasNoDiskPressure", "kubelet has no disk pressure"],
);
const PIDS: Words = (
    "PIDPressure",
    [
        "KubeletHasInsufficientPID",
        "kubelet has insufficient PID available",
    ],
    [
        "KubeletHasSufficientPID",
        "kubelet has sufficient PID available",
    ],
);

fn pressure((kind, short, well): Words, is_short: bool) -> Verdict {
    let [reason, message] = if is_short { short } else { well };
    (kind, is_short, reason, message.to_owned())
}

/// What is short, and what has to be free.
#[derive(Debug, Clone, Copy)]
struct Found {
    what: Short,
    least: u64,
    free: u64,
}

/// All that the host is short of. A file system that tells no numbers is short of nothing.
fn found(
    settings: &ClusterSettings,
    facts: &HostFacts,
    load: &Load,
) -> impl Iterator<Item = Found> + use<> {
    let eviction = &settings.eviction;
    let nodes =
        |(free, all): (u64, u64)| (Short::Inodes, part(all, percent(eviction.inodes)), free);
    let images = load.images.unwrap_or_default();
    let (free, all) = images.bytes;
    let (used, pids) = load.pids;
    let all = [
        (Short::Memory, eviction.memory.0, load.memory_available),
        (
            Short::Storage,
            part(facts.storage, percent(eviction.storage)),
            load.storage_available,
        ),
        nodes(load.inodes),
        (Short::Storage, part(all, percent(eviction.images)), free),
        nodes(images.inodes),
        (
            Short::Pids,
            part(pids, LEAST_PIDS),
            pids.saturating_sub(used),
        ),
    ];
    all.into_iter()
        .filter(|(_, least, free)| free < least)
        .map(|(what, least, free)| Found { what, least, free })
}

/// What pods have to go for: the first of what is less than has to be free. Waiting for memory alone is a condition, and
/// no reason to end a pod.
pub fn shortage(settings: &ClusterSettings, facts: &HostFacts, load: &Load) -> Option<Shortage> {
    let Found { what, least, free } = found(settings, facts, load).next()?;
    let said = |number| match what {
        Short::Memory | Short::Storage => Bytes(number).to_string(),
        Short::Inodes | Short::Pids => number.to_string(),
    };
    Some(Shortage {
        what,
        threshold: said(least),
        available: said(free),
    })
}

/// Whether the host is short now of memory, disk and numbers of processes.
pub fn pressures(settings: &ClusterSettings, facts: &HostFacts, load: &Load) -> [bool; 3] {
    let short =
        |wanted: fn(Short) -> bool| found(settings, facts, load).any(|one| wanted(one.what));
    [
        short(|what| what == Short::Memory) || load.memory_stall > MOST_STALL,
        short(Short::is_disk),
        short(|what| what == Short::Pids),
    ]
}

/// The conditions that `pressures` are about, by name.
pub fn pressed(pressures: [bool; 3]) -> impl Iterator<Item = &'static str> {
    let names = [MEMORY.0, DISK.0, PIDS.0].into_iter().zip(pressures);
    names.filter_map(|(name, is)| is.then_some(name))
}

/// The four conditions, `Ready` last.
pub fn verdicts(settings: &ClusterSettings, facts: &HostFacts, load: &Load) -> [Verdict; 4] {
    let now = pressures(settings, facts, load);
    let [memory, disk, pids] = std::array::from_fn(|index| now[index] || load.lately[index]);
    let problem = match &load.systemd_problem {
        Some(problem) => Some(format!("systemd does not answer: {problem}")),
        // kubelet: pkg/kubelet/nodeshutdown.
        None => load
            .shutting_down
            .then(|| "node is shutting down".to_owned()),
    };
    let is_ready = problem.is_none();
    let (reason, message) = match problem {
        None => ("KubeletReady", "kubelet is posting ready status".to_owned()),
        Some(problem) => ("KubeletNotReady", problem),
    };
    [
        pressure(MEMORY, memory),
        pressure(DISK, disk),
        pressure(PIDS, pids),
        ("Ready", is_ready, reason, message),
    ]
}

/// The node's status. `posted` are the conditions as they were posted last, and is brought up to date: a transition
/// time changes only with the status.
pub fn status(
    settings: &ClusterSettings,
    facts: &HostFacts,
    load: &Load,
    posted: &mut BTreeMap<String, Posted>,
    now: Timestamp,
) -> Value {
    let conditions: Vec<Value> = verdicts(settings, facts, load)
        .into_iter()
        .map(|(kind, status, reason, message)| {
            let known = posted.get(kind).filter(|known| known.status == status);
            let since = known.map_or(now, |known| known.since);
            posted.insert(kind.to_owned(), Posted { status, since });
            json!({
                "type": kind,
                "status": if status { "True" } else { "False" },
                "lastHeartbeatTime": now,
                "lastTransitionTime": since,
                "reason": reason,
                "message": message,
            })
        })
        .collect();
    let (capacity, allocatable) = resources(settings, facts);
    json!({
        "capacity": capacity,
        "allocatable": allocatable,
        "conditions": conditions,
        "addresses": addresses(facts),
        "daemonEndpoints": { "kubeletEndpoint": { "Port": settings.port } },
        "nodeInfo": info(facts),
        // Sorted. Servers that do not know the field leave it out.
        "declaredFeatures": ["ExtendWebSocketsToKubelet"],
    })
}

/// The node's addresses, then its name.
fn addresses(facts: &HostFacts) -> Vec<Value> {
    let ips = facts
        .addresses
        .iter()
        .map(|address| json!({ "type": "InternalIP", "address": address }));
    let name = json!({ "type": "Hostname", "address": facts.hostname });
    ips.chain([name]).collect()
}

fn info(facts: &HostFacts) -> Value {
    json!({
        "machineID": facts.machine_id,
        "systemUUID": facts.system_uuid,
        "bootID": facts.boot_id,
        "kernelVersion": facts.kernel,
        "osImage": facts.os_image,
        "containerRuntimeVersion": format!("systemd://{}", facts.systemd),
        "kubeletVersion": version(),
        "kubeProxyVersion": "",
        "operatingSystem": "linux",
        "architecture": facts.architecture,
    })
}

/// The version clients take for a kubelet's: the API that vks speaks, and vks' own.
pub fn version() -> String {
    format!("v1.36.0-vks.{}", env!("CARGO_PKG_VERSION"))
}

/// What a status says beside the time it was made at: whether it has to be posted before its time.
pub fn essence(status: &Value) -> Value {
    let mut status = status.clone();
    for condition in status["conditions"].as_array_mut().into_iter().flatten() {
        condition["lastHeartbeatTime"].take();
    }
    status
}

#[cfg(test)]
mod tests;
