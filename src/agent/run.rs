//! The loop of `vks run`.

mod control;
mod joined;
mod waits;

use super::api::NodeApi;
use super::cluster::Cluster;
use super::images::Images;
use super::mend::{self, Lost, Mender};
use super::pass::{Parts, check_version, read_all};
use super::publisher::Publisher;
use super::reclaim::Reclaim;
use super::shares::Shares;
use super::told::Told;
use super::watchdog::Watchdog;
use super::{AgentError, notify};
use crate::apply::{ApplyError, Wave};
use crate::config::{self, Settings};
use crate::host::clock::Alarm;
use crate::host::lock::{Lock, try_lock};
use crate::host::signals::{Changed, Changes};
use crate::host::systemd::{Systemd, SystemdError};
use crate::host::unit_dir::UnitDir;
use crate::model::controller::ControllerKey;
use crate::model::name::{PodKey, UnitName};
use crate::observe::pace::Pace;
use crate::source::{self, Directories, Watcher};
use joined::{hurried, join};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::signal::unix::SignalKind;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant as Clock;
pub(super) use waits::wait_until;
use waits::{controls, ends, handler, settled, timer};

/// How long signals about units are gathered before the host is looked at.
const SETTLE: Duration = Duration::from_millis(5);

/// Runs until SIGTERM or SIGINT. `root` is where the configuration lies (`/` on a real host).
pub async fn run(mut settings: Settings, root: &Path) -> Result<(), AgentError> {
    let _lock = match try_lock(&settings.layout.lock(), "vks run").map_err(AgentError::Lock)? {
        Lock::Held(guard) => guard,
        Lock::Busy(holder) => return Err(AgentError::Busy(holder)),
    };
    // Watches and signals first: what changes while everything is read is seen again afterwards.
    let watch = Watcher::new(settings.manifest_dirs()).map_err(AgentError::Watch)?;
    let systemd = Systemd::connect(None).await.map_err(AgentError::Systemd)?;
    let signals = Changes::subscribe(&systemd)
        .await
        .map_err(AgentError::Systemd)?;
    // Before anything is written.
    settings.systemd = check_version(&systemd).await?;
    let (alarm, triggers) = controls(&settings)?;
    let parts = read_all(settings, systemd).await?;
    let cluster = join(&parts)?;
    let api = NodeApi::start(&parts.state.settings, &parts.systemd, cluster.as_ref());
    let mut agent = Agent {
        cluster,
        api,
        publisher: Publisher::new(&parts),
        mender: Mender::new(&parts.state.settings.layout),
        parts,
        alarm,
        timing: JoinSet::new(),
        tasks: JoinSet::new(),
        tidying: JoinSet::new(),
        reclaim: Reclaim::default(),
        shares: Shares::new(),
        images: Images::default(),
        told: Told::default(),
        ready: false,
        pace: Pace::default(),
    };
    agent.turn(watch, signals, triggers, root).await
}

/// A CronJob whose timer has been seen to.
type Timed = (ControllerKey, Result<(), ApplyError>);

/// A pod whose steps have been run.
type Ran = (PodKey, Result<(), ApplyError>);

struct Agent {
    parts: Parts,
    publisher: Publisher,
    mender: Mender,
    tasks: JoinSet<Ran>,
    /// Wakes for controllers that wait for time to pass.
    alarm: Alarm,
    /// Timers of CronJobs that are being written, started or removed.
    timing: JoinSet<Timed>,
    /// The reload of [`Agent::tidy`].
    tidying: JoinSet<Result<(), SystemdError>>,
    reclaim: Reclaim,
    shares: Shares,
    images: Images,
    told: Told,
    ready: bool,
    pace: Pace,
    /// The cluster this host is a node of.
    cluster: Option<Cluster>,
    /// What others may ask of this node.
    api: NodeApi,
}

impl Agent {
    async fn turn(
        &mut self,
        mut watch: Watcher,
        mut signals: Changes,
        mut triggers: UnitDir,
        root: &Path,
    ) -> Result<(), AgentError> {
        let mut end = ends()?;
        let mut hangup = handler(SignalKind::hangup())?;
        let watchdog = Watchdog::start().map_err(timer)?;
        let mut news = mend::news();
        loop {
            // Where much is ready, one of many arms may not be chosen for long.
            watchdog.beat_if_due().map_err(timer)?;
            self.control().await?;
            self.images.work(&mut self.parts).await?;
            self.start_work();
            self.publisher.start(&self.parts);
            self.mender.start(&self.parts);
            self.shares.start(&self.parts);
            self.tidy();
            self.reclaim.start(&self.parts).await?;
            self.tell();
            let [terminate, interrupt] = &mut end;
            // Each arm can be dropped before it is ready: what has not been taken is kept, waits are begun anew.
            tokio::select! {
                changed = watch.next() => self.files(changed.map_err(AgentError::Watch)?).await?,
                event = signals.next() => {
                    let changed = settled(event, &mut signals, &self.pace).await?;
                    self.units(changed).await?;
                }
                Some(done) = self.tasks.join_next() => self.done(done).await?,
                due = triggers.next() => {
                    let units = due.map_err(|source| AgentError::File { act: "watch the directory of triggers", source })?;
                    self.parts.controllers.mark_cron_jobs();
                    // Of a pod, it is its target: somebody has set a condition.
                    self.units(Changed { units, reloaded: false }).await?;
                }
                woken = self.alarm.next() => woken.map_err(timer)?,
                beat = watchdog.beat() => beat.map_err(timer)?,
                Some(timed) = self.timing.join_next() => {
                    self.timed(timed.map_err(|_| AgentError::Task)?).await?;
                }
                Some(tidied) = self.tidying.join_next() => {
                    if let Err(error) = tidied.map_err(|_| AgentError::Task)? {
                        log::warn!("units of pods that are gone stay loaded: {error}");
                    }
                }
                Some(ended) = self.reclaim.ended() => ended.map_err(|_| AgentError::Task)?,
                Some(shared) = self.shares.tasks.join_next() => self.shares.done(shared)?,
                fetched = self.images.next() => fetched.map_err(|_| AgentError::Task)?,
                () = wait_until(self.parts.state.next_try()) => {}
                () = wait_until(self.told.due) => {}
                Some(done) = self.publisher.tasks.join_next() => self.publisher.done(done),
                () = wait_until(self.publisher.due) => {}
                Some(lost) = news.recv() => self.lost(lost),
                () = self.mender.next() => {}
                ask = self.api.ask() => self.answer(ask),
                hurry = hurried(&mut self.cluster) => self.shorten(hurry),
                _ = hangup.recv() => self.reload(root).await?,
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
            }
        }
        notify::stopping();
        self.timing.abort_all();
        // Steps that run are not waited for: the next agent sees how far they came.
        self.tasks.abort_all();
        Ok(())
    }

    fn lost(&mut self, lost: Lost) {
        match lost {
            Lost::Table => self.publisher.doubt(),
            Lost::Other(gone) => self.mender.suspect(gone),
        }
    }

    /// Plans what can be planned and runs it.
    fn start_work(&mut self) {
        let plan = self
            .parts
            .state
            .plan(self.parts.sources.desired(), Instant::now());
        let wave = Wave::default();
        for (key, pod) in plan.pods {
            log::info!(
                KUBERNETES_NAMESPACE = key.namespace.as_str(), KUBERNETES_POD = key.name.as_str();
                "pod {key}: {} ({} steps)", pod.reason, pod.steps.len()
            );
            let (applier, wave) = (self.parts.applier.clone(), wave.clone());
            self.tasks.spawn(async move {
                let result = applier.pod(&key, pod, wave).await;
                (key, result)
            });
        }
    }

    /// Has systemd forget the units of pods that are gone, which something that wanted them at boot keeps loaded.
    fn tidy(&mut self) {
        if self.tidying.is_empty() && self.parts.state.has_new_orphans() {
            let applier = self.parts.applier.clone();
            let orphans = self.parts.state.observed.orphans.clone();
            self.tidying
                .spawn(async move { applier.forget(&orphans).await });
        }
    }

    /// Says what has changed: problems to the journal, a summary to systemd, READY after the first rest, pods to who follows them.
    fn tell(&mut self) {
        let desired = self.parts.sources.desired();
        self.parts.state.tell_problems(desired);
        let summary = self.parts.state.summary(desired);
        let rests = self.parts.state.at_rest();
        if self.told.is_due(&summary, rests, Instant::now()) {
            notify::status(&summary);
        }
        if !self.ready && rests {
            self.ready = true;
            notify::ready();
        }
        self.report();
    }

    async fn files(&mut self, changed: source::Changed) -> Result<(), AgentError> {
        self.reclaim.mark();
        let changes = self
            .with_sources(move |sources| match changed.everything {
                true => sources.load(),
                false => sources.refresh(&changed.paths.into_iter().collect::<Vec<_>>()),
            })
            .await?;
        let Parts { sources, state, .. } = &mut self.parts;
        self.publisher.mark(&changes.pods);
        self.shares.mark(&changes.pods);
        if changes.everything {
            self.publisher.mark_all();
            self.shares.mark_all();
        }
        if changes.everything {
            state.mark_all(sources.desired());
        }
        match changes.everything {
            true => self.api.mark_all(),
            false => self.api.mark(&changes.pods),
        }
        state.mark_wanted(changes.pods);
        self.parts.controllers.mark(changes.controllers);
        if changes.everything {
            let Parts {
                controllers,
                sources,
                state,
                ..
            } = &mut self.parts;
            controllers.mark_all(sources, &state.observed);
        }
        Ok(())
    }

    /// Reads manifests on a thread for that.
    async fn with_sources<T: Send + 'static>(
        &mut self,
        read: impl FnOnce(&mut Directories) -> T + Send + 'static,
    ) -> Result<T, AgentError> {
        let mut sources = std::mem::replace(&mut self.parts.sources, Directories::new(Vec::new()));
        let work = tokio::task::spawn_blocking(move || (read(&mut sources), sources));
        let (result, sources) = work.await.map_err(|_| AgentError::Task)?;
        self.parts.sources = sources;
        Ok(result)
    }

    async fn units(&mut self, changed: Changed) -> Result<(), AgentError> {
        if changed.reloaded {
            // While systemd reloads, it announces everything, and what is news among it is not told apart.
            return self.look_at_all().await;
        }
        let Parts {
            observer, state, ..
        } = &mut self.parts;
        let found = observer.pods_of(&state.observed, &changed.units).await;
        let mut keys = found.map_err(AgentError::Observe)?;
        // News of a pod whose steps are being run wait for their end.
        keys.retain(|key| !state.is_busy(key));
        self.look_at(keys, Some(&changed.units)).await
    }

    /// Looks at pods; without the units that have changed, at all that they have.
    async fn look_at(
        &mut self,
        keys: BTreeSet<PodKey>,
        changed: Option<&BTreeSet<UnitName>>,
    ) -> Result<(), AgentError> {
        if keys.is_empty() {
            return Ok(());
        }
        let Parts {
            observer,
            state,
            controllers,
            ..
        } = &mut self.parts;
        let pods = keys
            .iter()
            .map(|key| (key.clone(), BTreeSet::new()))
            .collect();
        let begin = Clock::now();
        let looked = match changed {
            Some(changed) => observer.follow(&mut state.observed, &pods, changed).await,
            None => observer.refresh(&mut state.observed, &pods).await,
        };
        looked.map_err(AgentError::Observe)?;
        self.pace.looked(begin);
        controllers.mark_pods(&keys, &state.observed);
        self.api.mark(&keys);
        self.publisher.mark(&keys);
        self.shares.mark(&keys);
        state.mark(keys);
        Ok(())
    }

    async fn look_at_all(&mut self) -> Result<(), AgentError> {
        let Parts {
            observer,
            state,
            sources,
            controllers,
            ..
        } = &mut self.parts;
        state.observed = observer.all().await.map_err(AgentError::Observe)?;
        controllers.mark_all(sources, &state.observed);
        state.mark_all(sources.desired());
        self.api.mark_all();
        self.publisher.mark_all();
        self.shares.mark_all();
        Ok(())
    }

    /// Looks at a pod whose steps have been run, and at all others that are done soon after: together they cost less,
    /// and what the steps began has come further.
    async fn done(&mut self, first: Result<Ran, JoinError>) -> Result<(), AgentError> {
        self.reclaim.mark();
        self.pace.wait(SETTLE).await;
        let mut keys = BTreeSet::new();
        let mut next = Some(first);
        while let Some(done) = next {
            let (key, result) = done.map_err(|_| AgentError::Task)?;
            if let Err(error) = result {
                log::error!(
                    KUBERNETES_NAMESPACE = key.namespace.as_str(), KUBERNETES_POD = key.name.as_str();
                    "{}, will retry", crate::chain::line(&error)
                );
            }
            self.parts.state.done(key.clone());
            self.shares.doubt(&key);
            keys.insert(key);
            next = self.tasks.try_join_next();
        }
        self.look_at(keys, None).await
    }

    /// SIGHUP: settings and manifests are read again; settings that cannot be read leave the old ones in force.
    async fn reload(&mut self, root: &Path) -> Result<(), AgentError> {
        notify::reloading();
        match Settings::load(root) {
            Ok(settings)
                if settings.layout != self.parts.state.settings.layout
                    || settings.pod_dirs != self.parts.state.settings.pod_dirs =>
            {
                log::warn!("directories in vks.toml have changed: restart vks.service to use them");
            }
            Ok(mut settings) => {
                settings.network.problem = config::network::problem(&settings.network);
                settings.systemd = self.parts.state.settings.systemd;
                self.parts.state.settings = settings;
                self.publisher.forget();
            }
            Err(error) => {
                log::error!(
                    "{}; the settings in force are kept",
                    crate::chain::line(&error)
                );
            }
        }
        self.api.reload();
        self.with_sources(Directories::load).await?;
        self.look_at_all().await?;
        self.ready = false;
        Ok(())
    }
}
