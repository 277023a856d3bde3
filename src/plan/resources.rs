//! Requests and limits as systemd's resource settings (systemd.resource-control(5)).
//!
//! | Kubernetes | systemd | rule |
//! |---|---|---|
//! | `requests.cpu` | `CPUWeight=` | the kubelet's: shares = millis * 1024 / 1000, weight = 1 + (shares - 2) * 9999 / 262142 |
//! | `limits.cpu` | `CPUQuota=` | per cent of one core |
//! | `requests.memory` | `MemoryMin=` of guaranteed pods, else `MemoryLow=` | protection (kubelet: TieredReservation) |
//! | `limits.memory` | `MemoryMax=` | hard limit |
//! | `node.swap` | `MemorySwapMax=` | the kubelet's: nothing, or in proportion to the memory request |
//! | class | `OOMScoreAdjust=` | the kubelet's (pkg/kubelet/qos/policy.go) |

use crate::config::{HostMemory, Settings, Swap};
use crate::model::pod::{Container, ContainerRole, PodSpec, QosClass, Resources};
use crate::model::quantity::{Bytes, CpuMillis};

/// The lowest weight: what a container without a CPU request has beside others that have one.
const NO_REQUEST: &str = "1";
/// OOM scores: of guaranteed pods, and of those that ask for nothing.
const GUARANTEED_SCORE: i64 = -997;
const BEST_EFFORT_SCORE: i64 = 1000;

/// The settings for a set of requests and limits, in a fixed order.
pub fn settings(resources: &Resources, class: QosClass) -> Vec<(&'static str, String)> {
    let mut out = Vec::new();
    if let Some(CpuMillis(millis)) = resources.cpu_request.or(resources.cpu_limit) {
        out.push(("CPUWeight", cpu_weight(millis).to_string()));
    }
    if let Some(CpuMillis(millis)) = resources.cpu_limit {
        // systemd takes tenths and hundredths of a per cent; a millicore is a tenth.
        out.push(("CPUQuota", format!("{}.{}%", millis / 10, millis % 10)));
    }
    if let Some(Bytes(bytes)) = resources.memory_request.or(resources.memory_limit) {
        let key = match class {
            QosClass::Guaranteed => "MemoryMin",
            QosClass::Burstable | QosClass::BestEffort => "MemoryLow",
        };
        out.push((key, bytes.to_string()));
    }
    if let Some(Bytes(bytes)) = resources.memory_limit {
        out.push(("MemoryMax", bytes.to_string()));
    }
    out
}

/// The settings of the pod's slice; none when nothing is asked for.
pub fn of_slice(spec: &PodSpec, host: &Settings) -> Vec<(&'static str, String)> {
    let mut out = settings(&of_pod(spec), spec.qos_class());
    if let Some(limit) = host.pids_limit {
        out.push(("TasksMax", limit.to_string()));
    }
    out
}

/// The settings of a container's service.
pub fn of_container(
    spec: &PodSpec,
    role: ContainerRole,
    container: &Container,
    host: &Settings,
) -> Vec<(&'static str, String)> {
    let class = spec.qos_class();
    let own = &container.resources;
    let mut out = settings(own, class);
    let asks = |other: &Container| other.resources.cpu_request.is_some();
    let silent = own.cpu_request.or(own.cpu_limit).is_none();
    if silent && spec.all_containers().any(|(_, other)| asks(other)) {
        out.insert(0, ("CPUWeight", NO_REQUEST.to_owned()));
    }
    if let Some(bytes) = swap(own, class, host) {
        out.push(("MemorySwapMax", bytes.to_string()));
    }
    let score = oom_score(spec, role, own, host.memory);
    out.push(("OOMScoreAdjust", score.to_string()));
    out
}

/// Bytes of swap space that a container may use; `None` is no limit (kubelet: pkg/kubelet/kuberuntime/
/// kuberuntime_container_linux.go, `configureContainerSwapResources`).
fn swap(own: &Resources, class: QosClass, host: &Settings) -> Option<u64> {
    match (host.swap, host.memory) {
        (Swap::UnlimitedSwap, _) => None,
        (Swap::LimitedSwap, Some(memory)) if class == QosClass::Burstable => {
            let request = own.memory_request.map_or(0, |bytes| bytes.0);
            if own.memory_limit == own.memory_request || memory.total == 0 {
                return Some(0);
            }
            let share = u128::from(request) * u128::from(memory.swap) / u128::from(memory.total);
            Some(u64::try_from(share).unwrap_or(memory.swap).min(memory.swap))
        }
        _ => Some(0),
    }
}

/// The OOM score (kubelet: `GetContainerOOMScoreAdjust`): the more of the host's memory a container asks for, the later it
/// is killed. Where the size of the host is unknown, as for one that asks for nothing.
fn oom_score(
    spec: &PodSpec,
    role: ContainerRole,
    own: &Resources,
    memory: Option<HostMemory>,
) -> i64 {
    match spec.qos_class() {
        QosClass::Guaranteed => return GUARANTEED_SCORE,
        QosClass::BestEffort => return BEST_EFFORT_SCORE,
        QosClass::Burstable => {}
    }
    let request = |r: &Resources| r.memory_request.map_or(0, |bytes| bytes.0);
    let score = |bytes: u64| {
        let total = u128::from(memory.map_or(0, |memory| memory.total));
        let thousandths = (u128::from(bytes) * 1000).checked_div(total).unwrap_or(0);
        BEST_EFFORT_SCORE - i64::try_from(thousandths).unwrap_or(i64::MAX).min(2000)
    };
    // What the pod asks for beyond its containers, in equal parts.
    let count = spec.lasting_containers().count() as u64;
    let sum = spec
        .lasting_containers()
        .map(|(_, c)| request(&c.resources))
        .fold(0u64, u64::saturating_add);
    let spare = request(&spec.resources).saturating_sub(sum) / count.max(1);
    let mut found = score(request(own).saturating_add(spare));
    if role == ContainerRole::Sidecar {
        // Not killed before the containers it serves.
        let mains = spec.containers.iter().map(|c| request(&c.resources));
        found = found.min(score(mains.min().unwrap_or(0).saturating_add(spare)));
    }
    found.clamp(BEST_EFFORT_SCORE + GUARANTEED_SCORE, BEST_EFFORT_SCORE - 1)
}

/// The cgroup v2 weight of a CPU request (kubelet: pkg/kubelet/cm/cgroup_manager_linux.go, `cpuSharesToCPUWeight`).
pub(super) fn cpu_weight(millis: u64) -> u64 {
    let shares = (millis * 1024 / 1000).clamp(2, 262_144);
    1 + (shares - 2) * 9999 / 262_142
}

/// What the pod as a whole asks for: the sum over mains and sidecars, or the largest init container with
/// the sidecars before it, whichever is more (kubelet: pkg/api/v1/resource). A limit holds for the pod only if every
/// container has one. What the pod says of itself goes before all of it.
pub fn of_pod(spec: &PodSpec) -> Resources {
    let cpu = |of: fn(&Resources) -> Option<CpuMillis>| move |r: &Resources| of(r).map(|v| v.0);
    let mem = |of: fn(&Resources) -> Option<Bytes>| move |r: &Resources| of(r).map(|v| v.0);
    let cpu_request = most(spec, &cpu(|r| r.cpu_request.or(r.cpu_limit)), false);
    let memory_request = most(spec, &mem(|r| r.memory_request.or(r.memory_limit)), false);
    let own = &spec.resources;
    Resources {
        cpu_request: own.cpu_request.or(cpu_request.map(CpuMillis)),
        cpu_limit: own
            .cpu_limit
            .or_else(|| most(spec, &cpu(|r| r.cpu_limit), true).map(CpuMillis)),
        memory_request: own.memory_request.or(memory_request.map(Bytes)),
        memory_limit: own
            .memory_limit
            .or_else(|| most(spec, &mem(|r| r.memory_limit), true).map(Bytes)),
    }
}

fn most(spec: &PodSpec, of: &dyn Fn(&Resources) -> Option<u64>, all: bool) -> Option<u64> {
    let (mut running, mut peak, mut any) = (0u64, 0u64, false);
    for (role, container) in spec.lasting_containers() {
        let amount = match of(&container.resources) {
            Some(amount) => amount,
            None if all => return None,
            None => 0,
        };
        any |= of(&container.resources).is_some();
        match role {
            ContainerRole::Init => peak = peak.max(running.saturating_add(amount)),
            _ => running = running.saturating_add(amount),
        }
    }
    any.then_some(running.max(peak))
}

#[cfg(test)]
mod tests;
