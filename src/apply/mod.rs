//! Runs a plan on the host. Takes no decisions: each step is one call.
//!
//! Pods are independent: the caller runs [`Applier::pod`] for each in a task of its own. Within a pod the steps
//! run one after the other, and the first failure ends them: what is missing, the next plan finds.

mod files;
mod shares;
mod wave;

pub use shares::ShareError;
pub use wave::Wave;

use crate::host::files::FileError;
use crate::host::systemd::{Systemd, SystemdError};
use crate::host::{claims, drop_ins};
use crate::model::layout::Layout;
use crate::model::name::{ObjectKey, PodKey, PodUid, UnitName};
use crate::plan::in_place::Change;
use crate::plan::reclaim::Reclaiming;
use crate::plan::step::{PodPlan, Step};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Runs steps on this host.
#[derive(Debug, Clone)]
pub struct Applier {
    systemd: Systemd,
    layout: Layout,
}

/// A step that failed, with the pod it was for.
#[derive(Debug, thiserror::Error)]
#[error("pod {pod}: failed to {step}")]
pub struct ApplyError {
    /// The pod.
    pub pod: PodKey,
    /// The step, as `vks plan` shows it.
    pub step: String,
    /// What went wrong.
    pub source: Box<StepError>,
}

/// What went wrong in a step.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// systemd refused, or could not be asked.
    #[error(transparent)]
    Systemd(#[from] SystemdError),
    /// A file could not be written or removed.
    #[error(transparent)]
    File(#[from] files::StepError),
    /// The host's configuration brings it by now: the next plan leaves it to that.
    #[error("it is part of the host's configuration, in {}", .0.display())]
    Given(PathBuf),
    /// The thread that writes files is gone: the program is ending.
    #[error("interrupted")]
    Interrupted,
}

/// The directory of a claim could not be dealt with.
#[derive(Debug, thiserror::Error)]
#[error("claim {claim}: its directory is not in order")]
pub struct ReclaimError {
    /// The claim.
    pub claim: ObjectKey,
    /// What went wrong.
    pub source: FileError,
}

impl Applier {
    /// For a connection and a place for files.
    pub fn new(systemd: Systemd, layout: Layout) -> Self {
        Self { systemd, layout }
    }

    /// Has systemd let go of units whose files are gone. One that failed is kept for that alone.
    pub async fn forget(&self, orphans: &BTreeSet<UnitName>) -> Result<(), SystemdError> {
        for unit in orphans {
            self.systemd.reset_failed(unit).await?;
        }
        self.systemd.reload().await
    }

    /// Does what is to be done about directories of claims, all of it; gives what failed.
    pub async fn reclaim(&self, todo: Vec<Reclaiming>) -> Vec<ReclaimError> {
        let layout = self.layout.clone();
        let work = tokio::task::spawn_blocking(move || {
            let one = |act: Reclaiming| {
                let (claim, done) = match act {
                    Reclaiming::Remember(kept) => {
                        let done = claims::remember(&layout, &kept);
                        (kept.claim, done)
                    }
                    Reclaiming::Forget(claim) => {
                        let done = claims::forget(&layout, &claim);
                        (claim, done)
                    }
                    Reclaiming::Remove(claim) => {
                        let done = claims::remove(&layout, &claim);
                        (claim, done)
                    }
                };
                let failed = |source| ReclaimError { claim, source };
                done.err().map(failed)
            };
            todo.into_iter().filter_map(one).collect()
        });
        // A thread that is gone: the program is ending, and what is left is done by the next.
        work.await.unwrap_or_default()
    }

    /// Runs the steps of a plan that only touch files: without systemd, and blocking.
    ///
    /// # Errors
    /// The first step that failed. Those that are no file's are left out.
    pub fn only_files(layout: &Layout, key: &PodKey, plan: &PodPlan) -> Result<(), ApplyError> {
        files::run(layout, &plan.uid, &plan.steps).map_err(|(index, source)| ApplyError {
            pod: key.clone(),
            step: plan.steps.get(index).map(line).unwrap_or_default(),
            source: Box::new(StepError::File(source)),
        })
    }

    /// Runs the steps of one pod. Steps that only touch files run together on a blocking thread. Nothing is started
    /// before the other pods of its wave have written their files.
    pub async fn pod(&self, key: &PodKey, plan: PodPlan, mut wave: Wave) -> Result<(), ApplyError> {
        if let Some(unit) = self.given(&plan.steps).await {
            return Err(ApplyError {
                pod: key.clone(),
                step: format!("write {unit}"),
                source: Box::new(StepError::Given(self.layout.given.clone())),
            });
        }
        let mut files: Vec<Step> = Vec::new();
        for step in plan.steps {
            if files::is_file_step(&step) {
                files.push(step);
                continue;
            }
            self.flush(key, &plan.uid, std::mem::take(&mut files))
                .await?;
            // Also where there was nothing to write: what comes first may take its time.
            wave.written();
            if matches!(step, Step::Start(_)) {
                wave.all_written().await;
            }
            let result = self.ask_systemd(&step, &plan.uid).await;
            result.map_err(|source| ApplyError {
                pod: key.clone(),
                step: line(&step),
                source: Box::new(source),
            })?;
        }
        self.flush(key, &plan.uid, files).await
    }

    /// A unit among those to be written that the host's configuration brings by now.
    async fn given(&self, steps: &[Step]) -> Option<UnitName> {
        let written = steps.iter().filter_map(|step| match step {
            Step::WriteUnit { unit, .. } => Some(unit.clone()),
            _ => None,
        });
        let (layout, written) = (self.layout.clone(), written.collect::<Vec<_>>());
        if written.is_empty() {
            return None;
        }
        let work = tokio::task::spawn_blocking(move || files::given(&layout, written));
        // A thread that is gone: the program is ending, and no step will be run either.
        work.await.ok().flatten()
    }

    async fn flush(&self, key: &PodKey, uid: &PodUid, steps: Vec<Step>) -> Result<(), ApplyError> {
        let Some(first) = steps.first().map(line) else {
            return Ok(());
        };
        let (layout, uid) = (self.layout.clone(), uid.clone());
        let work = tokio::task::spawn_blocking(move || {
            let failed = |(index, source): (usize, files::StepError)| {
                (
                    steps.get(index).map(line).unwrap_or_default(),
                    Box::new(StepError::File(source)),
                )
            };
            files::run(&layout, &uid, &steps).map_err(failed)
        });
        let result = work
            .await
            .unwrap_or(Err((first, Box::new(StepError::Interrupted))));
        result.map_err(|(step, source)| ApplyError {
            pod: key.clone(),
            step,
            source,
        })
    }

    async fn ask_systemd(&self, step: &Step, uid: &PodUid) -> Result<(), StepError> {
        match step {
            Step::Stop(unit) => self.stop(unit).await,
            Step::Start(unit) => Ok(self.systemd.start(unit).await?),
            Step::Reload => {
                self.systemd.reload().await?;
                let mark = self.layout.reload_needed(uid);
                Ok(files::remove_mark(&mark).map_err(files::StepError::from)?)
            }
            Step::Resize(changes) => self.resize(changes, uid).await,
            _ => Ok(()),
        }
    }

    /// Each as a whole; when all are in force, systemd is no longer behind the files.
    async fn resize(&self, changes: &[Change], uid: &PodUid) -> Result<(), StepError> {
        for Change { unit, properties } in changes {
            let values: Vec<_> = properties.iter().map(|p| (p.property, p.value)).collect();
            self.systemd.set_properties(unit, &values).await?;
            let keys = properties.iter().map(|property| property.key);
            drop_ins::remove(unit, keys).map_err(files::StepError::from)?;
        }
        let mark = self.layout.reload_needed(uid);
        Ok(files::remove_mark(&mark).map_err(files::StepError::from)?)
    }

    async fn stop(&self, unit: &UnitName) -> Result<(), StepError> {
        self.systemd.stop_and_wait(unit).await?;
        Ok(())
    }
}

fn line(step: &Step) -> String {
    // The columns of `vks plan` are not for sentences.
    step.to_string()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}
