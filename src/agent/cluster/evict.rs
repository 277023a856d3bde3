//! Pods that have to go because the host is short of memory or of numbers for processes: one after the other, for as long as
//! it is. Their objects stay, as `Failed`, until somebody deletes them.
//!
//! The manifest of an evicted pod says why by an annotation, beside a deletion that has begun: so it is stopped like a pod
//! that is deleted, and does not come back with the next boot.

use super::known::{Known, Stage};
use super::member::Member;
use crate::host::{cgroup, usage};
use crate::model::name::PodKey;
use crate::model::node::{Short, Shortage};
use crate::plan::eviction::{Candidate, message, victim};
use crate::source::cluster::{FileKind, file_name};
use crate::unit::names::PodUnits;
use serde_json::{Value, json};
use std::time::Duration;

/// The annotation of an evicted pod, with the reason.
pub(super) const EVICTED: &str = "vks.io/evicted";

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
        let running = self.pods.iter().filter_map(|(key, known)| {
            let held = known.held()?;
            known.latest.as_ref().filter(|seen| seen.up)?;
            let request = match what {
                Short::Memory => held.request,
                Short::Pids => 0,
            };
            Some(Candidate {
                key: key.clone(),
                priority: held.priority,
                request,
                usage: 0,
            })
        });
        let mut candidates: Vec<Candidate> = running.collect();
        let work = tokio::task::spawn_blocking(move || {
            for one in &mut candidates {
                one.usage = used(&one.key, what);
            }
            candidates
        });
        if let Some(victim) = victim(work.await.unwrap_or_default()) {
            self.evict(&victim.key, message(&shortage));
        }
    }

    fn evict(&mut self, key: &PodKey, message: String) {
        log::warn!(
            KUBERNETES_NAMESPACE = key.namespace.as_str(), KUBERNETES_POD = key.name.as_str();
            "pod {key} is evicted: {message}"
        );
        self.say(key, true, "Evicted", message.clone());
        let Some(known) = self.pods.get_mut(key) else {
            return;
        };
        let Stage::Given(held) = &mut known.stage else {
            return;
        };
        held.manifest = marked(&held.manifest, &message).into();
        let text = held.manifest.to_string();
        known.evicted = Some(message);
        self.files.write(file_name(FileKind::Pod, key), text);
        self.killing(key);
        self.hurry(key, Duration::ZERO);
    }
}

/// Why a manifest's pod was evicted; `None` if it was not.
pub(super) fn evicted(manifest: &Value) -> Option<String> {
    let why = manifest["metadata"]["annotations"][EVICTED].as_str();
    why.map(str::to_owned)
}

fn marked(manifest: &str, message: &str) -> String {
    let mut object: Value = serde_json::from_str(manifest).unwrap_or_default();
    let metadata = &mut object["metadata"];
    metadata["annotations"][EVICTED] = message.into();
    // Whatever time: it has begun.
    metadata["deletionTimestamp"] = json!("1970-01-01T00:00:00Z");
    metadata["deletionGracePeriodSeconds"] = json!(0);
    object.to_string()
}

fn used(key: &PodKey, what: Short) -> u64 {
    let group = cgroup::of_slice(&PodUnits::new(key).slice());
    let usage = usage::read(&group).unwrap_or_default();
    match what {
        Short::Memory => usage.working_set,
        Short::Pids => usage.tasks,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manifest_says_why_and_that_it_ends() {
        let text = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","namespace":"b","uid":"u-1"},
            "spec":{"containers":[{"name":"c","image":"host:sleep"}]}}"#;
        let made = marked(text, "low on memory");
        assert_eq!(
            evicted(&serde_json::from_str(&made).unwrap()).as_deref(),
            Some("low on memory")
        );
        assert_eq!(evicted(&serde_json::from_str(text).unwrap()), None);
        let path = std::path::Path::new("/x.json");
        let file = crate::source::parse(path, made.as_bytes());
        assert_eq!(file.pods[0].ending, Some(Duration::ZERO));
    }
}
