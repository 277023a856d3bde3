//! Which entries are of one run, while nobody has told yet that the next one has begun.
//!
//! A unit's entries are those of all its runs. What the next run writes may be read before its start is known: journald
//! names the connection that each entry came by, and each run has connections of its own. So the host is asked once for
//! each new one, and what came by one that is known costs a look into a set.

use super::Entry;
use crate::model::time::Timestamp;
use std::collections::BTreeSet;

/// The connections that are known to be of a run.
#[derive(Debug, Clone, Default)]
pub struct OneRun {
    streams: BTreeSet<Box<str>>,
}

impl OneRun {
    /// Whether an entry is of the run. `next` tells when the run after it began, `None` when none has, and is asked only for
    /// an entry of a new connection; it must look after the entry was read.
    ///
    /// # Errors
    /// Those of `next`.
    pub async fn has<E>(
        &mut self,
        entry: &Entry,
        next: impl Future<Output = Result<Option<Timestamp>, E>>,
    ) -> Result<bool, E> {
        if self.streams.contains(&entry.stream) {
            return Ok(true);
        }
        if next.await?.is_some_and(|next| entry.time >= Some(next)) {
            return Ok(false);
        }
        self.streams.insert(entry.stream.clone());
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(stream: &str, micros: u64) -> Entry {
        Entry {
            stream: stream.into(),
            time: Timestamp::from_micros(micros),
            ..Entry::default()
        }
    }

    #[tokio::test]
    async fn the_host_is_asked_once_for_each_connection() {
        let mut run = OneRun::default();
        let told = |micros: Option<u64>| async move { Ok(micros.and_then(Timestamp::from_micros)) };
        let silent = || async { Err("asked") };
        assert_eq!(run.has(&entry("a", 5), silent()).await, Err("asked"));
        assert_eq!(run.has::<&str>(&entry("a", 5), told(None)).await, Ok(true));
        assert_eq!(run.has(&entry("a", 6), silent()).await, Ok(true));
        // Another of the same run: it wrote before the next one began.
        assert_eq!(
            run.has::<&str>(&entry("b", 7), told(Some(8))).await,
            Ok(true)
        );
        // The next one's first words, and what the run still says after them.
        let next = entry("c", 8);
        for _ in 0..2 {
            let ours = run.has::<&str>(&next, told(Some(8))).await;
            assert_eq!(ours, Ok(false));
        }
        assert_eq!(run.has(&entry("a", 9), silent()).await, Ok(true));
    }
}
