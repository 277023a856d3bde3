//! News of the directory of unit files, by inotify.
//!
//! systemd says when a unit starts and stops, and nothing when its file goes: of a pod that is removed, the file of
//! its target is the last thing to go, and whoever waits for that hears of it here.

use crate::model::name::UnitName;
use futures_util::{FutureExt as _, StreamExt as _};
use inotify::{EventStream, Inotify, WatchMask};
use std::collections::BTreeSet;
use std::io::{Error, ErrorKind};
use std::path::Path;

/// Room for some hundred events at a time.
const BUFFER: usize = 16 << 10;

/// The unit files that go or are replaced.
#[derive(Debug)]
pub struct UnitDir {
    events: EventStream<Vec<u8>>,
}

impl UnitDir {
    /// Starts to watch a directory. One that is not there never has news. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When the kernel has no more inotify instances or watches.
    pub fn watch(dir: &Path) -> Result<Self, Error> {
        let events = Inotify::init()?.into_event_stream(vec![0; BUFFER])?;
        let mask = WatchMask::DELETE | WatchMask::MOVED_FROM | WatchMask::MOVED_TO;
        match events.watches().add(dir, mask) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(Self { events }),
        }
    }

    /// Waits for changes and takes along those that are there. Cancel-safe.
    ///
    /// # Errors
    /// When events cannot be read; the watch is of no more use then.
    pub async fn next(&mut self) -> Result<BTreeSet<UnitName>, Error> {
        let mut units = BTreeSet::new();
        while units.is_empty() {
            let ended = || Error::from(ErrorKind::UnexpectedEof);
            let mut event = Some(self.events.next().await.ok_or_else(ended)?);
            while let Some(found) = event {
                let name = found?.name;
                let name = name.as_deref().and_then(|name| name.to_str());
                units.extend(name.and_then(|name| name.parse::<UnitName>().ok()));
                event = self.events.next().now_or_never().flatten();
            }
        }
        Ok(units)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::scratch::Scratch;

    #[tokio::test]
    async fn files_that_go_are_told_by_name() {
        let dir = Scratch::new("unit-dir");
        dir.put("vks-a-b.target", "");
        dir.put("other", "");
        let mut watch = UnitDir::watch(&dir.path(".")).unwrap();
        std::fs::remove_file(dir.path("other")).unwrap();
        std::fs::remove_file(dir.path("vks-a-b.target")).unwrap();
        let units = watch.next().await.unwrap();
        assert_eq!(units, BTreeSet::from(["vks-a-b.target".parse().unwrap()]));
    }

    #[tokio::test]
    async fn a_directory_that_is_not_there_has_no_news() {
        let dir = Scratch::new("unit-dir-none");
        let mut watch = UnitDir::watch(&dir.path("none")).unwrap();
        assert!(watch.next().now_or_never().is_none());
    }
}
