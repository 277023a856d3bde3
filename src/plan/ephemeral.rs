//! Ephemeral containers: put into a running pod, never changed, never taken out, never run again (pkg/apis/core/validation:
//! `ValidatePodEphemeralContainersUpdate`).

use super::step::Step;
use super::units::Rendered;
use super::update::Update;
use crate::model::identity::UnitRole;
use crate::model::name::{ContainerName, UnitName};
use crate::model::observed::{ObservedPod, ObservedUnit};
use crate::model::pod::{Container, ContainerRole, Pod};
use crate::model::status::Blocked;
use crate::unit::identity::{ONCE_KEY, SECTION};

/// Why what a manifest says of one is not done.
const REASON: &str = "EphemeralContainerForbidden";

/// Takes out of what ought to be each ephemeral container that the pod has in another form, or that the manifest has no
/// more: what there is of it stays as it is, and the rest of the change is made.
pub(super) fn keep(is: &ObservedPod, want: &mut Rendered) {
    for (unit, observed) in &is.units {
        let Some((name, hash)) = ephemeral(observed) else {
            continue;
        };
        let wanted = want
            .units
            .get(unit)
            .map(|wanted| *wanted.spec_hash == *hash);
        let message = match wanted {
            Some(true) => continue,
            Some(false) => format!(
                "the ephemeral container {name} cannot be changed: put its fields back, and add one with another name"
            ),
            None if want.left_out.contains_key(name) => continue,
            None => format!(
                "the ephemeral container {name} cannot be removed: it stays until the pod is deleted; put it back into \
                 the manifest"
            ),
        };
        keep_one(want, unit, name, message);
    }
}

fn keep_one(want: &mut Rendered, unit: &UnitName, name: &ContainerName, message: String) {
    want.units.remove(unit);
    let mut units = want.units.values_mut();
    if let Some(target) = units.find(|wanted| wanted.role == UnitRole::Pod) {
        // It still belongs to the pod, which must find it there.
        let mut named = target.file.values(SECTION, ONCE_KEY);
        let new = named.all(|name| name != unit.as_str());
        drop(named);
        if new {
            target.file.push(SECTION, ONCE_KEY, unit.as_str());
        }
    }
    want.payloads.retain(|payload| !bears(&payload.path, name));
    want.left_out.insert(name.clone(), unit.clone());
    want.blocked.push(Blocked {
        container: Some(name.clone()),
        reason: REASON,
        message,
    });
}

/// Whether something in the pod's directory is that container's.
fn bears(path: &str, name: &ContainerName) -> bool {
    let of_volume = path.starts_with("volumes/") || path.starts_with("secrets/");
    !of_volume && path.rsplit('/').next() == Some(name.as_str())
}

fn ephemeral(unit: &ObservedUnit) -> Option<(&ContainerName, &str)> {
    let identity = unit.identity.as_ref().filter(|_| unit.digest.is_some())?;
    match &identity.role {
        UnitRole::Container {
            name,
            role: ContainerRole::Ephemeral,
            ..
        } => Some((name, &identity.spec_hash)),
        _ => None,
    }
}

/// Steps that make the standard inputs of all ephemeral containers: the sandbox has come up without them.
pub(super) fn inputs(pod: &Pod) -> impl Iterator<Item = Step> {
    let with_input = pod
        .spec
        .ephemeral_containers
        .iter()
        .filter(|c| has_input(c));
    with_input.map(|container| Step::MakeInput(container.name.clone()))
}

fn has_input(container: &Container) -> bool {
    container.stdio.stdin
}

impl Update<'_> {
    /// The same for those that are about to start.
    pub(super) fn inputs(&self, steps: &mut Vec<Step>) {
        let starts: Vec<&UnitName> = steps
            .iter()
            .filter_map(|step| match step {
                Step::Start(unit) => Some(unit),
                _ => None,
            })
            .collect();
        let of = |container: &&Container| {
            let unit = self.want.units.iter().find(|(_, wanted)| {
                matches!(&wanted.role, UnitRole::Container { name, .. } if *name == container.name)
            });
            unit.is_some_and(|(unit, _)| starts.contains(&unit))
        };
        let ephemeral = self.pod.spec.ephemeral_containers.iter();
        let new: Vec<Step> = ephemeral
            .filter(|container| has_input(container))
            .filter(of)
            .map(|container| Step::MakeInput(container.name.clone()))
            .collect();
        let first = steps.iter().position(|step| matches!(step, Step::Start(_)));
        steps.splice(
            first.unwrap_or(steps.len())..first.unwrap_or(steps.len()),
            new,
        );
    }
}
