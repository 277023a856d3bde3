//! What is remembered of images, as files in JSON.
//!
//! | file below `/var/lib/vks/images` | what |
//! |---|---|
//! | `pods/<namespace>.<pod>.json` | [`PodRecord`]: the images of a life of a pod |
//! | `refs/<digest of the reference>.json` | [`RefRecord`]: an image that is there, whether or not a pod names it |

use super::ImageRef;
use super::resolved::{Held, PodImages, Resolved, User};
use crate::model::name::{ObjectKey, PodKey, PodUid};
use crate::model::time::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// The images of a pod, with whose they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodRecord {
    /// The pod.
    #[serde(flatten)]
    pub pod: ObjectKey,
    /// Its life.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<PodUid>,
    /// The images.
    pub images: Vec<(User, Held)>,
}

impl PodRecord {
    /// What is to be written of a pod.
    pub fn new(pod: &PodKey, images: &PodImages) -> Self {
        Self {
            pod: pod.clone(),
            uid: images.uid.clone(),
            images: images.images.clone().into_iter().collect(),
        }
    }

    /// The other way.
    pub fn into_images(self) -> (PodKey, PodImages) {
        let images = self.images.into_iter().collect();
        let uid = self.uid;
        (self.pod, PodImages { uid, images })
    }
}

/// An image that is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefRecord {
    /// What it is.
    pub resolved: Resolved,
    /// Bytes it takes on disk, as well as that is known.
    pub size: u64,
    /// When it was fetched last.
    pub fetched: Timestamp,
    /// Any pod may use it: it was fetched by somebody with the rights of the host, or without credentials.
    pub open: bool,
    /// Digests of the credentials that it was fetched with: pods that have them may use it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub credentials: BTreeSet<String>,
}

impl RefRecord {
    /// Whether a pod with these credentials (their digest; none without) may use the image without asking the registry.
    pub fn admits(&self, credentials: Option<&str>) -> bool {
        self.open || credentials.is_some_and(|digest| self.credentials.contains(digest))
    }

    /// Joins what was known of the image before: who had access to the same content still has.
    pub fn after(mut self, before: &Self) -> Self {
        if self.resolved.id == before.resolved.id {
            self.open |= before.open;
            self.credentials.extend(before.credentials.iter().cloned());
        }
        self
    }
}

/// The name that stands for a text in file and unit names: 32 digits in hex.
pub fn digest_name(text: &str) -> String {
    let mut name = String::new();
    for byte in &Sha256::digest(text.as_bytes())[..16] {
        // Writing to a String cannot fail.
        let _ = write!(name, "{byte:02x}");
    }
    name
}

/// The same image for every way to write it, of a reference that has a kind.
pub fn canonical(reference: &ImageRef) -> String {
    match reference {
        ImageRef::Oci(oci) => format!("oci:{}", oci.full()),
        other => other.to_string(),
    }
}

/// The file name of what is known of a reference.
pub fn ref_file(reference: &ImageRef) -> String {
    format!("{}.json", digest_name(&canonical(reference)))
}

/// The file name of the images of a pod.
pub fn pod_file(pod: &PodKey) -> String {
    let name = format!("{}.{}", pod.namespace, pod.name);
    match name.len() {
        0..=200 => format!("{name}.json"),
        _ => format!("{}.json", digest_name(&name)),
    }
}
