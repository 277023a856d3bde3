//! WebSockets: either SPDY goes through one as through a pipe, or, as of old, each port is a pair of channels.

use super::{Target, port, spdy};
use crate::kubelet::channels::Protocol;
use crate::kubelet::channels::socket::{Incoming, Outgoing, Socket, good_bye, limited};
use crate::kubelet::refusal::Refusal;
use crate::kubelet::remote::{socket, taken};
use crate::kubelet::spdy::session::Session;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{FromRequestParts as _, Request};
use axum::response::Response;
use futures_util::future::BoxFuture;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::task::JoinSet;

/// SPDY through a WebSocket.
const TUNNEL: &str = "SPDY/3.1+portforward.k8s.io";
/// Bytes on their way through the tunnel, in each direction.
const ON_THE_WAY: usize = 64 << 10;
/// Bytes that are copied at once.
const AT_ONCE: usize = 16 << 10;
/// Ports of one WebSocket of old.
const MOST_PORTS: usize = 64;

/// Of old: each port has two channels, for data and for why there are none.
const OLD: [Protocol; 2] = [
    Protocol {
        name: "v4.channel.k8s.io",
        text: false,
        json: false,
        closes: false,
    },
    Protocol {
        name: "v4.base64.channel.k8s.io",
        text: true,
        json: false,
        closes: false,
    },
];

/// The answer, and the session that follows it.
pub async fn begin(
    request: Request,
    target: Target,
    ports: &[String],
) -> Result<(Response, BoxFuture<'static, ()>), Refusal> {
    let tunnels = request
        .headers()
        .get_all("sec-websocket-protocol")
        .iter()
        .any(|value| {
            value
                .to_str()
                .is_ok_and(|text| text.split(',').any(|name| name.trim() == TUNNEL))
        });
    if tunnels {
        let (mut parts, _) = request.into_parts();
        let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &()).await;
        let upgrade =
            upgrade.map_err(|error| Refusal::bad(format!("unable to upgrade: {error}")))?;
        let (response, socket) = taken(limited(upgrade.protocols([TUNNEL])));
        let session = async move {
            if let Ok(socket) = socket.await {
                let (ours, theirs) = tokio::io::duplex(ON_THE_WAY);
                let serving = spdy::serve(Session::new(theirs), target);
                tokio::select! {
                    () = tunnel(socket, ours) => {}
                    () = serving => {}
                }
            }
        };
        return Ok((response, Box::pin(session)));
    }
    let wrong = || Refusal::bad("query parameter \"port\" is required: one or more numbers");
    let ports: Option<Vec<u16>> = ports.iter().map(|text| port(text)).collect();
    let ports = ports.filter(|ports| !ports.is_empty() && ports.len() <= MOST_PORTS);
    let ports = ports.ok_or_else(wrong)?;
    let (upgrade, protocol) = socket(request, &OLD).await?;
    let (response, socket) = taken(upgrade);
    let session = async move {
        if let Ok(socket) = socket.await {
            old(socket, protocol, ports, target).await;
        }
    };
    Ok((response, Box::pin(session)))
}

/// Bytes through messages, both ways, until one side ends.
async fn tunnel(socket: WebSocket, pipe: DuplexStream) {
    let (mut sink, mut stream) = socket.split();
    let (mut from, mut to) = tokio::io::split(pipe);
    let outwards = async {
        let mut bytes = vec![0; AT_ONCE];
        while let Ok(count @ 1..) = from.read(&mut bytes).await {
            let message = bytes.get(..count).unwrap_or_default().to_vec();
            if sink.send(Message::Binary(message.into())).await.is_err() {
                return;
            }
        }
        let _ = sink.send(good_bye()).await;
        let _ = sink.close().await;
    };
    let inwards = async {
        while let Some(Ok(message)) = stream.next().await {
            match message {
                Message::Binary(bytes) if to.write_all(&bytes).await.is_err() => return,
                Message::Close(_) => return,
                _ => {}
            }
        }
    };
    tokio::select! {
        () = outwards => {}
        () = inwards => {}
    }
}

async fn old(socket: WebSocket, protocol: Protocol, ports: Vec<u16>, target: Target) {
    // Channels in pairs: 0 and 1 for the first port, and so on. There are at most 128.
    let number = |place: usize| u8::try_from(place * 2).unwrap_or(u8::MAX);
    let channels: Vec<u8> = (0..ports.len()).map(number).collect();
    let (socket, incoming) = Socket::new(socket, protocol, &channels);
    let gone = socket.outgoing(0);
    let mut connections = JoinSet::new();
    for (((channel, port), from), target) in channels
        .into_iter()
        .zip(ports)
        .zip(incoming)
        .zip(std::iter::repeat(target))
    {
        let (data, error) = (socket.outgoing(channel), socket.outgoing(channel + 1));
        connections.spawn(old_port(port, from, data, error, target));
    }
    tokio::select! {
        () = gone.gone() => return,
        () = async { while connections.join_next().await.is_some() {} } => {}
    }
    drop(gone);
    socket.close().await;
}

async fn old_port(port: u16, mut from: Incoming, data: Outgoing, error: Outgoing, target: Target) {
    // First each channel names its port.
    let name = port.to_le_bytes();
    if !(data.write(&name).await && error.write(&name).await) {
        return;
    }
    let stream = match target.dial(port).await {
        Ok(stream) => stream,
        Err(why) => {
            error.write(why.as_bytes()).await;
            return;
        }
    };
    let (mut read, mut write) = stream.into_split();
    let outwards = async {
        let mut bytes = vec![0; AT_ONCE];
        while let Ok(count @ 1..) = read.read(&mut bytes).await {
            if !data.write(bytes.get(..count).unwrap_or_default()).await {
                return;
            }
        }
    };
    let inwards = async {
        while let Some(bytes) = from.recv().await {
            if write.write_all(&bytes).await.is_err() {
                return;
            }
        }
        let _ = write.shutdown().await;
    };
    tokio::join!(outwards, inwards);
}
