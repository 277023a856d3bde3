//! Which config maps and secrets a pod uses.

use super::decode::What;
use crate::model::name::ObjectName;
use crate::model::pod::{EnvValue, Pod};
use crate::model::volume::VolumeSource;

/// Whether a pod uses a config map or secret, in a variable or a volume.
pub fn refers_to(pod: &Pod, what: &What) -> bool {
    let (key, secret) = match what {
        What::ConfigMap(key) => (key, false),
        What::Secret(key) => (key, true),
        _ => return false,
    };
    key.namespace == pod.key.namespace
        && (in_volumes(pod, &key.name, secret) || in_variables(pod, &key.name, secret))
}

fn in_volumes(pod: &Pod, wanted: &ObjectName, secret: bool) -> bool {
    pod.spec.volumes.iter().any(|volume| match &volume.source {
        VolumeSource::ConfigMap { name, .. } => !secret && name == wanted,
        VolumeSource::Secret { name, .. } => secret && name == wanted,
        VolumeSource::EmptyDir | VolumeSource::HostPath { .. } => false,
    })
}

fn in_variables(pod: &Pod, wanted: &ObjectName, secret: bool) -> bool {
    pod.spec.all_containers().any(|(_, container)| {
        let mut from = container.env_from.iter();
        from.any(|from| from.secret == secret && from.name == *wanted)
            || container.env.iter().any(|variable| match &variable.value {
                EnvValue::ConfigMapKey { name, .. } => !secret && name == wanted,
                EnvValue::SecretKey { name, .. } => secret && name == wanted,
                EnvValue::Text(_) | EnvValue::Field(_) | EnvValue::Resource(_) => false,
            })
    })
}
