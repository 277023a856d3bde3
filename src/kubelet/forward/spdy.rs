//! Each connection is a pair of streams: `data`, and `error`, which tells in a line why there was none.

use super::{Target, port};
use crate::kubelet::refusal::Refusal;
use crate::kubelet::remote::{spdy, version};
use crate::kubelet::spdy::headers::value;
use crate::kubelet::spdy::session::Session;
use crate::kubelet::spdy::stream::{Stream, StreamReader, StreamWriter};
use axum::extract::Request;
use axum::response::Response;
use futures_util::future::BoxFuture;
use hyper_util::rt::TokioIo;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// The protocol over SPDY.
pub const PROTOCOL: &str = "portforward.k8s.io";
/// How long the second stream of a pair may take.
const PAIR: Duration = Duration::from_secs(30);
/// Streams that wait for their partners.
const MOST_SINGLE: usize = 64;
/// Bytes that are copied at once.
const AT_ONCE: usize = 16 << 10;

/// The answer, and the session that follows it.
pub fn begin(
    request: Request,
    target: Target,
) -> Result<(Response, BoxFuture<'static, ()>), Refusal> {
    let version = version(request.headers(), &[PROTOCOL])?;
    let (response, upgrade) = spdy(request, version);
    let session = async move {
        if let Ok(upgraded) = upgrade.await {
            serve(Session::new(TokioIo::new(upgraded)), target).await;
        }
    };
    Ok((response, Box::pin(session)))
}

/// A stream without its partner, and until when it may be.
struct Single {
    stream: Stream,
    until: Instant,
}

/// Forwards until the client hangs up.
pub async fn serve(mut session: Session, target: Target) {
    let mut singles: BTreeMap<String, Single> = BTreeMap::new();
    let mut connections = JoinSet::new();
    loop {
        let late = singles.values().map(|single| single.until).min();
        tokio::select! {
            stream = session.accept() => match stream {
                Some(stream) => pair(stream, &mut singles, &mut connections, &target),
                None => break,
            },
            Some(_) = connections.join_next() => {}
            () = until(late) => singles.retain(|_, single| single.until > Instant::now()),
        }
    }
    // The client is gone, and so are its streams.
}

async fn until(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// Brings the streams of a connection together. A stream that is dropped here is broken off.
fn pair(
    stream: Stream,
    singles: &mut BTreeMap<String, Single>,
    connections: &mut JoinSet<()>,
    target: &Target,
) {
    let header = |name| value(&stream.headers, name).unwrap_or_default().to_owned();
    let (kind, id, number) = (header("streamtype"), header("requestid"), header("port"));
    if !matches!(kind.as_str(), "data" | "error") {
        return;
    }
    // Clients of long ago give no number: then the port does for one.
    let id = if id.is_empty() {
        format!("port {number}")
    } else {
        id
    };
    let Some(other) = singles.remove(&id) else {
        if singles.len() < MOST_SINGLE {
            let until = Instant::now() + PAIR;
            singles.insert(id, Single { stream, until });
        }
        return;
    };
    let other = other.stream;
    let (data, error) = match (kind.as_str(), value(&other.headers, "streamtype")) {
        ("data", Some("error")) => (stream, other),
        ("error", Some("data")) => (other, stream),
        _ => return,
    };
    let target = target.clone();
    connections.spawn(connection(data, error, number, target));
}

async fn connection(data: Stream, error: Stream, number: String, target: Target) {
    let mut told = error.writer;
    let dialed = match port(&number) {
        Some(port) => target.dial(port).await,
        None => Err(format!("{number:?} is no port")),
    };
    match dialed {
        Ok(stream) => {
            let _ = stream.set_nodelay(true);
            let (read, write) = stream.into_split();
            let outwards = async {
                outwards(read, data.writer).await;
                // kubectl holds the connection open until this is said, too.
                let _ = told.finish().await;
            };
            tokio::join!(outwards, inwards(data.reader, write));
        }
        Err(why) => {
            log::debug!("{why}");
            let _ = told.write(why.as_bytes()).await;
            let mut writer = data.writer;
            let _ = writer.finish().await;
        }
    }
    let _ = told.finish().await;
}

/// From the pod to the client, until the pod closes its half. A client that is gone ends it too.
async fn outwards(mut from: OwnedReadHalf, mut to: StreamWriter) {
    let mut bytes = vec![0; AT_ONCE];
    loop {
        let count = tokio::select! {
            count = from.read(&mut bytes) => count,
            () = to.broken_off() => return,
        };
        let Ok(count) = count else { return };
        if count == 0 {
            let _ = to.finish().await;
            return;
        }
        if to
            .write(bytes.get(..count).unwrap_or_default())
            .await
            .is_err()
        {
            return;
        }
    }
}

/// From the client to the pod; its half is closed when the client closes it.
async fn inwards(mut from: StreamReader, mut to: OwnedWriteHalf) {
    while let Ok(Some(bytes)) = from.read().await {
        if to.write_all(&bytes).await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}
