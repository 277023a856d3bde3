//! Many files become one [`Desired`]: each object from one file, a file with any problem held as a whole.
//!
//! What a file defines it claims, whether its definition is right or not; the first file in order keeps
//! the claim. So a broken edit of one file never lets a second definition elsewhere take over.

use super::parsed::{ParsedFile, What};
use crate::model::desired::{Desired, Problem};
use crate::model::image::resolved::PodImages;
use crate::model::name::PodKey;
use crate::model::pod::Pod;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file's place in the order of files.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The rank of its directory.
    pub rank: usize,
    /// Its path.
    pub path: Arc<Path>,
}

/// The files that claim something, in order, with the line. Nearly always one: a map would have room for eleven.
type Places = Vec<(Place, usize)>;

/// What several files want, one by one put together and taken apart.
#[derive(Debug, Default)]
pub struct Merged {
    desired: Desired,
    claims: BTreeMap<What, Places>,
    problems: BTreeMap<Place, Vec<Problem>>,
}

impl Merged {
    /// The sum.
    pub fn desired(&self) -> &Desired {
        &self.desired
    }

    /// The same as a value.
    pub fn into_desired(self) -> Desired {
        self.desired
    }

    /// All that is claimed, with the file that keeps the claim: the first in order.
    pub fn claims(&self) -> impl Iterator<Item = (&What, &Path)> {
        self.claims
            .iter()
            .filter_map(|(what, places)| Some((what, &*places.first()?.0.path)))
    }

    /// The file that keeps the claim to something.
    pub fn keeper(&self, what: &What) -> Option<&Path> {
        let (place, _) = self.claims.get(what)?.first()?;
        Some(&*place.path)
    }

    /// Whether another file than the one at `place` claims this.
    pub fn claimed_elsewhere(&self, what: &What, place: &Place) -> bool {
        self.claims
            .get(what)
            .is_some_and(|places| places.iter().any(|(other, _)| other != place))
    }

    /// Holds a path: what comes from it, or from below it, is kept as it is.
    pub fn hold(&mut self, path: PathBuf, problem: Option<Problem>) {
        self.desired.problems.extend(problem);
        self.desired.held.insert(path);
    }

    /// Adds a file that is not there yet. Files that share claims must be added in order.
    /// Returns whether its objects are used.
    pub fn add(&mut self, place: &Place, mut file: ParsedFile) -> bool {
        let mut problems = std::mem::take(&mut file.problems);
        for claim in &file.claims {
            let places = self.claims.entry(claim.what.clone()).or_default();
            if let Some((first, line)) = places.first()
                && first < place
            {
                problems.push(defined_twice(
                    &file.path,
                    claim.line,
                    &claim.what,
                    first,
                    *line,
                ));
            }
            if let Err(at) = places.binary_search_by(|(known, _)| known.cmp(place)) {
                places.reserve_exact(1);
                places.insert(at, (place.clone(), claim.line));
            }
        }
        let used = problems.is_empty();
        if used {
            self.insert(file);
        } else {
            self.desired.held.insert(file.path);
            self.problems.insert(place.clone(), problems.clone());
            self.desired.problems.extend(problems);
        }
        used
    }

    /// Whether a file wants a pod of this name, rightly or not.
    pub fn claims_pod(&self, key: &PodKey) -> bool {
        self.claims.contains_key(&What::Pod(key.clone()))
    }

    /// Puts a pod that a controller has decided on in place of the one before, or takes it out.
    pub fn derive(&mut self, key: &PodKey, pod: Option<Pod>) {
        match pod {
            Some(pod) => drop(self.desired.pods.insert(key.clone(), pod)),
            None => drop(self.desired.pods.remove(key)),
        }
    }

    /// Puts what is known of a pod's images in place of what was known.
    pub fn set_images(&mut self, key: &PodKey, images: Option<PodImages>) {
        match images {
            Some(images) => drop(self.desired.images.insert(key.clone(), images)),
            None => drop(self.desired.images.remove(key)),
        }
    }

    fn insert(&mut self, file: ParsedFile) {
        let desired = &mut self.desired;
        desired.config_maps.extend(file.config_maps);
        desired.secrets.extend(file.secrets);
        desired.volume_claims.extend(file.volume_claims);
        desired.persistent_volumes.extend(file.persistent_volumes);
        desired.priority_classes.extend(file.priority_classes);
        let services = file.services.into_iter();
        desired
            .services
            .extend(services.map(|service| (service.key.clone(), Arc::new(service))));
        let slices = file.slices.into_iter();
        desired
            .slices
            .extend(slices.map(|slice| (slice.key.clone(), Arc::new(slice))));
        let networks = file.networks.into_iter();
        desired
            .networks
            .extend(networks.map(|network| (network.key.clone(), network)));
        let controllers = file.controllers.into_iter();
        desired
            .controllers
            .extend(controllers.map(|controller| (controller.key.clone(), controller)));
        let pods = file.pods.into_iter().map(|pod| (pod.key.clone(), pod));
        desired.pods.extend(pods);
    }

    /// Takes a file out again, with what it claims. Returns what of it was in use.
    pub fn remove(&mut self, place: &Place, claims: &[What]) -> ParsedFile {
        let mut gone = ParsedFile::default();
        let held = self.desired.held.remove(&*place.path);
        if let Some(old) = self.problems.remove(place) {
            self.desired
                .problems
                .retain(|problem| !old.contains(problem));
        }
        for what in claims {
            if let Some(places) = self.claims.get_mut(what) {
                places.retain(|(known, _)| known != place);
                if places.is_empty() {
                    self.claims.remove(what);
                }
            }
            if !held {
                self.take(what, &mut gone);
            }
        }
        gone
    }

    fn take(&mut self, what: &What, gone: &mut ParsedFile) {
        let desired = &mut self.desired;
        match what {
            What::Pod(key) => gone.pods.extend(desired.pods.remove(key)),
            What::ConfigMap(key) => gone
                .config_maps
                .extend(desired.config_maps.remove_entry(key)),
            What::Secret(key) => gone.secrets.extend(desired.secrets.remove_entry(key)),
            What::VolumeClaim(key) => gone
                .volume_claims
                .extend(desired.volume_claims.remove_entry(key)),
            What::PersistentVolume(key) => gone
                .persistent_volumes
                .extend(desired.persistent_volumes.remove_entry(&key.name)),
            What::Network(key) => gone.networks.extend(desired.networks.remove(key)),
            What::Service(key) => drop(desired.services.remove(key)),
            What::EndpointSlice(key) => drop(desired.slices.remove(key)),
            What::Controller(key) => gone.controllers.extend(desired.controllers.remove(key)),
            What::PriorityClass(key) => gone
                .priority_classes
                .extend(desired.priority_classes.remove_entry(&key.name)),
            What::Uid(_) => {}
        }
    }
}

fn defined_twice(file: &Path, line: usize, what: &What, first: &Place, at: usize) -> Problem {
    Problem {
        file: file.to_owned(),
        line,
        field: "metadata.name".to_owned(),
        message: format!(
            "{what} is already defined in {}:{at}: rename or remove one of them",
            first.path.display()
        ),
    }
}

/// Merges files in the order given. `unreadable` are directories (or files) that could not be read: what runs
/// from them is kept; for those that are only absent give no problem.
pub fn merge(
    files: impl IntoIterator<Item = ParsedFile>,
    unreadable: impl IntoIterator<Item = (PathBuf, Option<Problem>)>,
) -> Desired {
    let mut merged = Merged::default();
    for (path, problem) in unreadable {
        merged.hold(path, problem);
    }
    for (rank, file) in files.into_iter().enumerate() {
        let path = Arc::from(file.path.as_path());
        merged.add(&Place { rank, path }, file);
    }
    merged.into_desired()
}
