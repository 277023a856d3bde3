//! Which volume a claim has: the one it names, or one that is kept for it, or else a directory of its own.
//!
//! Nothing remembers a binding: it follows from the manifests alone, the same each time.

use super::env::Context;
use crate::model::claim::{AccessMode, PersistentVolume, VolumeClaim, VolumeMode};
use crate::model::controller::ControllerSpec;
use crate::model::desired::Desired;
use crate::model::name::{ObjectKey, ObjectName, PodKey, VolumeName};
use crate::model::volume::VolumeSource;

/// What a claim has.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Bound<'a> {
    /// A directory of its own.
    Directory,
    /// A volume.
    Volume(&'a PersistentVolume),
}

/// What the claim of this name is for and what it has, or why it has nothing.
pub(super) fn bound<'a>(
    context: &Context<'a>,
    name: &ObjectName,
) -> Result<(VolumeMode, Bound<'a>), String> {
    let desired = context.desired;
    let key = ObjectKey {
        namespace: context.pod.key.namespace.clone(),
        name: name.clone(),
    };
    let claim = desired.volume_claims.get(&key);
    let claim = claim.or_else(|| of_a_set(desired, &context.pod.key, name));
    let claim = claim.ok_or_else(|| format!("persistentvolumeclaim \"{name}\" not found"))?;
    if claim.access_modes.contains(&AccessMode::OncePod)
        && let Some(other) = first_user(desired, &key)
        && *other != context.pod.key
    {
        return Err(format!(
            "persistentvolumeclaim \"{name}\" is ReadWriteOncePod and pod \"{}\" has it",
            other.name
        ));
    }
    Ok((claim.mode, volume_of(desired, &key, claim)?))
}

/// What a StatefulSet asks for in this claim, if it makes it for this pod: `<template>-<pod>`.
fn of_a_set<'a>(desired: &'a Desired, pod: &PodKey, claim: &ObjectName) -> Option<&'a VolumeClaim> {
    desired.controllers.iter().find_map(|(key, controller)| {
        let ControllerSpec::StatefulSet(set) = &controller.spec else {
            return None;
        };
        let ordinal = pod.name.as_str().strip_prefix(key.object.name.as_str())?;
        if key.object.namespace != pod.namespace || !ordinal.starts_with('-') {
            return None;
        }
        let mut templates = set.claims.iter();
        let named =
            templates.find(|template| *claim.as_str() == format!("{}-{}", template.name, pod.name));
        named.map(|template| &template.claim)
    })
}

/// What a claim of this key and content has.
pub(super) fn volume_of<'a>(
    desired: &'a Desired,
    key: &ObjectKey,
    claim: &VolumeClaim,
) -> Result<Bound<'a>, String> {
    let name = match &claim.volume_name {
        Some(name) => Some(name),
        None => kept_for(desired, key),
    };
    let Some(name) = name else {
        return match claim.mode {
            VolumeMode::Filesystem => Ok(Bound::Directory),
            VolumeMode::Block => Err(format!(
                "persistentvolumeclaim \"{}\" is for a block device: name a PersistentVolume in volumeName",
                key.name
            )),
        };
    };
    let Some(volume) = desired.persistent_volumes.get(name) else {
        return Err(format!("persistentvolume \"{name}\" not found"));
    };
    let owner = match &volume.claim_ref {
        Some(owner) => owner,
        None => &first_claim(desired, name).unwrap_or_else(|| key.clone()),
    };
    if owner != key {
        return Err(format!(
            "persistentvolume \"{name}\" is already bound to claim {owner}"
        ));
    }
    fits(claim, volume).map_err(|why| format!("persistentvolume \"{name}\" {why}"))?;
    Ok(Bound::Volume(volume))
}

fn fits(claim: &VolumeClaim, volume: &PersistentVolume) -> Result<(), &'static str> {
    let modes = &volume.access_modes;
    if claim.mode != volume.mode {
        return Err("has another volumeMode than the claim");
    }
    if !claim.access_modes.iter().all(|mode| modes.contains(mode)) {
        return Err("does not have the access modes of the claim");
    }
    // A volume that does not say how large it is fits all.
    if volume.capacity.is_some_and(|has| claim.request > Some(has)) {
        return Err("is smaller than the claim asks for");
    }
    Ok(())
}

/// The volume whose `claimRef` is this claim.
fn kept_for<'a>(desired: &'a Desired, key: &ObjectKey) -> Option<&'a ObjectName> {
    let mut volumes = desired.persistent_volumes.iter();
    volumes
        .find(|(_, volume)| volume.claim_ref.as_ref() == Some(key))
        .map(|(name, _)| name)
}

/// Of several claims that name a volume, the first by name has it: of those with a manifest, then of those that pods bring
/// along, then of those of StatefulSets.
fn first_claim(desired: &Desired, volume: &ObjectName) -> Option<ObjectKey> {
    let names = |claim: &VolumeClaim| claim.volume_name.as_ref() == Some(volume);
    let mut claims = desired.volume_claims.iter();
    if let Some((key, _)) = claims.find(|(_, claim)| names(claim)) {
        return Some(key.clone());
    }
    let of_pods = desired.pods.iter().flat_map(|(key, pod)| {
        let volumes = pod.spec.volumes.iter();
        volumes.filter_map(move |volume| match &volume.source {
            VolumeSource::Ephemeral(claim) if names(claim) => of_volume(key, &volume.name).ok(),
            _ => None,
        })
    });
    of_pods.min().or_else(|| {
        let of_sets = desired.controllers.iter().flat_map(|(key, controller)| {
            let (set, first) = match &controller.spec {
                ControllerSpec::StatefulSet(set) => (&*set.claims, set.first),
                _ => (&[][..], 0),
            };
            let theirs = set.iter().filter(|template| names(&template.claim));
            theirs.filter_map(move |template| {
                let name = format!("{}-{}-{first}", template.name, key.object.name);
                Some(ObjectKey {
                    namespace: key.object.namespace.clone(),
                    name: name.parse().ok()?,
                })
            })
        });
        of_sets.min()
    })
}

/// The claim that an ephemeral volume makes: `<pod>-<volume>`.
pub(super) fn of_volume(pod: &PodKey, volume: &VolumeName) -> Result<ObjectKey, String> {
    let name = format!("{}-{volume}", pod.name);
    let name = name.parse().map_err(|_| {
        format!("the name of its claim, {name}, is too long: shorten that of the pod")
    })?;
    Ok(ObjectKey {
        namespace: pod.namespace.clone(),
        name,
    })
}

/// Of several pods that use a claim, the first by name.
fn first_user<'a>(desired: &'a Desired, claim: &ObjectKey) -> Option<&'a PodKey> {
    let uses = |source: &VolumeSource| matches!(source, VolumeSource::Claim { name, .. } if *name == claim.name);
    let mut pods = desired.pods.iter();
    pods.find(|(key, pod)| {
        key.namespace == claim.namespace
            && pod.spec.volumes.iter().any(|volume| uses(&volume.source))
    })
    .map(|(key, _)| key)
}
