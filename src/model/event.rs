//! Events of a pod: entries of the journal that are told in the kubelet's words.
//!
//! vks' own are entries with [`MESSAGE_ID`] and [`REASON`]; beside those, some of systemd's own messages about the
//! pod's units are events too. The journal keeps them as long as it keeps anything; there is no other store.

/// `MESSAGE_ID=` of every event that vks writes (`journalctl MESSAGE_ID=...`, sd-id128(3)).
pub const MESSAGE_ID: &str = "c1e3d7a86f1b4c52a0d4b9e27f36518a";

/// The field with the event's reason, such as `Unhealthy`. Its type is `Warning` from priority 4 (warning) up, else
/// `Normal`.
pub const REASON: &str = "KUBERNETES_REASON";
