//! Answers that are remembered for a while.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The most answers that are remembered. When there are more, the one that would be forgotten next goes.
const MOST: usize = 1024;

/// Answers, each with the time at which it is forgotten.
#[derive(Debug)]
pub struct Cache<K, V> {
    answers: Mutex<HashMap<K, (V, Instant)>>,
}

impl<K, V> Default for Cache<K, V> {
    fn default() -> Self {
        Self {
            answers: Mutex::default(),
        }
    }
}

impl<K: Hash + Eq + Clone, V: Clone> Cache<K, V> {
    fn answers(&self) -> MutexGuard<'_, HashMap<K, (V, Instant)>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer, if it still holds.
    pub fn get(&self, key: &K, now: Instant) -> Option<V> {
        let answers = self.answers();
        let (answer, until) = answers.get(key)?;
        (now < *until).then(|| answer.clone())
    }

    /// Remembers an answer for so long.
    pub fn put(&self, key: K, answer: V, now: Instant, span: Duration) {
        let mut answers = self.answers();
        if answers.len() >= MOST && !answers.contains_key(&key) {
            answers.retain(|_, (_, until)| now < *until);
            let next = answers.iter().min_by_key(|(_, (_, until))| *until);
            if let (true, Some(next)) = (answers.len() >= MOST, next.map(|(key, _)| key.clone())) {
                answers.remove(&next);
            }
        }
        answers.insert(key, (answer, now + span));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_forgotten() {
        let cache = Cache::default();
        let now = Instant::now();
        let second = Duration::from_secs(1);
        cache.put("a", 1, now, second);
        assert_eq!(cache.get(&"a", now), Some(1));
        assert_eq!(cache.get(&"b", now), None);
        assert_eq!(cache.get(&"a", now + second), None);
        cache.put("a", 2, now, 2 * second);
        assert_eq!(cache.get(&"a", now + second), Some(2));
    }

    #[test]
    fn there_are_never_more_than_the_most() {
        let cache = Cache::default();
        let now = Instant::now();
        let span = |number: usize| Duration::from_secs(1 + number as u64);
        for number in 0..MOST {
            cache.put(number, number, now, span(number));
        }
        cache.put(MOST, MOST, now, span(MOST));
        assert_eq!(cache.get(&0, now), None);
        assert_eq!(cache.get(&MOST, now), Some(MOST));
        assert_eq!(cache.answers().len(), MOST);
        cache.put(7777, 1, now + span(MOST / 2), span(0));
        assert!(cache.answers().len() < MOST);
    }
}
