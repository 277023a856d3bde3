//! News of a directory: that something in it has changed, by inotify.

use futures_util::{FutureExt as _, StreamExt as _};
use inotify::{EventStream, Inotify, WatchMask};
use std::io::{Error, ErrorKind};
use std::path::Path;

/// Room for some hundred events at a time.
const BUFFER: usize = 16 << 10;

/// A watch on a directory.
pub struct DirNews {
    events: EventStream<Vec<u8>>,
}

impl std::fmt::Debug for DirNews {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DirNews")
    }
}

impl DirNews {
    /// Starts to watch; `None` for a directory that is not there. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When the kernel has no more inotify instances or watches.
    pub fn watch(dir: &Path) -> Result<Option<Self>, Error> {
        let events = Inotify::init()?.into_event_stream(vec![0; BUFFER])?;
        let mask = WatchMask::DELETE | WatchMask::MOVED_FROM | WatchMask::MOVED_TO;
        match events.watches().add(dir, mask) {
            Ok(_) => Ok(Some(Self { events })),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Waits for a change and takes along those that are there. Cancel-safe. Never ends once events cannot be read.
    pub async fn next(&mut self) {
        match self.events.next().await {
            Some(Ok(_)) => while let Some(Some(Ok(_))) = self.events.next().now_or_never() {},
            _ => std::future::pending().await,
        }
    }
}
