//! What an image reference has become: recorded once for each life of a pod, and not asked for again.
//!
//! The record is a file for each pod below `/var/lib/vks/images/pods`, so that the same units come of it after a restart
//! of the agent, without network, and for `vks render`.

use super::ImageRef;
use crate::model::name::{ContainerName, PodUid, VolumeName};
use crate::model::oci::Unpacked;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An image that is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolved {
    /// The reference it was looked for by, of a kind: what aliases and defaults made of the pod's.
    pub reference: ImageRef,
    /// What it is exactly (`imageID`): a digest, a store path, a version.
    pub id: String,
    /// What runs.
    pub content: Content,
}

/// What runs from an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Content {
    /// A program of the host.
    Host {
        /// By path, or by a name that systemd looks up.
        program: String,
    },
    /// Programs below a directory of the host.
    Dir {
        /// The directory.
        root: String,
    },
    /// Programs of the Nix store.
    Nix(NixImage),
    /// Programs of a Debian package.
    Deb(DebImage),
    /// Layers in the store of images.
    Oci(Unpacked),
}

/// Programs of the Nix store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NixImage {
    /// The store path.
    pub path: String,
    /// What runs when the pod names no command; none when it cannot be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    /// All store paths it needs, itself among them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub closure: Vec<String>,
}

/// Programs of a Debian package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DebImage {
    /// Its name.
    pub package: String,
    /// The version that was installed when this was written.
    pub version: String,
    /// The service of the package; what runs when the pod names no command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<PackageUnit>,
    /// The program of its name, for packages without a service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    /// vks has installed it.
    #[serde(default)]
    pub own: bool,
    /// When the list of its files was written, in nanoseconds since 1970: another one after each upgrade.
    pub stamp: u64,
}

/// The service of a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageUnit {
    /// Its name, such as `uptimed.service`.
    pub name: String,
    /// Its `[Service]`, key and value in order.
    pub settings: Vec<(String, String)>,
}

/// What of a pod has an image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum User {
    /// A container.
    Container(ContainerName),
    /// A volume.
    Volume(VolumeName),
}

/// Why an image is not there yet: the words of the kubelet's waiting reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reason {
    /// It is being fetched, or will be at once.
    ContainerCreating,
    /// Fetching it has just failed.
    ErrImagePull,
    /// Fetching it has failed, and is tried again later.
    ImagePullBackOff,
    /// It is not there, and its policy is not to fetch it.
    ErrImageNeverPull,
}

impl Reason {
    /// The word.
    pub fn word(self) -> &'static str {
        match self {
            Self::ContainerCreating => "ContainerCreating",
            Self::ErrImagePull => "ErrImagePull",
            Self::ImagePullBackOff => "ImagePullBackOff",
            Self::ErrImageNeverPull => "ErrImageNeverPull",
        }
    }

    /// The words that are about images, also about their names: whoever pulls tells the events that go with them.
    pub fn is_of_image(word: &str) -> bool {
        matches!(
            word,
            "ErrImagePull" | "ImagePullBackOff" | "ErrImageNeverPull"
        )
    }
}

/// How far an image is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(clippy::large_enum_variant, reason = "nearly all are the large one")]
pub enum State {
    /// It is there.
    Ready(Resolved),
    /// It is not.
    Waiting {
        /// Why.
        reason: Reason,
        /// The same in a sentence.
        message: String,
    },
}

/// An image of a pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// As the pod names it.
    pub image: ImageRef,
    /// What has become of it.
    pub state: State,
}

/// The images of one life of a pod.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PodImages {
    /// Which life; `None` before the host has anything of it.
    pub uid: Option<PodUid>,
    /// The images.
    pub images: BTreeMap<User, Held>,
}

impl PodImages {
    /// The image of one of its users, if it is still the one that it names.
    pub fn of(&self, user: &User, image: &ImageRef) -> Option<&State> {
        let held = self.images.get(user).filter(|held| held.image == *image);
        held.map(|held| &held.state)
    }
}
