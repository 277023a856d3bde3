//! One look at everything: what the agent begins with, and what commands do while no agent runs.

use super::backends::{Marks, follow};
use super::controllers::{self, Controllers, TimerPlan, timers};
use super::images::Images;
use super::publish::{Job, Shown, bring};
use super::state::State;
use super::{AgentError, OLDEST_SYSTEMD};
use crate::apply::{Applier, ApplyError, Wave};
use crate::config::{self, Settings};
use crate::host::lock::Guard;
use crate::host::systemd::Systemd;
use crate::observe::Observer;
use crate::plan::network::publish::Publication;
use crate::source::Directories;
use crate::worker::wire;
use std::io::Read as _;
use std::sync::Arc;
use std::time::Instant;
use tokio::task::JoinSet;

/// Rounds of planning before a pass gives up on coming to rest: one to remove, one to create, one to see that all is done.
const ROUNDS: usize = 4;

/// The parts that a pass and the agent share.
pub struct Parts {
    /// systemd.
    pub systemd: Systemd,
    /// Manifests.
    pub sources: Directories,
    /// Reads the host.
    pub observer: Observer,
    /// Changes the host.
    pub applier: Applier,
    /// What is known.
    pub state: State,
    /// What makes pods.
    pub controllers: Controllers,
}

impl Parts {
    /// Asks the controllers what they want now; only looks, when `dry`. Blocks on small files.
    pub fn control(&mut self, dry: bool) -> Vec<TimerPlan> {
        if self.controllers.is_idle() {
            return Vec::new();
        }
        let (state, sources) = (&mut self.state, &mut self.sources);
        let outcome = self
            .controllers
            .work(sources, &state.observed, &state.settings, dry);
        state.mark_wanted(outcome.pods);
        let (observed, settings) = (&state.observed, &state.settings);
        timers(
            &self.controllers,
            outcome.timers,
            sources,
            observed,
            settings,
        )
    }
}

/// Refuses a systemd that would not keep what pods ask for.
/// Gives the version of one that would.
pub async fn check_version(systemd: &Systemd) -> Result<u32, AgentError> {
    let found = systemd.version().await.map_err(AgentError::Systemd)?;
    match found < OLDEST_SYSTEMD {
        true => Err(AgentError::OldSystemd {
            found,
            needed: OLDEST_SYSTEMD,
        }),
        false => Ok(found),
    }
}

/// Checks systemd's version and reads everything. Changes nothing.
pub async fn look(mut settings: Settings, systemd: Systemd) -> Result<Parts, AgentError> {
    settings.systemd = check_version(&systemd).await?;
    read_all(settings, systemd).await
}

/// Reads everything, for who has checked systemd's version and put it into the settings. Changes nothing.
pub async fn read_all(mut settings: Settings, systemd: Systemd) -> Result<Parts, AgentError> {
    let directories = settings.manifest_dirs();
    let images = settings.layout.pod_images();
    let load = move || {
        let mut sources = Directories::new(directories).with_images(images);
        sources.load();
        sources
    };
    let sources = tokio::task::spawn_blocking(load)
        .await
        .map_err(|_| AgentError::Task)?;
    settings.network.problem = config::network::problem(&settings.network);
    let observer = Observer::new(systemd.clone(), settings.layout.clone());
    // What is told to others has the times of every run.
    let observer = match settings.cluster.is_some() || settings.api.is_some() {
        true => observer,
        false => observer.of_plans(),
    };
    let observed = observer.all().await.map_err(AgentError::Observe)?;
    let applier = Applier::new(systemd.clone(), settings.layout.clone());
    let mut controllers = controllers::read(&settings);
    controllers.mark_all(&sources, &observed);
    let state = State::new(settings, sources.desired(), observed, random_seed()?);
    Ok(Parts {
        systemd,
        controllers,
        sources,
        observer,
        applier,
        state,
    })
}

/// Brings the host to what the manifests say, once, and reports what failed. The caller holds the lock.
pub async fn once(parts: &mut Parts, _lock: &Guard) -> Result<Vec<ApplyError>, AgentError> {
    let (mut failures, mut timer_failures) = (Vec::new(), Vec::new());
    let mut images = Images::default();
    for _ in 0..ROUNDS {
        for (key, plan) in parts.control(false) {
            let timer = parts.applier.pod(&key.object, plan, Wave::default()).await;
            timer_failures.extend(timer.err());
        }
        images.once(parts).await?;
        let plan = parts.state.plan(parts.sources.desired(), Instant::now());
        if plan.is_empty() {
            break;
        }
        failures.clear();
        let (mut tasks, wave) = (JoinSet::new(), Wave::default());
        for (key, pod) in plan.pods {
            let (applier, wave) = (parts.applier.clone(), wave.clone());
            tasks.spawn(async move { (applier.pod(&key, pod, wave).await, key) });
        }
        drop(wave);
        let mut keys = Vec::new();
        while let Some(done) = tasks.join_next().await {
            let (result, key) = done.map_err(|_| AgentError::Task)?;
            failures.extend(result.err());
            keys.push(key);
        }
        let wanted = keys
            .iter()
            .map(|key| (key.clone(), Default::default()))
            .collect();
        let observed = &mut parts.state.observed;
        parts
            .observer
            .refresh(observed, &wanted)
            .await
            .map_err(AgentError::Observe)?;
        parts.controllers.mark_pods(&keys, &parts.state.observed);
        keys.into_iter().for_each(|key| parts.state.done(key));
    }
    publish_once(parts).await?;
    if let Err(error) = super::shares::once(parts).await {
        log::error!("{}", crate::chain::line(&error));
    }
    if parts.state.has_new_orphans() {
        parts
            .applier
            .forget(&parts.state.observed.orphans)
            .await
            .map_err(AgentError::Systemd)?;
    }
    for failed in super::reclaim::once(parts).await? {
        log::error!("{failed}; what is left of it stays");
    }
    failures.append(&mut timer_failures);
    Ok(failures)
}

/// Publishes services and ports of the host, if they differ from what was published last.
async fn publish_once(parts: &Parts) -> Result<(), AgentError> {
    let state = &parts.state;
    let settings = &state.settings;
    let before = wire::published(settings).map_err(|error| AgentError::Publish(error.into()))?;
    let mut publication = Publication::new(before);
    let mut marks = Marks {
        all: true,
        ..Marks::default()
    };
    let desired = parts.sources.desired();
    let changes = follow(
        &mut publication,
        &mut marks,
        desired,
        &state.observed,
        settings,
    );
    if changes.is_empty() {
        return Ok(());
    }
    let settings = Arc::new(settings.clone());
    let job = Job::new(settings, &publication, changes, Shown::default(), false);
    let done = bring(parts.systemd.clone(), job).await;
    done.map(drop).map_err(AgentError::Publish)
}

fn random_seed() -> Result<Vec<u8>, AgentError> {
    let mut seed = vec![0; 16];
    let read = std::fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut seed));
    read.map_err(|source| AgentError::File {
        act: "read /dev/urandom",
        source,
    })?;
    Ok(seed)
}
