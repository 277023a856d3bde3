//! When the agent publishes: after each change, one at a time, and when somebody has taken the table away.

use super::backends::{Marks, follow};
use super::pass::Parts;
use super::publish::{Job, PublishError, Shown, bring};
use crate::model::name::PodKey;
use crate::plan::network::publish::{Changes, Publication};
use crate::worker::wire;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::{JoinError, JoinSet};

/// After a failure.
const RETRY: Duration = Duration::from_secs(5);

/// Keeps what is published up to date.
#[derive(Debug, Default)]
pub struct Publisher {
    publication: Publication,
    marks: Marks,
    shown: Shown,
    /// What the one that is under way is to change.
    under_way: Changes,
    /// What failed to be changed.
    failed: Changes,
    /// The table was brought up to date at least once, or there is none.
    known: bool,
    /// Something has changed.
    dirty: bool,
    /// The table may have gone.
    doubtful: bool,
    /// What failed last, to be told once.
    told: Option<String>,
    /// The one that is under way.
    pub tasks: JoinSet<Result<Shown, PublishError>>,
    /// When to try again.
    pub due: Option<Instant>,
}

impl Publisher {
    /// Begins with what was published last.
    pub fn new(parts: &Parts) -> Self {
        let before = wire::published(&parts.state.settings);
        let (before, shown) = match before {
            Ok(before) => (before, Shown::default()),
            Err(error) => {
                log::warn!("{}; all is published anew", crate::chain::line(&error));
                (Default::default(), Shown::unknown())
            }
        };
        let mut made = Self {
            publication: Publication::new(before),
            shown,
            ..Self::default()
        };
        made.mark_all();
        made
    }

    /// These pods may have changed, and services.
    pub fn mark<'a>(&mut self, pods: impl IntoIterator<Item = &'a PodKey>) {
        self.marks.pods.extend(pods.into_iter().cloned());
        self.dirty = true;
    }

    /// All may have changed.
    pub fn mark_all(&mut self) {
        self.marks.all = true;
        self.dirty = true;
    }

    /// The table may have gone.
    pub fn doubt(&mut self) {
        self.doubtful = true;
        self.dirty = true;
    }

    /// Settings have changed: all is made anew.
    pub fn forget(&mut self) {
        self.publication.again();
        self.known = false;
        self.shown = Shown::default();
        self.mark_all();
    }

    /// Publishes what differs, unless that is being done.
    pub fn start(&mut self, parts: &Parts) {
        let waits = self.due.is_some_and(|due| Instant::now() < due);
        if !self.dirty || waits || !self.tasks.is_empty() {
            return;
        }
        (self.dirty, self.due) = (false, None);
        let state = &parts.state;
        let (desired, publication) = (parts.sources.desired(), &mut self.publication);
        let mut changes = std::mem::take(&mut self.failed);
        changes.add(follow(
            publication,
            &mut self.marks,
            desired,
            &state.observed,
            &state.settings,
        ));
        let nothing = publication.is_empty();
        if changes.is_empty() && !self.doubtful && (self.known || nothing) {
            return;
        }
        self.under_way = changes.clone();
        let doubtful = std::mem::take(&mut self.doubtful);
        let settings = Arc::new(state.settings.clone());
        let shown = std::mem::take(&mut self.shown);
        let job = Job::new(settings, publication, changes, shown, doubtful);
        self.tasks.spawn(bring(parts.systemd.clone(), job));
    }

    /// What has become of it.
    pub fn done(&mut self, result: Result<Result<Shown, PublishError>, JoinError>) {
        let changes = std::mem::take(&mut self.under_way);
        match result.unwrap_or(Err(PublishError::Interrupted)) {
            Ok(shown) => {
                self.shown = shown;
                self.known = true;
                if self.told.take().is_some() {
                    log::info!("services and ports are published again");
                }
            }
            Err(error) => {
                let text = crate::chain::line(&error);
                if self.told.as_ref() != Some(&text) {
                    log::error!("{text}, will retry");
                    self.told = Some(text);
                }
                // Whatever the kernel has now: it is brought up to date as a whole.
                self.shown = Shown::unknown();
                self.failed = changes;
                self.known = false;
                self.dirty = true;
                self.due = Some(Instant::now() + RETRY);
            }
        }
    }
}
