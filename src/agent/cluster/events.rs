//! Sends events. Nobody waits for it: what cannot be sent is lost, as it is with the kubelet.

use super::api::{Patch, Server};
use super::node::now;
use crate::report::event::{Happened, Object, Said, Send};
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Events that may wait to be sent; more than these are dropped.
const WAITING: usize = 256;

/// Where events are said.
#[derive(Debug, Clone)]
pub struct Events {
    queue: Sender<(Object, Happened)>,
}

/// The other end, to be run by a task.
pub struct Speaker {
    queue: Receiver<(Object, Happened)>,
    server: Server,
    node: String,
}

/// Events that the kubelet of this node says.
pub fn events(server: Server, node: &str) -> (Events, Speaker) {
    let (sender, queue) = channel(WAITING);
    let speaker = Speaker {
        queue,
        server,
        node: node.to_owned(),
    };
    (Events { queue: sender }, speaker)
}

impl Events {
    /// Says what happened.
    pub fn say(&self, object: Object, what: Happened) {
        if self.queue.try_send((object, what)).is_err() {
            log::debug!("an event is dropped: too many wait to be sent");
        }
    }
}

impl Speaker {
    /// Sends until nobody says anything any more.
    pub async fn run(mut self) {
        let mut said = Said::default();
        while let Some((object, what)) = self.queue.recv().await {
            let Some(send) = said.say(&object, &what, &self.node, now()) else {
                continue;
            };
            let path = format!("/api/v1/namespaces/{}/events", object.namespace);
            let done = match send {
                Send::Create(event) => self.server.create(&path, &event).await,
                Send::Count(name, patch) => {
                    let path = format!("{path}/{name}");
                    self.server.patch(&path, Patch::Strategic, &patch).await
                }
            };
            if let Err(error) = done {
                said.forget(&object, &what);
                log::debug!("an event is lost: {}", crate::chain::line(&error));
            }
        }
    }
}
