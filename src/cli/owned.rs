//! Pods that no manifest names: those that controllers have made, and those that are being stopped.
//!
//! To delete a controller's pod is to have another made in its place, as with kubectl: the pod is marked on disk, so that the
//! wish outlives whoever carries it out, and its controller then counts it as on its way out.

use super::condition::leave_word;
use super::context::Context;
use super::error::CliError;
use super::view::{Filter, Host, PodView};
use crate::host::files::Dir;
use crate::model::controller::{ControllerKey, OWNER};
use crate::model::name::{PodKey, PodUid};
use crate::source::{Directories, What};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What there is of a pod that no manifest names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Nothing.
    Nothing,
    /// It is being stopped already.
    Leaving,
    /// A controller has made it. Which life of it there is.
    Owned(PodUid),
    /// What runs from this file is kept, since it cannot be understood.
    Held(PathBuf),
}

/// Looks for a pod.
///
/// # Errors
/// When the host cannot be looked at.
pub async fn find(host: &Host, sources: &Directories, what: &What) -> Result<Found, CliError> {
    let What::Pod(key) = what else {
        return Ok(Found::Nothing);
    };
    let view = host.running(&Filter::of([key].into_iter())).await?;
    let pod = view.pods.iter().find(|pod| pod.report.key == *key);
    Ok(pod.map_or(Found::Nothing, |pod| judge(pod, sources)))
}

fn judge(pod: &PodView, sources: &Directories) -> Found {
    let Some(there) = &pod.observed else {
        return Found::Nothing;
    };
    let desired = sources.desired();
    if owner(pod).is_some_and(|owner| desired.controllers.contains_key(&owner)) {
        return Found::Owned(there.uid.clone());
    }
    match desired.holds(&there.source) {
        true => Found::Held(there.source.0.clone()),
        false => Found::Leaving,
    }
}

/// The controller that has made a pod.
fn owner(pod: &PodView) -> Option<ControllerKey> {
    let owner = pod.manifest["metadata"]["annotations"][OWNER].as_str()?;
    ControllerKey::from_owner(owner, &pod.report.key.namespace)
}

/// The pods of controllers that are meant.
///
/// # Errors
/// When the host cannot be looked at.
pub async fn all(host: &Host, filter: &Filter) -> Result<Vec<What>, CliError> {
    let view = host.running(filter).await?;
    let theirs = view.pods.iter().filter(|pod| owner(pod).is_some());
    Ok(theirs
        .map(|pod| What::Pod(pod.report.key.clone()))
        .collect())
}

/// Marks lives of pods as deleted and leaves word for the agent.
///
/// # Errors
/// When a mark cannot be written.
pub fn mark(lives: &BTreeMap<PodKey, PodUid>, context: &Context) -> Result<(), CliError> {
    let layout = &context.settings.layout;
    for (key, uid) in lives {
        // One without a directory has just gone.
        let Some(dir) = Dir::open(&layout.pod(uid)).map_err(CliError::File)? else {
            continue;
        };
        dir.write("deleted", b"", 0o644).map_err(CliError::File)?;
        leave_word(key, context)?;
        context.print(&format!("pod \"{}\" deleted\n", key.name))?;
    }
    Ok(())
}
