//! The node's HTTPS API: what the API server and kubectl ask of a node (port 10250).
//!
//! | part | what |
//! |---|---|
//! | `tls`, `listen` | connections, and the certificate, which may be another one at any time |
//! | `user`, `review`, `access` | who calls, and what they may do |
//! | `routes` | which path is what |
//! | `pods` | the agent, asked |
//! | `logs`, `node_logs` | what containers, and units of the host, have written |
//! | `remote` | exec, attach and run |
//! | `forward` | connections into a pod |
//! | `spdy`, `channels` | the two ways in which streams are carried |
//! | `figures` | what pods use, for metrics-server and Prometheus |
//!
//! The agent's process is shut in (vks.service): it makes no namespaces and cannot enter any. What has to be done in a
//! pod is done by `vks usher`, a service of its own that is there while it is needed.

mod about;
pub mod access;
pub mod cache;
pub mod channels;
pub mod figures;
pub mod forward;
mod listen;
pub mod logs;
pub mod node_logs;
pub mod pods;
mod refusal;
pub mod remote;
pub mod review;
mod routes;
pub mod spdy;
mod state;
pub mod tls;
pub mod user;

use crate::host::log::hub::Hub;
use crate::host::systemd::Systemd;
use crate::host::usher::Usher;
use crate::model::layout::Layout;
use access::Access;
use pods::Pods;
use review::Reviewer;
use serde_json::Value;
use state::{Sessions, State};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tls::{TlsError, TlsFiles};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Open files that the API may need: a connection, a terminal or three pipes for each session.
const FILES: u64 = 16_384;

/// What the API needs.
pub struct Setup {
    /// The name of the node.
    pub node: String,
    /// Where it listens.
    pub listen: SocketAddr,
    /// Its certificate.
    pub tls: TlsFiles,
    /// Whoever knows tokens and rights. Without one, tokens are refused, and only certificates of system:masters may do
    /// anything.
    pub reviewer: Option<Arc<dyn Reviewer>>,
    /// The pods.
    pub pods: Pods,
    /// Asked where the agent may be behind.
    pub systemd: Systemd,
    /// Where things lie.
    pub layout: Layout,
    /// What `/configz` tells.
    pub config: Value,
}

/// Why the API is not there.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The address cannot be used.
    #[error("cannot listen on {0}: choose another kubernetes.api.address or port")]
    Listen(SocketAddr, #[source] io::Error),
}

/// The API. It ends when this is dropped.
pub struct Api {
    files: TlsFiles,
    configs: watch::Sender<Option<Arc<rustls::server::ServerConfig>>>,
    _task: JoinSet<()>,
}

impl Api {
    /// Listens. As long as there is no certificate, whoever calls is hung up on: see [`Api::reload`].
    pub fn start(setup: Setup) -> Result<Self, ApiError> {
        let listener = listen::bind(setup.listen);
        let listener = listener.map_err(|error| ApiError::Listen(setup.listen, error))?;
        crate::host::limits::more_files(FILES);
        let state = State {
            access: Access::new(setup.node.clone(), setup.reviewer),
            pods: setup.pods,
            systemd: setup.systemd,
            hub: Hub::default(),
            usher: Usher::new(&setup.layout),
            layout: setup.layout,
            node: setup.node,
            config: setup.config,
            begun: about::Begun::now(),
            sessions: Sessions::default(),
        };
        let (configs, watched) = watch::channel(None);
        let mut task = JoinSet::new();
        task.spawn(listen::serve(listener, watched, Arc::new(state)));
        let api = Self {
            files: setup.tls,
            configs,
            _task: task,
        };
        match api.reload() {
            Err(error) if error.is_missing() => {
                log::info!("the node's API waits for its certificate")
            }
            Err(error) => log::error!(
                "{}; the node's API cannot be used",
                crate::chain::line(&error)
            ),
            Ok(()) => {}
        }
        Ok(api)
    }

    /// Reads the certificate again. New connections begin with it, others go on. On an error the old one is kept.
    pub fn reload(&self) -> Result<(), TlsError> {
        let config = tls::config(&self.files)?;
        self.configs.send_replace(Some(Arc::new(config)));
        Ok(())
    }
}
