//! One daemon-reload for all who ask: it blocks systemd for as long as it takes, so no two run for the same reason.

use super::SystemdError;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Mutex;

/// Reloads that were shared out.
#[derive(Debug)]
pub(super) struct Reloads {
    begun: AtomicU64,
    /// The last one that ended: its number and its result. Held while one runs.
    last: Mutex<(u64, Result<(), SystemdError>)>,
}

impl Default for Reloads {
    fn default() -> Self {
        Self {
            begun: AtomicU64::new(0),
            last: Mutex::new((0, Ok(()))),
        }
    }
}

impl Reloads {
    /// Returns when a reload has ended that began after this call. Whoever calls while one runs waits for
    /// the next; all who wait share it, and its error.
    pub(super) async fn share(
        &self,
        reload: impl AsyncFnOnce() -> Result<(), SystemdError>,
    ) -> Result<(), SystemdError> {
        let seen = self.begun.load(Ordering::SeqCst);
        let mut last = self.last.lock().await;
        if last.0 > seen {
            return last.1.clone();
        }
        let number = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
        let result = reload().await;
        *last = (number, result.clone());
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::Notify;

    #[tokio::test]
    async fn those_who_wait_share_the_next_reload() {
        let (reloads, ran, gate) = (Reloads::default(), AtomicU64::new(0), Notify::new());
        let ask = async |wait: bool| {
            let run = async || {
                ran.fetch_add(1, Ordering::SeqCst);
                if wait {
                    gate.notified().await;
                }
                Ok(())
            };
            reloads.share(run).await
        };
        let open = async { gate.notify_one() };
        let all = tokio::join!(ask(true), ask(false), ask(false), ask(false), open);
        assert!(all.0.is_ok() && all.3.is_ok());
        // The first ran alone; the three that came while it ran shared one.
        assert_eq!(ran.load(Ordering::SeqCst), 2);
        ask(false).await.unwrap();
        assert_eq!(ran.load(Ordering::SeqCst), 3);
    }
}
