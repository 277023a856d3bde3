//! The node's HTTPS API, as the agent has it: it answers what the API asks of pods.

use super::cluster::{Cluster, Server};
use super::state::State;
use super::view;
use crate::config::Settings;
use crate::host::systemd::Systemd;
use crate::kubelet::pods::{Ask, channel};
use crate::kubelet::review::{ByClient, Reviewer};
use crate::kubelet::tls::TlsFiles;
use crate::kubelet::{Api, Setup};
use crate::model::api::ApiSettings;
use crate::model::desired::Desired;
use crate::model::name::{PodKey, UnitName};
use crate::model::view::PodView;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// The unit that lets the API into pods.
const USHER: &str = "vks-usher.socket";

type Told = watch::Sender<Option<Arc<PodView>>>;

/// The API and what it has been told. The default is none.
#[derive(Default)]
pub struct NodeApi {
    api: Option<Api>,
    asks: Option<mpsc::Receiver<Ask>>,
    /// Pods that somebody wants to hear of.
    followed: BTreeMap<PodKey, Told>,
    /// Those of them that may have changed.
    changed: BTreeSet<PodKey>,
    /// Tells of another certificate.
    serving: Option<watch::Receiver<()>>,
    /// The start of the usher's socket.
    _begun: JoinSet<()>,
}

impl NodeApi {
    /// Begins to listen, where the settings want it. What goes wrong is logged: pods do not need the API.
    pub fn start(settings: &Settings, systemd: &Systemd, cluster: Option<&Cluster>) -> Self {
        let Some(api) = &settings.api else {
            return Self::default();
        };
        let reviewer = cluster.map(|cluster| {
            let servers = cluster.servers();
            let client = move || servers.borrow().as_ref().map(Server::client);
            Arc::new(ByClient::new(client)) as Arc<dyn Reviewer>
        });
        let (pods, asks) = channel();
        let setup = Setup {
            node: settings.node_name.clone(),
            listen: SocketAddr::new(api.address, api.port),
            tls: TlsFiles {
                certificate: api.certificate.clone(),
                key: api.key.clone(),
                client_ca: Some(api.client_ca.clone()),
            },
            reviewer,
            pods,
            systemd: systemd.clone(),
            layout: settings.layout.clone(),
            config: config(settings, api),
        };
        let api = match Api::start(setup) {
            Ok(api) => api,
            Err(error) => {
                log::error!("{}; pods run without it", crate::chain::line(&error));
                return Self::default();
            }
        };
        let mut begun = JoinSet::new();
        let systemd = systemd.clone();
        begun.spawn(async move {
            let Ok(unit) = USHER.parse::<UnitName>() else {
                return;
            };
            if let Err(error) = systemd.start(&unit).await {
                log::error!(
                    "{}; the API cannot exec and forward",
                    crate::chain::line(&error)
                );
            }
        });
        Self {
            api: Some(api),
            asks: Some(asks),
            serving: cluster.map(Cluster::serving),
            _begun: begun,
            ..Self::default()
        }
    }

    /// Reads the certificate again.
    pub fn reload(&self) {
        if let Some(Err(error)) = self.api.as_ref().map(Api::reload) {
            log::error!(
                "{}; the certificate in use is kept",
                crate::chain::line(&error)
            );
        }
    }

    /// The next question; waits for ever without an API. Meanwhile it takes on new certificates.
    pub async fn ask(&mut self) -> Ask {
        loop {
            let Some(asks) = &mut self.asks else {
                return std::future::pending().await;
            };
            tokio::select! {
                ask = asks.recv() => match ask {
                    Some(ask) => return ask,
                    None => return std::future::pending().await,
                },
                () = renewed(&mut self.serving) => {}
            }
            self.reload();
        }
    }

    /// Answers a question. Whoever has gone meanwhile does not hear it.
    pub fn answer(&mut self, ask: Ask, state: &State, desired: &Desired) {
        match ask {
            Ask::One(key, answer) => drop(answer.send(one(&key, state, desired))),
            Ask::All(answer) => {
                let keys: BTreeSet<&PodKey> = state
                    .observed
                    .pods
                    .keys()
                    .chain(desired.pods.keys())
                    .collect();
                let all = keys.into_iter().filter_map(|key| one(key, state, desired));
                drop(answer.send(all.collect()));
            }
            Ask::Follow(key, answer) => {
                let now = || watch::channel(one(&key, state, desired)).0;
                let told = self.followed.entry(key.clone()).or_insert_with(now);
                drop(answer.send(told.subscribe()));
            }
        }
    }

    /// Something about these pods may have changed.
    pub fn mark<'a>(&mut self, keys: impl IntoIterator<Item = &'a PodKey>) {
        if !self.followed.is_empty() {
            let followed = keys
                .into_iter()
                .filter(|key| self.followed.contains_key(key));
            self.changed.extend(followed.cloned());
        }
    }

    /// The same about all pods.
    pub fn mark_all(&mut self) {
        self.changed.extend(self.followed.keys().cloned());
    }

    /// Tells those who follow.
    pub fn tell(&mut self, state: &State, desired: &Desired) {
        if self.changed.is_empty() {
            return;
        }
        self.followed.retain(|_, told| told.receiver_count() > 0);
        for key in std::mem::take(&mut self.changed) {
            if let Some(told) = self.followed.get(&key) {
                told.send_replace(one(&key, state, desired));
            }
        }
    }
}

/// Waits for another certificate; for ever where nobody tells of one.
async fn renewed(serving: &mut Option<watch::Receiver<()>>) {
    if let Some(serving) = serving
        && serving.changed().await.is_ok()
    {
        return;
    }
    std::future::pending().await
}

fn one(key: &PodKey, state: &State, desired: &Desired) -> Option<Arc<PodView>> {
    view::one(key, &state.observed, Some(desired), &state.settings, |_| {
        true
    })
    .map(Arc::new)
}

/// What `/configz` tells, under the kubelet's names.
fn config(settings: &Settings, api: &ApiSettings) -> Value {
    let servers: Vec<String> = settings
        .dns_servers
        .iter()
        .map(ToString::to_string)
        .collect();
    json!({
        "kind": "KubeletConfiguration",
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "address": api.address.to_string(),
        "port": api.port,
        "authentication": {
            "anonymous": { "enabled": false },
            "webhook": { "enabled": settings.cluster.is_some(), "cacheTTL": "2m0s" },
            "x509": { "clientCAFile": api.client_ca },
        },
        "authorization": {
            "mode": "Webhook",
            "webhook": { "cacheAuthorizedTTL": "5m0s", "cacheUnauthorizedTTL": "30s" },
        },
        "cgroupDriver": "systemd",
        "clusterDNS": servers,
        "clusterDomain": settings.dns_domain,
        "maxPods": settings.cluster.as_ref().map(|cluster| cluster.pods),
        "podPidsLimit": settings.pids_limit,
        "staticPodPath": settings.pod_dirs.first(),
        "streamingConnectionIdleTimeout": "0s",
    })
}
