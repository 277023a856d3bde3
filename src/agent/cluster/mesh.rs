//! Keeps the peers of the mesh as the Node objects say them: what changes is written beside the settings, which are then
//! read again.

use super::api::Server;
use super::follow::{News, follow};
use crate::host::files::Dir;
use crate::host::systemd::Systemd;
use crate::model::layout::{Layout, MESH_PEERS};
use crate::model::name::UnitName;
use crate::source::cluster::peers::peers;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::mpsc::channel;

/// The unit that makes the mesh.
const UNIT: &str = "vks-wireguard.service";

/// Goes on until it is aborted. `node` is this node's name.
pub async fn mesh(server: Server, systemd: Systemd, node: String, layout: Arc<Layout>) {
    let (sender, mut news) = channel(16);
    let follows = follow(server, "/api/v1/nodes?limit=0".to_owned(), sender);
    let mut follows = std::pin::pin!(follows);
    let mut nodes: BTreeMap<String, Value> = BTreeMap::new();
    loop {
        let new = tokio::select! {
            () = &mut follows => return,
            new = news.recv() => new,
        };
        match new {
            None => return,
            Some(News::All { items, .. }) => {
                nodes = items.iter().filter_map(reduced).collect();
            }
            Some(News::Changed(object)) => nodes.extend(reduced(&object)),
            Some(News::Deleted(object)) => {
                nodes.remove(object["metadata"]["name"].as_str().unwrap_or_default());
            }
            Some(News::Mark(_)) => continue,
            Some(News::Lost(why)) => {
                log::warn!(
                    "the API server cannot be asked for nodes: {why}; the peers of the mesh stay, and it is tried \
                     again. A node may ask if it is bound to the cluster role system:node-proxier"
                );
                continue;
            }
        }
        let text = peers(nodes.values(), &node);
        take(&systemd, &layout, &text).await;
    }
}

/// Of a node only what makes it a peer: statuses of nodes are large, and change all the time.
fn reduced(object: &Value) -> Option<(String, Value)> {
    let metadata = &object["metadata"];
    let kept = json!({
        "metadata": { "name": metadata["name"], "annotations": metadata["annotations"] },
        "spec": { "podCIDRs": object["spec"]["podCIDRs"] },
    });
    Some((metadata["name"].as_str()?.to_owned(), kept))
}

async fn take(systemd: &Systemd, layout: &Layout, text: &str) {
    if std::fs::read_to_string(layout.mesh_peers()).is_ok_and(|known| known == text) {
        return;
    }
    let done =
        Dir::create(&layout.node()).and_then(|dir| dir.write(MESH_PEERS, text.as_bytes(), 0o644));
    if let Err(error) = done {
        log::warn!(
            "{}; the peers of the mesh stay as they are",
            crate::chain::line(&error)
        );
        return;
    }
    log::info!("the mesh has other peers, by the nodes of the cluster");
    // As for `systemctl reload`.
    let _ = kill(Pid::this(), Signal::SIGHUP);
    let unit: Result<UnitName, _> = UNIT.parse();
    if let Ok(unit) = unit
        && let Err(error) = systemd.reload_or_start_and_wait(&unit).await
    {
        log::warn!("the mesh stays as it is: {}", crate::chain::line(&error));
    }
}
