//! Which objects of the API server a pod uses.

use crate::model::name::ObjectKey;
use crate::model::name::ObjectName;
use crate::model::pod::{EnvValue, Pod};
use crate::model::volume::{Projection, VolumeSource};
use std::collections::BTreeSet;

/// Objects by kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// Config maps.
    pub config_maps: BTreeSet<ObjectKey>,
    /// Secrets, those that vks makes for tokens included.
    pub secrets: BTreeSet<ObjectKey>,
    /// Claims for storage.
    pub claims: BTreeSet<ObjectKey>,
}

/// What a pod uses.
pub fn needs(pod: &Pod) -> Needs {
    let mut needs = Needs::default();
    let mut add = |secret: bool, name: &ObjectName| {
        let key = ObjectKey {
            namespace: pod.key.namespace.clone(),
            name: name.clone(),
        };
        match secret {
            true => needs.secrets.insert(key),
            false => needs.config_maps.insert(key),
        };
    };
    for volume in &pod.spec.volumes {
        match &volume.source {
            VolumeSource::ConfigMap { name, .. } => add(false, name),
            VolumeSource::Secret { name, .. } => add(true, name),
            VolumeSource::Projected { sources, .. } => {
                for source in sources {
                    if let Projection::Keys { secret, name, .. } = source {
                        add(*secret, name);
                    }
                }
            }
            _ => {}
        }
    }
    for (_, container) in pod.spec.all_containers() {
        for from in &container.env_from {
            add(from.secret, &from.name);
        }
        for variable in &container.env {
            match &variable.value {
                EnvValue::ConfigMapKey { name, .. } => add(false, name),
                EnvValue::SecretKey { name, .. } => add(true, name),
                EnvValue::FileKey { .. }
                | EnvValue::Text(_)
                | EnvValue::Field(_)
                | EnvValue::Resource(_) => {}
            }
        }
    }
    for volume in &pod.spec.volumes {
        if let VolumeSource::Claim { name, .. } = &volume.source {
            needs.claims.insert(ObjectKey {
                namespace: pod.key.namespace.clone(),
                name: name.clone(),
            });
        }
    }
    needs
}
