//! News of a pod that may wait a moment, since more comes right after: each status that the API server is told of is a write
//! for it, and goes to all who watch. Whether a pod runs, or has ended, is told at once.

use super::Seen;
use super::known::Known;
use super::member::Member;
use crate::model::status::{ContainerState, Phase};
use serde_json::Value;
use std::time::{Duration, Instant};

/// On its way to run: most pods do by then.
const BEGINNING: Duration = Duration::from_millis(200);
/// The same, of a pod that the server has heard of already.
const GOING_ON: Duration = Duration::from_secs(1);
/// On its way to its end.
const ENDING: Duration = Duration::from_millis(500);
/// Nothing of it runs any more, and what it leaves is being put away: its end follows. No longer than this, should that hang.
const ENDED: Duration = Duration::from_secs(10);

/// How long the newest of a pod may wait; `None` when it is to be told now. `before` is what the server has.
fn patience(seen: &Seen, ending: bool, before: &Value) -> Option<Duration> {
    let over = |state: &ContainerState| matches!(state, ContainerState::Terminated(_));
    if ending && seen.up {
        let all = &seen.status.container_statuses;
        return Some(match all.iter().all(|one| over(&one.state)) {
            true => ENDED,
            false => ENDING,
        });
    }
    let known = before["phase"].as_str();
    if seen.status.phase != Phase::Pending || !matches!(known, None | Some("Pending")) {
        return None;
    }
    // A server says Pending of a pod that no node has told of.
    Some(match before["startTime"].is_string() {
        true => GOING_ON,
        false => BEGINNING,
    })
}

impl Known {
    /// Until when the newest may wait; `None` when it is to be told now. `before` is what the server has.
    pub(super) fn patience(&mut self, before: &Value) -> Option<Instant> {
        let wait = patience(self.latest.as_ref()?, self.ending, before);
        let now = Instant::now();
        let due = wait.map(|wait| *self.held.get_or_insert(now) + wait);
        if due.is_none_or(|due| due <= now) {
            self.held = None;
            return None;
        }
        due
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
