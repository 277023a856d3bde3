//! A bridge of this host as a network: made when it is not there.

use super::{Ipam, is_link_name};
use serde::{Deserialize, Serialize};

/// CNI's type `bridge`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Bridge {
    /// Its name (default `cni0`).
    #[serde(default = "default_name")]
    pub bridge: String,
    /// Bytes of the largest packet (default 1500).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
    /// Addresses of pods on it.
    #[serde(default)]
    pub ipam: Ipam,
}

fn default_name() -> String {
    "cni0".to_owned()
}

impl Bridge {
    /// What is wrong with it.
    pub fn problem(&self) -> Option<String> {
        if !is_link_name(&self.bridge) {
            return Some(format!(
                "{:?} cannot be the name of a bridge: use up to 15 letters, digits, '-', '_' and '.'",
                self.bridge
            ));
        }
        self.ipam.problem()
    }
}
