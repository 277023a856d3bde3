//! From a request to streams: SPDY or WebSocket, whichever the client asks for.

use super::Wanted;
use super::client::{Carrier, Client, Input, Output, Sizes};
use crate::kubelet::channels::socket::{Socket, limited};
use crate::kubelet::channels::{self, PROTOCOLS, Protocol};
use crate::kubelet::refusal::Refusal;
use crate::kubelet::spdy::headers::value;
use crate::kubelet::spdy::session::Session;
use crate::kubelet::spdy::stream::Stream;
use axum::body::Body;
use axum::extract::ws::{WebSocket, WebSocketUpgrade};
use axum::extract::{FromRequestParts as _, Request};
use axum::response::Response;
use futures_util::future::BoxFuture;
use hyper::header::{CONNECTION, HeaderValue, UPGRADE};
use hyper::upgrade::OnUpgrade;
use hyper::{HeaderMap, StatusCode};
use hyper_util::rt::TokioIo;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// How long a client may take to begin all its streams (the kubelet's `streamCreationTimeout`).
const STREAMS: Duration = Duration::from_secs(30);
/// The header for the protocol spoken over SPDY.
const VERSION: &str = "x-stream-protocol-version";
/// What is spoken over SPDY, the best one first.
const VERSIONS: [&str; 4] = [
    "v4.channel.k8s.io",
    "v3.channel.k8s.io",
    "v2.channel.k8s.io",
    "channel.k8s.io",
];

/// How a client wants to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upgrade {
    /// SPDY/3.1.
    Spdy,
    /// WebSocket.
    Socket,
}

/// How a client wants to go on; 400 when it does not say so.
pub fn upgrade_of(headers: &HeaderMap) -> Result<Upgrade, Refusal> {
    let has = |name, word: &str| {
        let values = headers
            .get_all(name)
            .iter()
            .filter_map(|value| value.to_str().ok());
        let mut words = values.flat_map(|value| value.split(',')).map(str::trim);
        words.any(|found| found.eq_ignore_ascii_case(word))
    };
    match has(CONNECTION, "upgrade") {
        true if has(UPGRADE, "SPDY/3.1") => Ok(Upgrade::Spdy),
        true if has(UPGRADE, "websocket") => Ok(Upgrade::Socket),
        _ => Err(Refusal::bad(
            "unable to upgrade: ask for SPDY/3.1 or websocket",
        )),
    }
}

/// The answer to a request, and the client, once it has its answer and has begun its streams; `None` when it does not.
pub type Connecting = (Response, BoxFuture<'static, Option<Client>>);

/// Answers a request for streams.
pub async fn connect(request: Request, wanted: Wanted) -> Result<Connecting, Refusal> {
    match upgrade_of(request.headers())? {
        Upgrade::Spdy => {
            let version = version(request.headers(), &VERSIONS)?;
            let (response, upgrade) = spdy(request, version);
            Ok((response, Box::pin(by_spdy(upgrade, version, wanted))))
        }
        Upgrade::Socket => {
            let (upgrade, protocol) = socket(request, &PROTOCOLS).await?;
            let (response, socket) = taken(upgrade);
            Ok((response, Box::pin(by_socket(socket, protocol, wanted))))
        }
    }
}

/// The best of those protocols that the client speaks. One that names none speaks the last, oldest one.
pub fn version(headers: &HeaderMap, known: &[&'static str]) -> Result<&'static str, Refusal> {
    let values = headers
        .get_all(VERSION)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let asked: Vec<&str> = values
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .collect();
    let oldest = known
        .last()
        .copied()
        .filter(|_| asked.iter().all(|asked| asked.is_empty()));
    let found = known.iter().copied().find(|known| asked.contains(known));
    found.or(oldest).ok_or_else(|| {
        let text = format!(
            "unable to upgrade: unable to negotiate protocol: client supports {asked:?}, server accepts {known:?}"
        );
        Refusal::new(StatusCode::FORBIDDEN, text)
    })
}

/// The answer that begins SPDY.
pub fn spdy(mut request: Request, version: &'static str) -> (Response, OnUpgrade) {
    let upgrade = hyper::upgrade::on(&mut request);
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("SPDY/3.1"));
    headers.insert(VERSION, HeaderValue::from_static(version));
    (response, upgrade)
}

async fn by_spdy(upgrade: OnUpgrade, version: &'static str, wanted: Wanted) -> Option<Client> {
    let upgraded = upgrade.await.ok()?;
    let mut session = Session::new(TokioIo::new(upgraded));
    let json = version == VERSIONS[0];
    let resizes = wanted.tty && (json || version == VERSIONS[1]);
    let mut found: [Option<Stream>; 5] = Default::default();
    let names = [
        ("error", true),
        ("stdin", wanted.stdin),
        ("stdout", wanted.stdout),
        ("stderr", wanted.stderr),
        ("resize", resizes),
    ];
    let all = async {
        while names
            .iter()
            .zip(&found)
            .any(|((_, needed), found)| *needed && found.is_none())
        {
            let stream = session.accept().await?;
            let kind = value(&stream.headers, "streamtype").unwrap_or_default();
            if let Some(place) = names.iter().position(|(name, _)| *name == kind) {
                found[place] = Some(stream);
            }
        }
        Some(())
    };
    timeout(STREAMS, all).await.ok()??;
    let [error, stdin, stdout, stderr, resize] = found;
    let out = |stream: Stream| Output::Spdy(stream.writer);
    Some(Client {
        end: out(error?),
        stdin: stdin.map(hear),
        stdout: stdout.map(out),
        stderr: stderr.map(out),
        sizes: resize.map(hear).map(Sizes::new),
        json,
        carrier: Carrier::Spdy(session),
    })
}

/// What comes in a stream; we have nothing to say on it.
fn hear(stream: Stream) -> Input {
    let Stream {
        reader, mut writer, ..
    } = stream;
    writer.leave();
    Input::Spdy(reader)
}

/// The request for a WebSocket, and the best of those protocols that the client speaks: the last one when it names none.
pub async fn socket(
    request: Request,
    known: &[Protocol],
) -> Result<(WebSocketUpgrade, Protocol), Refusal> {
    let (mut parts, _) = request.into_parts();
    let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &()).await;
    let upgrade = upgrade.map_err(|error| Refusal::bad(format!("unable to upgrade: {error}")))?;
    let names = known.iter().map(|protocol| protocol.name);
    let upgrade = limited(upgrade.protocols(names));
    let chosen = upgrade.selected_protocol().cloned();
    let named = upgrade.requested_protocols().next().is_some();
    let found = match &chosen {
        Some(name) => known.iter().find(|protocol| name == protocol.name),
        None => known.last().filter(|_| !named),
    };
    let none = || {
        Refusal::new(
            StatusCode::FORBIDDEN,
            "unable to upgrade: none of the protocols is known here",
        )
    };
    let found = *found.ok_or_else(none)?;
    Ok((upgrade, found))
}

/// The answer that begins a WebSocket, and the socket.
pub fn taken(upgrade: WebSocketUpgrade) -> (Response, oneshot::Receiver<WebSocket>) {
    let (sender, socket) = oneshot::channel();
    let response = upgrade.on_upgrade(|socket| async {
        // The session may have ended meanwhile.
        let _ = sender.send(socket);
    });
    (response, socket)
}

async fn by_socket(
    socket: oneshot::Receiver<WebSocket>,
    protocol: Protocol,
    wanted: Wanted,
) -> Option<Client> {
    let socket = socket.await.ok()?;
    let (socket, mut incoming) =
        Socket::new(socket, protocol, &[channels::STDIN, channels::RESIZE]);
    let sizes = incoming.pop().map(Input::Channel).map(Sizes::new);
    let stdin = incoming.pop().map(Input::Channel).filter(|_| wanted.stdin);
    let out = |channel| Output::Channel(socket.outgoing(channel));
    let mut client = Client {
        end: out(channels::ERROR),
        stdin,
        stdout: wanted.stdout.then(|| out(channels::STDOUT)),
        stderr: wanted.stderr.then(|| out(channels::STDERR)),
        sizes: sizes.filter(|_| wanted.tty),
        json: protocol.json,
        carrier: Carrier::Socket(socket),
    };
    // An empty message says that the connection is there: the kubelet's way.
    let Client {
        end,
        stdout,
        stderr,
        ..
    } = &mut client;
    let first = stdout.as_mut().or(stderr.as_mut()).unwrap_or(end);
    first.write(&[]).await.ok()?;
    Some(client)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn upgrades_are_told_apart() {
        let of = |connection, upgrade| {
            let headers = headers(&[("connection", connection), ("upgrade", upgrade)]);
            upgrade_of(&headers).map_err(|refusal| refusal.status.as_u16())
        };
        assert_eq!(of("Upgrade", "SPDY/3.1"), Ok(Upgrade::Spdy));
        assert_eq!(of("keep-alive, Upgrade", "websocket"), Ok(Upgrade::Socket));
        assert_eq!(of("Upgrade", "h2c"), Err(400));
        assert_eq!(of("close", "SPDY/3.1"), Err(400));
    }

    #[test]
    fn the_best_protocol_is_chosen() {
        let choose = |asked: &[&str]| {
            let pairs: Vec<_> = asked.iter().map(|asked| (VERSION, *asked)).collect();
            let mut map = HeaderMap::new();
            for (name, value) in pairs {
                map.append(name, value.parse().unwrap());
            }
            version(&map, &VERSIONS).map_err(|refusal| refusal.status.as_u16())
        };
        assert_eq!(
            choose(&["v2.channel.k8s.io", "v4.channel.k8s.io"]),
            Ok("v4.channel.k8s.io")
        );
        assert_eq!(
            choose(&["v3.channel.k8s.io, channel.k8s.io"]),
            Ok("v3.channel.k8s.io")
        );
        assert_eq!(choose(&[]), Ok("channel.k8s.io"));
        assert_eq!(choose(&["v9.channel.k8s.io"]), Err(403));
    }
}
