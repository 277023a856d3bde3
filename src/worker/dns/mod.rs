//! `vks dns`: the name server of pods.
//!
//! `vks-dns.socket` holds its sockets, in a network namespace where nobody else listens; it itself is on the host's
//! network, where it asks others. So no port of the host is taken, a query that comes while it starts again waits, and
//! the agent has no part in it: what it answers is in a file ([`crate::model::layout::Layout::published`]) that is read
//! again when it changes.

mod answer;
mod upstream;

use super::args::{ArgumentError, Arguments};
use super::journal;
use super::wire::{self, WireError};
use crate::config::{ConfigError, Settings};
use crate::host::file_news::FileNews;
use crate::host::passed::Passed;
use crate::plan::network::names::Names;
use answer::Answers;
use hickory_server::Server;
use sd_notify::NotifyState;
use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, RwLock};
use std::time::Duration;
use tokio::net::{TcpListener, UdpSocket};
use tokio::signal::unix::{SignalKind, signal};

/// How long a connection may be silent.
const SILENCE: Duration = Duration::from_secs(10);
/// Answers that wait for a slow reader of a connection.
const WAITING: usize = 32;

/// Why there is no name server.
#[derive(Debug, thiserror::Error)]
pub enum DnsError {
    /// The command line.
    #[error("cannot understand the arguments of vks dns")]
    Arguments(#[from] ArgumentError),
    /// Settings.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Sockets come from `vks-dns.socket`.
    #[error("cannot use the sockets of vks-dns.socket")]
    Sockets(#[source] io::Error),
    /// There are none.
    #[error("no sockets were passed: start vks-dns.socket, not vks-dns.service")]
    NoSockets,
    /// The event loop, signals or the news of a file.
    #[error("cannot wait for events")]
    Events(#[source] io::Error),
    /// The server has come to an end by itself.
    #[error("the name server has stopped")]
    Ended(#[from] hickory_server::net::NetError),
    /// What is published.
    #[error(transparent)]
    Published(#[from] WireError),
}

/// Runs the verb until SIGTERM.
pub fn main(args: &[OsString]) -> ExitCode {
    journal::install(None);
    // The server's library has a line for each query.
    log::set_max_level(log::LevelFilter::Warn);
    let ran = || {
        Arguments::parse(args, &[])?.end()?;
        let settings = Settings::load(Path::new("/"))?;
        let runtime = super::runtime().map_err(DnsError::Events)?;
        runtime.block_on(run(settings))
    };
    match ran() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let arguments = matches!(error, DnsError::Arguments(_));
            super::fail(&error, arguments)
        }
    }
}

async fn run(settings: Settings) -> Result<(), DnsError> {
    let mut end = signal(SignalKind::terminate()).map_err(DnsError::Events)?;
    // The news first: what is written while it is read is read again.
    let path = settings.layout.published();
    let mut news = FileNews::watch(&path).map_err(DnsError::Events)?;
    let settings = Arc::new(settings);
    let names = read(&settings).await.unwrap_or_else(|error| {
        log::error!(
            "{}; only other names than the cluster's are answered",
            crate::chain::line(&error)
        );
        Names::default()
    });
    let names = Arc::new(RwLock::new(Arc::new(names)));
    let mut server = serve(Answers::new(Arc::clone(&names)))?;
    // Without a manager that listens there is nobody to tell.
    let _ = sd_notify::notify(&[NotifyState::Ready]);
    loop {
        tokio::select! {
            ended = server.block_until_done() => return Ok(ended?),
            changed = news.next() => {
                changed.map_err(DnsError::Events)?;
                match read(&settings).await {
                    Ok(new) => put(&names, new),
                    Err(error) => log::error!("{}; names stay as they were", crate::chain::line(&error)),
                }
            }
            _ = end.recv() => break,
        }
    }
    Ok(server.shutdown_gracefully().await?)
}

/// The names of what is published now. Reading takes some milliseconds, while queries are answered.
async fn read(settings: &Arc<Settings>) -> Result<Names, DnsError> {
    let settings = Arc::clone(settings);
    let work = tokio::task::spawn_blocking(move || {
        let published = wire::published(&settings)?;
        let network = &settings.network;
        let domain = &settings.dns_domain;
        Ok(Names::new(
            domain,
            &network.pods,
            &network.services,
            published,
        ))
    });
    work.await
        .unwrap_or_else(|error| Err(DnsError::Events(error.into())))
}

fn put(names: &RwLock<Arc<Names>>, new: Names) {
    let mut place = names.write().unwrap_or_else(|broken| broken.into_inner());
    *place = Arc::new(new);
}

fn serve(answers: Answers) -> Result<Server<Answers>, DnsError> {
    let passed = Passed::take().map_err(DnsError::Sockets)?;
    if passed.datagrams.is_empty() && passed.listeners.is_empty() {
        return Err(DnsError::NoSockets);
    }
    let mut server = Server::new(answers);
    for socket in passed.datagrams {
        let socket = UdpSocket::from_std(socket).map_err(DnsError::Sockets)?;
        server.register_socket(socket);
    }
    for listener in passed.listeners {
        let listener = TcpListener::from_std(listener).map_err(DnsError::Sockets)?;
        server.register_listener(listener, SILENCE, WAITING);
    }
    Ok(server)
}
