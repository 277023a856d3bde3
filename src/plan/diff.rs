//! What is against what ought to be, for one pod.
//!
//! The rules, in their order:
//! 1. A pod whose source cannot be read is left as it is: absence is no reason to stop it, and another file
//!    that defines it now is no reason to change it.
//! 2. A pod that cannot be rendered (a config map is missing) keeps what runs.
//! 3. A pod of another uid, or with another sandbox or other init containers, is stopped as a whole first.
//! 4. Else each container stands alone: what changed is stopped, written and started again, nothing else is.
//! 5. What should run and does not is started; what is finished stays finished.

use super::step::{PodPlan, Reason, Step};
use super::units::{Rendered, WantedUnit, render};
use crate::config::Settings;
use crate::model::desired::Desired;
use crate::model::identity::UnitRole;
use crate::model::name::{PodKey, PodUid, UnitName};
use crate::model::observed::{ActiveState, Observed, ObservedPod, ObservedUnit, Runs};
use crate::model::pod::{ContainerRole, Pod, RestartPolicy};
use crate::model::status::Blocked;
use crate::unit::digest;
use crate::unit::names::PodUnits;
use std::collections::BTreeSet;

/// The plan for one pod; no steps when all is as it should be.
pub fn plan_pod(
    key: &PodKey,
    desired: &Desired,
    observed: &Observed,
    settings: &Settings,
    seed: &[u8],
) -> Result<PodPlan, Blocked> {
    match (desired.pods.get(key), observed.pods.get(key)) {
        (None, None) => Ok(nothing(super::new_uid(key, seed))),
        (None, Some(is)) if desired.holds(&is.source) => Ok(nothing(is.uid.clone())),
        (None, Some(is)) => Ok(remove(key, is, Reason::Remove)),
        (Some(pod), None) => {
            let uid = pod.uid.clone().unwrap_or_else(|| super::new_uid(key, seed));
            let want = render(pod, &uid, desired, settings)?;
            Ok(create(pod, want, observed))
        }
        // Another file defines it now, but the one it runs from cannot be read: that may define it still.
        (Some(pod), Some(is)) if pod.source != is.source && desired.holds(&is.source) => {
            Ok(nothing(is.uid.clone()))
        }
        (Some(pod), Some(is)) => {
            if pod.uid.as_ref().is_some_and(|uid| *uid != is.uid) {
                return Ok(remove(key, is, Reason::Replace));
            }
            let want = render(pod, &is.uid, desired, settings)?;
            Ok(Update {
                pod,
                is,
                want: &want,
                names: PodUnits::new(key),
            }
            .plan())
        }
    }
}

fn nothing(uid: PodUid) -> PodPlan {
    PodPlan {
        reason: Reason::Converge,
        uid,
        steps: Vec::new(),
    }
}

/// Stop first, remove after: a process never runs without its unit file. The directory goes last: as
/// long as it or a unit file is there, the next plan finds the rest.
fn remove(key: &PodKey, is: &ObservedPod, reason: Reason) -> PodPlan {
    let names = PodUnits::new(key);
    let mut steps = vec![Step::Stop(names.target()), Step::Stop(names.slice())];
    steps.push(Step::Disable(names.target()));
    let target = names.target();
    let files = is
        .units
        .iter()
        .filter(|(_, unit)| unit.digest.is_some())
        .map(|(name, _)| name);
    steps.extend(
        files
            .clone()
            .filter(|name| **name != target)
            .cloned()
            .map(Step::RemoveUnit),
    );
    steps.push(Step::RemovePodDirectory);
    steps.extend(
        files
            .filter(|name| **name == target)
            .cloned()
            .map(Step::RemoveUnit),
    );
    PodPlan {
        reason,
        uid: is.uid.clone(),
        steps,
    }
}

/// The target is written first and removed last: it is what tells that there is something of this pod.
fn create(pod: &Pod, want: Rendered, observed: &Observed) -> PodPlan {
    let target = PodUnits::new(&pod.key).target();
    // A pod of this name that was removed may still be known to systemd, by what wanted it at boot.
    let reload = want
        .units
        .keys()
        .any(|unit| observed.orphans.contains(unit));
    let mut files: Vec<Step> = Vec::with_capacity(want.units.len());
    for (unit, wanted) in want.units {
        let stale = observed.orphans.contains(&unit);
        let at = if unit == target { 0 } else { files.len() };
        files.insert(
            at,
            Step::WriteUnit {
                unit,
                text: wanted.file.to_string(),
                reload: stale,
            },
        );
    }
    let mut steps: Vec<Step> = files.drain(..1).collect();
    steps.extend(want.payloads.into_iter().map(Step::WritePayload));
    steps.append(&mut files);
    steps.push(Step::Enable(target.clone()));
    if reload {
        steps.push(Step::Reload);
    }
    steps.push(Step::Start(target));
    PodPlan {
        reason: Reason::Create,
        uid: want.uid,
        steps,
    }
}

/// The comparison of a pod that is there with what it ought to be.
struct Update<'a> {
    pod: &'a Pod,
    is: &'a ObservedPod,
    want: &'a Rendered,
    names: PodUnits<'a>,
}

/// Which units have to be stopped before their files change.
struct Stops<'a> {
    whole_pod: bool,
    units: BTreeSet<&'a UnitName>,
}

impl Update<'_> {
    fn plan(&self) -> PodPlan {
        let stops = self.stops();
        let mut steps = Vec::new();
        if stops.whole_pod {
            steps.push(Step::Stop(self.names.slice()));
        } else {
            steps.extend(stops.units.iter().map(|unit| Step::Stop((*unit).clone())));
        }
        self.payloads(&mut steps);
        let reload = self.files(&mut steps);
        if !self.is.enabled {
            steps.push(Step::Enable(self.names.target()));
        }
        if reload {
            steps.push(Step::Reload);
        }
        let reason = if steps.is_empty() {
            Reason::Converge
        } else {
            Reason::Update
        };
        self.renewals(&stops, &mut steps);
        self.starts(&stops, &mut steps);
        PodPlan {
            reason,
            uid: self.want.uid.clone(),
            steps,
        }
    }

    fn observed(&self, name: &UnitName) -> Option<&ObservedUnit> {
        self.is.units.get(name)
    }

    /// The file is there and was made from another spec.
    fn out_of_date(&self, name: &UnitName, wanted: &WantedUnit) -> bool {
        let identity = self.observed(name).and_then(|unit| unit.identity.as_ref());
        identity.is_some_and(|identity| identity.spec_hash != wanted.spec_hash)
    }

    fn stops(&self) -> Stops<'_> {
        let mut stops = Stops {
            whole_pod: false,
            units: BTreeSet::new(),
        };
        for (name, unit) in &self.is.units {
            let whole = |role: &UnitRole| {
                matches!(role, UnitRole::Sandbox)
                    || matches!(
                        role,
                        UnitRole::Container {
                            role: ContainerRole::Init,
                            ..
                        }
                    )
            };
            match (self.want.units.get(name), &unit.identity) {
                (Some(wanted), _) if !self.out_of_date(name, wanted) => {}
                (Some(wanted), _) if whole(&wanted.role) => stops.whole_pod = true,
                (None, Some(identity)) if whole(&identity.role) => stops.whole_pod = true,
                (Some(wanted), _) if wanted.role == UnitRole::Slice => {}
                (Some(_), _) => {
                    stops.units.insert(name);
                }
                // Still loaded, but its file is gone: nothing to stop unless it runs.
                (None, _) if unit.digest.is_none() && !is_up(unit) => {}
                (None, _) if *name == self.names.slice() => {}
                (None, _) => {
                    stops.units.insert(name);
                }
            }
        }
        // A sandbox or init container that is new to a pod that is there: the others must come after it.
        stops.whole_pod |= self.want.units.iter().any(|(name, wanted)| {
            let first = matches!(
                wanted.role,
                UnitRole::Sandbox
                    | UnitRole::Container {
                        role: ContainerRole::Init,
                        ..
                    }
            );
            first && self.observed(name).is_none() && self.is.units.values().any(is_up_container)
        });
        stops
    }

    fn payloads(&self, steps: &mut Vec<Step>) {
        for payload in &self.want.payloads {
            if self.is.payloads.get(&payload.path) != Some(&payload.content.digest()) {
                steps.push(Step::WritePayload(payload.clone()));
            }
        }
        let wanted: BTreeSet<&str> = self.want.payloads.iter().map(|p| p.path.as_str()).collect();
        let stale = self
            .is
            .payloads
            .keys()
            .filter(|path| !wanted.contains(path.as_str()));
        steps.extend(stale.cloned().map(Step::RemovePayload));
    }

    /// Writes what differs, removes what is not wanted; whether systemd must reload.
    fn files(&self, steps: &mut Vec<Step>) -> bool {
        let mut reload = self.is.reload_needed;
        for (name, unit) in &self.is.units {
            if !self.want.units.contains_key(name) && unit.digest.is_some() {
                steps.push(Step::RemoveUnit(name.clone()));
            }
        }
        for (name, wanted) in &self.want.units {
            let text = wanted.file.to_string();
            let is = self.observed(name);
            if is.and_then(|unit| unit.digest) == Some(digest(text.as_bytes())) {
                continue;
            }
            let differs =
                is.and_then(|unit| unit.loaded_digest) != Some(wanted.file.loaded_digest());
            let stale = differs && is.is_some_and(|unit| unit.state.loaded);
            reload |= stale;
            steps.push(Step::WriteUnit {
                unit: name.clone(),
                text,
                reload: stale,
            });
        }
        reload
    }

    /// A container with a new spec runs again, also if the old one had ended for good.
    fn renewals(&self, stops: &Stops, steps: &mut Vec<Step>) {
        for (name, wanted) in &self.want.units {
            if let UnitRole::Container {
                name: container, ..
            } = &wanted.role
                && (stops.units.contains(name) || stops.whole_pod)
                && self.is.runs.contains_key(container)
                && self.out_of_date(name, wanted)
            {
                steps.push(Step::ClearDone(container.clone()));
            }
        }
    }

    fn starts(&self, stops: &Stops, steps: &mut Vec<Step>) {
        if self.is.deadline_exceeded {
            return;
        }
        let finished = self.finished();
        let target = self.names.target();
        if stops.whole_pod || !self.observed(&target).is_some_and(is_up) {
            if !finished {
                steps.push(Step::Start(target));
            }
            return;
        }
        if finished {
            self.end_sidecars(steps);
            return;
        }
        for (name, wanted) in &self.want.units {
            let stopped = stops.units.contains(name);
            if self.runs_with_target(name, wanted) && (stopped || self.is_down(name, wanted)) {
                steps.push(Step::Start(name.clone()));
            }
        }
    }

    /// Units that run as long as the target is active.
    fn runs_with_target(&self, name: &UnitName, wanted: &WantedUnit) -> bool {
        match &wanted.role {
            UnitRole::Container { .. } | UnitRole::Sandbox | UnitRole::Probes => true,
            UnitRole::Deadline => *name == self.names.deadline_timer(),
            UnitRole::Pod | UnitRole::Slice => false,
        }
    }

    /// Neither runs, nor is on its way, nor has ended for good.
    fn is_down(&self, name: &UnitName, wanted: &WantedUnit) -> bool {
        if self.observed(name).is_some_and(is_up) {
            return false;
        }
        match &wanted.role {
            UnitRole::Container {
                name: container, ..
            } => !self.is_final(container, wanted) && !self.waits_for_failed_init(),
            _ => true,
        }
    }

    /// The container has ended and its restart policy leaves it so.
    fn is_final(&self, container: &crate::model::name::ContainerName, wanted: &WantedUnit) -> bool {
        let found = self
            .pod
            .spec
            .all_containers()
            .find(|(_, spec)| spec.name == *container);
        let Some((role, spec)) = found else {
            return false;
        };
        let policy = self.pod.spec.restart_policy_of(role, spec);
        self.is
            .runs
            .get(container)
            .is_some_and(|runs| ended_for_good(policy, runs, &wanted.spec_hash))
    }

    /// An init container that may not run again has failed: what comes after it never starts.
    fn waits_for_failed_init(&self) -> bool {
        self.want.units.values().any(|wanted| match &wanted.role {
            UnitRole::Container {
                name,
                role: ContainerRole::Init,
                ..
            } => {
                self.is_final(name, wanted)
                    && self.is.runs.get(name).is_some_and(|runs| !ended_well(runs))
            }
            _ => false,
        })
    }

    /// No main will run again.
    fn finished(&self) -> bool {
        let mut mains = self.want.units.iter().filter(|(_, wanted)| {
            matches!(
                wanted.role,
                UnitRole::Container {
                    role: ContainerRole::Main,
                    ..
                }
            )
        });
        let over = mains.all(|(name, wanted)| match &wanted.role {
            UnitRole::Container {
                name: container, ..
            } => self.is_final(container, wanted) && !self.observed(name).is_some_and(is_up),
            _ => true,
        });
        over || self.waits_for_failed_init()
    }

    fn end_sidecars(&self, steps: &mut Vec<Step>) {
        for (name, wanted) in self.want.units.iter().rev() {
            let sidecar = matches!(
                wanted.role,
                UnitRole::Container {
                    role: ContainerRole::Sidecar,
                    ..
                }
            );
            let runs = self.observed(name).is_some_and(is_up);
            if sidecar && runs {
                steps.push(Step::Stop(name.clone()));
            }
        }
    }
}

/// Whether the last run under this spec is one that no other follows. Shared with status: see
/// [`Runs`] for what is recorded.
pub fn ended_for_good(policy: RestartPolicy, runs: &Runs, spec_hash: &str) -> bool {
    let Some(last) = runs.last.last().filter(|run| *run.spec == *spec_hash) else {
        return false;
    };
    match policy {
        RestartPolicy::Always => false,
        RestartPolicy::OnFailure => !last.stopped && last.exit_code == Some(0),
        RestartPolicy::Never => true,
    }
}

fn ended_well(runs: &Runs) -> bool {
    runs.last.last().is_some_and(|run| run.exit_code == Some(0))
}

/// Runs, is about to, or is being seen to by systemd.
fn is_up(unit: &ObservedUnit) -> bool {
    unit.state.job
        || !matches!(
            unit.state.active,
            ActiveState::Inactive | ActiveState::Failed
        )
}

fn is_up_container(unit: &ObservedUnit) -> bool {
    let container = unit
        .identity
        .as_ref()
        .is_some_and(|id| matches!(id.role, UnitRole::Container { .. }));
    container && is_up(unit)
}
