//! How long to wait after a failure.

use std::time::Duration;

/// The longest wait.
const LONGEST: Duration = Duration::from_secs(30);
const FIRST: Duration = Duration::from_millis(250);

/// Waits that double from a quarter of a second to half a minute, each a bit different on each host.
#[derive(Debug, Default)]
pub struct Retry {
    failures: u32,
}

impl Retry {
    /// After so many failures.
    pub fn after(failures: u32) -> Self {
        Self { failures }
    }

    /// It went well.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// How many failures there were in a row.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Waits as long as is due after one more failure.
    pub async fn wait(&mut self) {
        tokio::time::sleep(self.next()).await;
    }

    fn next(&mut self) -> Duration {
        let wait = (FIRST * 2u32.pow(self.failures.min(12))).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        // Nodes that have lost the same server come back one after the other.
        let part = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), self.failures);
        wait + wait.mul_f64((part % 256) as f64 / 1024.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_half_a_minute() {
        let mut retry = Retry::default();
        let waits: Vec<Duration> = (0..12).map(|_| retry.next()).collect();
        assert!(waits[0] >= FIRST && waits[0] <= FIRST * 2);
        assert!(waits[11] >= LONGEST && waits[11] <= LONGEST.mul_f64(1.25));
        retry.reset();
        assert!(retry.next() <= FIRST * 2);
    }
}
