//! What controllers need to know of their pods.

use crate::model::name::{ContainerName, PodKey, PodUid};
use crate::model::status::Phase;
use crate::model::time::Timestamp;
use std::time::Duration;

/// A pod that some controller has made.
#[derive(Debug, Clone, PartialEq)]
pub struct PodFact {
    /// Namespace and name.
    pub key: PodKey,
    /// This life of it.
    pub uid: PodUid,
    /// The life of the controller that made it.
    pub owner_uid: Box<str>,
    /// The hash of its template.
    pub revision: Box<str>,
    /// The number in its name.
    pub instance: u32,
    /// The index of an indexed Job's pod.
    pub index: Option<u32>,
    /// Where it is in its life.
    pub phase: Phase,
    /// Ready, and for how long as far as can be told.
    pub ready_for: Option<Duration>,
    /// It was decided to remove it, or somebody deleted it.
    pub leaving: bool,
    /// Somebody deleted it: not the controller's doing.
    pub deleted: bool,
    /// Times its containers were started again.
    pub restarts: u32,
    /// Exit codes of its containers that have ended.
    pub exits: Vec<(ContainerName, i32)>,
    /// The host ended it, by a shutdown or a power loss.
    pub disrupted: bool,
    /// When it ended.
    pub finished: Option<Timestamp>,
}

impl PodFact {
    /// Ended for good.
    pub fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Succeeded | Phase::Failed)
    }

    /// Ready for at least so long.
    pub fn is_available(&self, min_ready: Duration) -> bool {
        self.ready_for.is_some_and(|time| time >= min_ready)
    }

    /// Ready.
    pub fn is_ready(&self) -> bool {
        self.ready_for.is_some()
    }
}
