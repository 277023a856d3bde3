//! The agent, `vks run`: one level-triggered loop that joins sources, observation, planning and applying.
//!
//! ```text
//!  files changed ----+                         +--> apply, a task for each pod --+
//!  units changed ----+--> State (dirty pods) --+                                 |
//!  a pod is done ----+         plan            +--> status line                  |
//!     ^--------------------------------------------------------------------------+
//! ```
//!
//! The agent only decides: systemd runs the pods, and they go on when it ends, is killed, or is not there at
//! boot. Everything it knows it reads from files and systemd, so it can be killed at any moment.

mod api;
mod backends;
pub mod backoff;
pub mod cluster;
pub mod controllers;
pub mod images;
mod mend;
pub mod notify;
pub mod pass;
pub mod publish;
mod publisher;
pub mod reclaim;
mod run;
mod shares;
pub mod state;
mod told;
pub mod view;
mod watchdog;

pub use run::run;

use crate::host::lock::{Holder, LockError};
use crate::host::systemd::SystemdError;
use crate::observe::ObserveError;
use crate::source::WatchError;

/// Why the agent, or a pass without one, could not go on.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The lock cannot be used.
    #[error("failed to take the lock")]
    Lock(#[source] LockError),
    /// Another agent or command is at work.
    #[error("failed to take the lock: {} (pid {}) is at work on this host: stop it, or wait for its end", .0.name, .0.pid)]
    Busy(Holder),
    /// No connection to systemd.
    #[error("failed to reach systemd")]
    Systemd(#[source] SystemdError),
    /// The manifest directories cannot be watched.
    #[error("failed to watch the manifest directories")]
    Watch(#[source] WatchError),
    /// The host cannot be read.
    #[error("failed to read the state of the host")]
    Observe(#[source] ObserveError),
    /// A file of the agent's own cannot be written.
    #[error("failed to {act}")]
    File {
        /// What was attempted.
        act: &'static str,
        /// Why it failed.
        source: std::io::Error,
    },
    /// This systemd is too old to keep what pods ask for.
    #[error(
        "systemd {found} is too old: vks needs {needed} or newer, because older ones ignore the settings that \
         restart and confine containers (RestartSteps= and RestartMode= came with 254)"
    )]
    OldSystemd {
        /// The running version.
        found: u32,
        /// The oldest that is supported.
        needed: u32,
    },
    /// Services and ports of the host.
    #[error(transparent)]
    Publish(publish::PublishError),
    /// This host cannot be a node of the cluster that the settings name.
    #[error(transparent)]
    Cluster(cluster::ClusterError),
    /// Another task of the agent has ended in a way it never should.
    #[error("a task of the agent ended unexpectedly")]
    Task,
}

/// The oldest systemd that vks runs on (DESIGN: floor 255).
pub const OLDEST_SYSTEMD: u32 = 255;
