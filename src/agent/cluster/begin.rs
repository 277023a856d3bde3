//! How a host becomes a node: it asks for a certificate if it has none, then all tasks run, and certificates are renewed.

use super::api::{ConnectError, Identity, Server};
use super::data::{Data, Datum};
use super::events::{Events, events};
use super::files::Files;
use super::follow::follow;
use super::heard::listen;
use super::identity::{IdentityError, Papers, Purpose};
use super::member::{Ears, Member};
use super::mesh::mesh;
use super::node::{Node, Registered, now};
use super::retry::Retry;
use super::services::services;
use super::shutdown::{Departure, Shutdown};
use super::tokens::Tokens;
use super::{Hurry, Report};
use crate::host::systemd::Systemd;
use crate::model::layout::Layout;
use crate::model::node::ClusterSettings;
use crate::model::wireguard::Endpoint;
use crate::plan::admission::allocatable;
use crate::source::cluster::Memory;
use kube::config::Kubeconfig;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, channel, unbounded_channel};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// News of pods that may wait to be dealt with.
const NEWS: usize = 64;
/// How often the clock is looked at for certificates.
const LOOK: Duration = Duration::from_secs(600);

/// What a node begins with.
pub struct Begin {
    pub settings: ClusterSettings,
    pub name: String,
    pub host_ip: Option<String>,
    /// Pods have a network of their own: services are for it.
    pub network: bool,
    /// There is a mesh: where this host is reached, if settings say, and its port.
    pub mesh: Option<(Option<Endpoint>, u16)>,
    pub layout: Arc<Layout>,
    pub systemd_version: u32,
    pub systemd: Systemd,
    /// What is on disk from before.
    pub known: BTreeMap<String, String>,
    pub files: Files,
    pub hurry: UnboundedSender<Hurry>,
    pub seen: UnboundedReceiver<Report>,
    pub served: watch::Sender<()>,
    /// Told of the connection.
    pub connected: watch::Sender<Option<Server>>,
}

/// Why a node has no identity yet.
#[derive(Debug, thiserror::Error)]
enum BeginError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error("the kubeconfig cannot be written")]
    Write(#[from] crate::host::files::FileError),
    #[error("{0}: names no server: run vks join again")]
    NoServer(PathBuf),
}

impl Begin {
    /// Goes on until it is aborted.
    pub async fn run(self) {
        let papers = Papers {
            dir: self.layout.node(),
            node: self.name.clone(),
            names: self
                .host_ip
                .iter()
                .cloned()
                .chain([self.name.clone()])
                .collect(),
        };
        let mut retry = Retry::default();
        let (server, identity) = loop {
            match self.identify(&papers).await {
                Ok(found) => break found,
                Err(error) if retry.failures() % 8 == 0 => {
                    log::warn!(
                        "not a node yet: {}; it is tried again",
                        crate::chain::line(&error)
                    );
                }
                Err(_) => {}
            }
            retry.wait().await;
        };
        self.connected.send_replace(Some(server.clone()));
        let mut work = JoinSet::new();
        let served = self.served.clone();
        self.tasks(&server, &mut work);
        if papers.is_own() {
            work.spawn(renew(papers, server, identity, served));
        }
        while work.join_next().await.is_some() {}
    }

    /// The connection, by a certificate that is asked for if there is none.
    async fn identify(&self, papers: &Papers) -> Result<(Server, Identity), BeginError> {
        let kubeconfig = &self.settings.kubeconfig;
        if let Some(bootstrap) = papers.bootstrap()
            && (papers.renewal(Purpose::Client).is_none() || !kubeconfig.is_file())
        {
            if papers.renewal(Purpose::Client).is_none() {
                let (server, _identity) = Server::new(&bootstrap).await?;
                papers.request(&server, Purpose::Client).await?;
            }
            let url = Kubeconfig::read_from(&bootstrap).ok().and_then(|config| {
                let cluster = config.clusters.into_iter().next()?.cluster?;
                cluster.server
            });
            let url = url.ok_or_else(|| BeginError::NoServer(bootstrap.clone()))?;
            papers.write_kubeconfig(kubeconfig, &url)?;
        }
        Ok(Server::new(kubeconfig).await?)
    }

    /// What the network of pods learns from the cluster.
    fn network_tasks(&self, server: &Server, files: &Files, work: &mut JoinSet<()>) {
        if self.mesh.is_some() {
            let layout = Arc::clone(&self.layout);
            let (systemd, name) = (self.systemd.clone(), self.name.clone());
            work.spawn(mesh(server.clone(), systemd, name, layout));
        }
        if self.network {
            let (name, known) = (self.name.clone(), self.known.clone());
            work.spawn(services(server.clone(), name, files.clone(), known));
        }
    }

    /// Waits for the shutdown of the host, where the settings say so.
    fn shutdown_task(
        &self,
        work: &mut JoinSet<()>,
    ) -> (watch::Receiver<bool>, UnboundedReceiver<Departure>) {
        let (down, known) = watch::channel(false);
        let (member, departure) = unbounded_channel();
        if let Some(leave) = self.settings.shutdown {
            let shutdown = Shutdown {
                systemd: self.systemd.clone(),
                leave,
                down,
                member,
            };
            work.spawn(shutdown.run());
        }
        (known, departure)
    }

    /// The member, which knows nothing yet. It learns of the node, and of what the host is short of.
    fn member(
        &self,
        server: &Server,
        events: Events,
        (registered, pressures): (
            watch::Receiver<Option<Registered>>,
            watch::Receiver<[bool; 3]>,
        ),
        answers: UnboundedSender<Datum>,
    ) -> Member {
        let addresses = self.host_ip.iter().cloned().collect();
        let facts = crate::host::node::facts(&self.layout.state, self.systemd_version, addresses);
        Member {
            server: server.clone(),
            events,
            pods: BTreeMap::new(),
            tells: JoinSet::new(),
            statics: BTreeMap::new(),
            makes: JoinSet::new(),
            data: Data::new(server.clone(), self.files.clone(), answers.clone()),
            tokens: Tokens::new(server.clone(), self.files.clone(), answers),
            files: self.files.clone(),
            memory: Memory::default(),
            registered,
            node: self.name.clone(),
            dir: self.layout.cluster(),
            allocatable: allocatable(&self.settings, &facts),
            hurry: self.hurry.clone(),
            layout: Arc::clone(&self.layout),
            systemd: self.systemd.clone(),
            pressures,
            leave: self.settings.shutdown,
            leaving: None,
            dues: BTreeSet::new(),
            emptying: JoinSet::new(),
        }
    }

    fn tasks(self, server: &Server, work: &mut JoinSet<()>) {
        let (events, speaker) = events(server.clone(), &self.name);
        let (answer_sender, answers) = unbounded_channel();
        let (short, shortage) = unbounded_channel();
        let (registered, node_known) = watch::channel(None);
        let (pressures, pressed) = watch::channel([false; 3]);
        let (down, departure) = self.shutdown_task(work);
        let addresses: Vec<String> = self.host_ip.iter().cloned().collect();
        let mut member = self.member(server, events.clone(), (node_known, pressed), answer_sender);
        member.remember(&self.known);
        self.network_tasks(server, &member.files, work);
        let path = format!("/api/v1/pods?fieldSelector=spec.nodeName%3D{}", self.name);
        let node = Node {
            server: server.clone(),
            systemd: self.systemd,
            name: self.name,
            settings: self.settings,
            layout: self.layout,
            addresses,
            events,
            registered,
            mesh: self.mesh,
            short,
            down,
            pressures,
        };
        let (news_sender, pods) = channel(NEWS);
        work.spawn(speaker.run());
        let (told, heard) = channel(NEWS);
        work.spawn(listen(told));
        work.spawn(node.run());
        work.spawn(follow(server.clone(), path, news_sender));
        let ears = Ears {
            pods,
            seen: self.seen,
            answers,
            heard,
            short: shortage,
            departure,
        };
        work.spawn(member.run(ears));
    }
}

/// Keeps both certificates valid: each is asked for anew when four fifths of its life are over.
async fn renew(papers: Papers, server: Server, identity: Identity, served: watch::Sender<()>) {
    let mut retry = Retry::default();
    loop {
        let seconds = i64::try_from(now().micros() / 1_000_000).unwrap_or(i64::MAX);
        let due = |purpose| papers.renewal(purpose).is_none_or(|at| at <= seconds);
        let purpose = match (due(Purpose::Client), due(Purpose::Serving)) {
            (true, _) => Purpose::Client,
            (false, true) => Purpose::Serving,
            (false, false) => {
                retry.reset();
                tokio::time::sleep(LOOK).await;
                continue;
            }
        };
        let done = papers.request(&server, purpose).await;
        let done = match (done, purpose) {
            (Ok(()), Purpose::Client) => identity.renew().await.map_err(BeginError::from),
            (Ok(()), Purpose::Serving) => {
                served.send_replace(());
                Ok(())
            }
            (Err(error), _) => Err(error.into()),
        };
        if let Err(error) = done {
            log::warn!(
                "no new certificate: {}; it is tried again",
                crate::chain::line(&error)
            );
            retry.wait().await;
        }
    }
}
