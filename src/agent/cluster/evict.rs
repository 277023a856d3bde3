//! Pods that have to go because the host is short of memory, disk or numbers for processes: one after the other, for as
//! long as it is. Their objects stay, as `Failed`, until somebody deletes them. Images that no pod has go first, where the
//! disk is short.
//!
//! The manifest of an evicted pod says why by an annotation, beside a deletion that has begun: so it is stopped like a pod
//! that is deleted, and does not come back with the next boot.

use super::known::{Known, Stage};
use super::member::Member;
use crate::host::disk::{Used, used as on_disk};
use crate::host::files::Dir;
use crate::host::{cgroup, usage};
use crate::model::layout::Layout;
use crate::model::name::{KnownUnit, PodKey, PodUid};
use crate::model::node::{Short, Shortage};
use crate::plan::eviction::{Candidate, message, victim};
use crate::source::cluster::{FileKind, file_name};
use crate::unit::names::PodUnits;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// Annotations of a pod that this node has ended: the sentence, and the word when it is not `Evicted`.
const EVICTED: &str = "vks.io/evicted";
const REASON: &str = "vks.io/evicted-reason";
/// The word of most.
const USUAL: &str = "Evicted";
/// Removes images that no pod has, when the disk is short.
const IMAGES: KnownUnit = KnownUnit::new("vks-images.service");

/// What has to be gained for that to count, in bytes: less comes and goes by itself.
const LEAST_GAIN: u64 = 1 << 20;

/// Why this node has ended a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evicted {
    /// In one word, as the status has it.
    pub reason: String,
    /// In a sentence.
    pub message: String,
}

impl Evicted {
    /// Word and sentence.
    pub fn words(&self) -> (&str, &str) {
        (&self.reason, &self.message)
    }
}

impl Member {
    /// The host is short of something.
    pub(super) async fn relieve(&mut self, shortage: Shortage) {
        let waits = |known: &Known| {
            let up = known.latest.as_ref().is_some_and(|seen| seen.up);
            up && (known.evicted.is_some() || known.ending)
        };
        // One that goes may be enough.
        if self.pods.values().any(waits) {
            return;
        }
        let what = shortage.what;
        if what.is_disk() && self.relieved_by_images().await {
            return;
        }
        let mut uids = Vec::new();
        let running = self.pods.iter().filter_map(|(key, known)| {
            let held = known.held()?;
            known.latest.as_ref().filter(|seen| seen.up)?;
            let request = match what {
                Short::Memory => held.request,
                Short::Storage | Short::Inodes | Short::Pids => 0,
            };
            uids.push(known.uid.clone());
            Some(Candidate {
                key: key.clone(),
                priority: held.priority,
                request,
                usage: 0,
            })
        });
        let mut candidates: Vec<Candidate> = running.collect();
        let layout = Arc::clone(&self.layout);
        let work = tokio::task::spawn_blocking(move || {
            for (one, uid) in candidates.iter_mut().zip(&uids) {
                one.usage = used(&one.key, uid, &layout, what);
            }
            candidates
        });
        if let Some(victim) = victim(work.await.unwrap_or_default()) {
            let message = message(&shortage);
            let key = victim.key;
            self.say(&key, true, USUAL, message.clone());
            let reason = USUAL.to_owned();
            self.end(&key, Evicted { reason, message }, Duration::ZERO);
        }
    }

    /// Has images removed that no pod has. Whether that was enough: then the disk is not short any more.
    async fn relieved_by_images(&mut self) -> bool {
        let images = self.layout.images();
        let free = || {
            let images = images.clone();
            tokio::task::spawn_blocking(move || crate::host::disk::free(&images))
        };
        let before = free().await.unwrap_or_default();
        if let Err(error) = self.systemd.start_and_wait(&IMAGES.into()).await {
            log::warn!("images stay: {}", crate::chain::line(&error));
        }
        let after = free().await.unwrap_or_default();
        // Whether it is enough is known with the next look at the host.
        after > before + LEAST_GAIN
    }

    /// Ends a pod for good.
    pub(super) fn end(&mut self, key: &PodKey, why: Evicted, grace: Duration) {
        log::warn!(
            KUBERNETES_NAMESPACE = key.namespace.as_str(), KUBERNETES_POD = key.name.as_str();
            "pod {key} is ended ({}): {}", why.reason, why.message
        );
        let Some(known) = self.pods.get_mut(key) else {
            return;
        };
        let Stage::Given(held) = &mut known.stage else {
            return;
        };
        held.manifest = marked(&held.manifest, &why, grace).into();
        let (text, sooner) = (held.manifest.to_string(), grace < held.grace);
        known.evicted = Some(why);
        self.files.write(file_name(FileKind::Pod, key), text);
        self.killing(key);
        if sooner {
            self.hurry(key, grace);
        }
    }

    /// Removes what an evicted pod has written, once nothing of it runs: without that the disk stays as full as it was.
    pub(super) fn empty(&mut self, key: &PodKey) {
        let Some(known) = self.pods.get_mut(key) else {
            return;
        };
        let down = known.latest.as_ref().is_some_and(|seen| !seen.up);
        let evicted = known
            .evicted
            .as_ref()
            .is_some_and(|why| why.reason == USUAL);
        if !down || !evicted || known.emptied {
            return;
        }
        known.emptied = true;
        let (path, key) = (self.layout.pod(&known.uid), key.clone());
        self.emptying.spawn_blocking(move || {
            let removed = Dir::open(&path).and_then(|dir| match dir {
                Some(dir) => dir.remove_tree("volumes").and(dir.remove_tree("rootfs")),
                None => Ok(()),
            });
            if let Err(error) = removed {
                log::warn!(
                    "pod {key} is evicted, and some of what it wrote stays: {}",
                    crate::chain::line(&error)
                );
            }
        });
    }
}

/// Why this node has ended a manifest's pod; `None` if it has not.
pub(super) fn evicted(manifest: &Value) -> Option<Evicted> {
    let said = &manifest["metadata"]["annotations"];
    Some(Evicted {
        message: said[EVICTED].as_str()?.to_owned(),
        reason: said[REASON].as_str().unwrap_or(USUAL).to_owned(),
    })
}

fn marked(manifest: &str, why: &Evicted, grace: Duration) -> String {
    let mut object: Value = serde_json::from_str(manifest).unwrap_or_default();
    let metadata = &mut object["metadata"];
    metadata["annotations"][EVICTED] = why.message.as_str().into();
    if why.reason != USUAL {
        metadata["annotations"][REASON] = why.reason.as_str().into();
    }
    // Whatever time: it has begun.
    metadata["deletionTimestamp"] = json!("1970-01-01T00:00:00Z");
    metadata["deletionGracePeriodSeconds"] = json!(grace.as_secs());
    object.to_string()
}

fn used(key: &PodKey, uid: &PodUid, layout: &Layout, what: Short) -> u64 {
    if what.is_disk() {
        let Used { bytes, files } = on_disk(&layout.pod(uid));
        return if what == Short::Inodes { files } else { bytes };
    }
    let group = cgroup::of_slice(&PodUnits::new(key).slice());
    let usage = usage::read(&group).unwrap_or_default();
    match what {
        Short::Pids => usage.tasks,
        _ => usage.working_set,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manifest_says_why_and_that_it_ends() {
        let text = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","namespace":"b","uid":"u-1"},
            "spec":{"containers":[{"name":"c","image":"host:sleep"}]}}"#;
        for (reason, grace) in [(USUAL, 0), ("Terminated", 7)] {
            let why = Evicted {
                reason: reason.to_owned(),
                message: "low on memory".to_owned(),
            };
            let grace = Duration::from_secs(grace);
            let made = marked(text, &why, grace);
            assert_eq!(evicted(&serde_json::from_str(&made).unwrap()), Some(why));
            let path = std::path::Path::new("/x.json");
            let file = crate::source::parse(path, made.as_bytes());
            assert_eq!(file.pods[0].ending, Some(grace));
        }
        assert_eq!(evicted(&serde_json::from_str(text).unwrap()), None);
    }
}
