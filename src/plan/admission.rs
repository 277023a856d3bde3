//! Whether this node can take one more pod (kubelet: pkg/kubelet/lifecycle/predicate.go).
//!
//! The scheduler has counted already; but its view may be old, and a pod can be bound by hand.

use super::resources::of_pod;
use crate::model::node::{ClusterSettings, HostFacts};
use crate::model::pod::PodSpec;

/// What pods ask for, or may have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Amounts {
    /// Thousandths of a core.
    pub cpu: u64,
    /// Bytes.
    pub memory: u64,
    /// Pods.
    pub pods: u64,
}

impl Amounts {
    /// What one pod asks for.
    pub fn of(spec: &PodSpec) -> Self {
        let all = of_pod(spec);
        Self {
            cpu: all.cpu_request.or(all.cpu_limit).map_or(0, |cpu| cpu.0),
            memory: all
                .memory_request
                .or(all.memory_limit)
                .map_or(0, |bytes| bytes.0),
            pods: 1,
        }
    }

    /// Both together.
    pub fn plus(self, other: Self) -> Self {
        Self {
            cpu: self.cpu.saturating_add(other.cpu),
            memory: self.memory.saturating_add(other.memory),
            pods: self.pods + other.pods,
        }
    }
}

/// What all pods together may ask for: the node's allocatable.
pub fn allocatable(settings: &ClusterSettings, facts: &HostFacts) -> Amounts {
    let kept = &settings.reserved;
    Amounts {
        cpu: (facts.cpus * 1000).saturating_sub(kept.cpu.0),
        memory: facts.memory.saturating_sub(kept.memory.0),
        pods: settings.pods.into(),
    }
}

/// Why a pod is not taken, in the kubelet's words: reason and message.
pub fn refuse(
    wants: Amounts,
    used: Amounts,
    allocatable: Amounts,
) -> Option<(&'static str, String)> {
    let cases = [
        ("OutOfpods", "pods", wants.pods, used.pods, allocatable.pods),
        ("OutOfcpu", "cpu", wants.cpu, used.cpu, allocatable.cpu),
        (
            "OutOfmemory",
            "memory",
            wants.memory,
            used.memory,
            allocatable.memory,
        ),
    ];
    cases
        .into_iter()
        .find(|(_, _, wants, used, has)| *wants > 0 && used.saturating_add(*wants) > *has)
        .map(|(reason, what, wants, used, has)| {
            let message = format!(
                "Pod was rejected: Node didn't have enough resource: {what}, requested: {wants}, used: {used}, capacity: {has}"
            );
            (reason, message)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_node_takes_no_more() {
        let has = Amounts {
            cpu: 1000,
            memory: 100,
            pods: 2,
        };
        let pod = |cpu, memory| Amounts {
            cpu,
            memory,
            pods: 1,
        };
        let used = pod(600, 50);
        let reason = |wants, used| refuse(wants, used, has).map(|(reason, _)| reason);
        assert_eq!(reason(pod(400, 50), used), None);
        assert_eq!(reason(pod(401, 0), used), Some("OutOfcpu"));
        assert_eq!(reason(pod(0, 51), used), Some("OutOfmemory"));
        assert_eq!(reason(pod(0, 0), used.plus(pod(0, 0))), Some("OutOfpods"));
        // What asks for nothing is not kept out by what others have.
        assert_eq!(reason(pod(0, 0), pod(5000, 500)), None);
    }
}
