//! What is known of before: from disk when the agent starts, and what a list says against it.

use super::evict::evicted;
use super::files::MEMORY;
use super::known::{Held, Known, Stage};
use super::member::{Member, name_of};
use crate::model::name::ObjectKey;
use crate::source::cluster::{FileKind, Listing, missing, of_file_name, pod};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

impl Member {
    /// What is on disk from before.
    pub fn remember(&mut self, files: &BTreeMap<String, String>) {
        if let Some(text) = files.get(MEMORY) {
            self.memory = serde_json::from_str(text).unwrap_or_default();
        }
        for (name, text) in files {
            let Some((kind, key)) = of_file_name(name) else {
                continue;
            };
            let object: Value = serde_json::from_str(text).unwrap_or_default();
            match kind {
                FileKind::Pod => match pod(&object, &self.dir.join(name)) {
                    Ok(given) => {
                        let mut known =
                            Known::new(given.uid.clone(), Stage::Given(Held::new(&given)));
                        known.evicted = evicted(&object);
                        known.ending = given.pod.ending.is_some() && known.evicted.is_none();
                        self.pods.insert(key, known);
                    }
                    Err(refusal) => log::warn!("{name}: {}; it is kept", refusal.message),
                },
                FileKind::Volume | FileKind::Service => {}
                _ => self.data.answered((kind, key)),
            }
        }
    }

    /// A list: what it has not may be gone.
    pub(super) async fn all(&mut self, version: &str, items: Vec<Value>) {
        let node_uid = self.node_uid().await;
        let pods: BTreeSet<(ObjectKey, String)> = items.iter().filter_map(name_of).collect();
        self.mirrors_listed(&items);
        let there = self.pods.iter();
        let there = there.filter(|(_, known)| !matches!(known.stage, Stage::Mirror(_)));
        let there = there
            .map(|(key, known)| (key.clone(), known.uid.clone()))
            .collect();
        let before = self.memory.kept.len();
        let listing = Listing {
            version,
            node_uid: node_uid.as_deref(),
            pods: &pods,
        };
        let gone = missing(&mut self.memory, &there, listing);
        if self.memory.kept.len() > before {
            log::warn!(
                "the API server does not know {} pods of this node, and is not the one that gave them, or in an older \
                 state: they are kept; delete them with vks delete when they are not wanted",
                self.memory.kept.len()
            );
        }
        if let Some(uid) = node_uid {
            self.memory.node_uid = uid;
        }
        for key in gone {
            log::info!("pod {key} is not among the node's pods any more");
            self.remove(&key);
        }
        for known in self.pods.values_mut() {
            known.answer.listed();
            known.gone = false;
        }
        for object in items {
            self.changed(&object);
        }
        self.collect();
        self.reflect_all();
        self.save();
    }

    async fn node_uid(&self) -> Option<String> {
        let path = format!("/api/v1/nodes/{}", self.node);
        let object = self.server.get(&path).await.ok()?;
        Some(object["metadata"]["uid"].as_str()?.to_owned())
    }

    pub(super) fn save(&self) {
        let text = serde_json::to_string(&self.memory).unwrap_or_default();
        self.files.write(MEMORY.to_owned(), text);
    }
}
