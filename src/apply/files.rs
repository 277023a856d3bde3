//! The steps that only touch files.

use crate::host::files::{Dir, FileError};
use crate::host::given::Given;
use crate::host::input::{self, InputError};
use crate::host::payload::{self, PayloadError};
use crate::host::units::UnitDir;
use crate::model::layout::Layout;
use crate::model::name::{PodUid, UnitName};
use crate::plan::step::Step;
use std::path::Path;

/// A step on files that failed.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// A unit file, link or mark.
    #[error(transparent)]
    File(#[from] FileError),
    /// Something in the pod's directory.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// The standard input of a container.
    #[error(transparent)]
    Input(#[from] InputError),
}

/// Whether a step is done by [`run`].
pub fn is_file_step(step: &Step) -> bool {
    !matches!(
        step,
        Step::Stop(_) | Step::Start(_) | Step::Reload | Step::Resize(_)
    )
}

/// A unit that a plan would write although the host's configuration brings it by now: then the plan is out of date.
/// Blocking.
pub fn given(layout: &Layout, written: Vec<UnitName>) -> Option<UnitName> {
    let given = Given::open(layout)?;
    let mut written = written.into_iter();
    written.find(|unit| given.read(unit).is_some())
}

/// Runs steps one after the other; blocking. On failure, the index of the step.
pub fn run(layout: &Layout, uid: &PodUid, steps: &[Step]) -> Result<(), (usize, StepError)> {
    let units = UnitDir::create(layout).map_err(|error| (0, error.into()))?;
    for (index, step) in steps.iter().enumerate() {
        one(layout, &units, uid, step).map_err(|error| (index, error))?;
    }
    Ok(())
}

fn one(layout: &Layout, units: &UnitDir, uid: &PodUid, step: &Step) -> Result<(), StepError> {
    match step {
        Step::WriteUnit { unit, text, reload } => {
            if *reload {
                // Before the file: an agent that dies between the two must know that systemd is behind.
                put_mark(&layout.reload_needed(uid))?;
            }
            units.write(unit, text)?;
        }
        Step::RemoveUnit(unit) => drop(units.remove(unit)?),
        Step::Enable(target) => units.enable(target)?,
        Step::Disable(target) => drop(units.disable(target)?),
        Step::WritePayload(wanted) => payload::write(layout, uid, wanted)?,
        Step::RemovePayload(path) => payload::remove(layout, uid, path)?,
        Step::MakeInput(container) => input::make(layout, uid, std::slice::from_ref(container))?,
        Step::ClearDone(container) => remove_mark(&layout.done(uid, container))?,
        Step::ClearMarks => {
            remove_mark(&layout.once(uid))?;
            remove_mark(&layout.deadline_start(uid))?;
            remove_mark(&layout.deadline_exceeded(uid))?;
            if let Some(pod) = Dir::open(&layout.pod(uid))? {
                pod.remove_tree("done")?;
            }
        }
        Step::MarkGiven(key, source) => {
            let pod = Dir::create(&layout.pod(uid))?;
            let text = format!("{key}\n{}", source.0.display());
            pod.write("given", text.as_bytes(), 0o644)?;
        }
        Step::CreatePodDirectory => drop(Dir::create(&layout.pod(uid))?),
        Step::RemovePodDirectory => {
            remove_mark(&layout.reload_needed(uid))?;
            payload::remove_pod_dir(layout, uid)?;
        }
        Step::Stop(_) | Step::Start(_) | Step::Reload | Step::Resize(_) => {}
    }
    Ok(())
}

fn put_mark(path: &Path) -> Result<(), FileError> {
    if let (Some(parent), Some(name)) = (path.parent(), path.file_name()) {
        Dir::create(parent)?.create_file(&name.to_string_lossy(), 0o600)?;
    }
    Ok(())
}

/// Removes a mark if it is there.
pub fn remove_mark(path: &Path) -> Result<(), FileError> {
    if let (Some(parent), Some(name)) = (path.parent(), path.file_name())
        && let Some(dir) = Dir::open(parent)?
    {
        dir.remove(&name.to_string_lossy())?;
    }
    Ok(())
}
