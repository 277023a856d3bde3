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
    rests_until: Option<Instant>,
}

impl Pace {
    /// Waits until the next look may begin, and `least` in any case.
    pub async fn wait(&self, least: Duration) {
        let now = Instant::now();
        let next = self.next(now + least);
        if next > now {
            tokio::time::sleep_until(next).await;
        }
    }

    /// When the next look may begin, and not before that.
    fn next(&self, soonest: Instant) -> Instant {
        self.rests_until.map_or(soonest, |end| end.max(soonest))
    }

    /// A look that began then has ended.
    pub fn looked(&mut self, begin: Instant) {
        let end = Instant::now();
        self.rests_until = Some(end + rest(end.duration_since(begin)));
    }
}

/// The rest after a look that took so long.
fn rest(look: Duration) -> Duration {
    (look * REST).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rest_is_as_long_as_the_look_asks_for() {
        let ms = Duration::from_millis;
        assert_eq!(rest(ms(0)), ms(0));
        assert_eq!(rest(ms(10)), ms(20));
        assert_eq!(rest(ms(1000)), LONGEST);
    }

    #[test]
    fn the_next_look_waits_for_the_end_of_the_rest() {
        let begin = Instant::now();
        let mut pace = Pace::default();
        assert_eq!(pace.next(begin), begin);
        pace.looked(begin - Duration::from_millis(10));
        assert!(pace.next(begin) >= begin + Duration::from_millis(20));
        let later = begin + Duration::from_secs(3600);
        assert_eq!(pace.next(later), later);
    }
}
