//! Requests and limits as systemd's resource settings (systemd.resource-control(5)).
//!
//! | Kubernetes | systemd | rule |
//! |---|---|---|
//! | `requests.cpu` | `CPUWeight=` | the kubelet's: shares = millis * 1024 / 1000, weight = 1 + (shares - 2) * 9999 / 262142 |
//! | `limits.cpu` | `CPUQuota=` | per cent of one core |
//! | `requests.memory` | `MemoryLow=` | best-effort protection |
//! | `limits.memory` | `MemoryMax=` | hard limit |

use crate::model::pod::{ContainerRole, PodSpec, Resources};
use crate::model::quantity::{Bytes, CpuMillis};

/// The settings for a set of requests and limits, in a fixed order.
pub fn settings(resources: &Resources) -> Vec<(&'static str, String)> {
    let mut out = Vec::new();
    if let Some(CpuMillis(millis)) = resources.cpu_request.or(resources.cpu_limit) {
        out.push(("CPUWeight", cpu_weight(millis).to_string()));
    }
    if let Some(CpuMillis(millis)) = resources.cpu_limit {
        // systemd takes tenths and hundredths of a per cent; a millicore is a tenth.
        out.push(("CPUQuota", format!("{}.{}%", millis / 10, millis % 10)));
    }
    if let Some(Bytes(bytes)) = resources.memory_request.or(resources.memory_limit) {
        out.push(("MemoryLow", bytes.to_string()));
    }
    if let Some(Bytes(bytes)) = resources.memory_limit {
        out.push(("MemoryMax", bytes.to_string()));
    }
    out
}

/// The cgroup v2 weight of a CPU request (kubelet: pkg/kubelet/cm/cgroup_manager_linux.go, `cpuSharesToCPUWeight`).
fn cpu_weight(millis: u64) -> u64 {
    let shares = (millis * 1024 / 1000).clamp(2, 262_144);
    1 + (shares - 2) * 9999 / 262_142
}

/// What the pod as a whole asks for: the sum over mains and sidecars, or the largest init container with
/// the sidecars before it, whichever is more (kubelet: pkg/api/v1/resource). A limit holds for the pod only if every
/// container has one.
pub fn of_pod(spec: &PodSpec) -> Resources {
    let cpu = |of: fn(&Resources) -> Option<CpuMillis>| move |r: &Resources| of(r).map(|v| v.0);
    let mem = |of: fn(&Resources) -> Option<Bytes>| move |r: &Resources| of(r).map(|v| v.0);
    let cpu_request = most(spec, &cpu(|r| r.cpu_request.or(r.cpu_limit)), false);
    let memory_request = most(spec, &mem(|r| r.memory_request.or(r.memory_limit)), false);
    Resources {
        cpu_request: cpu_request.map(CpuMillis),
        cpu_limit: most(spec, &cpu(|r| r.cpu_limit), true).map(CpuMillis),
        memory_request: memory_request.map(Bytes),
        memory_limit: most(spec, &mem(|r| r.memory_limit), true).map(Bytes),
    }
}

fn most(spec: &PodSpec, of: &dyn Fn(&Resources) -> Option<u64>, all: bool) -> Option<u64> {
    let (mut running, mut peak, mut any) = (0u64, 0u64, false);
    for (role, container) in spec.all_containers() {
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
mod tests {
    use super::*;

    #[test]
    fn weights_are_the_kubelets() {
        for (millis, weight) in [(0, 1), (2, 1), (100, 4), (500, 20), (1000, 39), (4000, 157)] {
            assert_eq!(cpu_weight(millis), weight, "{millis}m");
        }
    }

    #[test]
    fn a_limit_is_a_request_too() {
        let limits = Resources {
            cpu_limit: Some(CpuMillis(1250)),
            memory_limit: Some(Bytes(64 << 20)),
            ..Resources::default()
        };
        let wanted = [
            ("CPUWeight", "49"),
            ("CPUQuota", "125.0%"),
            ("MemoryLow", "67108864"),
            ("MemoryMax", "67108864"),
        ];
        let got = settings(&limits);
        assert_eq!(
            got.iter()
                .map(|(k, v)| (*k, v.as_str()))
                .collect::<Vec<_>>(),
            wanted
        );
        assert!(settings(&Resources::default()).is_empty());
    }
}
