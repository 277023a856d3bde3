//! When the status line is due. Each one costs systemd, and all who listen to it, more than the agent: while pods
//! come by the hundred it is told once a second, and at rest at once.

use std::time::{Duration, Instant};

/// Between two lines while there is work.
const PERIOD: Duration = Duration::from_secs(1);

/// What was told last, and when.
#[derive(Debug, Default)]
pub struct Told {
    line: String,
    at: Option<Instant>,
    /// When a line that was held back is to be told.
    pub due: Option<Instant>,
}

impl Told {
    /// Whether this line is to be told now. If it is new but not yet due, `due` says when to ask again.
    pub fn is_due(&mut self, line: &str, rests: bool, now: Instant) -> bool {
        self.due = None;
        if line == self.line {
            return false;
        }
        let earliest = self.at.map(|at| at + PERIOD);
        match earliest.filter(|&earliest| !rests && now < earliest) {
            Some(earliest) => self.due = Some(earliest),
            None => {
                line.clone_into(&mut self.line);
                self.at = Some(now);
            }
        }
        self.due.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_told_once_a_second_and_at_rest() {
        let (mut told, begin) = (Told::default(), Instant::now());
        let after = |millis| begin + Duration::from_millis(millis);
        assert!(told.is_due("1 up", false, begin));
        assert!(!told.is_due("1 up", true, after(5)));
        assert!(!told.is_due("2 up", false, after(10)));
        assert_eq!(told.due, Some(begin + PERIOD));
        assert!(told.is_due("3 up", true, after(20)));
        assert_eq!(told.due, None);
        assert!(!told.is_due("4 up", false, after(30)));
        assert!(told.is_due("4 up", false, after(1020)));
    }
}
