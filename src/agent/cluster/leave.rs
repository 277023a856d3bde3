//! Pods end because the host is about to shut down: first those that are not critical, then the others.
//!
//! Each gets its own grace period, or what is left for its kind if that is shorter. Their objects stay, as `Failed`.

use super::evict::Evicted;
use super::known::Known;
use super::member::Member;
use super::shutdown::Departure;
use crate::model::name::PodKey;
use crate::model::node::Leave;
use crate::plan::eviction::CRITICAL;
use crate::report::pod::is_terminal;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// In the kubelet's words (nodeShutdownReason, nodeShutdownMessage).
const REASON: &str = "Terminated";
const MESSAGE: &str = "Pod was terminated in response to imminent node shutdown.";

/// The host is about to shut down.
#[derive(Debug)]
pub struct Leaving {
    /// How far it has come.
    stage: Stage,
    /// When the next stage begins at the latest.
    until: Instant,
    /// Told when it is over.
    done: Option<oneshot::Sender<()>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Pods that are not critical end.
    Plain,
    /// The others do.
    Critical,
    /// All have, or had no more time.
    Over,
}

impl Leaving {
    /// When something is due whatever pods do.
    pub fn due(&self) -> Option<Instant> {
        (self.stage != Stage::Over).then_some(self.until)
    }
}

impl Member {
    /// The host is about to shut down, or is not after all.
    pub(super) fn departure(&mut self, departure: Departure) {
        let (Departure::Begins(done), Some(leave)) = (departure, self.leave) else {
            self.leaving = None;
            return;
        };
        let time = leave.grace.saturating_sub(leave.critical);
        self.leaving = Some(Leaving {
            stage: Stage::Plain,
            until: Instant::now() + time,
            done: Some(done),
        });
        self.terminate(false, time);
    }

    /// Goes on when what was waited for has happened.
    pub(super) fn depart(&mut self) {
        let (Some(leaving), Some(Leave { critical, .. })) = (&self.leaving, self.leave) else {
            return;
        };
        let late = Instant::now() >= leaving.until;
        match leaving.stage {
            Stage::Plain if late || !self.runs(false) => {
                self.terminate(true, critical);
                if let Some(leaving) = &mut self.leaving {
                    leaving.stage = Stage::Critical;
                    leaving.until = Instant::now() + critical;
                }
                // There may be none.
                self.depart();
            }
            // Without time for them nothing is waited for but that the API server hears of the others.
            Stage::Critical if (late || !self.runs(true)) && self.all_told() => {
                if let Some(leaving) = &mut self.leaving {
                    leaving.stage = Stage::Over;
                    // Whoever waited may have given up.
                    let _ = leaving.done.take().map(|done| done.send(()));
                }
            }
            _ => {}
        }
    }

    /// Whether something runs of the pods that are critical, or of the others.
    fn runs(&self, critical: bool) -> bool {
        let mut pods = self.pods.values();
        pods.any(|known| is(known, critical) && known.latest.as_ref().is_some_and(|seen| seen.up))
    }

    /// Whether the API server knows how those have ended that had to.
    fn all_told(&self) -> bool {
        let mut ended = self.pods.values().filter(|known| known.evicted.is_some());
        ended.all(|known| !known.telling && is_terminal(&known.status()))
    }

    /// Has all of one kind end that run.
    fn terminate(&mut self, critical: bool, time: Duration) {
        let pods = self.pods.iter();
        let pods = pods.filter(|(_, known)| {
            let over = is_terminal(&known.status());
            is(known, critical) && known.evicted.is_none() && !over
        });
        let keys: Vec<PodKey> = pods.map(|(key, _)| key.clone()).collect();
        for key in keys {
            let held = self.pods.get(&key).and_then(Known::held);
            let Some(grace) = held.map(|held| held.grace.min(time)) else {
                continue;
            };
            let why = Evicted {
                reason: REASON.to_owned(),
                message: MESSAGE.to_owned(),
            };
            self.end(&key, why, grace);
        }
    }
}

fn is(known: &Known, critical: bool) -> bool {
    known
        .held()
        .is_some_and(|held| (held.priority >= CRITICAL) == critical)
}
