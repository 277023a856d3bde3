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
    /// Any file of the directory when empty.
    names: Vec<OsString>,
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
        Ok(Self {
            events,
            names: Vec::new(),
        })
    }

    /// Starts to watch files that somebody may replace or remove: those of a directory, and what they lead to as links. Writing
    /// to them is no news. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// As [`FileNews::watch`].
    pub fn replacements(dir: &Path, names: &[&str]) -> Result<Self, Error> {
        let events = Inotify::init()?.into_event_stream(vec![0; BUFFER])?;
        let mask = WatchMask::MOVED_TO | WatchMask::CREATE | WatchMask::DELETE;
        events.watches().add(dir, mask)?;
        let mut wanted: Vec<OsString> = names.iter().map(OsString::from).collect();
        for name in names {
            // A link that leads nowhere yet has its own news when it does.
            let Ok(target) = dir.join(name).canonicalize() else {
                continue;
            };
            if let (Some(parent), Some(name)) = (target.parent(), target.file_name())
                && parent != dir
            {
                events.watches().add(parent, mask)?;
                wanted.push(name.to_owned());
            }
        }
        Ok(Self {
            events,
            names: wanted,
        })
    }

    /// Starts to watch for files that come, or come anew, at any of these paths. Where its directory is not there, that is news
    /// when it comes: then watch again. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// As [`FileNews::watch`].
    pub fn appearances(paths: &[&str]) -> Result<Self, Error> {
        let events = Inotify::init()?.into_event_stream(vec![0; BUFFER])?;
        let mask = WatchMask::MOVED_TO | WatchMask::CREATE;
        let mut names = Vec::new();
        for path in paths {
            let mut at = Path::new(path);
            while let (Some(dir), Some(name)) = (at.parent(), at.file_name()) {
                let there = dir.is_dir();
                if there {
                    events.watches().add(dir, mask)?;
                    names.push(name.to_owned());
                }
                // The directory may go, and come again.
                if there && at != Path::new(path) || dir == Path::new("/run") {
                    break;
                }
                at = dir;
            }
        }
        Ok(Self { events, names })
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
        let names = vec![name.to_owned()];
        Ok(Self { events, names })
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
                let own = |name| self.names.is_empty() || self.names.contains(&name);
                meant |= name.is_none_or(own);
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
    async fn a_file_that_comes_is_told_with_its_directory() {
        let dir = Scratch::new("file-comes");
        let path = dir.path("d/s");
        let watch = || FileNews::appearances(&[path.to_str().unwrap()]).unwrap();
        let mut news = watch();
        dir.put("other", "1");
        assert!(news.next().now_or_never().is_none());
        std::fs::create_dir(dir.path("d")).unwrap();
        news.next().await.unwrap();
        news = watch();
        dir.put("d/s", "1");
        news.next().await.unwrap();
        std::fs::remove_dir_all(dir.path("d")).unwrap();
        std::fs::create_dir(dir.path("d")).unwrap();
        news.next().await.unwrap();
    }

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
