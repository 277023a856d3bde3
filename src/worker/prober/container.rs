//! One container: followed from run to run by systemd's signals, probed while it runs.

use super::board::Board;
use crate::chain;
use crate::host::systemd::query::RunQuery;
use crate::host::systemd::{Systemd, SystemdError};
use crate::host::unit_changes::UnitChanges;
use crate::model::event;
use crate::model::layout::Layout;
use crate::model::name::PodUid;
use crate::model::observed::ActiveState;
use crate::model::pod::RestartPolicy;
use crate::model::probe::Probe;
use crate::model::prober::Probed;
use crate::model::time::Timestamp;
use crate::worker::check::{CheckError, Target, Warning, check};
use crate::worker::ending;
use crate::worker::record::unhealthy;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::{MissedTickBehavior, interval, sleep};

/// Follows a container.
pub(super) struct Follower {
    probed: Probed,
    systemd: Systemd,
    changes: UnitChanges,
    board: Arc<Board>,
    /// Whose container it is, and where that is written down.
    pod: Arc<(Layout, PodUid)>,
}

/// What a container does.
#[derive(Debug, PartialEq)]
enum Now {
    /// It runs, and its startup probe has succeeded.
    Up(Run),
    /// It does not run, and systemd does not mean to start it.
    Down,
    /// Something between.
    Changing,
}

#[derive(Debug, Clone, PartialEq)]
struct Run {
    invocation: Box<str>,
    pid: u32,
    started: Option<Timestamp>,
}

impl Follower {
    /// Begins to listen, so that no change is missed from here on.
    pub(super) async fn new(
        probed: Probed,
        systemd: Systemd,
        board: Arc<Board>,
        pod: Arc<(Layout, PodUid)>,
    ) -> Result<Self, SystemdError> {
        let changes = UnitChanges::subscribe(&systemd, &probed.unit).await?;
        Ok(Self {
            probed,
            systemd,
            changes,
            board,
            pod,
        })
    }

    /// Follows it for good; only an error ends this.
    pub(super) async fn follow(mut self) -> Result<(), SystemdError> {
        // Set when a run was ended because of its liveness probe.
        let mut killed = false;
        loop {
            match look(&self.systemd, &self.probed).await? {
                Now::Up(run) => killed = self.probe(run).await?,
                Now::Down => {
                    // It ended well after the kill: systemd takes that for success, Kubernetes does not.
                    if std::mem::take(&mut killed)
                        && self.probed.restart == RestartPolicy::OnFailure
                    {
                        self.systemd.start(&self.probed.unit).await?;
                    }
                    self.changes.next().await?;
                }
                Now::Changing => self.changes.next().await?,
            }
        }
    }

    /// Probes one run to its end; whether it was killed.
    async fn probe(&mut self, run: Run) -> Result<bool, SystemdError> {
        let Self {
            probed,
            systemd,
            changes,
            board,
            pod,
        } = self;
        let killed = AtomicBool::new(false);
        let ready = probed.readiness.is_none();
        board.set(&probed.name, &run.invocation, ready);
        let probing = async {
            tokio::join!(
                readiness(probed, &run, board),
                liveness(probed, &run, &killed, pod)
            );
        };
        let ended = async {
            loop {
                changes.next().await?;
                if look(systemd, probed).await? != Now::Up(run.clone()) {
                    return Ok(());
                }
            }
        };
        let result = tokio::select! {
            result = ended => result,
            () = probing => Ok(()),
        };
        board.clear(&probed.name);
        result.map(|()| killed.load(Ordering::Relaxed))
    }
}

async fn look(systemd: &Systemd, probed: &Probed) -> Result<Now, SystemdError> {
    let unit = &probed.unit;
    let Some(state) = systemd.states([unit]).await?.remove(unit) else {
        return Ok(Now::Down);
    };
    match state.active {
        ActiveState::Active | ActiveState::Reloading => {}
        ActiveState::Inactive | ActiveState::Failed if !state.job => return Ok(Now::Down),
        _ => return Ok(Now::Changing),
    }
    let query = RunQuery {
        unit,
        running: true,
        restarting: false,
        status_text: false,
    };
    let run = systemd.current_runs(vec![query]).await?.remove(unit);
    Ok(match run {
        Some(run) if run.main_pid != 0 => Now::Up(Run {
            invocation: run.invocation,
            pid: run.main_pid,
            started: run.started,
        }),
        _ => Now::Changing,
    })
}

/// What is left of the initial delay, which counts from the start of the container.
fn delay(probe: &Probe, run: &Run) -> Duration {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let started = run
        .started
        .map_or(now, |time| Duration::from_micros(time.micros()));
    probe
        .initial_delay
        .saturating_sub(now.saturating_sub(started))
}

/// Says what is to be said of an answer.
fn told(probed: &Probed, kind: &str, verdict: &Result<Option<Warning>, CheckError>) {
    let (reason, text) = match verdict {
        Ok(None) => return,
        Ok(Some(warning)) => ("ProbeWarning", format!("{kind} probe warning: {warning}")),
        Err(error) => (
            "Unhealthy",
            format!("{kind} probe failed: {}", chain::line(error)),
        ),
    };
    log::warn!(
        MESSAGE_ID = event::MESSAGE_ID, KUBERNETES_REASON = reason,
        KUBERNETES_CONTAINER = probed.name.as_str();
        "{text}"
    );
}

async fn readiness(probed: &Probed, run: &Run, board: &Board) {
    let Some(probe) = &probed.readiness else {
        return std::future::pending().await;
    };
    rounds(
        probe,
        run,
        false,
        |verdict| {
            told(probed, "Readiness", verdict);
        },
        |good| {
            board.set(&probed.name, &run.invocation, good);
            true
        },
    )
    .await;
    std::future::pending().await
}

async fn liveness(probed: &Probed, run: &Run, killed: &AtomicBool, pod: &(Layout, PodUid)) {
    let Some(probe) = &probed.liveness else {
        return std::future::pending().await;
    };
    rounds(
        probe,
        run,
        true,
        |verdict| {
            told(probed, "Liveness", verdict);
        },
        |good| good,
    )
    .await;
    log::info!(
        MESSAGE_ID = event::MESSAGE_ID, KUBERNETES_REASON = "Killing",
        KUBERNETES_CONTAINER = probed.name.as_str();
        "Container {} failed liveness probe, will be restarted", probed.name
    );
    killed.store(true, Ordering::Relaxed);
    if probed.restart == RestartPolicy::OnFailure {
        let (layout, uid) = pod;
        if let Err(error) = unhealthy::mark(layout, uid, &probed.name, &run.invocation) {
            log::warn!("Container {}: {}", probed.name, chain::line(&error));
        }
    }
    let grace = probe.termination_grace.unwrap_or(probed.grace);
    let (hook, signal) = (probed.pre_stop.as_ref(), probed.stop_signal);
    if let Err(error) = ending::end(run.pid, hook, signal, grace, Some(&probed.name)).await {
        log::error!("Container {}: {}", probed.name, chain::line(&error));
    }
    // The signal of its end comes next.
    std::future::pending().await
}

/// Asks again and again. `tell` hears each answer, `turn` each change of what they add up to, and ends it by `false`.
async fn rounds(
    probe: &Probe,
    run: &Run,
    mut state: bool,
    tell: impl Fn(&Result<Option<Warning>, CheckError>),
    turn: impl Fn(bool) -> bool,
) {
    sleep(delay(probe, run)).await;
    let mut ticks = interval(probe.period);
    // A probe that takes longer than its period is followed by the next at once, never by two.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut good, mut bad) = (0, 0);
    loop {
        ticks.tick().await;
        let answer = check(&probe.check, Target { pid: run.pid }, probe.timeout).await;
        tell(&answer);
        (good, bad) = if answer.is_ok() {
            (good + 1, 0)
        } else {
            (0, bad + 1)
        };
        let next = match state {
            true => bad < probe.failure_threshold,
            false => good >= probe.success_threshold,
        };
        if next != state {
            state = next;
            if !turn(state) {
                return;
            }
        }
    }
}
