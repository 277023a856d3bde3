//! What is known of one pod of the API server.

use super::Seen;
use super::answer::{Answer, Says};
use super::evict::Evicted;
use super::room::Wish;
use crate::model::name::{ObjectKey, PodUid};
use crate::plan::admission::Amounts;
use crate::plan::resources::of_pod;
use crate::source::cluster::{Given, Needs, TokenWish, needs};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// One life of a pod, as the API server has it.
#[derive(Debug)]
pub struct Known {
    /// Its uid.
    pub uid: PodUid,
    /// `metadata.generation`; `None` from servers that do not count it.
    pub generation: Option<i64>,
    /// The status that the server has, as JSON.
    pub status: Box<str>,
    /// What the server answered when it was told last.
    pub answer: Answer,
    /// The server has let go of it: there is nothing to tell any more.
    pub gone: bool,
    /// Its deletion has begun.
    pub ending: bool,
    /// How far it has come.
    pub stage: Stage,
    /// This node has ended it: why.
    pub evicted: Option<Evicted>,
    /// It is to have more than there is room for.
    pub wish: Option<Box<Wish>>,
    /// What it wrote to volumes of its own has been removed, or is being.
    pub emptied: bool,
    /// What is to be told of it next.
    pub latest: Option<Box<Seen>>,
    /// Since when what is to be told waits.
    pub held: Option<Instant>,
    /// It is being told.
    pub telling: bool,
    /// Failures in a row to tell it.
    pub failures: u32,
}

/// How far a pod has come on this node.
#[derive(Debug)]
pub enum Stage {
    /// Waits for what it uses to be known.
    Waiting(Box<Given>),
    /// Its manifest is written.
    Given(Held),
    /// This node does not take it.
    Refused,
    /// It was over before this node knew it.
    Over,
    /// It mirrors a pod of this host's own disk, with what stands for its manifest.
    Mirror(String),
}

/// What is kept of a pod whose manifest is written.
#[derive(Debug)]
pub struct Held {
    /// The manifest.
    pub manifest: Box<str>,
    /// What it uses.
    pub needs: Needs,
    /// Its tokens.
    pub tokens: Vec<TokenWish>,
    /// What it asks for.
    pub amounts: Amounts,
    /// Its priority, and the memory it asks for.
    pub priority: i32,
    /// See `priority`.
    pub request: u64,
    /// How long it gets to end by its own will.
    pub grace: Duration,
    /// How long it gets to end, since its deletion has begun.
    pub ending: Option<Duration>,
}

impl Held {
    /// What is kept of a pod.
    pub fn new(given: &Given) -> Self {
        Self {
            manifest: given.manifest.as_str().into(),
            needs: needs(&given.pod),
            tokens: given.tokens.clone(),
            amounts: Amounts::of(&given.pod.spec),
            priority: given.pod.spec.priority.value.unwrap_or(0),
            request: of_pod(&given.pod.spec)
                .memory_request
                .map_or(0, |bytes| bytes.0),
            grace: given.pod.spec.termination_grace,
            ending: given.pod.ending,
        }
    }
}

impl Known {
    /// A pod that the server has told of for the first time.
    pub fn new(uid: PodUid, stage: Stage) -> Self {
        Self {
            uid,
            generation: None,
            status: "null".into(),
            answer: Answer::default(),
            gone: false,
            ending: false,
            stage,
            evicted: None,
            wish: None,
            emptied: false,
            latest: None,
            held: None,
            telling: false,
            failures: 0,
        }
    }

    /// What the object says beside its spec.
    pub fn learn(&mut self, object: &Value) {
        self.generation = object["metadata"]["generation"].as_i64().filter(|n| *n > 0);
        self.ending = object["metadata"]["deletionTimestamp"].is_string();
        if self.answer.against(object) == Says::News {
            self.status = object["status"].to_string().into();
        }
    }

    /// It can be told: nothing is being told, and the server still has it.
    pub fn is_free(&self) -> bool {
        !self.telling && !self.gone
    }

    /// The status that the server has.
    pub fn status(&self) -> Value {
        serde_json::from_str(&self.status).unwrap_or_default()
    }

    /// What is kept of it, when its manifest is written.
    pub fn held(&self) -> Option<&Held> {
        match &self.stage {
            Stage::Given(held) => Some(held),
            _ => None,
        }
    }

    /// Secrets that vks itself makes for it.
    pub fn own_secrets(&self) -> BTreeSet<ObjectKey> {
        let tokens = match &self.stage {
            Stage::Waiting(given) => given.tokens.as_slice(),
            Stage::Given(held) => &held.tokens,
            Stage::Refused | Stage::Over | Stage::Mirror(_) => &[],
        };
        tokens.iter().map(|wish| wish.secret.clone()).collect()
    }
}
