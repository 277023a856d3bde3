//! News of a pod that may wait a moment, since more comes right after: each status that the API server is told of is a write
//! for it, and goes to all who watch. Whether a pod runs, or has ended, is told at once.

use super::known::Known;
use super::member::Member;
use crate::model::status::Phase;
use serde_json::Value;
use std::time::{Duration, Instant};

/// On its way to run: most pods do by then.
const BEGINNING: Duration = Duration::from_millis(200);
/// On its way to its end.
const ENDING: Duration = Duration::from_millis(500);

impl Known {
    /// Until when the newest may wait; `None` when it is to be told now. `before` is what the server has.
    pub(super) fn patience(&mut self, before: &Value) -> Option<Instant> {
        let seen = self.latest.as_ref()?;
        let begins = seen.status.phase == Phase::Pending
            && matches!(before["phase"].as_str(), None | Some("Pending"));
        let wait = match (self.ending && seen.up, begins) {
            (true, _) => ENDING,
            (false, true) => BEGINNING,
            (false, false) => {
                self.due = None;
                return None;
            }
        };
        let now = Instant::now();
        let due = *self.due.get_or_insert(now + wait);
        if now < due {
            return Some(due);
        }
        self.due = None;
        None
    }
}

impl Member {
    /// When somebody has waited for long enough.
    pub(super) fn due(&self) -> Option<Instant> {
        self.dues.first().map(|(due, _)| *due)
    }

    /// Tells of those who have.
    pub(super) fn tell_due(&mut self) {
        while self.due().is_some_and(|due| due <= Instant::now()) {
            if let Some((_, key)) = self.dues.pop_first() {
                self.tell(&key);
            }
        }
    }
}
