//! One connection, served: a task that reads and one that writes.

use super::SpdyError;
use super::decode::Decoder;
use super::frame::{Frame, WINDOW, status};
use super::headers::{Headers, Packer};
use super::stream::{Gone, Piece, Stream, StreamReader, StreamWriter, Window};
use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{
    AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf,
};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Streams of one connection at the same time.
pub const MOST_STREAMS: usize = 512;
/// Streams that wait to be looked at.
const WAITING_STREAMS: usize = 64;
/// Pieces that wait for the reader of a stream.
const WAITING_PIECES: usize = 16;
/// Pieces that wait to be sent.
const WAITING_DATA: usize = 8;
/// Control frames that wait to be sent.
const WAITING_CONTROL: usize = 256;
/// Bytes that are read, or written, at once.
const AT_ONCE: usize = 32 << 10;
/// How long a peer may take to hang up when all has been said.
const GOOD_BYE: Duration = Duration::from_secs(10);

/// Why a connection broke off.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("read from the connection")]
    Read(#[from] io::Error),
    #[error("the peer does not speak SPDY/3.1 as is expected")]
    Frame(#[from] SpdyError),
    #[error("the peer asks without end and takes no answers")]
    Flood,
}

/// A connection on which the peer begins streams. Dropped, it is closed at once.
#[derive(Debug)]
pub struct Session {
    incoming: mpsc::Receiver<Stream>,
    done: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

/// What all parts of a connection have in common.
#[derive(Debug)]
pub struct Shared {
    streams: Mutex<BTreeMap<u32, Entry>>,
    data: mpsc::Sender<Frame>,
    control: mpsc::Sender<Frame>,
    /// The window that streams of ours begin with.
    window: AtomicU32,
    pub(super) heeds_windows: AtomicBool,
}

#[derive(Debug)]
struct Entry {
    /// Until the peer has said that no more comes.
    pieces: Option<mpsc::Sender<Piece>>,
    /// We have not said that yet.
    open: bool,
    window: Arc<Window>,
}

impl Session {
    /// Serves a connection that has just become one of SPDY.
    pub fn new<T>(connection: T) -> Self
    where
        T: AsyncRead + AsyncWrite + Send + 'static,
    {
        let (read, write) = tokio::io::split(connection);
        let (data, data_queue) = mpsc::channel(WAITING_DATA);
        let (control, control_queue) = mpsc::channel(WAITING_CONTROL);
        let (found, incoming) = mpsc::channel(WAITING_STREAMS);
        let (done, watch_done) = watch::channel(false);
        let shared = Arc::new(Shared {
            streams: Mutex::default(),
            data,
            control,
            window: AtomicU32::new(WINDOW),
            heeds_windows: AtomicBool::new(false),
        });
        let mut tasks = JoinSet::new();
        let reader = Reader {
            shared: Arc::clone(&shared),
            found,
            newest: 0,
        };
        tasks.spawn(reader.run(read));
        tasks.spawn(write_all(
            write,
            data_queue,
            control_queue,
            watch_done,
            shared,
        ));
        Self {
            incoming,
            done,
            tasks,
        }
    }

    /// The next stream; `None` when there will be none. May be dropped while it waits.
    pub async fn accept(&mut self) -> Option<Stream> {
        self.incoming.recv().await
    }

    /// Sends what is still to be sent, and gives the peer some seconds to take it and hang up.
    pub async fn close(mut self) {
        let _ = self.done.send(true);
        self.incoming.close();
        let _ = timeout(GOOD_BYE, async {
            while self.tasks.join_next().await.is_some() {}
        })
        .await;
    }
}

impl Shared {
    fn streams(&self) -> MutexGuard<'_, BTreeMap<u32, Entry>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn data(&self, frame: Frame) -> Result<(), Gone> {
        self.data.send(frame).await.map_err(|_| Gone)
    }

    /// Never waits.
    pub(super) fn control(&self, frame: Frame) -> Result<(), Gone> {
        self.control.try_send(frame).map_err(|_| Gone)
    }

    /// We have said all.
    pub(super) fn our_end(&self, id: u32) {
        let mut streams = self.streams();
        if let Some(entry) = streams.get_mut(&id) {
            entry.open = false;
            if entry.pieces.is_none() {
                streams.remove(&id);
            }
        }
    }

    /// The peer has said all: who is to be told.
    fn their_end(&self, id: u32) -> Option<mpsc::Sender<Piece>> {
        let mut streams = self.streams();
        let entry = streams.get_mut(&id)?;
        let pieces = entry.pieces.take();
        if !entry.open {
            streams.remove(&id);
        }
        pieces
    }

    pub(super) fn forget(&self, id: u32) {
        if let Some(entry) = self.streams().remove(&id) {
            entry.window.kill();
        }
    }

    fn forget_all(&self) {
        for (_, entry) in std::mem::take(&mut *self.streams()) {
            entry.window.kill();
        }
    }
}

struct Reader {
    shared: Arc<Shared>,
    found: mpsc::Sender<Stream>,
    newest: u32,
}

impl Reader {
    async fn run<T: AsyncRead>(mut self, mut from: ReadHalf<T>) {
        if let Err(error) = self.read(&mut from).await {
            log::debug!("a stream connection ended: {}", crate::chain::line(&error));
        }
        self.shared.forget_all();
    }

    async fn read<T: AsyncRead>(&mut self, from: &mut ReadHalf<T>) -> Result<(), Broken> {
        let mut decoder = Decoder::default();
        let mut bytes = vec![0; AT_ONCE];
        loop {
            let count = from.read(&mut bytes).await?;
            if count == 0 {
                return Ok(());
            }
            decoder.push(bytes.get(..count).unwrap_or_default());
            while let Some(frame) = decoder.take()? {
                self.take(frame).await?;
            }
        }
    }

    async fn take(&mut self, frame: Frame) -> Result<(), Broken> {
        let shared = &self.shared;
        match frame {
            Frame::SynStream { id, headers, fin } => return self.begin(id, headers, fin),
            Frame::Data { id, data, fin } => {
                let pieces = {
                    let streams = shared.streams();
                    streams.get(&id).and_then(|entry| entry.pieces.clone())
                };
                // Nobody listens any more: as with a closed pipe, what comes is lost.
                if let (Some(pieces), false) = (pieces, data.is_empty()) {
                    let _ = pieces.send(Piece::Data(data)).await;
                }
                if fin {
                    self.end(id).await;
                }
            }
            Frame::Headers { id, fin: true, .. } | Frame::SynReply { id, fin: true, .. } => {
                self.end(id).await;
            }
            Frame::Reset { id, .. } => shared.forget(id),
            // Those that we made would be even.
            Frame::Ping { id } if id % 2 == 1 => {
                shared
                    .control(Frame::Ping { id })
                    .map_err(|Gone| Broken::Flood)?;
            }
            Frame::Settings { window: Some(size) } => {
                let before = shared.window.swap(size, Ordering::Relaxed);
                for entry in shared.streams().values() {
                    entry.window.grow(i64::from(size) - i64::from(before));
                }
                shared.heeds_windows.store(true, Ordering::Relaxed);
            }
            Frame::Window { id, more } => {
                shared.heeds_windows.store(true, Ordering::Relaxed);
                if let Some(entry) = shared.streams().get(&id) {
                    entry.window.grow(more.into());
                }
            }
            Frame::Headers { .. }
            | Frame::SynReply { .. }
            | Frame::Ping { .. }
            | Frame::Settings { window: None }
            | Frame::GoAway { .. }
            | Frame::Unknown => {}
        }
        Ok(())
    }

    fn begin(&mut self, id: u32, headers: Headers, fin: bool) -> Result<(), Broken> {
        let refuse = |status| {
            let told = self.shared.control(Frame::Reset { id, status });
            told.map_err(|Gone| Broken::Flood)
        };
        if id.is_multiple_of(2) || id <= self.newest {
            return refuse(status::PROTOCOL);
        }
        self.newest = id;
        if self.shared.streams().len() >= MOST_STREAMS {
            return refuse(status::REFUSED);
        }
        let Ok(place) = self.found.try_reserve() else {
            return refuse(status::REFUSED);
        };
        let (sender, pieces) = mpsc::channel(WAITING_PIECES);
        let window = Arc::new(Window::new(self.shared.window.load(Ordering::Relaxed)));
        let entry = Entry {
            pieces: (!fin).then_some(sender),
            open: true,
            window: Arc::clone(&window),
        };
        self.shared.streams().insert(id, entry);
        let reply = Frame::SynReply {
            id,
            headers: Headers::new(),
            fin: false,
        };
        // Before anything else of it is sent.
        self.shared.control(reply).map_err(|Gone| Broken::Flood)?;
        place.send(Stream {
            headers,
            reader: StreamReader {
                id,
                pieces,
                shared: Arc::clone(&self.shared),
                ended: fin,
                taken: 0,
            },
            writer: StreamWriter {
                id,
                shared: Arc::clone(&self.shared),
                window,
                finished: false,
            },
        });
        Ok(())
    }

    async fn end(&self, id: u32) {
        if let Some(pieces) = self.shared.their_end(id) {
            let _ = pieces.send(Piece::End).await;
        }
    }
}

/// Sends what is queued until all is done or the peer is gone.
async fn write_all<T: AsyncWrite>(
    mut to: WriteHalf<T>,
    mut data: mpsc::Receiver<Frame>,
    mut control: mpsc::Receiver<Frame>,
    mut done: watch::Receiver<bool>,
    shared: Arc<Shared>,
) {
    let (mut packer, mut bytes) = (Packer::default(), Vec::with_capacity(AT_ONCE));
    loop {
        let frame = tokio::select! {
            biased;
            frame = control.recv() => frame,
            frame = data.recv() => frame,
            _ = done.wait_for(|done| *done) => {
                // What was queued before is still sent, and nothing else.
                control.close();
                data.close();
                match control.try_recv().or_else(|_| data.try_recv()) {
                    Ok(frame) => Some(frame),
                    Err(_) => break,
                }
            }
        };
        let Some(frame) = frame else { break };
        frame.encode(&mut packer, &mut bytes);
        while bytes.len() < AT_ONCE
            && let Ok(frame) = control.try_recv().or_else(|_| data.try_recv())
        {
            frame.encode(&mut packer, &mut bytes);
        }
        if to.write_all(&bytes).await.is_err() || to.flush().await.is_err() {
            break;
        }
        bytes.clear();
    }
    let _ = to.shutdown().await;
    // Those who write must not wait for a peer that is gone.
    if !*done.borrow() {
        shared.forget_all();
    }
}

#[cfg(test)]
mod tests;
