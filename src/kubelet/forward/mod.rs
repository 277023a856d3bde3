//! `/portForward`: connections to ports on the loopback interface of a pod.

mod socket;
mod spdy;

use super::refusal::Refusal;
use super::remote::{Upgrade, pairs, pod, upgrade_of};
use super::routes::Shared;
use super::state::State;
use crate::model::view::PodView;
use axum::extract::{Path, RawQuery, Request};
use axum::response::Response;
use hyper::StatusCode;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long a port of the host may take to answer.
const CONNECT: Duration = Duration::from_secs(10);

/// The parts of a path.
#[derive(Debug, serde::Deserialize)]
pub struct Names {
    namespace: String,
    pod: String,
    uid: Option<String>,
}

/// Where connections go.
#[derive(Clone)]
struct Target {
    state: Arc<State>,
    name: String,
    /// The pod's network namespace; `None` for that of the host.
    namespace: Option<PathBuf>,
}

impl Target {
    fn of(state: Arc<State>, pod: &PodView) -> Result<Self, Refusal> {
        let name = pod.report.key.to_string();
        let uid = pod.report.uid.as_ref();
        let host = pod.manifest["spec"]["hostNetwork"] == true
            || pod.report.status.pod_ip == pod.report.status.host_ip;
        let runs = pod.observed.is_some() && uid.is_some();
        if !runs {
            return Err(Refusal::bad(format!(
                "unable to do port forwarding: pod {name} is not running"
            )));
        }
        let namespace = uid
            .map(|uid| state.layout.network_namespace(uid))
            .filter(|_| !host);
        Ok(Self {
            state,
            name,
            namespace,
        })
    }

    /// Connects to a port; why not, in a line for the client.
    async fn dial(&self, port: u16) -> Result<TcpStream, String> {
        let Some(namespace) = &self.namespace else {
            let both = async {
                match TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await {
                    Ok(stream) => Ok(stream),
                    Err(error) => TcpStream::connect((Ipv6Addr::LOCALHOST, port))
                        .await
                        .map_err(|_| error),
                }
            };
            let failed = |error: String| {
                format!(
                    "failed to connect to localhost:{port} of pod {}: {error}",
                    self.name
                )
            };
            let connected = timeout(CONNECT, both).await;
            return connected
                .map_err(|late| failed(late.to_string()))?
                .map_err(|error| failed(error.to_string()));
        };
        let failed = |error: String| {
            format!(
                "failed to connect to port {port} of pod {}: {error}",
                self.name
            )
        };
        let stream = self.state.usher.dial(namespace.clone(), port).await;
        let stream = stream.map_err(|error| failed(crate::chain::line(&error)))?;
        let stream = stream
            .set_nonblocking(true)
            .and_then(|()| TcpStream::from_std(stream));
        stream.map_err(|error| failed(error.to_string()))
    }
}

/// Begins to forward.
pub async fn get(
    axum::extract::State(state): Shared,
    Path(names): Path<Names>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Result<Response, Refusal> {
    let pod = pod(&state, &names.namespace, &names.pod, names.uid.as_deref()).await?;
    let target = Target::of(Arc::clone(&state), &pod)?;
    let full = || {
        Refusal::new(
            StatusCode::TOO_MANY_REQUESTS,
            "this node has as many sessions as it can: close some",
        )
    };
    let place = state.sessions.place().ok_or_else(full)?;
    let (response, session) = match upgrade_of(request.headers())? {
        Upgrade::Spdy => spdy::begin(request, target)?,
        Upgrade::Socket => {
            let pairs = pairs(query.as_deref().unwrap_or_default());
            let ports = pairs
                .iter()
                .filter(|(name, _)| matches!(name.as_str(), "port" | "ports"));
            let ports = ports.flat_map(|(_, value)| value.split(','));
            let ports: Vec<String> = ports.map(str::to_owned).collect();
            socket::begin(request, target, &ports).await?
        }
    };
    state.sessions.begin(place, session);
    Ok(response)
}

/// A port, by its number.
fn port(text: &str) -> Option<u16> {
    text.trim().parse().ok().filter(|port| *port != 0)
}
