//! What is being fetched, for whom, and when it is tried again.
//!
//! One attempt for all pods that want the same with the same rights. After a failure the pods are told the reason for a
//! moment (`ErrImagePull`), then that it is tried later (`ImagePullBackOff`), at waits that double. A registry that says how
//! long it is not to be asked (`Retry-After`) is not asked for that long.

use super::tell::{self, For};
use crate::model::image::fetch::Request;
use crate::model::image::record::RefRecord;
use crate::model::image::resolved::{Reason, State};
use crate::model::name::PodKey;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// The first wait (kubelet: imageBackOffPeriod).
const FIRST: Duration = Duration::from_secs(10);
/// The longest (kubelet: MaxImageBackOff).
const LONGEST: Duration = Duration::from_secs(300);
/// No registry keeps us waiting longer than this: a number without bounds would be as good as never.
const LONGEST_ASKED: Duration = Duration::from_secs(3600);
/// How long the reason is shown before the back-off: about as long as a kubelet takes to its next look.
const SHOWN: Duration = Duration::from_secs(2);

/// Attempts, by the id of their requests. An attempt stays as long as a pod waits for it.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    all: BTreeMap<String, Attempt>,
    /// Requests that are to be made.
    begun: Vec<Request>,
    /// Pods whose images may not be fetched and are not there.
    refused: BTreeSet<PodKey>,
}

#[derive(Debug)]
struct Attempt {
    request: Request,
    /// Who waits, and whether they may have gone: they have not said again that they wait.
    waiting: BTreeMap<For, bool>,
    failures: u32,
    phase: Phase,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Phase {
    /// Since when.
    Running(Instant),
    Failed {
        message: String,
        at: Instant,
        /// How long it must not be tried again, if who was asked has said so.
        asked: Option<Duration>,
        /// The back-off is shown.
        backs_off: bool,
    },
}

impl Attempts {
    /// Nobody waits for anything.
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty() && self.refused.is_empty()
    }

    /// Whether a request is under way.
    pub(super) fn is_running(&self, id: &str) -> bool {
        let attempt = self.all.get(id);
        attempt.is_some_and(|attempt| matches!(attempt.phase, Phase::Running(_)))
    }

    /// A pod wants an image fetched: what is to be said of it now. Begins an attempt unless one is under way, or has
    /// failed so that the next one has to wait.
    pub(super) fn want(&mut self, who: For, request: Request, now: Instant) -> State {
        let begun = &mut self.begun;
        let attempt = self.all.entry(request.id()).or_insert_with(|| {
            begun.push(request.clone());
            Attempt {
                request,
                waiting: BTreeMap::new(),
                failures: 0,
                phase: Phase::Running(now),
            }
        });
        if attempt.is_due(now) {
            attempt.phase = Phase::Running(now);
            begun.push(attempt.request.clone());
            attempt.waiting.insert(who.clone(), false);
            attempt.waiting.keys().for_each(tell::pulling);
        } else {
            let new = attempt.waiting.insert(who.clone(), false).is_none();
            if new && matches!(attempt.phase, Phase::Running(_)) {
                tell::pulling(&who);
            }
        }
        attempt.state(&who)
    }

    /// A pod has an image that is not there and must not be fetched.
    pub(super) fn refuse(&mut self, pod: &PodKey) {
        self.refused.insert(pod.clone());
    }

    /// A pod may wait for nothing any more: if it does, it says so again.
    pub(super) fn leave(&mut self, pod: &PodKey) {
        self.refused.remove(pod);
        for attempt in self.all.values_mut() {
            let own = attempt
                .waiting
                .iter_mut()
                .filter(|(who, _)| who.pod == *pod);
            own.for_each(|(_, gone)| *gone = true);
        }
    }

    /// Forgets those who wait no more, and attempts that failed and that nobody waits for. Gives what is to be begun.
    pub(super) fn take_begun(&mut self) -> Vec<Request> {
        self.all.retain(|_, attempt| {
            attempt.waiting.retain(|_, gone| !*gone);
            matches!(attempt.phase, Phase::Running(_)) || !attempt.waiting.is_empty()
        });
        std::mem::take(&mut self.begun)
    }

    /// The image has come: who waited for it.
    pub(super) fn succeeded(
        &mut self,
        id: &str,
        record: &RefRecord,
        now: Instant,
    ) -> BTreeSet<PodKey> {
        let Some(attempt) = self.all.remove(id) else {
            return BTreeSet::new();
        };
        if let Phase::Running(since) = attempt.phase {
            for who in attempt.waiting.keys() {
                tell::pulled(who, now.saturating_duration_since(since), record.size);
            }
        }
        attempt.waiting.into_keys().map(|who| who.pod).collect()
    }

    /// It has not, and is not to be tried again for as long as was `asked`: who waits for it.
    pub(super) fn failed(
        &mut self,
        id: &str,
        message: &str,
        asked: Option<Duration>,
        now: Instant,
    ) -> BTreeSet<PodKey> {
        let Some(attempt) = self.all.get_mut(id) else {
            return BTreeSet::new();
        };
        attempt.failures += 1;
        attempt.phase = Phase::Failed {
            message: message.to_owned(),
            at: now,
            asked,
            backs_off: false,
        };
        attempt
            .waiting
            .keys()
            .for_each(|who| tell::failed(who, message));
        attempt.waiting.keys().map(|who| who.pod.clone()).collect()
    }

    /// Who waits for something whose time has come. From now on their back-off is shown, until it is over.
    pub(super) fn take_due(&mut self, now: Instant) -> BTreeSet<PodKey> {
        let mut pods = BTreeSet::new();
        for attempt in self.all.values_mut() {
            if attempt.next().is_none_or(|next| next > now) {
                continue;
            }
            if let Phase::Failed { backs_off, .. } = &mut attempt.phase
                && !*backs_off
            {
                *backs_off = true;
                attempt.waiting.keys().for_each(tell::backs_off);
            }
            pods.extend(attempt.waiting.keys().map(|who| who.pod.clone()));
        }
        pods
    }

    /// When the next such time comes.
    pub(super) fn next(&self) -> Option<Instant> {
        self.all.values().filter_map(Attempt::next).min()
    }

    /// All who wait.
    pub(super) fn waiting(&self) -> BTreeSet<PodKey> {
        let attempts = self.all.values().flat_map(|attempt| attempt.waiting.keys());
        let pods = attempts.map(|who| who.pod.clone());
        pods.chain(self.refused.iter().cloned()).collect()
    }
}

impl Attempt {
    fn delay(&self) -> Duration {
        let doublings = self.failures.saturating_sub(1).min(16);
        let own = (FIRST * 2u32.pow(doublings)).min(LONGEST);
        match self.phase {
            Phase::Failed {
                asked: Some(asked), ..
            } => own.max(asked.min(LONGEST_ASKED)),
            _ => own,
        }
    }

    fn next(&self) -> Option<Instant> {
        match self.phase {
            Phase::Running(_) => None,
            Phase::Failed { at, backs_off, .. } => {
                Some(at + if backs_off { self.delay() } else { SHOWN })
            }
        }
    }

    /// Whether it has failed and is to be tried again.
    fn is_due(&self, now: Instant) -> bool {
        match self.phase {
            Phase::Running(_) => false,
            Phase::Failed { at, .. } => at + self.delay() <= now,
        }
    }

    fn state(&self, who: &For) -> State {
        let image = &who.image;
        let (reason, message) = match &self.phase {
            Phase::Running(_) => (
                Reason::ContainerCreating,
                format!("Pulling image \"{image}\""),
            ),
            Phase::Failed {
                message,
                backs_off: false,
                ..
            } => (Reason::ErrImagePull, message.clone()),
            Phase::Failed { message, .. } => (
                Reason::ImagePullBackOff,
                format!("Back-off pulling image \"{image}\": ErrImagePull: {message}"),
            ),
        };
        State::Waiting { reason, message }
    }
}

#[cfg(test)]
mod tests;
