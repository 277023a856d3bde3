//! Follows the services of the cluster and what stands behind them, and writes both as manifests: from there on they are
//! published like services from disk.

use super::api::Server;
use super::files::Files;
use super::follow::{News, follow};
use super::retry::Retry;
use crate::source::cluster::{FileKind, Services, of_file_name};
use serde_json::Value;
use std::collections::BTreeMap;
use tokio::sync::mpsc::{Receiver, channel};

/// Services that another proxy looks after are left to it (kube-proxy does the same).
const OURS: &str = "labelSelector=%21service.kubernetes.io%2Fservice-proxy-name";
/// News that may wait.
const NEWS: usize = 64;

/// Goes on until it is aborted. `before` are files of before, by name.
pub async fn services(
    server: Server,
    node: String,
    files: Files,
    before: BTreeMap<String, String>,
) {
    let before = before
        .into_iter()
        .filter(|(name, _)| of_file_name(name).is_some_and(|(kind, _)| kind == FileKind::Service));
    let mut known = Services::new(&node, before.collect());
    let path = format!("{}?{OURS}", parts(&server).await);
    let (service_sender, mut services) = channel(NEWS);
    let (part_sender, mut parts) = channel(NEWS);
    let tasks = async {
        tokio::join!(
            follow(
                server.clone(),
                format!("/api/v1/services?{OURS}"),
                service_sender
            ),
            follow(server.clone(), path, part_sender)
        )
    };
    let mut tasks = std::pin::pin!(tasks);
    loop {
        tokio::select! {
            _ = &mut tasks => return,
            Some(news) = services.recv() => hear(&mut known, news, true),
            Some(news) = parts.recv() => hear(&mut known, news, false),
        }
        // What has come meanwhile is written together.
        drain(&mut known, &mut services, true);
        drain(&mut known, &mut parts, false);
        for (name, text) in known.changes() {
            match text {
                Some(text) => files.write(name, text),
                None => files.remove(name),
            }
        }
    }
}

fn drain(known: &mut Services, news: &mut Receiver<News>, service: bool) {
    while let Ok(news) = news.try_recv() {
        hear(known, news, service);
    }
}

fn hear(known: &mut Services, news: News, service: bool) {
    let mut one = |object: &Value, there| match service {
        true => known.service(object, there),
        false => known.part(object, there),
    };
    match news {
        News::Changed(object) => one(&object, true),
        News::Deleted(object) => one(&object, false),
        News::All { items, .. } if service => known.all(items),
        News::All { items, .. } => known.all_parts(items),
        News::Mark(_) => {}
        News::Lost(why) => log::warn!(
            "the API server cannot be asked for services: {why}; those that are known stay, and it is tried again. \
             A node may ask if it is bound to the cluster role system:node-proxier"
        ),
    }
}

/// Where endpoints are listed: as slices, where the server has them.
async fn parts(server: &Server) -> &'static str {
    let mut retry = Retry::default();
    loop {
        match server.get("/apis/discovery.k8s.io/v1").await {
            Ok(_) => return "/apis/discovery.k8s.io/v1/endpointslices",
            Err(error) if error.is_absent() => return "/api/v1/endpoints",
            Err(_) => retry.wait().await,
        }
    }
}
