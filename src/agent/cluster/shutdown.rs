//! The host is about to shut down: it waits until the pods of the API server have ended and that was told, for as long as
//! the settings say (kubelet: pkg/kubelet/nodeshutdown).

use super::retry::Retry;
use crate::host::logind::{Logind, LogindError};
use crate::host::systemd::Systemd;
use crate::model::node::Leave;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{oneshot, watch};

/// What the member is told.
#[derive(Debug)]
pub enum Departure {
    /// The host is about to shut down. It waits for the answer.
    Begins(oneshot::Sender<()>),
    /// It does not after all.
    CalledOff,
}

/// What the task works with.
pub struct Shutdown {
    pub systemd: Systemd,
    pub leave: Leave,
    /// Told while the host is about to shut down.
    pub down: watch::Sender<bool>,
    pub member: UnboundedSender<Departure>,
}

impl Shutdown {
    /// Goes on until it is aborted.
    pub async fn run(self) {
        let mut retry = Retry::default();
        loop {
            let Err(error) = self.follow().await;
            if retry.failures() == 0 {
                log::warn!(
                    "{}; the shutdown of this host will not wait for pods; it is tried again",
                    crate::chain::line(&error)
                );
            }
            retry.wait().await;
        }
    }

    async fn follow(&self) -> Result<std::convert::Infallible, LogindError> {
        let mut logind = Logind::listen(&self.systemd).await?;
        logind.allow(self.leave.grace).await?;
        let longest = logind.longest().await?;
        if longest < self.leave.grace {
            log::warn!(
                "a shutdown waits for {} s and not for {} s: raise InhibitDelayMaxSec= in logind.conf",
                longest.as_secs(),
                self.leave.grace.as_secs()
            );
        }
        loop {
            let lock = logind
                .delay("vks", "Pods of the cluster end before the host does")
                .await?;
            logind.wait(true).await?;
            log::info!("the host is about to shut down: it waits for the pods of the API server");
            self.down.send_replace(true);
            let (answer, done) = oneshot::channel();
            // When nobody hears it, the agent is ending.
            let _ = self.member.send(Departure::Begins(answer));
            tokio::select! {
                answered = tokio::time::timeout(longest.min(self.leave.grace), done) => {
                    if answered.is_err() {
                        log::warn!("pods have not ended in time: the host shuts down");
                    }
                }
                called_off = logind.wait(false) => called_off?,
            }
            drop(lock);
            logind.wait(false).await?;
            log::info!("the host does not shut down");
            self.down.send_replace(false);
            let _ = self.member.send(Departure::CalledOff);
        }
    }
}
