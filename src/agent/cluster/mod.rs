//! This host as a node of a Kubernetes cluster. Nothing of it runs without `[kubernetes]` in the settings.
//!
//! | file | does |
//! |---|---|
//! | `begin`, `identity` | a certificate is asked for and renewed; then all of the others run |
//! | `api` | the connection |
//! | `node`, `lease` | the Node object, its status and its lease |
//! | `follow` | lists and watches |
//! | `member` | pods of the API server become manifests in `/var/lib/vks/cluster`, a source like others |
//! | `data`, `claims`, `tokens` | config maps, secrets, claims and tokens that pods use |
//! | `services` | services of the cluster, for the network of pods |
//! | `tell`, `patience`, `answer` | statuses go back, and the delete that ends a pod |
//! | `mirrors` | pods of this host's own disk are shown to the cluster |
//! | `events`, `heard` | events |
//! | `admit`, `room` | which pods are taken, and which have more |
//! | `pressure`, `evict` | pods that have to go since the host is short of something |
//! | `shutdown`, `leave` | pods that have to end since the host is about to shut down |
//! | `mesh` | peers of the mesh by the nodes' annotations |
//!
//! The agent's loop knows only [`Cluster`]: it says what the host has of the pods that come from there, and hears which
//! of them are to end sooner.

mod admit;
mod answer;
mod api;
mod begin;
mod claims;
mod data;
mod events;
mod evict;
mod files;
mod follow;
mod heard;
pub mod identity;
mod known;
mod lease;
mod leave;
mod lists;
mod member;
mod mesh;
mod mirrors;
mod node;
mod patience;
pub mod pem;
mod pressure;
mod retry;
mod room;
mod services;
mod shutdown;
mod tell;
mod tokens;

pub use api::{CallError, ConnectError, Identity, Patch, Server, client, client_of};

use super::state::State;
use crate::host::files::FileError;
use crate::host::systemd::Systemd;
use crate::host::units::UnitDir;
use crate::model::desired::Desired;
use crate::model::layout::Layout;
use crate::model::name::{PodKey, PodUid, UnitName};
use crate::model::node::ClusterSettings;
use crate::model::observed::{ActiveState, ObservedPod};
use crate::model::pod::Pod;
use crate::model::status::PodStatus;
use crate::observe::status::{Facts, status};
use crate::plan::grace::drop_in;
use crate::source::pod_from_manifest;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What the host has of a pod.
#[derive(Debug)]
pub struct Seen {
    /// The pod.
    pub key: PodKey,
    /// This life of it.
    pub uid: PodUid,
    /// How it is.
    pub status: PodStatus,
    /// Something of it runs, or is about to.
    pub up: bool,
}

/// What the agent has to say.
#[derive(Debug)]
pub enum Report {
    /// Of a pod that the API server gave.
    Given(Seen),
    /// Of one of this host's own disk, with its manifest; without one it is gone.
    Own(Seen, Option<Box<str>>),
}

/// A pod that is to end sooner, or later, than its units say.
#[derive(Debug)]
pub struct Hurry {
    /// The pod.
    pub pod: PodKey,
    /// What it gets.
    pub grace: Duration,
}

/// Why this host cannot be a node.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// What the API server gave cannot be kept.
    #[error("cannot keep what the API server gives")]
    Files(#[from] FileError),
}

/// The agent's end: everything else runs in tasks, which end with it.
pub struct Cluster {
    servers: watch::Receiver<Option<Server>>,
    seen: UnboundedSender<Report>,
    hurry: UnboundedReceiver<Hurry>,
    serving: watch::Receiver<()>,
    facts: Facts,
    layout: Layout,
    systemd: Systemd,
    work: JoinSet<()>,
}

impl Cluster {
    /// Begins to be a node. Nothing is waited for: the API server may be away.
    pub fn start(
        settings: &ClusterSettings,
        state: &State,
        systemd: &Systemd,
    ) -> Result<Self, ClusterError> {
        let all = &state.settings;
        let dir = all.layout.cluster();
        let (files, writer) = files::open(&dir)?;
        let (hurry_sender, hurry) = unbounded_channel();
        let (seen_sender, seen) = unbounded_channel();
        let (served, serving) = watch::channel(());
        let (connected, servers) = watch::channel(None);
        let begin = begin::Begin {
            settings: settings.clone(),
            name: all.node_name.clone(),
            host_ip: all.host_ip.clone(),
            network: all.network.mode != crate::model::network::Mode::Host,
            layout: Arc::new(all.layout.clone()),
            mesh: all
                .wireguard
                .as_ref()
                .map(|mesh| (mesh.endpoint.clone(), mesh.port)),
            systemd_version: all.systemd,
            systemd: systemd.clone(),
            known: files::read(&dir)?,
            files,
            hurry: hurry_sender,
            seen,
            served,
            connected,
        };
        let mut work = JoinSet::new();
        work.spawn(writer.run());
        work.spawn(begin.run());
        Ok(Self {
            servers,
            seen: seen_sender,
            hurry,
            serving,
            facts: Facts {
                host_ip: all.host_ip.clone(),
                host_mode: all.network.mode == crate::model::network::Mode::Host,
            },
            layout: all.layout.clone(),
            systemd: systemd.clone(),
            work,
        })
    }

    /// The API server, from when there is a connection.
    pub fn servers(&self) -> watch::Receiver<Option<Server>> {
        self.servers.clone()
    }

    /// Changes when the certificate of the node's HTTPS API does.
    pub fn serving(&self) -> watch::Receiver<()> {
        self.serving.clone()
    }

    /// Says what the host has of the pods that have news, as far as they are the API server's.
    pub fn tell(&self, state: &mut State, desired: &Desired) {
        let dir = self.layout.cluster();
        for key in state.take_news() {
            let report = match desired.pods.get(&key) {
                Some(pod) if pod.source.0.parent() == Some(&*dir) => {
                    let Some(uid) = &pod.uid else { continue };
                    Report::Given(self.look(&key, pod, uid, state))
                }
                Some(pod) => {
                    let uid = state.observed.pods.get(&key).map(|observed| &observed.uid);
                    let Some(uid) = uid else { continue };
                    let seen = self.look(&key, pod, uid, state);
                    Report::Own(seen, Some(pod.manifest.clone()))
                }
                None => match self.last(&key, state) {
                    Some(seen) => Report::Own(seen, None),
                    None => continue,
                },
            };
            // When nobody hears it, the agent is ending.
            let _ = self.seen.send(report);
        }
    }

    /// A pod that nobody wants any more.
    fn last(&self, key: &PodKey, state: &State) -> Option<Seen> {
        let observed = state.observed.pods.get(key)?;
        if observed.source.0.parent() == Some(&*self.layout.cluster()) {
            return None;
        }
        let manifest = observed.manifest.as_deref()?;
        let pod = pod_from_manifest(manifest, observed.source.clone()).ok()?;
        Some(self.look(key, &pod, &observed.uid, state))
    }

    fn look(&self, key: &PodKey, pod: &Pod, uid: &PodUid, state: &State) -> Seen {
        let observed = state.observed.pods.get(key);
        // Another life of the pod, on its way out, says nothing of this one.
        let observed = observed.filter(|observed| observed.uid == *uid);
        Seen {
            status: status(pod, observed, state.blocked(key), &self.facts),
            up: observed.is_some_and(is_up),
            key: key.clone(),
            uid: uid.clone(),
        }
    }

    /// The next pod that is to end sooner.
    pub async fn hurry(&mut self) -> Hurry {
        match self.hurry.recv().await {
            Some(hurry) => hurry,
            None => std::future::pending().await,
        }
    }

    /// Gives what runs of a pod another grace period.
    pub fn shorten(&mut self, hurry: Hurry, observed: Option<&ObservedPod>) {
        let names: Vec<UnitName> = observed
            .into_iter()
            .flat_map(|pod| pod.units.keys().cloned())
            .collect();
        let (systemd, layout) = (self.systemd.clone(), self.layout.clone());
        self.work.spawn(async move {
            let work = tokio::task::spawn_blocking(move || regrace(&layout, &names, hurry.grace));
            let done = match work.await {
                Ok(Ok(true)) => systemd
                    .reload()
                    .await
                    .map_err(|error| crate::chain::line(&error)),
                Ok(Err(error)) => Err(crate::chain::line(&error)),
                _ => Ok(()),
            };
            if let Err(error) = done {
                log::error!(
                    "pod {}: its grace period stays as it is: {error}",
                    hurry.pod
                );
            }
        });
    }
}

/// Something of the pod runs, or is about to. The slice stays a moment longer than all that was in it.
fn is_up(pod: &ObservedPod) -> bool {
    pod.units.iter().any(|(name, unit)| {
        let down = matches!(
            unit.state.active,
            ActiveState::Inactive | ActiveState::Failed
        );
        !name.as_str().ends_with(".slice") && (unit.state.job || !down)
    })
}

fn regrace(layout: &Layout, names: &[UnitName], grace: Duration) -> Result<bool, FileError> {
    let Some(units) = UnitDir::open(layout)? else {
        return Ok(false);
    };
    let mut written = false;
    for name in names {
        let file = units.file(name)?;
        if let Some(more) = file.and_then(|file| drop_in(&file, grace)) {
            units.write_drop_in(name, &more.to_string())?;
            written = true;
        }
    }
    Ok(written)
}
