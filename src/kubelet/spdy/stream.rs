//! The two ends of a stream.

use super::frame::{Frame, PIECE, WINDOW, status};
use super::headers::Headers;
use super::session::Shared;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{Notify, mpsc};

/// Bytes that are taken before the peer is told of it.
const TOLD_EVERY: u32 = WINDOW / 2;

/// The stream, or the whole connection, ended before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the stream was broken off")]
pub struct Gone;

/// A stream that the peer has begun.
#[derive(Debug)]
pub struct Stream {
    /// What it is for.
    pub headers: Headers,
    /// What comes.
    pub reader: StreamReader,
    /// What goes.
    pub writer: StreamWriter,
}

/// What the reader of the connection hands to the reader of a stream.
#[derive(Debug)]
pub(super) enum Piece {
    Data(Vec<u8>),
    End,
}

/// What comes in a stream.
#[derive(Debug)]
pub struct StreamReader {
    pub(super) id: u32,
    pub(super) pieces: mpsc::Receiver<Piece>,
    pub(super) shared: Arc<Shared>,
    pub(super) ended: bool,
    /// Taken, and not told to the peer.
    pub(super) taken: u32,
}

impl StreamReader {
    /// The next piece, at most [`PIECE`] bytes; `None` when the peer has said that no more comes. May be dropped
    /// while it waits.
    pub async fn read(&mut self) -> Result<Option<Vec<u8>>, Gone> {
        if self.ended {
            return Ok(None);
        }
        match self.pieces.recv().await {
            Some(Piece::Data(data)) => {
                self.tell(&data);
                Ok(Some(data))
            }
            Some(Piece::End) => {
                self.ended = true;
                Ok(None)
            }
            None => Err(Gone),
        }
    }

    fn tell(&mut self, data: &[u8]) {
        self.taken = self
            .taken
            .saturating_add(u32::try_from(data.len()).unwrap_or(u32::MAX));
        let (id, more) = (self.id, self.taken);
        // When there is no place for it now, it is said with the next piece.
        if more >= TOLD_EVERY && self.shared.control(Frame::Window { id, more }).is_ok() {
            self.taken = 0;
        }
    }
}

/// What goes in a stream. Dropped before [`StreamWriter::finish`], it breaks the stream off.
#[derive(Debug)]
pub struct StreamWriter {
    pub(super) id: u32,
    pub(super) shared: Arc<Shared>,
    pub(super) window: Arc<Window>,
    pub(super) finished: bool,
}

impl StreamWriter {
    /// Sends bytes; waits as long as the peer takes none.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), Gone> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let most = rest.len().min(PIECE);
            let room = self.window.take(most, &self.shared.heeds_windows).await?;
            let (piece, later) = rest.split_at(room);
            rest = later;
            self.send(piece, false).await?;
        }
        Ok(())
    }

    /// Says that no more comes.
    pub async fn finish(&mut self) -> Result<(), Gone> {
        if self.finished {
            return Ok(());
        }
        self.finished = true;
        let sent = self.send(&[], true).await;
        self.shared.our_end(self.id);
        sent
    }

    /// Says nothing, now and later, without breaking the stream off.
    pub fn leave(&mut self) {
        self.finished = true;
        self.shared.our_end(self.id);
    }

    /// Waits until the stream, or the connection, has been broken off.
    pub async fn broken_off(&self) {
        self.window.dead().await;
    }

    async fn send(&self, piece: &[u8], fin: bool) -> Result<(), Gone> {
        if self.window.is_dead() {
            return Err(Gone);
        }
        let data = piece.to_vec();
        self.shared
            .data(Frame::Data {
                id: self.id,
                data,
                fin,
            })
            .await
    }
}

impl Drop for StreamWriter {
    fn drop(&mut self) {
        if !self.finished && !self.window.is_dead() {
            let (id, status) = (self.id, status::CANCEL);
            // With the connection at its end there is nobody to tell.
            let _ = self.shared.control(Frame::Reset { id, status });
            self.shared.forget(self.id);
        }
    }
}

/// How much may be sent. Kubernetes' own clients neither send windows nor heed them: they count only once the peer has
/// shown that it knows of them.
#[derive(Debug)]
pub(super) struct Window {
    left: Mutex<i64>,
    changed: Notify,
    dead: AtomicBool,
}

impl Window {
    pub(super) fn new(size: u32) -> Self {
        Self {
            left: Mutex::new(size.into()),
            changed: Notify::new(),
            dead: AtomicBool::new(false),
        }
    }

    fn left(&self) -> std::sync::MutexGuard<'_, i64> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How much of so many bytes may be sent now; waits until it is something.
    async fn take(&self, most: usize, heeded: &AtomicBool) -> Result<usize, Gone> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.is_dead() {
                return Err(Gone);
            }
            let room = {
                let mut left = self.left();
                let room = match heeded.load(Ordering::Relaxed) {
                    true => usize::try_from(*left).unwrap_or(0).min(most),
                    false => most,
                };
                *left = left.saturating_sub(i64::try_from(room).unwrap_or(i64::MAX));
                room
            };
            if room > 0 {
                return Ok(room);
            }
            changed.await;
        }
    }

    pub(super) fn grow(&self, by: i64) {
        let mut left = self.left();
        *left = left.saturating_add(by);
        drop(left);
        self.changed.notify_waiters();
    }

    pub(super) fn kill(&self) {
        self.dead.store(true, Ordering::Relaxed);
        self.changed.notify_waiters();
    }

    fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Relaxed)
    }

    async fn dead(&self) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.is_dead() {
                return;
            }
            changed.await;
        }
    }
}
