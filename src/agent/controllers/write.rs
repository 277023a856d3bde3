//! What a decision writes, before it comes into force.

use crate::host::files::{Dir, FileError};
use crate::host::records::{self, object_file};
use crate::model::controller::record::Record;
use crate::model::controller::{ControllerKey, ControllerKind};
use crate::model::layout::Layout;
use crate::model::name::{ObjectKey, PodKey};
use crate::model::pod::Pod;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// What is to be written, and what follows from it.
#[derive(Debug, Default)]
pub(super) struct Writes {
    /// Whose record it is comes with it.
    pub(super) record: Option<Record>,
    /// The record must be safe from a power loss before anything else is done.
    pub(super) sync: bool,
    /// Pods that are there stay, wanted or not.
    pub(super) kept: bool,
    /// The record is not needed any more.
    pub(super) forget: bool,
    /// A Job of a CronJob, with its manifest.
    pub(super) create: Option<(ObjectKey, String)>,
    /// Manifests to be removed; only those that vks keeps itself.
    pub(super) delete: BTreeSet<ControllerKey>,
    /// Pods that are wanted, or not any more.
    pub(super) pods: BTreeMap<PodKey, Option<Pod>>,
    /// The controller this is about.
    pub(super) key: Option<ControllerKey>,
}

fn job(object: &ObjectKey) -> ControllerKey {
    ControllerKey {
        kind: ControllerKind::Job,
        object: object.clone(),
    }
}

fn file(key: &ControllerKey) -> String {
    object_file(key.kind.word(), &key.object)
}

impl Writes {
    /// Writes it. A Job comes before the record that says it was made: its name keeps it from being made twice.
    pub(super) fn run(&self, layout: &Layout) -> Result<(), FileError> {
        if self.create.is_some() || !self.delete.is_empty() {
            let dir = Dir::create(&layout.manifests())?;
            for key in &self.delete {
                dir.remove(&file(key))?;
            }
            if let Some((object, manifest)) = &self.create {
                dir.write(&file(&job(object)), manifest.as_bytes(), 0o600)?;
            }
        }
        let Some(key) = &self.key else { return Ok(()) };
        if self.forget {
            records::remove(layout, key)?;
        }
        match &self.record {
            Some(record) => records::write(layout, key, record, self.sync),
            None => Ok(()),
        }
    }

    /// The manifests that were written or removed.
    pub(super) fn touched(&self, layout: &Layout) -> Vec<PathBuf> {
        let new = self.create.iter().map(|(object, _)| job(object));
        let keys = self.delete.iter().cloned().chain(new);
        keys.map(|key| layout.manifests().join(file(&key)))
            .collect()
    }
}
