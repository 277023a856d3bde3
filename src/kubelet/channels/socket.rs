//! A WebSocket whose messages are channels: one task reads, one writes.
//!
//! Bounds, for each socket: messages of at most 128 KiB, 4 that wait for the reader of a channel, 4 that wait to be
//! sent. Who does not read holds up that socket and nothing else.

use super::{Event, LONGEST, Protocol, decode, encode};
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Messages that wait, in each direction.
const WAITING: usize = 4;
/// Bytes that are read, or written, at once.
const AT_ONCE: usize = 16 << 10;
/// How long a peer may take to hang up when all has been said.
const GOOD_BYE: Duration = Duration::from_secs(10);

/// What comes on a channel; `None` is its end.
pub type Incoming = mpsc::Receiver<Vec<u8>>;

/// The limits of what the protocol below keeps in memory.
pub fn limited(upgrade: WebSocketUpgrade) -> WebSocketUpgrade {
    upgrade
        .max_message_size(LONGEST)
        .max_frame_size(LONGEST)
        .read_buffer_size(AT_ONCE)
        .write_buffer_size(AT_ONCE)
        .max_write_buffer_size(4 * LONGEST)
}

/// A socket. Dropped, it is closed at once.
#[derive(Debug)]
pub struct Socket {
    protocol: Protocol,
    out: mpsc::Sender<Message>,
    gone: watch::Receiver<bool>,
    tasks: JoinSet<()>,
}

/// The end for what goes out on a channel.
#[derive(Debug, Clone)]
pub struct Outgoing {
    protocol: Protocol,
    channel: u8,
    out: mpsc::Sender<Message>,
    gone: watch::Receiver<bool>,
}

impl Socket {
    /// Takes a socket on, and gives what comes on those channels.
    pub fn new(socket: WebSocket, protocol: Protocol, channels: &[u8]) -> (Self, Vec<Incoming>) {
        let (sink, stream) = socket.split();
        let (out, queue) = mpsc::channel(WAITING);
        let (tell, gone) = watch::channel(false);
        let (mut senders, mut receivers) = (BTreeMap::new(), Vec::new());
        for channel in channels {
            let (sender, receiver) = mpsc::channel(WAITING);
            senders.insert(*channel, sender);
            receivers.push(receiver);
        }
        let mut tasks = JoinSet::new();
        tasks.spawn(read(stream, protocol, senders, tell));
        tasks.spawn(write(sink, queue));
        let socket = Self {
            protocol,
            out,
            gone,
            tasks,
        };
        (socket, receivers)
    }

    /// What goes out on a channel.
    pub fn outgoing(&self, channel: u8) -> Outgoing {
        Outgoing {
            protocol: self.protocol,
            channel,
            out: self.out.clone(),
            gone: self.gone.clone(),
        }
    }

    /// Sends what is still to be sent, says good-bye, and gives the peer some seconds to do so too.
    pub async fn close(self) {
        let Self { out, mut tasks, .. } = self;
        let _ = timeout(GOOD_BYE, async {
            let _ = out.send(good_bye()).await;
            drop(out);
            while tasks.join_next().await.is_some() {}
        })
        .await;
    }
}

impl Outgoing {
    /// Sends bytes; waits as long as the peer takes none. Whether it was still there.
    pub async fn write(&self, bytes: &[u8]) -> bool {
        let message = encode(self.protocol, self.channel, bytes);
        let message = match self.protocol.text {
            // Base64 is text.
            true => Message::Text(String::from_utf8(message).unwrap_or_default().into()),
            false => Message::Binary(message.into()),
        };
        self.out.send(message).await.is_ok()
    }

    /// Waits until the peer has hung up.
    pub async fn gone(&self) {
        let mut gone = self.gone.clone();
        // A sender that is gone is as good as its word.
        let _ = gone.wait_for(|gone| *gone).await;
    }
}

async fn read(
    mut stream: SplitStream<WebSocket>,
    protocol: Protocol,
    mut channels: BTreeMap<u8, mpsc::Sender<Vec<u8>>>,
    gone: watch::Sender<bool>,
) {
    // An error is an end, too.
    while let Some(Ok(message)) = stream.next().await {
        let bytes = match &message {
            Message::Binary(bytes) => bytes.as_ref(),
            Message::Text(text) => text.as_bytes(),
            Message::Close(_) => break,
            // Pings are answered below us.
            Message::Ping(_) | Message::Pong(_) => continue,
        };
        match decode(protocol, bytes) {
            Ok(Event::Data(channel, data)) => {
                // Nobody may listen, or nobody any more: then it is lost.
                if let (Some(sender), false) = (channels.get(&channel), data.is_empty()) {
                    let _ = sender.send(data).await;
                }
            }
            Ok(Event::End(channel)) => drop(channels.remove(&channel)),
            Err(error) => log::debug!("a WebSocket client sent {error}"),
        }
    }
    let _ = gone.send(true);
}

async fn write(mut sink: SplitSink<WebSocket, Message>, mut queue: mpsc::Receiver<Message>) {
    while let Some(message) = queue.recv().await {
        if sink.send(message).await.is_err() {
            return;
        }
    }
    let _ = sink.send(good_bye()).await;
    let _ = sink.close().await;
}

/// An end that says that all is well: kubectl takes one without a word for an error, and forgets what it was told before.
pub fn good_bye() -> Message {
    Message::Close(Some(CloseFrame {
        code: close_code::NORMAL,
        reason: "".into(),
    }))
}
