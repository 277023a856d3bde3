//! Notices changes in directories of manifests, by inotify.
//!
//! Besides the directories themselves, everything that decides where their paths (and those of links in
//! them) lead is watched, so that a directory that appears later, one that is replaced, and a link that is
//! turned around are noticed too.

use super::parse::format_of;
use super::points::{Point, points};
use futures_util::{FutureExt, StreamExt};
use inotify::{EventMask, EventOwned, EventStream, Inotify, WatchDescriptor, WatchMask, Watches};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Why the directories cannot be watched.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The kernel gives no inotify instance.
    #[error("cannot watch for changes: raise the sysctl fs.inotify.max_user_instances")]
    Start(#[source] std::io::Error),
    /// Events can no longer be read.
    #[error("cannot read changes of the manifest directories")]
    Read(#[source] std::io::Error),
}

/// What changed on disk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changed {
    /// Files, and directories as a whole.
    pub paths: BTreeSet<PathBuf>,
    /// Events were lost: everything may have changed.
    pub everything: bool,
}

/// A watch on directories of manifests.
#[derive(Debug)]
pub struct Watcher {
    dirs: Vec<PathBuf>,
    events: EventStream<Vec<u8>>,
    watches: Watches,
    watched: HashMap<WatchDescriptor, Watched>,
}

/// What the events of one watch mean.
#[derive(Debug, Default)]
struct Watched {
    /// It is this manifest directory.
    dir: Option<PathBuf>,
    /// What changes when one of these names does.
    names: BTreeMap<OsString, BTreeSet<PathBuf>>,
}

/// Room for some hundred events at a time.
const BUFFER: usize = 16 << 10;

impl Watcher {
    /// Starts to watch. What changes after this call is seen, so read the directories after it. A directory need
    /// not exist. Must be called within a tokio runtime with I/O.
    ///
    /// # Errors
    /// When the kernel has no more inotify instances. A directory that cannot be watched for lack of watches or
    /// of permission is noted in the log: changes in it are then only seen by a reload.
    pub fn new(dirs: Vec<PathBuf>) -> Result<Self, WatchError> {
        let events = Inotify::init()
            .and_then(|inotify| inotify.into_event_stream(vec![0; BUFFER]))
            .map_err(WatchError::Start)?;
        let mut watcher = Self {
            dirs,
            watches: events.watches(),
            events,
            watched: HashMap::new(),
        };
        watcher.arm();
        Ok(watcher)
    }

    /// The next changes: waits for one, then takes along what is there already. Safe to cancel.
    ///
    /// # Errors
    /// When events cannot be read; the watcher is of no more use then.
    pub async fn next(&mut self) -> Result<Changed, WatchError> {
        let mut changed = Changed::default();
        let mut rearm = false;
        while changed == Changed::default() {
            let Some(first) = self.events.next().await else {
                let ended = std::io::ErrorKind::UnexpectedEof;
                return Err(WatchError::Read(ended.into()));
            };
            let mut event = Some(first);
            while let Some(result) = event {
                let result = result.map_err(WatchError::Read)?;
                rearm |= self.note(&result, &mut changed);
                event = self.events.next().now_or_never().flatten();
            }
            if std::mem::take(&mut rearm) {
                self.arm();
            }
        }
        Ok(changed)
    }

    /// Notes what an event means; returns whether paths may lead elsewhere now.
    fn note(&mut self, event: &EventOwned, changed: &mut Changed) -> bool {
        if event.mask.contains(EventMask::Q_OVERFLOW) {
            changed.everything = true;
            return true;
        }
        let Some(watched) = self.watched.get(&event.wd) else {
            return false;
        };
        let Some(name) = &event.name else {
            // The directory itself was moved, removed, unmounted or given other permissions.
            changed.paths.extend(watched.dir.clone());
            changed
                .paths
                .extend(watched.names.values().flatten().cloned());
            if event.mask.contains(EventMask::IGNORED) {
                self.watched.remove(&event.wd);
            }
            return true;
        };
        let moved = watched.names.get(name);
        changed.paths.extend(moved.into_iter().flatten().cloned());
        let mut rearm = moved.is_some();
        if let Some(dir) = &watched.dir {
            let path = dir.join(name);
            if format_of(&path).is_some() && is_complete(event.mask, &path) {
                rearm |= path.is_symlink();
                changed.paths.insert(path);
            }
        }
        rearm
    }

    /// Sets all watches anew. Repeats while the paths change under its hands.
    fn arm(&mut self) {
        for _ in 0..8 {
            let wanted = self.wanted();
            self.watched.clear();
            for (dir, names) in &wanted {
                self.add(dir, names);
            }
            if wanted == self.wanted() {
                return;
            }
        }
    }

    /// The directories to watch with the names in them that matter, and what each changes.
    fn wanted(&self) -> BTreeMap<PathBuf, BTreeMap<Point, BTreeSet<PathBuf>>> {
        let mut wanted: BTreeMap<PathBuf, BTreeMap<Point, BTreeSet<PathBuf>>> = BTreeMap::new();
        for dir in &self.dirs {
            wanted.entry(dir.clone()).or_default();
            for path in std::iter::once(dir.clone()).chain(links(dir)) {
                for point in points(&path) {
                    let names = wanted.entry(point.dir.clone()).or_default();
                    names.entry(point).or_default().insert(path.clone());
                }
            }
        }
        wanted
    }

    fn add(&mut self, dir: &Path, names: &BTreeMap<Point, BTreeSet<PathBuf>>) {
        let own = self.dirs.iter().any(|own| own == dir);
        let mut mask = WatchMask::MASK_ADD | WatchMask::ONLYDIR;
        mask |= WatchMask::CREATE | WatchMask::DELETE | WatchMask::MOVE;
        if own {
            mask |= WatchMask::ATTRIB | WatchMask::DELETE_SELF | WatchMask::MOVE_SELF;
        }
        if own || names.keys().any(|point| point.content) {
            mask |= WatchMask::CLOSE_WRITE;
        }
        let wd = match self.watches.add(dir, mask) {
            Ok(wd) => wd,
            Err(error) => {
                if error.kind() != std::io::ErrorKind::NotFound {
                    log::debug!("cannot watch {}: {error}", dir.display());
                }
                return;
            }
        };
        let watched = self.watched.entry(wd).or_default();
        if own {
            watched.dir = Some(dir.to_owned());
        }
        for (point, changes) in names {
            let name = watched.names.entry(point.name.clone()).or_default();
            name.extend(changes.iter().cloned());
        }
    }
}

/// Whether an event means that there is something to read: a file that was just made is still to be
/// written, and closing it is an event of its own.
fn is_complete(mask: EventMask, path: &Path) -> bool {
    !mask.contains(EventMask::CREATE)
        || path
            .symlink_metadata()
            .is_ok_and(|meta| !meta.is_file() || meta.nlink() > 1)
}

/// The manifests of a directory that are links.
fn links(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = dir.read_dir() else {
        return Vec::new();
    };
    let is_link = |entry: &std::fs::DirEntry| {
        format_of(Path::new(OsStr::new(&entry.file_name()))).is_some()
            && entry.file_type().is_ok_and(|kind| kind.is_symlink())
    };
    entries
        .filter_map(Result::ok)
        .filter(is_link)
        .map(|entry| entry.path())
        .collect()
}

#[cfg(test)]
mod tests;
