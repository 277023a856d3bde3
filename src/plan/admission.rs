//! Whether this node can take one more pod (kubelet: pkg/kubelet/lifecycle/predicate.go).
//!
//! The scheduler has counted already; but its view may be old, and a pod can be bound by hand.

use super::eviction::CRITICAL;
use super::resources::of_pod;
use crate::model::node::{ClusterSettings, HostFacts};
use crate::model::pod::{PodSpec, QosClass};

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

/// Why a pod is not taken as long as the host is as it is: about to shut down (kubelet: nodeshutdown_manager.go), or short
/// of something (eviction_manager.go Admit). `pressures` are the conditions that the node says.
pub fn refuse_now(
    shutting_down: bool,
    pressures: &[&str],
    priority: i32,
    class: QosClass,
) -> Option<(&'static str, String)> {
    if shutting_down {
        let message = "Pod was rejected: Pod was rejected as the node is shutting down.";
        return Some(("NodeShutdown", message.to_owned()));
    }
    let bearable = match pressures {
        [] => true,
        ["MemoryPressure"] => class != QosClass::BestEffort,
        _ => false,
    };
    (!bearable && priority < CRITICAL).then(|| {
        let message = format!(
            "Pod was rejected: The node had condition: [{}]. ",
            pressures.join(" ")
        );
        ("Evicted", message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_in_need_takes_what_matters() {
        let reason = |down, pressures: &[&str], priority, class| {
            refuse_now(down, pressures, priority, class).map(|(reason, _)| reason)
        };
        let (least, more) = (QosClass::BestEffort, QosClass::Burstable);
        assert_eq!(reason(false, &[], 0, least), None);
        assert_eq!(reason(true, &[], CRITICAL, more), Some("NodeShutdown"));
        let memory = ["MemoryPressure"];
        assert_eq!(reason(false, &memory, 0, least), Some("Evicted"));
        assert_eq!(reason(false, &memory, CRITICAL, least), None);
        assert_eq!(reason(false, &memory, 0, more), None);
        let both = ["MemoryPressure", "DiskPressure"];
        let (reason, message) = refuse_now(false, &both, 0, more).unwrap();
        assert_eq!(reason, "Evicted");
        assert!(message.ends_with("The node had condition: [MemoryPressure DiskPressure]. "));
    }

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
