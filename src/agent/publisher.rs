//! When the agent publishes: after each change, one at a time, and when somebody has taken the table away.

use super::pass::Parts;
use super::publish::{PublishError, Shown, bring, wanted};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::{JoinError, JoinSet};

/// After a failure.
const RETRY: Duration = Duration::from_secs(5);

/// Keeps what is published up to date.
#[derive(Debug, Default)]
pub struct Publisher {
    shown: Shown,
    /// The table was brought up to date at least once, or there is none.
    known: bool,
    /// Something has changed.
    dirty: bool,
    /// The table may have gone.
    doubtful: bool,
    /// The one that is under way.
    pub tasks: JoinSet<Result<Shown, PublishError>>,
    /// When to try again.
    pub due: Option<Instant>,
}

impl Publisher {
    /// Begins with what was published last.
    pub fn new(parts: &Parts) -> Self {
        let shown = Shown::read(&parts.state.settings).unwrap_or_else(|error| {
            log::warn!("{}; all is published anew", crate::chain::line(&error));
            Shown::default()
        });
        Self {
            shown,
            dirty: true,
            ..Self::default()
        }
    }

    /// Pods, services or settings have changed.
    pub fn mark(&mut self) {
        self.dirty = true;
    }

    /// The table may have gone.
    pub fn doubt(&mut self) {
        self.doubtful = true;
        self.dirty = true;
    }

    /// Settings have changed: the table is made anew.
    pub fn forget(&mut self) {
        self.known = false;
        self.dirty = true;
    }

    /// Publishes what differs, unless that is being done.
    pub fn start(&mut self, parts: &Parts) {
        let waits = self.due.is_some_and(|due| Instant::now() < due);
        if !self.dirty || waits || !self.tasks.is_empty() {
            return;
        }
        (self.dirty, self.due) = (false, None);
        let state = &parts.state;
        let before = &self.shown.published;
        let wanted = wanted(
            parts.sources.desired(),
            &state.observed,
            &state.settings,
            before,
        );
        let nothing = wanted == Default::default();
        if wanted == *before && !self.doubtful && (self.known || nothing) {
            return;
        }
        let doubtful = std::mem::take(&mut self.doubtful);
        self.tasks.spawn(bring(
            parts.systemd.clone(),
            Arc::new(state.settings.clone()),
            wanted,
            self.shown.clone(),
            doubtful,
        ));
    }

    /// What has become of it.
    pub fn done(&mut self, result: Result<Result<Shown, PublishError>, JoinError>) {
        match result.unwrap_or(Err(PublishError::Interrupted)) {
            Ok(shown) => {
                self.shown = shown;
                self.known = true;
            }
            Err(error) => {
                log::error!("{}, will retry", crate::chain::line(&error));
                // Whatever the kernel has now: it is brought up to date as a whole.
                self.shown.table = None;
                self.known = false;
                self.dirty = true;
                self.due = Some(Instant::now() + RETRY);
            }
        }
    }
}
