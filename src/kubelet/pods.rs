//! What the agent tells the node's API of pods: it is asked for one, for all, or to go on telling of one.

use crate::model::name::PodKey;
use crate::model::view::PodView;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot, watch};

/// Questions that may wait for the agent.
const WAITING: usize = 64;

/// A pod now and as it changes; `None` when it is gone.
pub type Followed = watch::Receiver<Option<Arc<PodView>>>;

/// A question.
#[derive(Debug)]
pub enum Ask {
    /// One pod.
    One(PodKey, oneshot::Sender<Option<Arc<PodView>>>),
    /// All pods.
    All(oneshot::Sender<Vec<Arc<PodView>>>),
    /// One pod from now on.
    Follow(PodKey, oneshot::Sender<Followed>),
}

/// Asks the agent.
#[derive(Debug, Clone)]
pub struct Pods {
    asks: mpsc::Sender<Ask>,
}

/// The agent has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the agent is shutting down")]
pub struct NoAgent;

/// Whoever asks, and what the agent gets to hear.
pub fn channel() -> (Pods, mpsc::Receiver<Ask>) {
    let (asks, questions) = mpsc::channel(WAITING);
    (Pods { asks }, questions)
}

impl Pods {
    async fn ask<T>(&self, ask: impl FnOnce(oneshot::Sender<T>) -> Ask) -> Result<T, NoAgent> {
        let (answer, answered) = oneshot::channel();
        self.asks.send(ask(answer)).await.map_err(|_| NoAgent)?;
        answered.await.map_err(|_| NoAgent)
    }

    /// A pod, if this node has it.
    pub async fn one(&self, key: PodKey) -> Result<Option<Arc<PodView>>, NoAgent> {
        self.ask(|answer| Ask::One(key, answer)).await
    }

    /// All pods of this node.
    pub async fn all(&self) -> Result<Vec<Arc<PodView>>, NoAgent> {
        self.ask(Ask::All).await
    }

    /// A pod and its changes.
    pub async fn follow(&self, key: PodKey) -> Result<Followed, NoAgent> {
        self.ask(|answer| Ask::Follow(key, answer)).await
    }
}
