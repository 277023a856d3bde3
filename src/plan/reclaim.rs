//! What becomes of the directories of claims that are gone.
//!
//! A directory is removed only when its claim said so while it was there (which is remembered beside it), the file
//! that defined the claim is known to be gone, and no pod has the claim.

use crate::model::claim::{Reclaim, VolumeClaim};
use crate::model::desired::Desired;
use crate::model::name::ObjectKey;
use crate::model::observed::{KeptClaim, Observed};
use crate::model::volume::VolumeSource;
use serde_json::Value;
use std::collections::BTreeMap;

/// Something to do about a claim's directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reclaiming {
    /// Remember that it goes with its claim.
    Remember(KeptClaim),
    /// It stays after all.
    Forget(ObjectKey),
    /// Remove it with all that is in it.
    Remove(ObjectKey),
}

/// Compares what is remembered with the claims there are.
pub fn plan(desired: &Desired, observed: &Observed, kept: &[KeptClaim]) -> Vec<Reclaiming> {
    let kept: BTreeMap<&ObjectKey, &KeptClaim> =
        kept.iter().map(|kept| (&kept.claim, kept)).collect();
    let mut todo = Vec::new();
    for (key, claim) in &desired.volume_claims {
        let known = kept.get(key).copied();
        match (claim.reclaim, remembered(key, claim)) {
            (Reclaim::Delete, Some(wanted)) if known != Some(&wanted) => {
                todo.push(Reclaiming::Remember(wanted));
            }
            (Reclaim::Retain, _) if known.is_some() => todo.push(Reclaiming::Forget(key.clone())),
            _ => {}
        }
    }
    for (key, kept) in kept {
        let gone = !desired.volume_claims.contains_key(key) && !desired.holds(&kept.source);
        if gone && !is_used(desired, observed, key) {
            todo.push(Reclaiming::Remove(key.clone()));
        }
    }
    todo
}

/// Whether anything will have to be done about directories at some time.
pub fn concerns(desired: &Desired, kept: &[KeptClaim]) -> bool {
    let mut claims = desired.volume_claims.values();
    !kept.is_empty() || claims.any(|claim| claim.reclaim == Reclaim::Delete)
}

fn remembered(key: &ObjectKey, claim: &VolumeClaim) -> Option<KeptClaim> {
    Some(KeptClaim {
        claim: key.clone(),
        source: claim.source.clone()?,
    })
}

/// Whether a pod that is wanted, or that there still is something of, has the claim. A pod whose manifest is not
/// known may have any.
fn is_used(desired: &Desired, observed: &Observed, claim: &ObjectKey) -> bool {
    let uses = |source: &VolumeSource| matches!(source, VolumeSource::Claim { name, .. } if *name == claim.name);
    let wanted = desired.pods.iter().any(|(key, pod)| {
        key.namespace == claim.namespace
            && pod.spec.volumes.iter().any(|volume| uses(&volume.source))
    });
    wanted
        || observed.pods.iter().any(|(key, pod)| {
            key.namespace == claim.namespace
                && pod
                    .manifest
                    .as_deref()
                    .is_none_or(|manifest| mentions(manifest, claim))
        })
}

fn mentions(manifest: &str, claim: &ObjectKey) -> bool {
    let Ok(manifest) = serde_json::from_str::<Value>(manifest) else {
        return true;
    };
    let volumes = manifest["spec"]["volumes"].as_array().into_iter().flatten();
    volumes
        .filter_map(|volume| volume["persistentVolumeClaim"]["claimName"].as_str())
        .any(|name| name == claim.name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::claim::{AccessMode, VolumeMode};
    use crate::model::pod::SourcePath;

    fn key(name: &str) -> ObjectKey {
        ObjectKey {
            namespace: "n".parse().unwrap(),
            name: name.parse().unwrap(),
        }
    }

    fn kept(name: &str) -> KeptClaim {
        KeptClaim {
            claim: key(name),
            source: SourcePath("/etc/vks/pods.d/c.yaml".into()),
        }
    }

    fn desired(reclaim: Option<Reclaim>) -> Desired {
        let mut desired = Desired::default();
        if let Some(reclaim) = reclaim {
            let claim = VolumeClaim {
                access_modes: vec![AccessMode::Once],
                request: None,
                volume_name: None,
                mode: VolumeMode::Filesystem,
                reclaim,
                source: Some(kept("a").source),
            };
            desired.volume_claims.insert(key("a"), claim);
        }
        desired
    }

    #[test]
    fn only_what_said_so_is_removed_and_only_when_it_is_gone() {
        let none = Observed::default();
        let delete = desired(Some(Reclaim::Delete));
        assert_eq!(plan(&delete, &none, &[]), [Reclaiming::Remember(kept("a"))]);
        assert_eq!(plan(&delete, &none, &[kept("a")]), []);
        let retain = desired(Some(Reclaim::Retain));
        assert_eq!(plan(&retain, &none, &[]), []);
        let forget = [Reclaiming::Forget(key("a"))];
        assert_eq!(plan(&retain, &none, &[kept("a")]), forget);
        let mut gone = desired(None);
        assert_eq!(plan(&gone, &none, &[]), []);
        let remove = [Reclaiming::Remove(key("a"))];
        assert_eq!(plan(&gone, &none, &[kept("a")]), remove);
        // Its file, or the directory of it, cannot be read: nobody has said that it is gone.
        for held in ["/etc/vks/pods.d/c.yaml", "/etc/vks/pods.d"] {
            gone.held = [held.into()].into();
            assert_eq!(plan(&gone, &none, &[kept("a")]), [], "{held}");
        }
    }

    #[test]
    fn a_manifest_that_cannot_be_read_may_have_any_claim() {
        assert!(mentions("nonsense", &key("a")));
        let with = |name: &str| {
            format!(
                "{{\"spec\":{{\"volumes\":[{{\"persistentVolumeClaim\":{{\"claimName\":\"{name}\"}}}}]}}}}"
            )
        };
        assert!(mentions(&with("a"), &key("a")));
        assert!(!mentions(&with("b"), &key("a")));
    }
}
