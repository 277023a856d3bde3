//! Which changes of resources restart a container.

use serde::{Deserialize, Serialize};

/// Whether a change of a container's resources restarts it (`resizePolicy`; default: it does not).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resize {
    /// A change of cpu requests or limits does.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cpu: bool,
    /// A change of memory requests or limits does.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub memory: bool,
}

impl Resize {
    /// Whether it is the default.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
