//! The part of the loop that is for a cluster, and for those who ask of this node.

use super::Agent;
use crate::agent::AgentError;
use crate::agent::cluster::{Cluster, Hurry};
use crate::agent::pass::Parts;
use crate::kubelet::pods::Ask;

/// Begins to be a node, where the settings say so.
pub(super) fn join(parts: &Parts) -> Result<Option<Cluster>, AgentError> {
    let state = &parts.state;
    let Some(settings) = &state.settings.cluster else {
        return Ok(None);
    };
    let cluster = Cluster::start(settings, state, &parts.systemd);
    cluster.map(Some).map_err(AgentError::Cluster)
}

/// The next pod that is to end sooner; never, without a cluster.
pub(super) async fn hurried(cluster: &mut Option<Cluster>) -> Hurry {
    match cluster {
        Some(cluster) => cluster.hurry().await,
        None => std::future::pending().await,
    }
}

impl Agent {
    /// Says what the host has of the cluster's pods, and of those that somebody follows.
    pub(super) fn report(&mut self) {
        if let Some(cluster) = &self.cluster {
            cluster.tell(&mut self.parts.state, self.parts.sources.desired());
        }
        self.api
            .tell(&self.parts.state, self.parts.sources.desired());
    }

    /// Answers what the node's API asks.
    pub(super) fn answer(&mut self, ask: Ask) {
        self.api
            .answer(ask, &self.parts.state, self.parts.sources.desired());
    }

    /// Gives a pod that is being stopped another time to end.
    pub(super) fn shorten(&mut self, hurry: Hurry) {
        if let Some(cluster) = &mut self.cluster {
            let observed = self.parts.state.observed.pods.get(&hurry.pod);
            cluster.shorten(hurry, observed);
        }
    }
}
