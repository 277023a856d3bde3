//! Which other objects a pod uses.

use super::parsed::What;
use crate::model::name::ObjectName;
use crate::model::network::attach::{DEFAULT_NETWORK, NETWORKS};
use crate::model::pod::{EnvValue, Pod};
use crate::model::volume::{Projection, VolumeSource};

/// Whether a pod uses an object, in a variable, in a volume, or to fetch its images. Which volume a claim has is for planning to find out: every
/// pod with a claim uses all of them.
pub fn refers_to(pod: &Pod, what: &What) -> bool {
    if is_attached(pod) && matches!(what, What::Network(_) | What::Secret(_)) {
        return true;
    }
    let (key, secret) = match what {
        What::ConfigMap(key) => (key, false),
        What::Secret(key) => (key, true),
        What::VolumeClaim(_) | What::PersistentVolume(_) => return has_claims(pod),
        // A class may be that of all pods that name none.
        What::PriorityClass(key) => {
            let asked = &pod.spec.priority;
            return asked
                .class
                .as_ref()
                .map_or(asked.value.is_none(), |name| *name == key.name);
        }
        _ => return false,
    };
    key.namespace == pod.key.namespace
        && (in_volumes(pod, &key.name, secret)
            || in_variables(pod, &key.name, secret)
            || (secret && pod.spec.pulling.secrets.contains(&key.name)))
}

/// Which networks, and which secrets those use, is for planning to find out.
fn is_attached(pod: &Pod) -> bool {
    let names = [NETWORKS, DEFAULT_NETWORK];
    names.iter().any(|name| pod.annotations.contains_key(*name))
}

fn has_claims(pod: &Pod) -> bool {
    pod.spec.volumes.iter().any(|volume| {
        matches!(
            volume.source,
            VolumeSource::Claim { .. } | VolumeSource::Ephemeral(_)
        )
    })
}

fn in_volumes(pod: &Pod, wanted: &ObjectName, secret: bool) -> bool {
    pod.spec.volumes.iter().any(|volume| match &volume.source {
        VolumeSource::ConfigMap { name, .. } => !secret && name == wanted,
        VolumeSource::Secret { name, .. } => secret && name == wanted,
        VolumeSource::Projected { sources, .. } => sources.iter().any(|source| match source {
            Projection::Keys {
                secret: kind, name, ..
            } => *kind == secret && name == wanted,
            Projection::Downward(_) => false,
        }),
        _ => false,
    })
}

fn in_variables(pod: &Pod, wanted: &ObjectName, secret: bool) -> bool {
    pod.spec.all_containers().any(|(_, container)| {
        let mut from = container.env_from.iter();
        from.any(|from| from.secret == secret && from.name == *wanted)
            || container.env.iter().any(|variable| match &variable.value {
                EnvValue::ConfigMapKey { name, .. } => !secret && name == wanted,
                EnvValue::SecretKey { name, .. } => secret && name == wanted,
                EnvValue::FileKey { .. }
                | EnvValue::Text(_)
                | EnvValue::Field(_)
                | EnvValue::Resource(_) => false,
            })
    })
}
