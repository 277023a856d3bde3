//! What should run and does not, and what has ended for good.

use super::diff::is_up;
use super::step::Step;
use super::units::WantedUnit;
use super::update::{Stops, Update};
use crate::model::identity::UnitRole;
use crate::model::name::{ContainerName, UnitName};
use crate::model::observed::Runs;
use crate::model::pod::{ContainerRole, RestartPolicy};
use crate::model::restart::Restarts;

impl Update<'_> {
    pub(super) fn starts(&self, stops: &Stops, steps: &mut Vec<Step>) {
        if self.is.deadline_exceeded {
            return;
        }
        let finished = self.finished();
        let target = self.names.target();
        if finished {
            if !stops.whole_pod && self.observed(&target).is_some_and(is_up) {
                self.end_sidecars(steps);
            }
            return;
        }
        if stops.whole_pod || !self.observed(&target).is_some_and(is_up) {
            steps.push(Step::Start(target));
            steps.extend(self.ephemeral_starts());
            return;
        }
        for (name, wanted) in &self.want.units {
            let stopped = stops.units.contains(name);
            if self.runs_with_target(name, wanted) && (stopped || self.is_down(name, wanted)) {
                steps.push(Step::Start(name.clone()));
            }
        }
    }

    /// Ephemeral containers that have never run: the target does not start them.
    fn ephemeral_starts(&self) -> impl Iterator<Item = Step> {
        let units = self.want.units.iter();
        let new =
            units.filter(|(name, wanted)| wanted.role.is_ephemeral() && self.is_down(name, wanted));
        new.map(|(name, _)| Step::Start(name.clone()))
    }

    /// Units that run as long as the target is active.
    fn runs_with_target(&self, name: &UnitName, wanted: &WantedUnit) -> bool {
        match &wanted.role {
            UnitRole::Container { .. } | UnitRole::Sandbox | UnitRole::Mount | UnitRole::Probes => {
                true
            }
            UnitRole::Deadline => *name == self.names.deadline_timer(),
            UnitRole::Pod | UnitRole::Slice | UnitRole::Cron => false,
        }
    }

    /// Neither runs, nor is on its way, nor has ended for good.
    fn is_down(&self, name: &UnitName, wanted: &WantedUnit) -> bool {
        if self.observed(name).is_some_and(is_up) {
            return false;
        }
        match &wanted.role {
            UnitRole::Container {
                name: container,
                role: ContainerRole::Ephemeral,
                ..
            } => !self.is.runs.contains_key(container),
            UnitRole::Container {
                name: container, ..
            } => !self.is_final(container, wanted) && !self.waits_for_failed_init(),
            _ => true,
        }
    }

    /// The container has ended and its restart policy leaves it so.
    fn is_final(&self, container: &ContainerName, wanted: &WantedUnit) -> bool {
        let found = self
            .pod
            .spec
            .all_containers()
            .find(|(_, spec)| spec.name == *container);
        let Some((role, spec)) = found else {
            return false;
        };
        let restarts = Restarts {
            policy: self.pod.spec.restart_policy_of(role, spec),
            rules: spec.restart_rules.clone(),
        };
        let runs = self.is.runs.get(container);
        runs.is_some_and(|runs| ended_for_good(&restarts, runs, &wanted.spec_hash))
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
        over && !self.lacks_main() || self.waits_for_failed_init()
    }

    /// A main that cannot be rendered now will run, or runs.
    fn lacks_main(&self) -> bool {
        let mut mains = self.pod.spec.containers.iter();
        mains.any(|main| self.want.left_out.contains_key(&main.name))
    }

    fn end_sidecars(&self, steps: &mut Vec<Step>) {
        for (name, wanted) in self.want.units.iter().rev() {
            let sidecar = matches!(
                wanted.role,
                UnitRole::Container {
                    role: ContainerRole::Sidecar | ContainerRole::Ephemeral,
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

/// Whether the last run under this spec is one that no other follows.
fn ended_for_good(restarts: &Restarts, runs: &Runs, spec_hash: &str) -> bool {
    let Some(last) = runs.last.last().filter(|run| *run.spec == *spec_hash) else {
        return false;
    };
    let well = last.exit_code == Some(0) && &*last.result == "success";
    // What was stopped while it could have gone on comes again, except what runs only once.
    let stopped = last.stopped && restarts.policy != RestartPolicy::Never;
    !stopped && !restarts.again(last.code(), well)
}

fn ended_well(runs: &Runs) -> bool {
    runs.last.last().is_some_and(|run| run.exit_code == Some(0))
}
