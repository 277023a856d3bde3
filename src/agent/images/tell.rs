//! Events about images, in the kubelet's words (reference: pkg/kubelet/images).

use crate::model::event;
use crate::model::image::resolved::User;
use crate::model::name::PodKey;
use std::time::Duration;

/// Whom an image is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct For {
    pub(super) pod: PodKey,
    pub(super) user: User,
    /// As the pod names it.
    pub(super) image: String,
}

impl For {
    fn container(&self) -> &str {
        match &self.user {
            User::Container(name) => name.as_str(),
            User::Volume(_) => "",
        }
    }
}

fn normal(who: &For, reason: &str, message: &str) {
    log::info!(
        MESSAGE_ID = event::MESSAGE_ID, KUBERNETES_REASON = reason,
        KUBERNETES_NAMESPACE = who.pod.namespace.as_str(), KUBERNETES_POD = who.pod.name.as_str(),
        KUBERNETES_CONTAINER = who.container();
        "{message}"
    );
}

fn warning(who: &For, reason: &str, message: &str) {
    log::warn!(
        MESSAGE_ID = event::MESSAGE_ID, KUBERNETES_REASON = reason,
        KUBERNETES_NAMESPACE = who.pod.namespace.as_str(), KUBERNETES_POD = who.pod.name.as_str(),
        KUBERNETES_CONTAINER = who.container();
        "{message}"
    );
}

pub(super) fn pulling(who: &For) {
    normal(who, "Pulling", &format!("Pulling image \"{}\"", who.image));
}

pub(super) fn pulled(who: &For, took: Duration, size: u64) {
    let took = format!("{}.{:03}s", took.as_secs(), took.subsec_millis());
    let message = format!(
        "Successfully pulled image \"{}\" in {took} ({took} including waiting). Image size: {size} bytes.",
        who.image
    );
    normal(who, "Pulled", &message);
}

pub(super) fn present(who: &For) {
    let message = format!(
        "Container image \"{}\" already present on machine",
        who.image
    );
    normal(who, "Pulled", &message);
}

pub(super) fn failed(who: &For, why: &str) {
    warning(
        who,
        "Failed",
        &format!("Failed to pull image \"{}\": {why}", who.image),
    );
    warning(who, "Failed", "Error: ErrImagePull");
}

pub(super) fn backs_off(who: &For) {
    normal(
        who,
        "BackOff",
        &format!("Back-off pulling image \"{}\"", who.image),
    );
    warning(who, "Failed", "Error: ImagePullBackOff");
}

pub(super) fn never(who: &For, message: &str) {
    warning(who, "ErrImageNeverPull", message);
    warning(who, "Failed", "Error: ErrImageNeverPull");
}

pub(super) fn no_secret(who: &For, secret: &str) {
    let message = format!(
        "Unable to retrieve some image pull secrets ({secret}); attempting to pull the image may not succeed."
    );
    warning(who, "FailedToRetrieveImagePullSecret", &message);
}
