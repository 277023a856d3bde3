//! Images: what containers and volumes run from, as far as somebody has looked.
//!
//! Programs and directories of the host that are named as such need no look and no record. All else is resolved once for
//! each life of a pod, by the agent, and read here from what it has recorded. [`access`] decides what is fetched.

pub mod access;
pub mod auth;
pub mod collect;

use crate::config::Settings;
use crate::model::desired::Desired;
use crate::model::image::resolved::{Content, Reason, Resolved, State, User};
use crate::model::image::{ImageRef, PullPolicy};
use crate::model::name::PodKey;
use crate::model::pod::{Container, Pod};
use crate::model::status::Blocked;
use crate::model::volume::VolumeSource;

/// An image of a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named<'a> {
    /// Who in the pod it is for.
    pub user: User,
    /// As the pod names it.
    pub image: &'a ImageRef,
    /// When it is fetched although it may be there.
    pub policy: Option<PullPolicy>,
}

/// An image that somebody has to look for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Want<'a> {
    /// Which of the pod's.
    pub named: Named<'a>,
    /// What its name means here; or why it means nothing, in a sentence.
    pub reference: Result<ImageRef, String>,
    /// The policy in force.
    pub policy: PullPolicy,
}

/// All images that a pod names.
pub fn named(pod: &Pod) -> impl Iterator<Item = Named<'_>> {
    let containers = pod.spec.all_containers().map(|(_, container)| Named {
        user: User::Container(container.name.clone()),
        image: &container.image,
        policy: container.pull_policy,
    });
    let volumes = pod.spec.volumes.iter().filter_map(|volume| {
        let VolumeSource::Image { image, policy } = &volume.source else {
            return None;
        };
        Some(Named {
            user: User::Volume(volume.name.clone()),
            image,
            policy: *policy,
        })
    });
    containers.chain(volumes)
}

/// The images of a pod that somebody has to look for: all but what is the host's by its own name.
pub fn wants<'a>(pod: &'a Pod, settings: &Settings) -> Vec<Want<'a>> {
    let class = pod.spec.pulling.class.as_ref().map(|class| class.as_str());
    let all = named(pod).filter_map(|named| {
        let reference = settings.images.reference(named.image, class);
        let plain = matches!(&reference, Ok(found) if found == named.image && resolve_here(found).is_some());
        let default = reference.as_ref().map(ImageRef::default_policy);
        let policy = named.policy.or(default.ok());
        (!plain).then_some(Want {
            named,
            reference,
            policy: policy.unwrap_or(PullPolicy::IfNotPresent),
        })
    });
    all.collect()
}

/// What a reference is that needs no look: something of the host.
pub fn resolve_here(reference: &ImageRef) -> Option<Resolved> {
    let content = match reference {
        ImageRef::HostPath(program) | ImageRef::HostCommand(program) => Content::Host {
            program: program.clone(),
        },
        ImageRef::Dir(root) => Content::Dir { root: root.clone() },
        _ => return None,
    };
    Some(Resolved {
        reference: reference.clone(),
        id: reference.to_string(),
        content,
    })
}

/// Why there is no image yet: the waiting reason and a sentence.
type Missing = (&'static str, String);

/// What a container runs from, or why it cannot start yet.
pub fn of_container(
    pod: &Pod,
    container: &Container,
    desired: &Desired,
    settings: &Settings,
) -> Result<Resolved, Blocked> {
    let named = Named {
        user: User::Container(container.name.clone()),
        image: &container.image,
        policy: container.pull_policy,
    };
    of(pod, &named, desired, settings).map_err(|(reason, message)| Blocked {
        container: Some(container.name.clone()),
        reason,
        message,
    })
}

/// What a pod's image is.
pub fn of(
    pod: &Pod,
    named: &Named,
    desired: &Desired,
    settings: &Settings,
) -> Result<Resolved, Missing> {
    let known = state(&pod.key, named, desired);
    if let Some(State::Ready(resolved)) = known {
        return Ok(resolved.clone());
    }
    let class = pod.spec.pulling.class.as_ref().map(|class| class.as_str());
    let reference = settings.images.reference(named.image, class);
    let reference = reference.map_err(|why| ("InvalidImageName", why))?;
    if let Some(resolved) = resolve_here(&reference) {
        return Ok(resolved);
    }
    Err(match known {
        Some(State::Waiting { reason, message }) => (reason.word(), message.clone()),
        _ => (
            Reason::ContainerCreating.word(),
            format!("image \"{}\" has not been looked for yet", named.image),
        ),
    })
}

fn state<'a>(pod: &PodKey, named: &Named, desired: &'a Desired) -> Option<&'a State> {
    desired.images.get(pod)?.of(&named.user, named.image)
}
