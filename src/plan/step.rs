//! What can be done to the host for a pod. A step leaves no choice to whoever runs it.

use super::in_place::Change;
use crate::model::name::{ContainerName, PodKey, PodUid, UnitName};
use crate::model::payload::Payload;
use crate::model::pod::SourcePath;
use std::fmt;
use std::net::IpAddr;

/// The steps for one pod, to be run one after the other; the first failure ends them.
#[derive(Debug, Clone, PartialEq)]
pub struct PodPlan {
    /// Why, in a word for people.
    pub reason: Reason,
    /// The identity the steps act for.
    pub uid: PodUid,
    /// The addresses the pod has when they are done; none on the host's network, and when it is removed.
    pub addresses: Vec<IpAddr>,
    /// What to do, in order.
    pub steps: Vec<Step>,
    /// Units that are given and not as this vks would write them. Nothing is done about them.
    pub differs: Vec<UnitName>,
}

/// Why a pod has steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Wanted and not there.
    Create,
    /// There and not as wanted.
    Update,
    /// As wanted, but something that should run does not, or the other way round.
    Converge,
    /// Its deletion has begun.
    End,
    /// Not wanted any more.
    Remove,
    /// There in a form that cannot be changed in place: removed now, created by the next plan.
    Replace,
}

/// One thing to do. Each can be repeated without harm.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Stop a unit and wait until it, and all that stops with it, has stopped.
    Stop(UnitName),
    /// Write a unit file.
    WriteUnit {
        /// Its name.
        unit: UnitName,
        /// Its text.
        text: String,
        /// systemd has an older version loaded: a [`Step::Reload`] follows.
        reload: bool,
    },
    /// Remove a unit file.
    RemoveUnit(UnitName),
    /// Have the pod's target wanted at boot.
    Enable(UnitName),
    /// Not any more.
    Disable(UnitName),
    /// Make the pod's directory: its age is the pod's.
    CreatePodDirectory,
    /// The same for a pod whose units are given, with a note of whose it is.
    MarkGiven(PodKey, SourcePath),
    /// Write or replace something in the pod's directory.
    WritePayload(Payload),
    /// Remove something from the pod's directory, by its path below it.
    RemovePayload(String),
    /// Make the standard input of a container that the sandbox knows nothing of.
    MakeInput(ContainerName),
    /// Forget that a container has ended for good: it has a new spec.
    ClearDone(ContainerName),
    /// Forget all marks that keep the pod from running again: ended containers, a start in an earlier
    /// boot, a deadline that has passed.
    ClearMarks,
    /// Remove the pod's directory and all it holds.
    RemovePodDirectory,
    /// Have systemd read its unit files again. Shared with all who ask at the same time.
    Reload,
    /// Put requests and limits of loaded units in force, whose files have been written.
    Resize(Vec<Change>),
    /// Start a unit and what it pulls in, without waiting.
    Start(UnitName),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Converge => "converge",
            Self::End => "end",
            Self::Remove => "remove",
            Self::Replace => "replace",
        })
    }
}

impl fmt::Display for Step {
    /// One line for people, without content.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stop(unit) => write!(f, "stop     {unit}"),
            Self::WriteUnit { unit, .. } => write!(f, "write    {unit}"),
            Self::RemoveUnit(unit) => write!(f, "remove   {unit}"),
            Self::Enable(unit) => write!(f, "enable   {unit}"),
            Self::Disable(unit) => write!(f, "disable  {unit}"),
            Self::WritePayload(payload) => write!(f, "write    {}", payload.path),
            Self::RemovePayload(path) => write!(f, "remove   {path}"),
            Self::ClearDone(container) => write!(f, "renew    container {container}"),
            Self::MakeInput(container) => write!(f, "make     the input of container {container}"),
            Self::ClearMarks => f.write_str("renew    the pod"),
            Self::MarkGiven(..) => f.write_str("make     the pod's directory"),
            Self::CreatePodDirectory => f.write_str("make     the pod's directory"),
            Self::RemovePodDirectory => f.write_str("remove   the pod's directory"),
            Self::Reload => f.write_str("reload   systemd"),
            Self::Resize(changes) => {
                let units: Vec<&str> = changes.iter().map(|c| c.unit.as_str()).collect();
                write!(f, "resize   {}", units.join(" "))
            }
            Self::Start(unit) => write!(f, "start    {unit}"),
        }
    }
}

/// A plan as `vks plan` shows it.
pub fn describe(key: &PodKey, plan: &PodPlan) -> String {
    let steps: Vec<String> = plan
        .steps
        .iter()
        .map(|step| format!("  {step}\n"))
        .collect();
    format!("{key}: {}\n{}", plan.reason, steps.concat())
}
