//! Directories of manifests, kept in step with the disk one file at a time.

use super::images;
use super::merge::{Merged, Place};
use super::parse::{format_of, parse};
use super::parsed::{ParsedFile, What};
use super::refers::refers_to;
use super::tree::MAX_FILE;
use crate::config::file::{ReadError, read};
use crate::model::controller::ControllerKey;
use crate::model::desired::{Desired, Problem};
use crate::model::image::resolved::PodImages;
use crate::model::name::PodKey;
use crate::model::pod::Pod;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The directories pods come from, in order of precedence, with what was read from them.
///
/// Only the objects are kept, no text: a change of one file reads and decodes that file alone. Only files
/// directly in a directory count. All calls block on the disk for as long as reading takes.
#[derive(Debug)]
pub struct Directories {
    dirs: Vec<PathBuf>,
    files: BTreeMap<Place, Known>,
    merged: Merged,
    derived: BTreeMap<PodKey, Pod>,
    /// Where the images of pods are recorded, if they are read from there.
    images: Option<PathBuf>,
}

/// What is remembered of a file.
#[derive(Debug)]
struct Known {
    digest: Option<[u8; 32]>,
    claims: Vec<What>,
    used: bool,
}

/// What a change on disk may have changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Pods that were added, changed or removed, or that use a config map or secret that was.
    pub pods: BTreeSet<PodKey>,
    /// Controllers that were added, changed or removed.
    pub controllers: BTreeSet<ControllerKey>,
    /// More than can be listed: every pod is to be planned again.
    pub everything: bool,
}

impl Changes {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.pods.is_empty() && self.controllers.is_empty() && !self.everything
    }
}

/// A file as it is on disk now.
enum Seen {
    Gone,
    Same,
    New(Box<ParsedFile>, Option<[u8; 32]>),
}

impl Directories {
    /// Directories that have not been read yet. Of two files that define the same, the one in the earlier
    /// directory wins, then the one whose name sorts first.
    pub fn new(dirs: Vec<PathBuf>) -> Self {
        Self {
            dirs,
            files: BTreeMap::new(),
            merged: Merged::default(),
            derived: BTreeMap::new(),
            images: None,
        }
    }

    /// With the images of pods, as they are recorded in a directory.
    #[must_use]
    pub fn with_images(mut self, directory: PathBuf) -> Self {
        self.images = Some(directory);
        self
    }

    /// The images of a pod, in place of those it had; `None` when there is nothing to know of them.
    pub fn set_images(&mut self, key: &PodKey, images: Option<PodImages>) {
        self.merged.set_images(key, images);
    }

    /// The directories.
    pub fn paths(&self) -> &[PathBuf] {
        &self.dirs
    }

    /// What all files together want, as of the last `load` or `refresh`.
    pub fn desired(&self) -> &Desired {
        self.merged.desired()
    }

    /// Every object that some file defines, rightly or not, with that file.
    pub fn objects(&self) -> impl Iterator<Item = (&What, &Path)> {
        self.merged.claims()
    }

    /// The file that defines an object, rightly or not.
    pub fn defined_in(&self, what: &What) -> Option<&Path> {
        self.merged.keeper(what)
    }

    /// Reads everything anew. A directory that is not there is held (absence is never a reason to stop a
    /// pod); one that cannot be read is a problem too.
    pub fn load(&mut self) -> Changes {
        self.files.clear();
        self.merged = Merged::default();
        for (key, images) in self.images.iter().flat_map(|dir| images::read_all(dir)) {
            self.merged.set_images(&key, Some(images));
        }
        for (rank, dir) in self.dirs.clone().into_iter().enumerate() {
            let complete = list(&dir).map(|paths| {
                let looks = paths.iter().map(|path| self.first_look(rank, path));
                looks.fold(true, |all, there| all & there)
            });
            // Files that vanish under our hands were removed, unless the directory vanished with them.
            let still_there = match complete {
                Ok(false) => list(&dir).map(drop),
                Ok(true) => Ok(()),
                Err(problem) => Err(problem),
            };
            if let Err(problem) = still_there {
                self.merged.hold(dir, problem);
            }
        }
        self.put_derived();
        Changes {
            everything: true,
            ..Changes::default()
        }
    }

    /// Reads a file for the first time; false when it is not there any more.
    fn first_look(&mut self, rank: usize, path: &Path) -> bool {
        let Seen::New(file, digest) = look(path, None) else {
            return false;
        };
        let path = Arc::from(path);
        self.put(Place { rank, path }, *file, digest);
        true
    }

    fn put(&mut self, place: Place, file: ParsedFile, digest: Option<[u8; 32]>) {
        let claims = file.claims.iter().map(|claim| claim.what.clone()).collect();
        let used = self.merged.add(&place, file);
        let known = Known {
            digest,
            claims,
            used,
        };
        self.files.insert(place, known);
    }

    /// Reads the files that may have changed, and only these; a path that is one of the directories, or in none
    /// of them, means everything.
    pub fn refresh(&mut self, changed: &[PathBuf]) -> Changes {
        let mut changes = Changes::default();
        for path in changed {
            let rank = self
                .dirs
                .iter()
                .position(|dir| path.parent() == Some(dir.as_path()));
            let known_dir = rank.filter(|&rank| !self.desired().held.contains(&self.dirs[rank]));
            match known_dir {
                Some(_) if format_of(path).is_none() => {}
                Some(rank) => self.refresh_file(rank, path, &mut changes),
                None => return self.load(),
            }
            if changes.everything {
                // Files that share objects have to be merged in order.
                return self.load();
            }
        }
        changes
    }

    /// The pods that controllers have decided on, in place of those decided on before. Those that are not among what
    /// this is asked to change stay. Gives back what differs.
    pub fn derive(
        &mut self,
        change: impl IntoIterator<Item = (PodKey, Option<Pod>)>,
    ) -> BTreeSet<PodKey> {
        let mut changed = BTreeSet::new();
        for (key, pod) in change {
            let before = match &pod {
                Some(pod) => self.derived.insert(key.clone(), pod.clone()),
                None => self.derived.remove(&key),
            };
            // A file that names the same pod has the last word.
            if before != pod && !self.merged.claims_pod(&key) {
                self.merged.derive(&key, pod);
                changed.insert(key);
            }
        }
        changed
    }

    /// Pods that controllers have decided on.
    pub fn derived(&self) -> &BTreeMap<PodKey, Pod> {
        &self.derived
    }

    fn put_derived(&mut self) {
        for (key, pod) in &self.derived {
            if !self.merged.claims_pod(key) {
                self.merged.derive(key, Some(pod.clone()));
            }
        }
    }

    fn refresh_file(&mut self, rank: usize, path: &Path, changes: &mut Changes) {
        let path: Arc<Path> = Arc::from(path);
        let place = Place {
            rank,
            path: path.clone(),
        };
        let known = self.files.get(&place);
        let new = match look(&path, known.and_then(|known| known.digest)) {
            Seen::Same => return,
            // With the directory gone nobody has said that the file is to go.
            Seen::Gone if !self.dirs.get(rank).is_some_and(|dir| dir.is_dir()) => {
                changes.everything = true;
                return;
            }
            Seen::Gone => None,
            Seen::New(file, digest) => Some((file, digest)),
        };
        let claims = new.iter().flat_map(|(file, _)| &file.claims);
        let shared = claims
            .map(|claim| &claim.what)
            .chain(known.iter().flat_map(|known| &known.claims))
            .any(|what| self.merged.claimed_elsewhere(what, &place));
        // What ran from a file while it was held may be anything.
        let was_held = known.is_some_and(|known| !known.used);
        if shared || was_held {
            changes.everything = true;
            return;
        }
        let old = match self.files.remove(&place) {
            Some(known) => self.merged.remove(&place, &known.claims),
            None => ParsedFile::default(),
        };
        if let Some((file, digest)) = new {
            self.put(place.clone(), *file, digest);
        }
        if old
            .pods
            .iter()
            .any(|pod| self.derived.contains_key(&pod.key))
        {
            self.put_derived();
        }
        self.compare(old, &place, changes);
    }

    /// Notes what differs between a file's old objects and what is there now.
    fn compare(&self, old: ParsedFile, place: &Place, changes: &mut Changes) {
        let desired = self.desired();
        let claims = self.files.get(place).map(|known| known.claims.as_slice());
        let mut touched: BTreeSet<What> = claims.unwrap_or_default().iter().cloned().collect();
        for pod in old.pods {
            if desired.pods.get(&pod.key) == Some(&pod) {
                touched.remove(&What::Pod(pod.key));
            } else {
                touched.insert(What::Pod(pod.key));
            }
        }
        for (key, data) in old.config_maps {
            let same = desired.config_maps.get(&key) == Some(&data);
            mark(&mut touched, What::ConfigMap(key), same);
        }
        for (key, data) in old.secrets {
            let same = desired.secrets.get(&key) == Some(&data);
            mark(&mut touched, What::Secret(key), same);
        }
        for (key, claim) in old.volume_claims {
            let same = desired.volume_claims.get(&key) == Some(&claim);
            mark(&mut touched, What::VolumeClaim(key), same);
        }
        for (name, volume) in old.persistent_volumes {
            let same = desired.persistent_volumes.get(&name) == Some(&volume);
            mark(&mut touched, What::persistent_volume(name), same);
        }
        for (name, class) in old.priority_classes {
            let same = desired.priority_classes.get(&name) == Some(&class);
            mark(&mut touched, What::priority_class(name), same);
        }
        let users = desired
            .pods
            .values()
            .filter(|pod| touched.iter().any(|what| refers_to(pod, what)))
            .map(|pod| pod.key.clone());
        changes.pods.extend(users);
        let controllers = old.controllers.into_iter().map(|old| old.key);
        changes.controllers.extend(controllers);
        changes
            .pods
            .extend(touched.into_iter().filter_map(|what| match what {
                What::Pod(key) => Some(key),
                What::Controller(key) => {
                    changes.controllers.insert(key);
                    None
                }
                _ => None,
            }));
    }
}

fn mark(touched: &mut BTreeSet<What>, what: What, same: bool) {
    if same {
        touched.remove(&what);
    } else {
        touched.insert(what);
    }
}

fn look(path: &Path, known: Option<[u8; 32]>) -> Seen {
    match read(path, MAX_FILE) {
        Ok(bytes) => {
            let digest: [u8; 32] = Sha256::digest(&bytes).into();
            if known == Some(digest) {
                Seen::Same
            } else {
                Seen::New(Box::new(parse(path, &bytes)), Some(digest))
            }
        }
        Err(ReadError::Gone) => Seen::Gone,
        Err(error) => {
            let unreadable = ParsedFile::unreadable(path, error.to_string());
            Seen::New(Box::new(unreadable), None)
        }
    }
}

/// The manifests of a directory, sorted. The error has no problem when the directory is only absent.
fn list(dir: &Path) -> Result<Vec<PathBuf>, Option<Problem>> {
    let entries = std::fs::read_dir(dir).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let mut paths: Vec<PathBuf> = match entries {
        Ok(entries) => entries.into_iter().map(|entry| entry.path()).collect(),
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(None),
        Err(error) => {
            let message = format!(
                "the directory cannot be read ({error}): correct it; until then its pods are kept as they are"
            );
            let unreadable = ParsedFile::unreadable(dir, message);
            return Err(unreadable.problems.into_iter().next());
        }
    };
    paths.retain(|path| format_of(path).is_some());
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests;
