//! Directories of claims that are gone: looked at after changes, on a task of their own, since there may be much to remove.

use super::AgentError;
use super::pass::Parts;
use crate::plan::reclaim::{Reclaiming, concerns, plan};
use tokio::task::{JoinError, JoinSet};

/// The work that may be under way.
#[derive(Debug)]
pub struct Reclaim {
    tasks: JoinSet<()>,
    due: bool,
    /// There is something to look at. Most hosts have no claims that go.
    concerned: bool,
}

impl Default for Reclaim {
    /// The first look is due.
    fn default() -> Self {
        Self {
            tasks: JoinSet::new(),
            due: true,
            concerned: true,
        }
    }
}

impl Reclaim {
    /// Manifests have changed, or a pod is done.
    pub fn mark(&mut self) {
        self.due = true;
    }

    /// Starts what is due, unless some of it is under way.
    pub async fn start(&mut self, parts: &Parts) -> Result<(), AgentError> {
        let claims = !parts.sources.desired().volume_claims.is_empty();
        if !self.due || !self.tasks.is_empty() || !(claims || self.concerned) {
            return Ok(());
        }
        self.due = false;
        let todo = look(parts).await?;
        self.concerned = todo.1;
        if !todo.0.is_empty() {
            let applier = parts.applier.clone();
            self.tasks.spawn(async move {
                for failed in applier.reclaim(todo.0).await {
                    log::error!("{}; what is left of it stays", crate::chain::line(&failed));
                }
            });
        }
        Ok(())
    }

    /// Waits for the end of what is under way; pending without any.
    pub async fn ended(&mut self) -> Option<Result<(), JoinError>> {
        self.tasks.join_next().await
    }
}

async fn look(parts: &Parts) -> Result<(Vec<Reclaiming>, bool), AgentError> {
    let kept = parts.observer.kept_claims().await;
    let kept = kept.map_err(AgentError::Observe)?;
    let desired = parts.sources.desired();
    let todo = plan(desired, &parts.state.observed, &kept);
    for act in &todo {
        if let Reclaiming::Remove(claim) = act {
            log::info!("claim {claim} is gone and said Delete: its data is removed");
        }
    }
    Ok((todo, concerns(desired, &kept)))
}

/// The same for a command: until nothing is to be done. Gives what failed, in sentences.
pub async fn once(parts: &Parts) -> Result<Vec<String>, AgentError> {
    let (todo, _) = look(parts).await?;
    let failed = parts.applier.reclaim(todo).await;
    Ok(failed
        .iter()
        .map(|error| crate::chain::line(error))
        .collect())
}
