//! How often the host is looked at while much happens.
//!
//! A look at many pods costs the host something, systemd above all. While hundreds start, news of them never end; who
//! looked each time would slow down what it waits for. So after a look comes a rest, the longer the longer the look took.
//! A single change after a quiet time is looked at at once.

use std::time::Duration;
use tokio::time::Instant;

/// A rest is so many times as long as the look before it.
const REST: u32 = 2;
/// And no longer than this.
const LONGEST: Duration = Duration::from_millis(150);

/// When the next look may begin.
#[derive(Debug, Default)]
pub struct Pace {
    next: Option<Instant>,
}

impl Pace {
    /// Waits until the next look may begin, and `least` in any case.
    pub async fn wait(&self, least: Duration) {
        let soonest = Instant::now() + least;
        let next = self.next.map_or(soonest, |next| next.max(soonest));
        if next > Instant::now() {
            tokio::time::sleep_until(next).await;
        }
    }

    /// A look that began then has ended.
    pub fn looked(&mut self, begin: Instant) {
        let end = Instant::now();
        self.next = Some(end + (end.duration_since(begin) * REST).min(LONGEST));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_rest_is_as_long_as_the_look_asks_for() {
        let ms = Duration::from_millis;
        let mut pace = Pace::default();
        let begin = Instant::now();
        pace.wait(ms(0)).await;
        assert_eq!(begin.elapsed(), ms(0));
        for (look, rest) in [(10, 20), (1000, 150)] {
            let begin = Instant::now();
            tokio::time::advance(ms(look)).await;
            pace.looked(begin);
            let end = Instant::now();
            pace.wait(ms(5)).await;
            assert_eq!(end.elapsed(), ms(rest));
        }
        let begin = Instant::now();
        pace.wait(ms(5)).await;
        assert_eq!(begin.elapsed(), ms(5));
    }
}
