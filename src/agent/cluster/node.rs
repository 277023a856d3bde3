//! The node itself: its object, its sign of life and its status, at the kubelet's cadence.
//!
//! A tick every ten seconds renews the lease and looks how the host fares; the status is posted when it says something
//! else than before, and every five minutes anyway.

use super::api::{CallError, Patch, Server};
use super::events::Events;
use super::lease::Lease;
use super::retry::Retry;
use crate::host;
use crate::host::files::Dir;
use crate::host::image_files::read_refs;
use crate::host::systemd::Systemd;
use crate::host::wireguard;
use crate::model::image::record::canonical;
use crate::model::image::resolved::Resolved;
use crate::model::layout::Layout;
use crate::model::node::{ClusterSettings, HostFacts, Posted, Shortage};
use crate::model::time::Timestamp;
use crate::model::wireguard::{Endpoint, MESH_LINK};
use crate::report::event::{Happened, Object};
use crate::report::images::images;
use crate::report::node;
use crate::source::cluster::peers;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior, interval};

/// Between two signs of life, and two looks at the host (kubelet: nodeStatusUpdateFrequency).
const TICK: Duration = Duration::from_secs(10);
/// The longest time without a post of the status (kubelet: nodeStatusReportFrequency).
const REPORT: Duration = Duration::from_secs(300);
/// How long systemd may take to answer before it counts as hung.
const ANSWER: Duration = Duration::from_secs(5);

/// What others may know of the node object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Registered {
    /// Its uid.
    pub uid: String,
    /// The prefixes of pods that the cluster has given it.
    pub pod_cidrs: Vec<String>,
}

/// What the task works with.
pub struct Node {
    pub server: Server,
    pub systemd: Systemd,
    pub name: String,
    pub settings: ClusterSettings,
    pub layout: Arc<Layout>,
    pub addresses: Vec<String>,
    pub events: Events,
    /// Told as long as the host is short of something that pods have to go for.
    pub short: UnboundedSender<Shortage>,
    /// The host is about to shut down.
    pub down: watch::Receiver<bool>,
    /// Told what the host is short of, as conditions say it.
    pub pressures: watch::Sender<[bool; 3]>,
    /// There is a mesh: where this host is reached, if settings say, and its port.
    pub mesh: Option<(Option<Endpoint>, u16)>,
    /// Told when the node is registered, and when that changes.
    pub registered: watch::Sender<Option<Registered>>,
}

/// What is remembered between two ticks.
#[derive(Default)]
pub(super) struct Memory {
    pub(super) facts: HostFacts,
    conditions: BTreeMap<String, Posted>,
    posted: Option<(Value, Instant)>,
    lease: Lease,
    ready: Option<bool>,
    lost: bool,
    /// When memory, disk and numbers of processes were short last.
    pub(super) short: [Option<Instant>; 3],
}

/// The time, as timestamps of the API have it.
pub use crate::host::clock::timestamp as now;

impl Node {
    /// Registers the node and keeps it alive, until it is aborted.
    pub async fn run(mut self) {
        self.learn_mesh().await;
        let mut memory = Memory {
            facts: self.facts().await,
            ..Memory::default()
        };
        let mut retry = Retry::default();
        while let Err(error) = self.register(&mut memory).await {
            self.tell(&mut memory, Err(error));
            retry.wait().await;
        }
        log::info!("node {} is registered", self.name);
        self.happened("Starting", "Starting kubelet.".to_owned());
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.next(&mut ticks).await;
            let uid = self
                .registered
                .borrow()
                .as_ref()
                .map(|node| node.uid.clone());
            let renewed = memory.lease.renew(&self.server, &self.name, uid.as_deref());
            let mut done = match renewed.await {
                // The Node may be another too, or none; or it has something new to say.
                Ok(other) if other | self.learn_mesh().await => {
                    memory.posted = None;
                    self.register(&mut memory).await
                }
                Ok(_) => self.post(&mut memory).await,
                Err(error) => {
                    // The host is looked at all the same.
                    self.status(&mut memory).await;
                    Err(error)
                }
            };
            if done.as_ref().is_err_and(CallError::is_absent) {
                memory.posted = None;
                done = self.register(&mut memory).await;
            }
            self.tell(&mut memory, done);
        }
    }

    /// The next time that there is something to say.
    async fn next(&mut self, ticks: &mut Interval) {
        tokio::select! {
            _ = ticks.tick() => {}
            // Without a sender it never changes.
            Ok(()) = self.down.changed() => {
                if *self.down.borrow_and_update() {
                    let message = "Shutdown manager detected shutdown event";
                    self.happened("Shutdown", message.to_owned());
                }
            }
        }
    }

    async fn facts(&self) -> HostFacts {
        let systemd = self.systemd.version().await.unwrap_or_default();
        let (state, addresses) = (self.layout.state.clone(), self.addresses.clone());
        let work =
            tokio::task::spawn_blocking(move || host::node::facts(&state, systemd, addresses));
        work.await.unwrap_or_default()
    }

    /// Says once that the server is lost, and once that it is back.
    fn tell(&self, memory: &mut Memory, done: Result<(), CallError>) {
        match done {
            Ok(()) if memory.lost => {
                memory.lost = false;
                log::info!("the API server answers again");
            }
            Err(error) if !memory.lost => {
                memory.lost = true;
                log::warn!(
                    "the API server cannot be told of this node: {}; pods go on, and it is tried again",
                    crate::chain::line(&error)
                );
            }
            _ => {}
        }
    }

    fn path(&self) -> String {
        format!("/api/v1/nodes/{}", self.name)
    }

    /// Makes the Node object, or brings the one that is there up to date.
    async fn register(&self, memory: &mut Memory) -> Result<(), CallError> {
        let status = self.status(memory).await;
        let facts = &memory.facts;
        let object = match self.server.get(&self.path()).await {
            Ok(found) => self.reconcile(found, facts).await?,
            Err(error) if error.is_absent() => {
                let wanted = node::node(&self.name, &self.settings, facts, status.clone());
                match self.server.create("/api/v1/nodes", &wanted).await {
                    Err(error) if error.is_conflict() => self.server.get(&self.path()).await?,
                    made => made?,
                }
            }
            Err(error) => return Err(error),
        };
        for condition in object["status"]["conditions"]
            .as_array()
            .into_iter()
            .flatten()
        {
            // A condition that stays as it is keeps its time over a restart.
            let since = condition["lastTransitionTime"]
                .as_str()
                .and_then(Timestamp::parse);
            if let (Some(kind), Some(since)) = (condition["type"].as_str(), since)
                && memory.posted.is_none()
            {
                let status = condition["status"] == "True";
                let posted = Posted { status, since };
                memory.conditions.insert(kind.to_owned(), posted);
            }
        }
        self.learn(&object);
        let status = self.status(memory).await;
        self.send(status, memory).await
    }

    /// Labels and annotations that are ours and say something else; those of others stay.
    async fn reconcile(&self, found: Value, facts: &HostFacts) -> Result<Value, CallError> {
        let labels = node::labels(&self.settings, facts);
        let annotations = node::annotations(&self.settings);
        let differs = |ours: &BTreeMap<String, String>, theirs: &Value| {
            ours.iter()
                .any(|(key, value)| theirs[key] != value.as_str())
        };
        let metadata = &found["metadata"];
        if !differs(&labels, &metadata["labels"])
            && !differs(&annotations, &metadata["annotations"])
        {
            return Ok(found);
        }
        let patch = json!({ "metadata": { "labels": labels, "annotations": annotations } });
        self.server.patch(&self.path(), Patch::Merge, &patch).await
    }

    /// Tells others of the object.
    fn learn(&self, object: &Value) {
        let cidrs = object["spec"]["podCIDRs"].as_array().into_iter().flatten();
        let registered = Registered {
            uid: object["metadata"]["uid"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
            pod_cidrs: cidrs
                .filter_map(|cidr| Some(cidr.as_str()?.to_owned()))
                .collect(),
        };
        let cidrs = registered.pod_cidrs.clone();
        let new = self.registered.send_if_modified(|known| {
            let new = known.as_ref() != Some(&registered);
            *known = Some(registered);
            new
        });
        if new && !cidrs.is_empty() {
            self.take_prefixes(&cidrs);
        }
    }

    /// Writes down the prefixes of pods, and has the settings read again when they are others than before.
    fn take_prefixes(&self, cidrs: &[String]) {
        let text = cidrs.join("\n") + "\n";
        if std::fs::read_to_string(self.layout.pod_cidrs()).is_ok_and(|known| known == text) {
            return;
        }
        log::info!(
            "the cluster gives the pods of this node {}",
            cidrs.join(" and ")
        );
        let dir = Dir::create(&self.layout.node());
        let done = dir.and_then(|dir| dir.write("pod-cidrs", text.as_bytes(), 0o644));
        match done {
            Ok(()) => {
                // As for `systemctl reload`.
                let _ = kill(Pid::this(), Signal::SIGHUP);
            }
            Err(error) => log::warn!(
                "{}; the prefixes in force are kept",
                crate::chain::line(&error)
            ),
        }
    }

    async fn status(&self, memory: &mut Memory) -> Value {
        let answer = tokio::time::timeout(ANSWER, self.systemd.version()).await;
        let problem = match answer {
            Ok(Ok(_)) => None,
            Ok(Err(error)) => Some(crate::chain::line(&error)),
            Err(_) => Some(format!("no answer in {} s", ANSWER.as_secs())),
        };
        let (state, stored) = (self.layout.state.clone(), self.layout.images());
        let work = tokio::task::spawn_blocking(move || host::node::load(&state, &stored, problem));
        let mut load = work.await.unwrap_or_default();
        load.shutting_down = *self.down.borrow();
        self.look_for_shortage(memory, &mut load);
        let conditions = &mut memory.conditions;
        let mut made = node::status(&self.settings, &memory.facts, &load, conditions, now());
        let layout = Arc::clone(&self.layout);
        let work = tokio::task::spawn_blocking(move || read_refs(&layout));
        let known = work.await.ok().and_then(Result::ok).unwrap_or_default();
        let known = known.into_iter().map(|(_, record)| {
            let Resolved { reference, id, .. } = record.resolved;
            (id, canonical(&reference), record.size)
        });
        made["images"] = images(known).into();
        made
    }

    /// What the node says of itself as a part of the mesh, once there is one. Whether that is new.
    async fn learn_mesh(&mut self) -> bool {
        let Some((endpoint, port)) = &self.mesh else {
            return false;
        };
        if self.settings.annotations.contains_key(peers::KEY) {
            return false;
        }
        let work = tokio::task::spawn_blocking(|| wireguard::read(MESH_LINK));
        let Some(key) = work
            .await
            .ok()
            .and_then(Result::ok)
            .and_then(|(_, shown)| shown.key)
        else {
            return false;
        };
        let public = wireguard::public(&key).to_string();
        let endpoint = endpoint.as_ref().map(ToString::to_string).or_else(|| {
            let ip: IpAddr = self.addresses.first()?.parse().ok()?;
            Some(SocketAddr::new(ip, *port).to_string())
        });
        let says = &mut self.settings.annotations;
        says.insert(peers::KEY.to_owned(), public);
        if let Some(endpoint) = endpoint {
            says.insert(peers::ENDPOINT.to_owned(), endpoint);
        }
        true
    }

    /// The status, when it is time for it.
    async fn post(&self, memory: &mut Memory) -> Result<(), CallError> {
        let status = self.status(memory).await;
        let due = memory.posted.as_ref().is_none_or(|(known, since)| {
            since.elapsed() >= REPORT || *known != node::essence(&status)
        });
        if due {
            self.send(status, memory).await?;
        }
        Ok(())
    }

    async fn send(&self, status: Value, memory: &mut Memory) -> Result<(), CallError> {
        let path = format!("{}/status", self.path());
        let patch = json!({ "status": status });
        let object = self.server.patch(&path, Patch::Strategic, &patch).await?;
        memory.posted = Some((node::essence(&status), Instant::now()));
        self.learn(&object);
        let conditions = status["conditions"].as_array().into_iter().flatten();
        let ready = conditions
            .into_iter()
            .any(|condition| condition["type"] == "Ready" && condition["status"] == "True");
        if memory.ready != Some(ready) {
            memory.ready = Some(ready);
            let reason = if ready { "NodeReady" } else { "NodeNotReady" };
            self.happened(
                reason,
                format!("Node {} status is now: {reason}", self.name),
            );
        }
        Ok(())
    }

    fn happened(&self, reason: &str, message: String) {
        let what = Happened {
            warning: false,
            reason: reason.to_owned(),
            message,
            field: String::new(),
        };
        self.events.say(Object::node(&self.name), what);
    }
}
