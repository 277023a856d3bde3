//! What all requests have in common.

use super::access::Access;
use super::pods::Pods;
use crate::host::log::hub::Hub;
use crate::host::systemd::Systemd;
use crate::host::usher::Usher;
use crate::model::layout::Layout;
use serde_json::Value;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

/// Sessions at the same time: exec, attach and port-forward.
pub const MOST_SESSIONS: usize = 1024;

/// What requests need.
pub struct State {
    /// Who may do what.
    pub access: Access,
    /// The pods.
    pub pods: Pods,
    /// Asked where the agent may be behind.
    pub systemd: Systemd,
    /// What units write.
    pub hub: Hub,
    /// Goes into pods for us.
    pub usher: Usher,
    /// Where things lie.
    pub layout: Layout,
    /// The node's name.
    pub node: String,
    /// What `/configz` tells.
    pub config: Value,
    /// Since when it listens.
    pub begun: super::about::Begun,
    /// Sessions that go on after their request.
    pub sessions: Sessions,
}

/// Tasks that go on after the request that began them. They end with this.
#[derive(Debug)]
pub struct Sessions {
    tasks: Mutex<JoinSet<()>>,
    places: Arc<Semaphore>,
}

impl Default for Sessions {
    fn default() -> Self {
        Self {
            tasks: Mutex::default(),
            places: Arc::new(Semaphore::new(MOST_SESSIONS)),
        }
    }
}

impl Sessions {
    /// A place for one more session, if there is one.
    pub fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }

    /// Begins a session in its place.
    pub fn begin(
        &self,
        place: OwnedSemaphorePermit,
        session: impl Future<Output = ()> + Send + 'static,
    ) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(async move {
            session.await;
            drop(place);
        });
    }
}
