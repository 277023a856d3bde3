//! What it means that a list of the API server has a pod not.
//!
//! A list counts as the order to stop what it has not only if it is the same cluster that gave the pods, and not an
//! older state of it: the Node object that this host has made is still there with its uid, and the list is not older
//! than what was seen before. After a restore from a backup, a lost database, or behind an address that leads elsewhere,
//! the pods go on; they then go when the API server deletes them, gives another pod of the name, or somebody removes
//! them here.

use crate::model::name::{ObjectKey, PodUid};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What is remembered of the cluster, over restarts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// The uid of the Node object.
    pub node_uid: String,
    /// The newest state that was seen, by its resourceVersion.
    pub version: u64,
    /// Pods that a list had not and that were kept, by their uid.
    pub kept: BTreeSet<String>,
}

/// A list that was answered.
#[derive(Debug, Clone, Copy)]
pub struct Listing<'a> {
    /// Its resourceVersion.
    pub version: &'a str,
    /// The uid of the Node object as the API server has it now; `None` when it has none.
    pub node_uid: Option<&'a str>,
    /// The pods in it.
    pub pods: &'a BTreeSet<(ObjectKey, String)>,
}

impl Memory {
    /// Whether the API server speaks of the state that this node knows, or a newer one.
    fn trusts(&self, listing: Listing<'_>) -> bool {
        let newer = listing.version.parse::<u64>();
        // Versions that are no numbers cannot be compared.
        let newer = newer.is_ok_and(|version| version >= self.version);
        let known = self.node_uid.is_empty() || listing.node_uid == Some(&self.node_uid);
        newer && known
    }

    /// Something was seen in this state.
    pub fn saw(&mut self, version: &str) {
        if let Ok(version) = version.parse::<u64>() {
            self.version = self.version.max(version);
        }
    }
}

/// The pods among `there` that are to be stopped since the list has them not. Brings the memory up to date: those
/// that are kept, and what state counts from now on.
pub fn missing(
    memory: &mut Memory,
    there: &BTreeMap<ObjectKey, PodUid>,
    listing: Listing<'_>,
) -> BTreeSet<ObjectKey> {
    let trusted = memory.trusts(listing);
    let mut gone = BTreeSet::new();
    for (key, uid) in there {
        let listed = listing
            .pods
            .contains(&(key.clone(), uid.as_str().to_owned()));
        // Another pod of the name: that this one was deleted is certain.
        let replaced = listing.pods.iter().any(|(other, _)| other == key);
        if listed {
            memory.kept.remove(uid.as_str());
        } else if replaced || trusted && !memory.kept.contains(uid.as_str()) {
            gone.insert(key.clone());
        } else {
            memory.kept.insert(uid.as_str().to_owned());
        }
    }
    let there: BTreeSet<&str> = there.values().map(PodUid::as_str).collect();
    memory.kept.retain(|uid| there.contains(uid.as_str()));
    if !trusted && let Ok(version) = listing.version.parse() {
        memory.version = version;
    }
    memory.saw(listing.version);
    gone
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> ObjectKey {
        ObjectKey {
            namespace: "default".parse().unwrap(),
            name: name.parse().unwrap(),
        }
    }

    fn there(names: &[&str]) -> BTreeMap<ObjectKey, PodUid> {
        let pair = |name: &&str| (key(name), format!("uid-{name}").parse().unwrap());
        names.iter().map(pair).collect()
    }

    fn list(
        memory: &mut Memory,
        there: &BTreeMap<ObjectKey, PodUid>,
        version: &str,
        node: Option<&str>,
        pods: &[(&str, &str)],
    ) -> Vec<String> {
        let pods = pods
            .iter()
            .map(|(name, uid)| (key(name), (*uid).to_owned()));
        let listing = Listing {
            version,
            node_uid: node,
            pods: &pods.collect(),
        };
        let gone = missing(memory, there, listing);
        gone.into_iter()
            .map(|key| key.name.as_str().to_owned())
            .collect()
    }

    fn known() -> Memory {
        Memory {
            node_uid: "node".to_owned(),
            version: 100,
            kept: BTreeSet::new(),
        }
    }

    #[test]
    fn what_a_newer_list_has_not_is_gone() {
        let mut memory = known();
        let gone = list(
            &mut memory,
            &there(&["a", "b"]),
            "120",
            Some("node"),
            &[("a", "uid-a")],
        );
        assert_eq!(gone, ["b"]);
        assert_eq!(memory.version, 120);
    }

    #[test]
    fn an_older_state_stops_nothing_then_or_later() {
        let mut memory = known();
        let pods = there(&["a"]);
        assert!(list(&mut memory, &pods, "50", Some("node"), &[]).is_empty());
        assert!(list(&mut memory, &pods, "200", Some("node"), &[]).is_empty());
        assert_eq!(memory.kept.len(), 1);
        // Another pod of the name is a positive sign, and so is the pod itself when it comes back and goes.
        assert_eq!(
            list(
                &mut memory,
                &pods,
                "201",
                Some("node"),
                &[("a", "uid-other")]
            ),
            ["a"]
        );
        assert!(list(&mut memory, &pods, "202", Some("node"), &[("a", "uid-a")]).is_empty());
        assert_eq!(list(&mut memory, &pods, "203", Some("node"), &[]), ["a"]);
    }

    #[test]
    fn another_cluster_stops_nothing() {
        for node in [None, Some("other")] {
            let mut memory = known();
            assert!(list(&mut memory, &there(&["a"]), "900", node, &[]).is_empty());
            assert_eq!(memory.kept.len(), 1);
        }
        let mut memory = Memory::default();
        assert_eq!(
            list(&mut memory, &there(&["a"]), "x", Some("n"), &[]),
            Vec::<String>::new()
        );
    }
}
