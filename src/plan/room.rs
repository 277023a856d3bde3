//! Whether a pod that runs here can have more than it has (kubelet: pkg/kubelet/allocation/allocation_manager.go).

use super::admission::{Amounts, refuse};

/// Others have it now: it may be had later.
pub const DEFERRED: &str = "Deferred";

/// Why a pod does not get what it asks for now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Postponed {
    /// `Infeasible`: this node never has that much; `Deferred`: others have it now.
    pub reason: &'static str,
    /// In a sentence.
    pub message: String,
}

/// Whether a pod that has `has` can have `wants` beside what `others` have; `None` if it can. Less is always to be had.
pub fn postpone(
    has: Amounts,
    wants: Amounts,
    others: Amounts,
    allocatable: Amounts,
) -> Option<Postponed> {
    let more = |has: u64, wants: u64| if wants > has { wants } else { 0 };
    let wants = Amounts {
        cpu: more(has.cpu, wants.cpu),
        memory: more(has.memory, wants.memory),
        pods: 0,
    };
    let cases = [
        ("cpu", wants.cpu, allocatable.cpu),
        ("memory", wants.memory, allocatable.memory),
    ];
    let never = cases.into_iter().find(|(_, wants, all)| wants > all);
    if let Some((what, wants, all)) = never {
        return Some(Postponed {
            reason: "Infeasible",
            message: format!(
                "Node didn't have enough capacity: {what}, requested: {wants}, capacity: {all}"
            ),
        });
    }
    let (_, message) = refuse(wants, others, allocatable)?;
    let message = message.trim_start_matches("Pod was rejected: ").to_owned();
    Some(Postponed {
        reason: DEFERRED,
        message,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amounts(cpu: u64, memory: u64) -> Amounts {
        Amounts {
            cpu,
            memory,
            pods: 1,
        }
    }

    #[test]
    fn who_grows_needs_room() {
        let all = Amounts {
            pods: 10,
            ..amounts(1000, 100)
        };
        let has = amounts(300, 30);
        let reason = |wants, others| postpone(has, wants, others, all).map(|why| why.reason);
        let others = amounts(600, 60);
        assert_eq!(reason(amounts(400, 40), others), None);
        assert_eq!(reason(amounts(401, 30), others), Some(DEFERRED));
        assert_eq!(reason(amounts(300, 41), others), Some(DEFERRED));
        assert_eq!(reason(amounts(1001, 30), others), Some("Infeasible"));
        assert_eq!(reason(amounts(300, 101), others), Some("Infeasible"));
        // Less, and the same, whatever others have.
        assert_eq!(reason(amounts(200, 30), amounts(5000, 500)), None);
        let why = postpone(has, amounts(401, 30), others, all).unwrap();
        assert_eq!(
            why.message,
            "Node didn't have enough resource: cpu, requested: 401, used: 600, capacity: 1000"
        );
    }
}
