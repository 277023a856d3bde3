//! What somebody takes away of the pods' network comes back: links, routes, names of namespaces, forwarding; and what
//! containers see in place of the host's files in `/etc`, when the host replaces those.
//!
//! Nothing is polled: news of the kernel, and the agent's own start, are reason to look, and what is found broken is
//! mended by the unit that made it (`ExecReload=`). No pod is restarted for it.

use super::pass::Parts;
use super::run::wait_until;
use crate::config::Settings;
use crate::host::file_news::FileNews;
use crate::host::files::Dir;
use crate::host::mounts;
use crate::host::nft::{self as filter, Doubt};
use crate::host::rebind;
use crate::host::routes::{self, Gone, Routes};
use crate::host::systemd::Systemd;
use crate::model::event;
use crate::model::layout::Layout;
use crate::model::name::{PodKey, PodUid, UnitName};
use crate::model::naming::RESOLVER_SOCKETS;
use crate::model::network::LINK_PREFIX;
use crate::model::observed::ActiveState;
use crate::plan::network::HOST_UNIT;
use crate::unit::names::PodUnits;
use crate::worker::wire::{self, check};
use std::net::IpAddr;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{Receiver, channel};
use tokio::task::JoinSet;

/// How long news are gathered: a link that goes takes routes along, and pods end all the time.
const SETTLE: Duration = Duration::from_millis(200);

/// Looks after the network of pods.
#[derive(Debug, Default)]
pub struct Mender {
    host: bool,
    pods: bool,
    /// News of names of namespaces that go; none where there is no directory for them.
    names: Option<FileNews>,
    /// News of files in `/etc` of which pods have their own; none where they cannot be watched.
    etc: Option<FileNews>,
    /// News of the host's daemons that would answer pods in place of their own name servers.
    resolvers: Option<FileNews>,
    files: bool,
    /// When to look.
    due: Option<Instant>,
    /// The look that is under way.
    tasks: JoinSet<()>,
}

/// A pod that should have a network.
#[derive(Debug)]
struct Wired {
    key: PodKey,
    uid: PodUid,
    unit: UnitName,
    addresses: Vec<IpAddr>,
}

impl Mender {
    /// Looks at all of it soon: something may have gone while nobody listened.
    pub fn new(layout: &Layout) -> Self {
        let names = FileNews::removals(&layout.netns).inspect_err(|error| {
            log::warn!(
                "cannot hear of namespaces that lose their name: {}: {error}",
                layout.netns.display()
            );
        });
        Self {
            host: true,
            pods: true,
            names: names.ok(),
            etc: etc(),
            resolvers: resolvers(),
            files: replaced(layout),
            due: Some(Instant::now() + SETTLE),
            tasks: JoinSet::new(),
        }
    }

    /// Waits until a look is to be begun or is done, or some namespace has lost its name. Cancel-safe.
    pub async fn next(&mut self) {
        let due = self.due.filter(|_| self.tasks.is_empty());
        let unnamed = tokio::select! {
            gone = told(&mut self.names) => gone,
            replaced = told(&mut self.etc) => {
                // What was a link may lead elsewhere now.
                self.etc = replaced.ok().and_then(|()| etc());
                self.files = true;
                self.due.get_or_insert(Instant::now() + SETTLE);
                return;
            }
            came = told(&mut self.resolvers) => {
                // A directory may have come, in which they will be.
                self.resolvers = came.ok().and_then(|()| resolvers());
                self.files = true;
                self.due.get_or_insert(Instant::now() + SETTLE);
                return;
            }
            Some(_) = self.tasks.join_next() => return,
            () = wait_until(due) => return,
        };
        match unnamed {
            Ok(()) => self.suspect(Gone::Pod),
            Err(error) => {
                log::warn!("cannot hear of namespaces that lose their name any more: {error}");
                self.names = None;
            }
        }
    }

    /// Something has gone.
    pub fn suspect(&mut self, gone: Gone) {
        match gone {
            Gone::Pod => self.pods = true,
            Gone::Host => {}
        }
        // The host's own link and routes are among either.
        self.host = true;
        self.due.get_or_insert(Instant::now() + SETTLE);
    }

    /// Looks when it is time, unless that is being done.
    pub fn start(&mut self, parts: &Parts) {
        let waits = self.due.is_none_or(|due| Instant::now() < due);
        if waits || !self.tasks.is_empty() {
            return;
        }
        self.due = None;
        let (host, pods) = (
            std::mem::take(&mut self.host),
            std::mem::take(&mut self.pods),
        );
        let wired = if pods { wired(parts) } else { Vec::new() };
        let settings = parts.state.settings.clone();
        let systemd = parts.systemd.clone();
        let up = match std::mem::take(&mut self.files) {
            true => Some(sandboxes(parts)),
            false => None,
        };
        self.tasks.spawn(async move {
            if let Some(up) = up {
                show_files(&systemd, settings.layout.clone(), up).await;
            }
            look(systemd, settings, wired, host).await;
        });
    }
}

/// What a pod may have of its own in `/etc`.
const OWN_FILES: [&str; 3] = ["hosts", "hostname", "resolv.conf"];

fn etc() -> Option<FileNews> {
    let news = FileNews::replacements(Path::new("/etc"), &OWN_FILES);
    let news = news.inspect_err(|error| {
        log::warn!("cannot hear of files that are replaced in /etc: {error}");
    });
    news.ok()
}

fn resolvers() -> Option<FileNews> {
    let news = FileNews::appearances(&RESOLVER_SOCKETS);
    let news = news.inspect_err(|error| {
        log::warn!("cannot hear of resolvers of the host that start: {error}");
    });
    news.ok()
}

/// What the host has in the places of pods' own files, and the sockets that they are not to see.
fn identities() -> String {
    let sockets = RESOLVER_SOCKETS.map(|path| path.trim_start_matches('/'));
    rebind::identities(Path::new("/etc"), &OWN_FILES)
        + &rebind::identities(Path::new("/"), &sockets)
}

/// The file that has what [`OWN_FILES`] led to when pods were last looked at.
const SEEN: &str = "etc-files";

/// Whether files were replaced while no agent listened. At the first start in a boot nobody knows, and pods are new.
fn replaced(layout: &Layout) -> bool {
    let now = identities();
    let before = std::fs::read_to_string(layout.run.join(SEEN));
    if before.is_err() {
        note(layout, &now);
    }
    before.is_ok_and(|before| before != now)
}

fn note(layout: &Layout, now: &str) {
    let written = Dir::create(&layout.run).and_then(|dir| dir.write(SEEN, now.as_bytes(), 0o644));
    if let Err(error) = written {
        log::warn!("{}", crate::chain::line(&error));
    }
}

async fn told(news: &mut Option<FileNews>) -> std::io::Result<()> {
    match news {
        Some(news) => news.next().await,
        None => std::future::pending().await,
    }
}

/// Has running containers see the pod's own files again, where the host has replaced its files below them.
async fn show_files(systemd: &Systemd, layout: Layout, up: Vec<(PodUid, UnitName)>) {
    let find = move || {
        note(&layout, &identities());
        let has_files = |(uid, _): &(PodUid, UnitName)| {
            let mut names = OWN_FILES.iter();
            names.any(|name| layout.pod_etc(uid, name).exists())
        };
        up.into_iter().filter(has_files).collect::<Vec<_>>()
    };
    let Ok(found) = tokio::task::spawn_blocking(find).await else {
        return;
    };
    for (_, unit) in found {
        if let Err(error) = systemd.reload_unit(&unit).await {
            // It is just being stopped.
            log::debug!("{}", crate::chain::line(&error));
        }
    }
}

/// Sandboxes that are up.
fn sandboxes(parts: &Parts) -> Vec<(PodUid, UnitName)> {
    let pods = parts.state.observed.pods.iter();
    pods.filter_map(|(key, pod)| {
        let unit = PodUnits::new(key).sandbox();
        let state = &pod.units.get(&unit)?.state;
        let up = state.active == ActiveState::Active && !state.job;
        up.then(|| (pod.uid.clone(), unit))
    })
    .collect()
}

/// Pods whose sandbox is up and that have addresses.
fn wired(parts: &Parts) -> Vec<Wired> {
    let pods = parts.state.observed.pods.iter();
    pods.filter(|(_, pod)| !pod.addresses.is_empty())
        .filter_map(|(key, pod)| {
            let unit = PodUnits::new(key).sandbox();
            let state = &pod.units.get(&unit)?.state;
            (state.active == ActiveState::Active && !state.job).then(|| Wired {
                key: key.clone(),
                uid: pod.uid.clone(),
                unit,
                addresses: pod.addresses.clone(),
            })
        })
        .collect()
}

async fn look(systemd: Systemd, settings: Settings, wired: Vec<Wired>, host: bool) {
    let find = move || {
        // Without the host's part there is nothing to look after.
        if !wire::opened(&settings).is_ok_and(|opened| opened.is_some()) {
            return (Vec::new(), Vec::new());
        }
        let findings = match host {
            true => check::of_host(&settings),
            false => Vec::new(),
        };
        (findings, broken(&settings.layout, wired))
    };
    let Ok((findings, broken)) = tokio::task::spawn_blocking(find).await else {
        return;
    };
    if !findings.is_empty() {
        match systemd.reload_unit(&HOST_UNIT.into()).await {
            Ok(()) => {
                for finding in findings {
                    let what = finding.split(": vks network").next().unwrap_or(&finding);
                    log::warn!("{what}; it is set up again");
                }
            }
            Err(error) => log::error!("{}: {}", crate::chain::line(&error), findings.join("; ")),
        }
    }
    for (pod, what) in broken {
        match systemd.reload_unit(&pod.unit).await {
            Ok(()) => log::warn!(
                MESSAGE_ID = event::MESSAGE_ID, KUBERNETES_REASON = "NetworkNotReady",
                KUBERNETES_NAMESPACE = pod.key.namespace.as_str(), KUBERNETES_POD = pod.key.name.as_str(),
                KUBERNETES_POD_UID = pod.uid.as_str();
                "{what}; it is made anew"
            ),
            // It is just being stopped.
            Err(error) => log::debug!("{}", crate::chain::line(&error)),
        }
    }
}

/// The pods whose network is not whole, as far as the host can tell, and what is missing.
fn broken(layout: &Layout, wired: Vec<Wired>) -> Vec<(Wired, &'static str)> {
    if wired.is_empty() {
        return Vec::new();
    }
    let routes = Routes::read();
    wired
        .into_iter()
        .filter_map(|pod| {
            let path = layout.network_namespace(&pod.uid);
            let what = if !mounts::is_namespace(&path).unwrap_or(false) {
                "the name of the pod's network namespace was removed"
            } else if !pod.addresses.iter().all(|address| routes.has(*address)) {
                "the pod's interface, or the route to it, was removed"
            } else {
                return None;
            };
            Some((pod, what))
        })
        .collect()
}

/// What the kernel tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// The table of vks may have gone.
    Table,
    /// A link or route may have, or forwarding, or somebody else's chain may drop packets of pods.
    Other(Gone),
}

/// News of what has gone.
pub fn news() -> Receiver<Lost> {
    let (send, receive) = channel(4);
    let tables = send.clone();
    listen("netfilter", move || {
        let news = filter::News::listen().map_err(std::io::Error::other)?;
        loop {
            for doubt in news.next("vks").map_err(std::io::Error::other)? {
                let lost = match doubt {
                    Doubt::Table => Lost::Table,
                    Doubt::Foreign => Lost::Other(Gone::Host),
                };
                if tables.blocking_send(lost).is_err() {
                    return Ok(());
                }
            }
        }
    });
    listen("routes", move || {
        let news = routes::News::listen()?;
        loop {
            for gone in news.next(LINK_PREFIX)? {
                if send.blocking_send(Lost::Other(gone)).is_err() {
                    return Ok(());
                }
            }
        }
    });
    receive
}

/// Listens on a thread, which ends with the program.
fn listen(name: &str, work: impl FnOnce() -> std::io::Result<()> + Send + 'static) {
    let complain = |error| {
        log::warn!(
            "cannot hear of changes of the host's network: {error}; vks network check finds them"
        );
    };
    let work = move || work().unwrap_or_else(complain);
    let thread = std::thread::Builder::new().name(name.to_owned());
    if let Err(error) = thread.spawn(work) {
        complain(error);
    }
}
