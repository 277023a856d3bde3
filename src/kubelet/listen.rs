//! Connections: taken, made secure, served. Each is a task of the one that listens.
//!
//! Bounds: 4096 connections at a time, 10 s for the handshake, 2 min without a request, 32 KiB of headers, 64 KiB that wait
//! to be sent in each, 250 requests at a time on one of HTTP/2. A client that is gone without a word is noticed
//! within about two minutes (keep-alive of TCP).

use super::routes;
use super::state::State;
use super::user::User;
use axum::Router;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls::server::ServerConfig;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

const MOST_CONNECTIONS: usize = 4096;
const HANDSHAKE: Duration = Duration::from_secs(10);
const NO_REQUEST: Duration = Duration::from_secs(120);
const MOST_BUFFERED: usize = 64 << 10;
const MOST_HEADERS: u32 = 32 << 10;
const MOST_STREAMS: u32 = 250;
const PING: Duration = Duration::from_secs(30);
/// After an accept(2) that failed for want of descriptors or memory.
const BREATHER: Duration = Duration::from_millis(100);
/// Connections that the kernel holds for us.
const BACKLOG: u32 = 1024;

/// What connections begin with; `None` as long as there is no certificate.
pub type Configs = watch::Receiver<Option<Arc<ServerConfig>>>;

/// Binds the address. One of all families takes those of IPv4 too.
pub fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    // What is accepted takes this on.
    socket.set_keepalive(true)?;
    rustix::net::sockopt::set_tcp_keepidle(&socket, Duration::from_secs(60))?;
    rustix::net::sockopt::set_tcp_keepintvl(&socket, Duration::from_secs(15))?;
    rustix::net::sockopt::set_tcp_keepcnt(&socket, 4)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves until it is dropped.
pub async fn serve(listener: TcpListener, mut configs: Configs, state: Arc<State>) {
    let router = routes::router(state);
    let mut connections = JoinSet::new();
    loop {
        let full = connections.len() >= MOST_CONNECTIONS;
        tokio::select! {
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if !full => match accepted {
                Ok((stream, _)) => {
                    let config = configs.borrow_and_update().clone();
                    // Without a certificate there is nothing to say.
                    if let Some(config) = config {
                        connections.spawn(connection(stream, config, router.clone()));
                    }
                }
                Err(error) => {
                    log::warn!("cannot take a connection to the node's API: {error}");
                    sleep(BREATHER).await;
                }
            }
        }
    }
}

async fn connection(stream: TcpStream, config: Arc<ServerConfig>, router: Router) {
    // Keys that are typed should not wait for each other.
    let _ = stream.set_nodelay(true);
    let accepting = TlsAcceptor::from(config).accept(stream);
    let Ok(Ok(stream)) = timeout(HANDSHAKE, accepting).await else {
        return;
    };
    let router = router.layer(axum::Extension(Caller(caller(&stream))));
    let service = TowerToHyperService::new(router);
    let is_two = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let io = TokioIo::new(stream);
    // How a connection ends is its client's business.
    if is_two {
        let _ = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .max_concurrent_streams(MOST_STREAMS)
            .max_send_buf_size(MOST_BUFFERED)
            .max_header_list_size(MOST_HEADERS)
            .keep_alive_interval(PING)
            .serve_connection(io, service)
            .await;
    } else {
        let _ = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(NO_REQUEST)
            .max_buf_size(MOST_BUFFERED)
            .serve_connection(io, service)
            .with_upgrades()
            .await;
    }
}

/// Whom the certificate of a connection's client names, if it has one.
#[derive(Debug, Clone)]
pub struct Caller(pub Option<User>);

fn caller(stream: &TlsStream<TcpStream>) -> Option<User> {
    let certificate = stream.get_ref().1.peer_certificates()?.first()?;
    User::of_certificate(certificate)
}
