//! Probes and lifecycle hooks of a container.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A probe with its timings (core/v1 Probe). The defaults are those of the Kubernetes API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// What is asked.
    pub check: Check,
    /// Wait after the start of the container before the first try (default 0 s).
    pub initial_delay: Duration,
    /// From one try to the next (default 10 s, at least 1 s).
    pub period: Duration,
    /// A try that takes longer has failed (default 1 s, at least 1 s).
    pub timeout: Duration,
    /// Failures in a row that count as failed (default 3, at least 1).
    pub failure_threshold: u32,
    /// Successes in a row after a failure that count as good (default 1; must be 1 for liveness and startup).
    pub success_threshold: u32,
    /// Grace period of the kill that a failed liveness or startup probe causes; the pod's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub termination_grace: Option<Duration>,
}

/// What a probe asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Check {
    /// A command in the container: exit code 0 is success.
    Exec {
        /// Program and arguments, no shell.
        command: Vec<String>,
    },
    /// An HTTP GET: a status from 200 to 399 is success.
    HttpGet(HttpGet),
    /// A TCP connection that opens is success.
    TcpSocket {
        /// Host, the pod's own address when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        host: Option<String>,
        /// Port number, names already resolved.
        port: u16,
    },
    /// `grpc.health.v1.Health/Check`: `SERVING` is success.
    Grpc {
        /// Port number.
        port: u16,
        /// Service asked for, the empty name for the whole server.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        service: String,
    },
}

/// An HTTP GET of a probe or hook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpGet {
    /// Host, the pod's own address when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Port number, names already resolved.
    pub port: u16,
    /// Path with query, beginning with `/` (default `/`).
    pub path: String,
    /// HTTPS, whose certificate is not verified (kubelet behaviour), instead of plain HTTP.
    #[serde(default)]
    pub https: bool,
    /// Headers, in order; may repeat.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
}

/// What runs after the start or before the stop of a container (core/v1 LifecycleHandler).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Hook {
    /// A command in the container.
    Exec {
        /// Program and arguments, no shell.
        command: Vec<String>,
    },
    /// An HTTP GET.
    HttpGet(HttpGet),
    /// Nothing but time.
    Sleep {
        /// How long.
        duration: Duration,
    },
}

/// The three probes of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probes {
    /// Holds the other two back until it has succeeded once; its failure kills the container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub startup: Option<Probe>,
    /// Its failure kills the container, which then follows its restart policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub liveness: Option<Probe>,
    /// Whether the container is ready to serve.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readiness: Option<Probe>,
}
