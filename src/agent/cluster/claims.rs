//! Claims for storage that pods of this node use, with the volumes they are bound to.
//!
//! A node may read a claim but neither list nor watch it (authorizer of nodes: "can only get individual resources of this
//! type"), so it is asked for until it is bound. What it is bound to then stays.

use super::api::{CallError, Server};
use super::data::Datum;
use super::files::Files;
use super::retry::Retry;
use crate::model::name::ObjectKey;
use crate::source::cluster::{FileKind, claim, file_name, volume, volume_of};
use tokio::sync::mpsc::UnboundedSender;

/// Failures in a row after which a pod does not wait for the claim to be known any more, and after which it is said.
const PATIENCE: u32 = 4;

/// What was found.
enum Found {
    /// The manifests of the claim and of its volume.
    Bound(String, String),
    /// There is none, or it is not bound.
    Unbound,
}

/// Asks for a claim until it is bound, and writes it and its volume.
pub async fn claimed(server: Server, datum: Datum, files: Files, answers: UnboundedSender<Datum>) {
    let key = &datum.1;
    let (of_claim, of_volume) = (
        file_name(FileKind::Claim, key),
        file_name(FileKind::Volume, key),
    );
    let mut retry = Retry::default();
    loop {
        let found = look(&server, key).await;
        let sure = found.is_ok();
        match found {
            Ok(Found::Bound(claim, volume)) => {
                files.write(of_volume, volume);
                files.write(of_claim, claim);
                let _ = answers.send(datum);
                return;
            }
            Ok(Found::Unbound) => {
                files.remove(of_claim.clone());
                files.remove(of_volume.clone());
            }
            // A node may read both only a moment after the pod, or the claim, is bound.
            Err(error) if retry.failures() == PATIENCE => log::warn!(
                "persistentvolumeclaim {key}: {}; what is known of it is kept",
                crate::chain::line(&error)
            ),
            Err(_) => {}
        }
        if sure || retry.failures() >= PATIENCE {
            let _ = answers.send(datum.clone());
        }
        retry.wait().await;
    }
}

async fn look(server: &Server, key: &ObjectKey) -> Result<Found, CallError> {
    let path = format!(
        "/api/v1/namespaces/{}/persistentvolumeclaims/{}",
        key.namespace, key.name
    );
    let object = match server.get(&path).await {
        Ok(object) => object,
        Err(error) if error.is_absent() => return Ok(Found::Unbound),
        Err(error) => return Err(error),
    };
    let Some(name) = volume_of(&object) else {
        return Ok(Found::Unbound);
    };
    let path = format!("/api/v1/persistentvolumes/{name}");
    let found = server.get(&path).await?;
    Ok(Found::Bound(claim(&object), volume(&found)))
}
