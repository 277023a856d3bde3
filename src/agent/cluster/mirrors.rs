//! Mirrors of the pods of this host's own disk.
//!
//! A mirror is made when its pod is seen, made anew when the pod has another manifest or somebody has deleted the mirror,
//! and deleted when the pod is gone. Its status is told like that of any other pod; what is done to it does nothing to
//! the pod.

use super::Seen;
use super::api::CallError;
use super::known::{Known, Stage};
use super::member::{Member, name_of};
use super::retry::Retry;
use crate::model::name::PodKey;
use crate::source::cluster::{mirror, mirror_hash, mirror_key};
use crate::unit::{digest, hex};
use serde_json::Value;

/// A pod of this host's own disk.
#[derive(Debug)]
pub struct Static {
    /// Stands for its manifest.
    hash: String,
    /// Its manifest.
    manifest: Box<str>,
    /// How it was seen last.
    latest: Option<Box<Seen>>,
    /// A mirror is being made.
    making: bool,
    /// The API server does not take a mirror of it.
    refused: bool,
}

/// What became of making a mirror.
pub type Made = (PodKey, Result<Value, CallError>);

impl Member {
    /// News of a pod of this host's own disk; without a manifest it is gone.
    pub(super) fn own(&mut self, mut seen: Seen, manifest: Option<Box<str>>) {
        let Some(key) = mirror_key(&seen.key, &self.node) else {
            return;
        };
        let Some(manifest) = manifest else {
            self.statics.remove(&key);
            return self.reflect(&key);
        };
        seen.key = key.clone();
        let hash = hex(&digest(manifest.as_bytes()));
        let same = self.statics.get(&key).filter(|known| known.hash == hash);
        let (making, refused) = same.map_or((false, false), |known| (known.making, known.refused));
        let own = Static {
            hash,
            manifest,
            latest: Some(Box::new(seen)),
            making,
            refused,
        };
        self.statics.insert(key.clone(), own);
        self.reflect(&key);
    }

    /// The API server has told of a mirror.
    pub(super) fn mirror_changed(&mut self, object: &Value) {
        let Some((key, uid)) = name_of(object) else {
            return;
        };
        let Ok(uid) = uid.parse() else { return };
        let hash = mirror_hash(object).unwrap_or_default().to_owned();
        let known = self
            .pods
            .entry(key.clone())
            .or_insert_with(|| Known::new(uid, Stage::Over));
        known.stage = Stage::Mirror(hash);
        known.learn(object);
        self.reflect(&key);
    }

    /// Brings a mirror in line with its pod.
    pub(super) fn reflect(&mut self, key: &PodKey) {
        let own = self.statics.get_mut(key);
        let there = self
            .pods
            .get_mut(key)
            .filter(|known| matches!(known.stage, Stage::Mirror(_)));
        match (own, there) {
            (Some(own), Some(known)) => {
                let current = matches!(&known.stage, Stage::Mirror(hash) if *hash == own.hash);
                if !current || known.ending {
                    return self.discard(key);
                }
                if let Some(mut seen) = own.latest.take() {
                    seen.uid = known.uid.clone();
                    known.latest = Some(seen);
                    self.tell(key);
                }
            }
            (None, Some(_)) => self.discard(key),
            (Some(_), None) => self.make_mirror(key),
            (None, None) => {}
        }
    }

    fn make_mirror(&mut self, key: &PodKey) {
        let node_uid = self.memory.node_uid.clone();
        let Some(own) = self.statics.get_mut(key) else {
            return;
        };
        if own.making || own.refused || node_uid.is_empty() || self.pods.contains_key(key) {
            return;
        }
        let object = match mirror(&own.manifest, key, &self.node, &node_uid, &own.hash) {
            Ok(object) => object,
            Err(what) => {
                own.refused = true;
                log::info!(
                    "pod {key} is not shown to the cluster: it uses {what}, which a mirror may not"
                );
                return;
            }
        };
        own.making = true;
        let (server, key) = (self.server.clone(), key.clone());
        self.makes.spawn(async move {
            let path = format!("/api/v1/namespaces/{}/pods", key.namespace);
            let made = server.create(&path, &object).await;
            if made.as_ref().is_err_and(|error| !error.is_final()) {
                Retry::after(4).wait().await;
            }
            (key, made)
        });
    }

    /// A mirror was made, or not.
    pub(super) fn made(&mut self, (key, made): Made) {
        let Some(own) = self.statics.get_mut(&key) else {
            return;
        };
        own.making = false;
        match made {
            Ok(object) => self.mirror_changed(&object),
            // Somebody was faster: the watch tells of it.
            Err(error) if error.is_conflict() => {}
            Err(error) if error.is_final() => {
                own.refused = true;
                log::warn!(
                    "pod {key} is not shown to the cluster: {}",
                    crate::chain::line(&error)
                );
            }
            Err(_) => self.make_mirror(&key),
        }
    }

    /// A mirror is gone: how its pod is, is kept for the next one, since only what changes is heard of.
    pub(super) fn mirror_gone(&mut self, key: &PodKey, known: Known) {
        if let Some(own) = self.statics.get_mut(key)
            && own.latest.is_none()
        {
            own.latest = known.latest;
        }
    }

    /// Mirrors that a list has not are gone, and made anew.
    pub(super) fn mirrors_listed(&mut self, items: &[Value]) {
        let listed: Vec<_> = items.iter().filter_map(name_of).collect();
        let gone: Vec<PodKey> = self
            .pods
            .iter()
            .filter(|(_, known)| matches!(known.stage, Stage::Mirror(_)))
            .filter(|(key, known)| {
                !listed
                    .iter()
                    .any(|(name, uid)| name == *key && uid == known.uid.as_str())
            })
            .map(|(key, _)| key.clone())
            .collect();
        for key in gone {
            self.remove(&key);
        }
    }

    /// Makes what has no mirror yet one.
    pub(super) fn reflect_all(&mut self) {
        let keys: Vec<PodKey> = self.statics.keys().cloned().collect();
        for key in keys {
            self.reflect(&key);
        }
    }
}
