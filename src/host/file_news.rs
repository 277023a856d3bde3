//! News of one file that somebody else writes, by inotify.

use futures_util::{FutureExt as _, StreamExt as _};
use inotify::{EventStream, Inotify, WatchMask};
use std::ffi::OsString;
use std::io::{Error, ErrorKind};
use std::path::Path;

/// Room for some hundred events at a time.
const BUFFER: usize = 16 << 10;

/// Tells when a file has been written or replaced.
#[derive(Debug)]
pub struct FileNews {
    events: EventStream<Vec<u8>>,
    /// Any file of the directory without.
    name: Option<OsString>,
}

impl FileNews {
    /// Starts to watch a directory for files that are removed, whatever their names. Must be called within a tokio
    /// runtime.
    ///
    /// # Errors
    /// As [`FileNews::watch`].
    pub fn removals(dir: &Path) -> Result<Self, Error> {
        let events = Inotify::init()?.into_event_stream(vec![0; BUFFER])?;
        let mask = WatchMask::DELETE | WatchMask::MOVED_FROM;
        events.watches().add(dir, mask)?;
        Ok(Self { events, name: None })
    }

    /// Starts to watch. The file need not be there, its directory must. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When there is no directory, it may not be read, or the kernel has no more inotify instances or watches.
    pub fn watch(path: &Path) -> Result<Self, Error> {
        let parts = path.parent().zip(path.file_name());
        let (dir, name) = parts.ok_or(ErrorKind::InvalidInput)?;
        let events = Inotify::init()?.into_event_stream(vec![0; BUFFER])?;
        let mask = WatchMask::CLOSE_WRITE | WatchMask::MOVED_TO | WatchMask::DELETE;
        events.watches().add(dir, mask)?;
        let name = Some(name.to_owned());
        Ok(Self { events, name })
    }

    /// Waits until it has changed; many changes at a time are one. Cancel-safe.
    ///
    /// # Errors
    /// When events cannot be read; the watch is of no more use then.
    pub async fn next(&mut self) -> Result<(), Error> {
        loop {
            let ended = || Error::from(ErrorKind::UnexpectedEof);
            let mut event = Some(self.events.next().await.ok_or_else(ended)?);
            let mut meant = false;
            while let Some(found) = event {
                let name = found?.name;
                // Without a name: events were lost.
                let own = self.name.as_deref();
                meant |= own.is_none() || name.is_none() || name.as_deref() == own;
                event = self.events.next().now_or_never().flatten();
            }
            if meant {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::scratch::Scratch;

    #[tokio::test]
    async fn only_its_own_changes_are_told() {
        let dir = Scratch::new("file-news");
        let mut news = FileNews::watch(&dir.path("a")).unwrap();
        dir.put("b", "1");
        assert!(news.next().now_or_never().is_none());
        dir.put("a", "1");
        news.next().await.unwrap();
        std::fs::rename(dir.path("b"), dir.path("a")).unwrap();
        news.next().await.unwrap();
        assert!(news.next().now_or_never().is_none());
    }
}
