//! New lines for all who follow: one journalctl for as many followers as there are.
//!
//! What a unit writes is kept for its followers up to 256 KiB or 1000 entries. Who is slower than that is told so, and reads
//! what was missed from the journal: a follower costs the same however much is written, and holds up nobody.

use super::{Entry, JournalError, Query, Reader};
use crate::host::clock;
use crate::model::name::UnitName;
use crate::model::time::Timestamp;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::AbortHandle;
use tokio::time::sleep;

/// Bytes that are kept of a unit.
const KEPT_BYTES: usize = 256 << 10;
/// Entries that are kept of a unit.
const KEPT: usize = 1000;
/// Processes that read what is behind, at the same time.
const READERS: usize = 8;
/// Before journalctl is started again.
const BREATHER: Duration = Duration::from_secs(1);
/// Time that is read twice when reading begins, for clocks that are not exactly the same.
const OVERLAP: Duration = Duration::from_secs(1);

/// All that is followed. Clones are the same hub.
#[derive(Debug, Clone)]
pub struct Hub {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    rings: Mutex<Rings>,
    readers: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct Rings {
    units: BTreeMap<Box<str>, Arc<Ring>>,
    /// Reads as long as anything is followed.
    task: Option<AbortHandle>,
}

/// What was written last by a unit.
#[derive(Debug)]
struct Ring {
    kept: Mutex<Kept>,
    /// How many there have been.
    news: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Kept {
    /// The number of the first one that is kept.
    first: u64,
    bytes: usize,
    entries: VecDeque<Arc<Entry>>,
}

/// More was written than is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Behind;

impl Default for Hub {
    fn default() -> Self {
        let shared = Shared {
            rings: Mutex::default(),
            readers: Arc::new(Semaphore::new(READERS)),
        };
        Self {
            shared: Arc::new(shared),
        }
    }
}

impl Hub {
    /// Follows a unit from now on: what the journal has when this returns, and all after it, is heard of or can be read.
    /// Must be called within a tokio runtime.
    pub fn follow(&self, unit: &UnitName) -> Follower {
        let mut rings = self.shared.rings();
        let ring = rings.units.entry(unit.as_str().into()).or_insert_with(|| {
            let news = watch::channel(0).0;
            let kept = Mutex::default();
            Arc::new(Ring { kept, news })
        });
        let ring = Arc::clone(ring);
        if rings.task.is_none() {
            let since = now();
            // Weak, so that the task does not keep alive what ends it.
            let shared = Arc::downgrade(&self.shared);
            let task = tokio::spawn(async move {
                let (mut since, mut again) = (since, false);
                loop {
                    let read = async {
                        let mut reader = Reader::start(everything(since))?;
                        if again && let Some(shared) = shared.upgrade() {
                            shared.rings().units.values().for_each(|ring| ring.lose());
                        }
                        while let Some(entry) = reader.next().await? {
                            let Some(shared) = shared.upgrade() else {
                                break;
                            };
                            let ring = shared.rings().units.get(&entry.unit).cloned();
                            if let Some(ring) = ring {
                                ring.put(entry);
                            }
                        }
                        Ok::<_, JournalError>(())
                    };
                    if let Err(error) = read.await {
                        log::debug!("{}; it is started again", crate::chain::line(&error));
                    }
                    (since, again) = (now(), true);
                    sleep(BREATHER).await;
                }
            });
            rings.task = Some(task.abort_handle());
        }
        let kept = ring.kept();
        let at = kept.first + kept.entries.len() as u64;
        drop(kept);
        let news = ring.news.subscribe();
        Follower {
            shared: Arc::clone(&self.shared),
            unit: unit.as_str().into(),
            ring,
            news,
            at,
        }
    }

    /// A place among those who read the journal, each by a process.
    pub async fn reader(&self) -> Option<OwnedSemaphorePermit> {
        // Never closed.
        Arc::clone(&self.shared.readers).acquire_owned().await.ok()
    }
}

fn now() -> Option<Timestamp> {
    let overlap = u64::try_from(OVERLAP.as_micros()).unwrap_or_default();
    Timestamp::from_micros(clock::timestamp().micros().saturating_sub(overlap))
}

fn everything(since: Option<Timestamp>) -> Query {
    Query {
        unit: None,
        since,
        until: None,
        tail: None,
        follow: true,
        after: None,
    }
}

impl Shared {
    fn rings(&self) -> MutexGuard<'_, Rings> {
        self.rings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Rings {
    fn drop(&mut self) {
        self.task.iter().for_each(AbortHandle::abort);
    }
}

impl Ring {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, entry: Entry) {
        let mut kept = self.kept();
        kept.bytes += entry.message.len();
        kept.entries.push_back(Arc::new(entry));
        while kept.entries.len() > KEPT || (kept.bytes > KEPT_BYTES && kept.entries.len() > 1) {
            let Some(gone) = kept.entries.pop_front() else {
                break;
            };
            kept.bytes -= gone.message.len();
            kept.first += 1;
        }
        let total = kept.first + kept.entries.len() as u64;
        drop(kept);
        self.news.send_replace(total);
    }

    /// Something may have been missed: all are behind.
    fn lose(&self) {
        let mut kept = self.kept();
        kept.first += kept.entries.len() as u64 + 1;
        kept.entries.clear();
        kept.bytes = 0;
        let total = kept.first;
        drop(kept);
        self.news.send_replace(total);
    }
}

/// Hears what a unit writes.
#[derive(Debug)]
pub struct Follower {
    shared: Arc<Shared>,
    unit: Box<str>,
    ring: Arc<Ring>,
    news: watch::Receiver<u64>,
    /// The number of the next one to hear of.
    at: u64,
}

impl Follower {
    /// The next entries, at least one. Some may be older than the call of [`Hub::follow`]. May be dropped while it waits.
    pub async fn next(&mut self) -> Result<Vec<Arc<Entry>>, Behind> {
        loop {
            self.news.mark_unchanged();
            {
                let kept = self.ring.kept();
                let skip = self.at.checked_sub(kept.first).ok_or(Behind)?;
                let skip = usize::try_from(skip).map_err(|_| Behind)?;
                let entries: Vec<_> = kept.entries.iter().skip(skip).cloned().collect();
                if !entries.is_empty() {
                    self.at += entries.len() as u64;
                    return Ok(entries);
                }
            }
            // The ring is ours too: its sender is there.
            self.news.changed().await.map_err(|_| Behind)?;
        }
    }

    /// Passes over all that is kept: whoever is behind reads it from the journal after this.
    pub fn forget(&mut self) {
        let kept = self.ring.kept();
        self.at = kept.first + kept.entries.len() as u64;
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let mut rings = self.shared.rings();
        // The map's, and this one's.
        if Arc::strong_count(&self.ring) <= 2 {
            rings.units.remove(&self.unit);
        }
        if rings.units.is_empty()
            && let Some(task) = rings.task.take()
        {
            task.abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring() -> (Arc<Ring>, Follower) {
        let hub = Hub::default();
        let (kept, news) = (Mutex::default(), watch::channel(0).0);
        let ring = Arc::new(Ring { kept, news });
        let follower = Follower {
            shared: hub.shared,
            unit: "u".into(),
            ring: Arc::clone(&ring),
            news: ring.news.subscribe(),
            at: 0,
        };
        (ring, follower)
    }

    fn entry(message: &[u8]) -> Entry {
        Entry {
            message: message.to_vec(),
            ..Entry::default()
        }
    }

    #[tokio::test]
    async fn what_is_written_is_heard_once() {
        let (ring, mut follower) = ring();
        ring.put(entry(b"a"));
        ring.put(entry(b"b"));
        assert_eq!(follower.next().await.unwrap().len(), 2);
        let waiting = tokio::spawn(async move { follower.next().await.map(|found| found.len()) });
        tokio::task::yield_now().await;
        ring.put(entry(b"c"));
        assert_eq!(waiting.await.unwrap(), Ok(1));
    }

    #[tokio::test]
    async fn who_is_too_slow_is_told_so() {
        let (ring, mut follower) = ring();
        for _ in 0..20 {
            ring.put(entry(&[0; 20_000]));
        }
        assert!(ring.kept().bytes <= KEPT_BYTES);
        assert_eq!(follower.next().await, Err(Behind));
        follower.forget();
        ring.put(entry(b"a"));
        assert_eq!(follower.next().await.unwrap().len(), 1);
        ring.lose();
        assert_eq!(follower.next().await, Err(Behind));
        follower.forget();
        ring.put(entry(b"b"));
        assert_eq!(follower.next().await.unwrap().len(), 1);
    }
}
