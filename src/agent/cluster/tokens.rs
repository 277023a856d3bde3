//! Tokens of service accounts, each bound to its pod: asked for, written as secrets, and renewed before their end.

use super::api::{CallError, Server};
use super::data::Datum;
use super::files::Files;
use super::node::now;
use super::retry::Retry;
use crate::model::name::{ObjectKey, PodKey};
use crate::model::time::Timestamp;
use crate::source::cluster::{FileKind, TokenWish, file_name, token};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::{AbortHandle, JoinSet};

/// How often the clock is looked at, so that a host that slept or was set renews in time.
const LOOK: Duration = Duration::from_secs(300);
/// Failures after which a pod no longer waits for its token.
const PATIENCE: u32 = 3;

/// The tokens of all pods.
pub struct Tokens {
    server: Server,
    files: Files,
    answers: UnboundedSender<Datum>,
    tasks: JoinSet<()>,
    kept: BTreeMap<ObjectKey, AbortHandle>,
}

/// Whose token it is.
#[derive(Clone)]
struct Owner {
    pod: PodKey,
    uid: String,
    account: String,
}

impl Tokens {
    /// None yet.
    pub fn new(server: Server, files: Files, answers: UnboundedSender<Datum>) -> Self {
        Self {
            server,
            files,
            answers,
            tasks: JoinSet::new(),
            kept: BTreeMap::new(),
        }
    }

    /// Keeps the tokens of a pod.
    pub fn want(&mut self, pod: &PodKey, uid: &str, account: &str, wishes: &[TokenWish]) {
        for wish in wishes {
            if self.kept.contains_key(&wish.secret) {
                continue;
            }
            let owner = Owner {
                pod: pod.clone(),
                uid: uid.to_owned(),
                account: account.to_owned(),
            };
            let task = keep(
                self.server.clone(),
                owner,
                wish.clone(),
                self.files.clone(),
                self.answers.clone(),
            );
            let handle = self.tasks.spawn(task);
            self.kept.insert(wish.secret.clone(), handle);
        }
        while self.tasks.try_join_next().is_some() {}
    }

    /// A pod is gone. The files go with those of other secrets.
    pub fn forget(&mut self, wishes: impl Iterator<Item = ObjectKey>) {
        for secret in wishes {
            if let Some(task) = self.kept.remove(&secret) {
                task.abort();
            }
        }
    }
}

async fn keep(
    server: Server,
    owner: Owner,
    wish: TokenWish,
    files: Files,
    answers: UnboundedSender<Datum>,
) {
    let mut retry = Retry::default();
    let mut told = false;
    loop {
        let asked = now();
        match request(&server, &owner, &wish).await {
            Ok((text, until)) => {
                retry.reset();
                files.write(
                    file_name(FileKind::Secret, &wish.secret),
                    token(&wish.secret, &text),
                );
                if !told {
                    told = true;
                    let _ = answers.send((FileKind::Secret, wish.secret.clone()));
                }
                let renew = asked.micros() + (until.since(asked).as_micros() as u64) / 5 * 4;
                while now().micros() < renew {
                    let left = Duration::from_micros(renew.saturating_sub(now().micros()));
                    tokio::time::sleep(left.min(LOOK)).await;
                }
            }
            Err(error) => {
                if retry.failures() == PATIENCE {
                    log::warn!(
                        KUBERNETES_NAMESPACE = owner.pod.namespace.as_str(), KUBERNETES_POD = owner.pod.name.as_str();
                        "pod {}: no token for its service account {}: {}",
                        owner.pod, owner.account, crate::chain::line(&error)
                    );
                    if !told {
                        told = true;
                        let _ = answers.send((FileKind::Secret, wish.secret.clone()));
                    }
                }
                retry.wait().await;
            }
        }
    }
}

/// A token and when it ends.
async fn request(
    server: &Server,
    owner: &Owner,
    wish: &TokenWish,
) -> Result<(String, Timestamp), CallError> {
    let audiences: Vec<&str> = Some(&*wish.audience)
        .filter(|text| !text.is_empty())
        .into_iter()
        .collect();
    let request = json!({
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {
            "audiences": audiences,
            "expirationSeconds": wish.seconds,
            "boundObjectRef": {
                "kind": "Pod",
                "apiVersion": "v1",
                "name": owner.pod.name.as_str(),
                "uid": owner.uid,
            },
        },
    });
    let path = format!(
        "/api/v1/namespaces/{}/serviceaccounts/{}/token",
        owner.pod.namespace, owner.account
    );
    let answer = server.create(&path, &request).await?;
    let text = answer["status"]["token"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let until = answer["status"]["expirationTimestamp"].as_str();
    let until = until.and_then(Timestamp::parse).unwrap_or_else(now);
    Ok((text, until))
}
