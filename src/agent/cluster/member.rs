//! The pods of this node as the API server has them: which are written as manifests, which are refused, which go.
//!
//! ```text
//!  API server -- follow --> pods -- files --> /var/lib/vks/cluster -- a source like others --> agent
//!                            ^                                                                   |
//!                            +---- tell (status patches, the last delete) <---- Seen ------------+
//! ```

use super::api::Server;
use super::data::{Data, Datum};
use super::events::Events;
use super::files::Files;
use super::follow::News;
use super::known::{Held, Known, Stage};
use super::leave::Leaving;
use super::mirrors::{Made, Static};
use super::node::Registered;
use super::shutdown::Departure;
use super::tell::Told;
use super::tokens::Tokens;
use super::{Hurry, Report};
use crate::agent::run::wait_until;
use crate::host::systemd::Systemd;
use crate::model::layout::Layout;
use crate::model::name::{ObjectKey, PodKey};
use crate::model::node::{Leave, Shortage};
use crate::observe::events::Event;
use crate::plan::admission::Amounts;
use crate::report::event::{Happened, Object, of_container};
use crate::report::pod::is_terminal;
use crate::source::cluster::{FileKind, Given, Memory, Refusal, file_name, is_mirror, needs, pod};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{Receiver, UnboundedReceiver, UnboundedSender};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// The least grace that a pod is granted (kubelet: minimumGracePeriodInSeconds).
const LEAST_GRACE: Duration = Duration::from_secs(2);

/// The pods of this node.
pub struct Member {
    pub(super) server: Server,
    pub(super) events: Events,
    pub(super) pods: BTreeMap<PodKey, Known>,
    pub(super) tells: JoinSet<Told>,
    pub(super) statics: BTreeMap<PodKey, Static>,
    pub(super) makes: JoinSet<Made>,
    pub(super) files: Files,
    pub(super) data: Data,
    pub(super) tokens: Tokens,
    pub(super) memory: Memory,
    pub(super) registered: watch::Receiver<Option<Registered>>,
    pub(super) node: String,
    pub(super) dir: PathBuf,
    pub(super) allocatable: Amounts,
    pub(super) hurry: UnboundedSender<Hurry>,
    pub(super) layout: Arc<Layout>,
    pub(super) systemd: Systemd,
    /// What the host is short of: memory, disk, numbers of processes.
    pub(super) pressures: watch::Receiver<[bool; 3]>,
    /// How long a shutdown waits.
    pub(super) leave: Option<Leave>,
    /// The host is about to shut down.
    pub(super) leaving: Option<Leaving>,
    /// Pods of which something is to be told, and when.
    pub(super) dues: BTreeSet<(Instant, PodKey)>,
    /// Volumes that are being removed.
    pub(super) emptying: JoinSet<()>,
}

/// What the member hears.
pub struct Ears {
    /// Pods of the API server.
    pub pods: Receiver<News>,
    /// What the host has of them.
    pub seen: UnboundedReceiver<Report>,
    /// Config maps and secrets that are known now.
    pub answers: UnboundedReceiver<Datum>,
    /// The host is short of something.
    pub short: UnboundedReceiver<Shortage>,
    /// The host is about to shut down.
    pub departure: UnboundedReceiver<Departure>,
    /// Events of pods that others say.
    pub heard: Receiver<Event>,
}

impl Member {
    /// Goes on until it is aborted.
    pub async fn run(mut self, mut ears: Ears) {
        loop {
            let (due, departs) = (self.due(), self.leaving.as_ref().and_then(Leaving::due));
            tokio::select! {
                Some(news) = ears.pods.recv() => self.news(news).await,
                Some(report) = ears.seen.recv() => match report {
                    Report::Given(seen) => self.seen(seen),
                    Report::Own(seen, manifest) => self.own(seen, manifest),
                },
                Some(Ok(made)) = self.makes.join_next() => self.made(made),
                Some(datum) = ears.answers.recv() => {
                    self.data.answered(datum);
                    self.start_waiting();
                }
                Some(shortage) = ears.short.recv() => self.relieve(shortage).await,
                Some(departure) = ears.departure.recv() => self.departure(departure),
                Some(_) = self.emptying.join_next() => {}
                () = wait_until(due) => self.tell_due(),
                () = wait_until(departs) => {}
                Some(event) = ears.heard.recv() => self.heard(event),
                Some(Ok(told)) = self.tells.join_next() => self.told(told),
                Ok(()) = self.registered.changed() => self.registered(),
                else => return,
            }
            self.depart();
        }
    }

    /// The Node object is there: what has to name it can be made.
    fn registered(&mut self) {
        let uid = self
            .registered
            .borrow_and_update()
            .as_ref()
            .map(|node| node.uid.clone());
        if let Some(uid) = uid.filter(|_| self.memory.node_uid.is_empty()) {
            self.memory.node_uid = uid;
            self.save();
            self.reflect_all();
        }
    }

    async fn news(&mut self, news: News) {
        match news {
            News::All { version, items } => self.all(&version, items).await,
            News::Changed(object) => {
                self.saw(&object);
                self.changed(&object);
                self.grant();
            }
            News::Deleted(object) => {
                self.saw(&object);
                self.deleted(&object);
                self.grant();
            }
            News::Mark(version) => {
                self.memory.saw(&version);
                self.save();
            }
            News::Lost(why) => {
                log::warn!(
                    "the API server cannot be asked for pods: {why}; pods go on, and it is tried again"
                );
            }
        }
    }

    fn saw(&mut self, object: &Value) {
        let version = object["metadata"]["resourceVersion"].as_str();
        self.memory.saw(version.unwrap_or_default());
    }

    /// A pod is new, or has changed.
    pub(super) fn changed(&mut self, object: &Value) {
        let Some((key, uid)) = name_of(object) else {
            return;
        };
        if self
            .pods
            .get(&key)
            .is_some_and(|known| known.uid.as_str() != uid)
        {
            self.remove(&key);
        }
        if is_mirror(object) {
            return self.mirror_changed(object);
        }
        let path = self.dir.join(file_name(FileKind::Pod, &key));
        let found = pod(object, &path);
        let over = is_terminal(&object["status"]);
        let Ok(parsed) = uid.parse() else { return };
        let known = self
            .pods
            .entry(key.clone())
            .or_insert_with(|| Known::new(parsed, Stage::Over));
        let new = matches!(known.stage, Stage::Over | Stage::Refused);
        known.learn(object);
        match (&known.stage, found) {
            // Never begun here: what is over, or was deleted before it began, only has to go.
            (Stage::Over | Stage::Refused | Stage::Waiting(_), _) if known.ending => {
                self.finish(&key)
            }
            (Stage::Over | Stage::Refused, _) if over || known.telling => {}
            // Whatever else is wanted of it: it is over.
            (Stage::Given(_), _) if known.evicted.is_some() => self.tell(&key),
            (Stage::Given(_), found) => self.update(&key, object, found),
            (Stage::Mirror(_), _) => {}
            (_, Err(refusal)) => self.refuse(&key, refusal.reason, &refusal.message),
            (_, Ok(given)) if new => self.admit(&key, given),
            (_, Ok(given)) => {
                known.stage = Stage::Waiting(Box::new(given));
                self.start_waiting();
            }
        }
    }

    /// Writes the manifests of pods that wait for nothing any more.
    pub(super) fn start_waiting(&mut self) {
        for (key, known) in &mut self.pods {
            if let Stage::Waiting(given) = &known.stage
                && self.data.knows(&needs(&given.pod))
            {
                self.files
                    .write(file_name(FileKind::Pod, key), given.manifest.clone());
                known.stage = Stage::Given(Held::new(given));
            }
        }
    }

    /// A pod that runs here has changed.
    fn update(&mut self, key: &PodKey, object: &Value, found: Result<Given, Refusal>) {
        let Some(given) = self.wanted(key, object, found) else {
            return;
        };
        let Some(known) = self.pods.get_mut(key) else {
            return;
        };
        let Stage::Given(held) = &mut known.stage else {
            return;
        };
        let begins = held.ending != given.pod.ending;
        // Tokens have their own secrets: what was there before counts as unchanged.
        if *held.manifest != *given.manifest {
            self.files
                .write(file_name(FileKind::Pod, key), given.manifest.clone());
        }
        let wishes = given.tokens.clone();
        let account = given.pod.spec.service_account.clone();
        *held = Held::new(&given);
        let (needs, grace, ending) = (held.needs.clone(), held.grace, held.ending);
        let uid = known.uid.as_str().to_owned();
        let own = known.own_secrets();
        self.tokens.want(key, &uid, &account, &wishes);
        self.data.want(&needs, &own);
        if let Some(ending) = ending.filter(|_| begins) {
            self.killing(key);
            if ending != grace {
                self.hurry(key, ending);
            }
        }
        // What the server has may not be what it was told: said again if so.
        if let Some(known) = self.pods.get_mut(key)
            && known.latest.is_some()
        {
            self.tell(key);
        }
    }

    /// What is running is being stopped.
    pub(super) fn killing(&self, key: &PodKey) {
        let Some(known) = self.pods.get(key) else {
            return;
        };
        let status = known.status();
        for (list, statuses) in [
            ("initContainers", "initContainerStatuses"),
            ("containers", "containerStatuses"),
        ] {
            for container in status[statuses].as_array().into_iter().flatten() {
                if let Some(name) = container["name"]
                    .as_str()
                    .filter(|_| container["state"]["running"].is_object())
                {
                    let message = format!("Stopping container {name}");
                    let what = of_container(list, name, false, "Killing", message);
                    self.events.say(Object::pod(key, known.uid.as_str()), what);
                }
            }
        }
    }

    pub(super) fn hurry(&self, key: &PodKey, grace: Duration) {
        let _ = self.hurry.send(Hurry {
            pod: key.clone(),
            grace: grace.max(LEAST_GRACE),
        });
    }

    /// The server has deleted a pod, whatever this node has told of it.
    fn deleted(&mut self, object: &Value) {
        let Some((key, uid)) = name_of(object) else {
            return;
        };
        let Some(known) = self
            .pods
            .get(&key)
            .filter(|known| known.uid.as_str() == uid)
        else {
            return;
        };
        let grace = object["metadata"]["deletionGracePeriodSeconds"].as_u64();
        // Nothing to hurry when it has ended already.
        let up = known.latest.as_ref().is_none_or(|seen| seen.up);
        let grace = grace.map(Duration::from_secs).filter(|_| up);
        if let Some(held) = known.held()
            && let Some(grace) = grace.filter(|grace| *grace < held.ending.unwrap_or(held.grace))
        {
            self.hurry(&key, grace);
        }
        self.remove(&key);
        self.collect();
        self.reflect(&key);
    }

    /// Forgets a pod: without its manifest it is stopped and removed.
    pub(super) fn remove(&mut self, key: &PodKey) {
        let Some(known) = self.pods.remove(key) else {
            return;
        };
        if matches!(known.stage, Stage::Mirror(_)) {
            return self.mirror_gone(key, known);
        }
        self.tokens.forget(known.own_secrets().into_iter());
        self.files.remove(file_name(FileKind::Pod, key));
    }

    /// Forgets what no pod uses any more.
    pub(super) fn collect(&mut self) {
        let waiting = self.pods.values().filter_map(|known| match &known.stage {
            Stage::Waiting(given) => Some(needs(&given.pod)),
            _ => None,
        });
        let waiting: Vec<_> = waiting.collect();
        let held = self
            .pods
            .values()
            .filter_map(|known| Some(&known.held()?.needs));
        self.data.keep(held.chain(&waiting));
    }

    pub(super) fn say(&self, key: &PodKey, warning: bool, reason: &str, message: String) {
        let Some(known) = self.pods.get(key) else {
            return;
        };
        let what = Happened {
            warning,
            reason: reason.to_owned(),
            message,
            field: String::new(),
        };
        self.events.say(Object::pod(key, known.uid.as_str()), what);
    }
}

/// Name and uid of an object.
pub(super) fn name_of(object: &Value) -> Option<(ObjectKey, String)> {
    let metadata = &object["metadata"];
    let key = ObjectKey {
        namespace: metadata["namespace"].as_str()?.parse().ok()?,
        name: metadata["name"].as_str()?.parse().ok()?,
    };
    Some((key, metadata["uid"].as_str()?.to_owned()))
}
