//! What the API server says, as manifests: what is written for the pods of this node, and what it means that
//! something is not there. Pure.
//!
//! The manifests lie in a directory of their own ([`Layout::cluster`](crate::model::layout::Layout::cluster)), which is
//! a source like others: so all that runs a pod is the same as for one from disk, and a pod is known again after a
//! restart without a network. This module decides what the files say; `agent/cluster` follows the API server and
//! writes them.

mod absence;
mod data;
mod mirror;
mod needs;
pub mod peers;
mod pod;
mod resources;
mod services;

pub use absence::{Listing, Memory, missing};
pub use data::{claim, config_map, secret, token, volume, volume_of};
pub use mirror::{mirror, mirror_hash, mirror_key};
pub use needs::{Needs, needs};
pub use pod::{Given, Refusal, TokenWish, is_mirror, pod};
pub use resources::with_resources_of;
pub use services::{FileChange, Services};

use crate::model::name::ObjectKey;

/// The kind of a file, which is its name's beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileKind {
    /// A pod.
    Pod,
    /// A config map.
    ConfigMap,
    /// A secret.
    Secret,
    /// A claim for storage.
    Claim,
    /// The volume that a claim is bound to, under the claim's name.
    Volume,
    /// A service, with where it leads.
    Service,
}

impl FileKind {
    const ALL: [(Self, &'static str); 6] = [
        (Self::Pod, "pod"),
        (Self::ConfigMap, "configmap"),
        (Self::Secret, "secret"),
        (Self::Claim, "persistentvolumeclaim"),
        (Self::Volume, "persistentvolume"),
        (Self::Service, "service"),
    ];

    fn word(self) -> &'static str {
        let found = Self::ALL.iter().find(|(kind, _)| *kind == self);
        found.map_or("", |(_, word)| word)
    }
}

/// The name of the file of an object.
pub fn file_name(kind: FileKind, key: &ObjectKey) -> String {
    // A namespace has no dots.
    format!("{}.{}.{}.json", kind.word(), key.namespace, key.name)
}

/// Whose file a name is; `None` for other files.
pub fn of_file_name(name: &str) -> Option<(FileKind, ObjectKey)> {
    let (word, rest) = name.strip_suffix(".json")?.split_once('.')?;
    let (namespace, name) = rest.split_once('.')?;
    let (kind, _) = FileKind::ALL.iter().find(|(_, known)| *known == word)?;
    let key = ObjectKey {
        namespace: namespace.parse().ok()?,
        name: name.parse().ok()?,
    };
    Some((*kind, key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_say_whose_they_are() {
        let key = ObjectKey {
            namespace: "kube-system".parse().unwrap(),
            name: "kube-root-ca.crt".parse().unwrap(),
        };
        for (kind, _) in FileKind::ALL {
            let name = file_name(kind, &key);
            assert_eq!(of_file_name(&name), Some((kind, key.clone())), "{name}");
        }
        for other in ["pod.json", "x.a.b.json", ".pod.a.b.json", "pod.a.b.yaml"] {
            assert_eq!(of_file_name(other), None, "{other}");
        }
    }
}
