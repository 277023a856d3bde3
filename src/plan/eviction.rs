//! Which pod has to go when the host is short of something (kubelet: pkg/kubelet/eviction/helpers.go).

use crate::model::name::PodKey;
use crate::model::node::Shortage;

/// From this priority on a pod is critical: it is not evicted (scheduling.SystemCriticalPriority).
pub const CRITICAL: i32 = 2_000_000_000;

/// A pod that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The pod.
    pub key: PodKey,
    /// Its priority.
    pub priority: i32,
    /// What it asks for of what is short.
    pub request: u64,
    /// What it uses of that.
    pub usage: u64,
}

impl Candidate {
    /// The greatest goes first: who uses more than asked for, then who matters least, then who uses most beyond it.
    fn rank(&self) -> (bool, std::cmp::Reverse<i32>, i128) {
        let over = i128::from(self.usage) - i128::from(self.request);
        (over > 0, std::cmp::Reverse(self.priority), over)
    }
}

/// The pod that has to go; none of those that are critical.
pub fn victim(candidates: impl IntoIterator<Item = Candidate>) -> Option<Candidate> {
    let mut all: Vec<Candidate> = candidates
        .into_iter()
        .filter(|one| one.priority < CRITICAL)
        .collect();
    all.sort_by(|a, b| b.rank().cmp(&a.rank()).then_with(|| a.key.cmp(&b.key)));
    all.into_iter().next()
}

/// What its status says.
pub fn message(shortage: &Shortage) -> String {
    format!(
        "The node was low on resource: {}. Threshold quantity: {}, available: {}. ",
        shortage.what.word(),
        shortage.threshold,
        shortage.available
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(name: &str, priority: i32, request: u64, usage: u64) -> Candidate {
        Candidate {
            key: PodKey {
                namespace: "default".parse().unwrap(),
                name: name.parse().unwrap(),
            },
            priority,
            request,
            usage,
        }
    }

    fn first(candidates: &[Candidate]) -> Option<String> {
        victim(candidates.to_vec()).map(|one| one.key.name.to_string())
    }

    #[test]
    fn who_uses_more_than_asked_for_goes_first() {
        let modest = pod("modest", 0, 100, 99);
        let greedy = pod("greedy", 1000, 10, 11);
        assert_eq!(
            first(&[modest.clone(), greedy.clone()]).as_deref(),
            Some("greedy")
        );
        // Then the priority, then how much it is over.
        let lesser = pod("lesser", 5, 0, 12);
        assert_eq!(
            first(&[greedy.clone(), lesser.clone()]).as_deref(),
            Some("lesser")
        );
        let more = pod("more", 5, 0, 13);
        assert_eq!(first(&[lesser, more, greedy]).as_deref(), Some("more"));
        // Those that are critical stay, whatever they use.
        assert_eq!(first(&[pod("system", CRITICAL, 0, 1 << 40)]), None);
        assert_eq!(
            first(&[pod("system", CRITICAL, 0, 1 << 40), modest]).as_deref(),
            Some("modest")
        );
        assert_eq!(first(&[]), None);
    }
}
