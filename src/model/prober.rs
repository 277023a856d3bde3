//! What the prober of a pod does: planning writes a [`Config`] as JSON into `[X-kubernetes] Probes=` of the
//! pod's probes unit (as one line), `vks prober` reads it there.

use super::name::{ContainerName, UnitName};
use super::pod::RestartPolicy;
use super::probe::{Hook, Probe};
use super::process::StopSignal;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The key of `[X-kubernetes]` that holds a [`Config`].
pub const PROBES_KEY: &str = "Probes";

/// The containers of a pod that have a liveness or readiness probe.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Config {
    /// At least one; each name once.
    pub containers: Vec<Probed>,
}

/// One container and what the prober must know of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Probed {
    /// Its name in the pod.
    pub name: ContainerName,
    /// Its unit.
    pub unit: UnitName,
    /// Its failure ends the container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub liveness: Option<Probe>,
    /// Whether it can serve.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readiness: Option<Probe>,
    /// Runs before a container that failed its liveness probe is killed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pre_stop: Option<Hook>,
    /// Asks it to end (default SIGTERM).
    #[serde(default, skip_serializing_if = "StopSignal::is_default")]
    pub stop_signal: StopSignal,
    /// From the failure to SIGKILL, hook included; a probe's own `termination_grace` goes before it.
    pub grace: Duration,
    /// The restart policy in force. systemd starts again what ends, except a container with
    /// [`RestartPolicy::OnFailure`] that ended well after it was killed: that one the prober starts.
    pub restart: RestartPolicy,
}
