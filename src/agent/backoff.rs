//! When a pod is tried again after an attempt that did not get it where it should be.

use crate::model::name::PodKey;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The first wait; each that follows is twice as long.
const FIRST: Duration = Duration::from_secs(1);
/// The longest wait (kubelet: MaxContainerBackOff).
const LONGEST: Duration = Duration::from_secs(300);
/// Attempts in a row that need no wait: removing a pod and creating it anew takes two plans.
const FREE: u32 = 2;
/// Attempts are in a row when less than this, beyond the wait, lies between them.
const QUIET: Duration = Duration::from_secs(30);

/// Attempts that did not come to rest, by pod.
#[derive(Debug, Default)]
pub struct Backoff {
    tries: BTreeMap<PodKey, Try>,
}

#[derive(Debug)]
struct Try {
    count: u32,
    not_before: Option<Instant>,
    last: Instant,
}

impl Backoff {
    /// An attempt for this pod begins at `now`; the next one has to wait. That nothing was to be done in between does
    /// not count as success: a unit that keeps failing is starting for a moment each time.
    pub fn attempted(&mut self, key: &PodKey, now: Instant) {
        let entry = self.tries.entry(key.clone()).or_insert(Try {
            count: 0,
            not_before: None,
            last: now,
        });
        let wait = delay(entry.count).unwrap_or_default();
        if now.saturating_duration_since(entry.last) > wait + QUIET {
            entry.count = 0;
        }
        entry.last = now;
        entry.count += 1;
        entry.not_before = delay(entry.count).map(|wait| now + wait);
    }

    /// What is wanted of the pod has changed: the next attempt need not wait.
    pub fn forget(&mut self, key: &PodKey) {
        self.tries.remove(key);
    }

    /// Whether the pod may be tried at `now`.
    pub fn allows(&self, key: &PodKey, now: Instant) -> bool {
        let waits = self.tries.get(key).and_then(|entry| entry.not_before);
        waits.is_none_or(|until| until <= now)
    }

    /// The earliest end of a wait among these pods.
    pub fn next<'a>(&self, keys: impl IntoIterator<Item = &'a PodKey>) -> Option<Instant> {
        keys.into_iter()
            .filter_map(|key| self.tries.get(key)?.not_before)
            .min()
    }
}

/// The wait after so many attempts in a row.
fn delay(count: u32) -> Option<Duration> {
    let doublings = count.checked_sub(FREE)?.min(16);
    Some((FIRST * 2u32.pow(doublings)).min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::name::{Namespace, ObjectKey};

    #[test]
    fn waits_double_up_to_five_minutes() {
        let waits: Vec<_> = (0..14)
            .map(|n| delay(n).map(|wait| wait.as_secs()))
            .collect();
        let wanted = [
            None,
            None,
            Some(1),
            Some(2),
            Some(4),
            Some(8),
            Some(16),
            Some(32),
            Some(64),
        ];
        assert_eq!(waits[..9], wanted);
        assert_eq!(waits[13], Some(300));
    }

    #[test]
    fn quiet_times_end_a_row() {
        let key = ObjectKey {
            namespace: Namespace::default_namespace(),
            name: "a".parse().unwrap(),
        };
        let mut backoff = Backoff::default();
        let now = Instant::now();
        (0..5).for_each(|_| backoff.attempted(&key, now));
        assert!(!backoff.allows(&key, now + FIRST));
        let later = now + Duration::from_secs(120);
        backoff.attempted(&key, later);
        assert!(backoff.allows(&key, later));
    }

    #[test]
    fn a_wait_ends_by_time_or_by_news() {
        let key = ObjectKey {
            namespace: Namespace::default_namespace(),
            name: "a".parse().unwrap(),
        };
        let mut backoff = Backoff::default();
        let now = Instant::now();
        backoff.attempted(&key, now);
        assert!(backoff.allows(&key, now));
        backoff.attempted(&key, now);
        assert!(!backoff.allows(&key, now));
        assert!(backoff.allows(&key, now + FIRST));
        assert_eq!(backoff.next([&key]), Some(now + FIRST));
        backoff.forget(&key);
        assert!(backoff.allows(&key, now));
    }
}
