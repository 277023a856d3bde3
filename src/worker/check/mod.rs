//! What a probe or hook asks of a container, asked once. The rules are the kubelet's (pkg/probe).

mod exec;
mod grpc;
mod http;

use crate::host::namespace::visit_network;
use crate::model::probe::{Check, HttpGet};
use std::net::{TcpStream as StdStream, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;
use tokio::net::TcpStream;

/// The host that is asked when a probe names none: every pod listens on its own loopback, until pods have
/// addresses.
const OWN_HOST: &str = "127.0.0.1";

/// Why a check did not succeed. The text is for the log.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The answer is no.
    #[error("{0}")]
    Failed(String),
    /// No answer in time.
    #[error("no answer within {} s", .0.as_secs_f32())]
    TimedOut(Duration),
}

impl CheckError {
    fn failed(error: impl std::fmt::Display) -> Self {
        Self::Failed(error.to_string())
    }
}

/// The container that is asked.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its main process.
    pub pid: u32,
}

/// What is to be told of an answer that is good all the same.
pub type Warning = String;

/// Asks once, for no longer than `timeout`.
pub async fn check(
    check: &Check,
    target: Target,
    timeout: Duration,
) -> Result<Option<Warning>, CheckError> {
    let asked = async {
        match check {
            Check::Exec { command } => exec::run(command, target).await.map(|()| None),
            Check::HttpGet(get) => http::get(get, target).await,
            Check::TcpSocket { host, port } => {
                connect(target, host.as_deref(), *port).await.map(|_| None)
            }
            Check::Grpc { port, service } => {
                grpc::serving(target, *port, service).await.map(|()| None)
            }
        }
    };
    // A dropped exec kills its process; a dropped connection closes.
    tokio::time::timeout(timeout, asked)
        .await
        .unwrap_or(Err(CheckError::TimedOut(timeout)))
}

/// Runs a command of a hook in the container.
pub async fn run_command(command: &[String], target: Target) -> Result<(), CheckError> {
    exec::run(command, target).await
}

/// Makes the request of a hook.
pub async fn request(get: &HttpGet, target: Target) -> Result<(), CheckError> {
    http::get(get, target).await.map(drop)
}

/// Connects from within the container's network namespace. The thread that visits it ends with the connection made.
async fn connect(target: Target, host: Option<&str>, port: u16) -> Result<TcpStream, CheckError> {
    let namespace = PathBuf::from(format!("/proc/{}/ns/net", target.pid));
    let host = host.unwrap_or(OWN_HOST).to_owned();
    let dial = move || visit_network(&namespace, move || dial(&host, port));
    let stream = tokio::task::spawn_blocking(dial)
        .await
        .map_err(CheckError::failed)?;
    let stream = stream.map_err(|error| CheckError::failed(crate::chain::line(&error)))?;
    let stream = stream.map_err(CheckError::failed)?;
    stream.set_nonblocking(true).map_err(CheckError::failed)?;
    TcpStream::from_std(stream).map_err(CheckError::failed)
}

/// The longest wait for one address. A check's own time is nearly always shorter.
const DIAL: Duration = Duration::from_secs(30);

fn dial(host: &str, port: u16) -> std::io::Result<StdStream> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let mut last = std::io::Error::other(format!("{host} has no address"));
    for address in (host, port).to_socket_addrs()? {
        match StdStream::connect_timeout(&address, DIAL) {
            Ok(stream) => return Ok(stream),
            Err(error) => {
                last = std::io::Error::new(error.kind(), format!("dial {address}: {error}"))
            }
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests;
