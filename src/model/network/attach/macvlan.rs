//! The wire of an interface of this host as a network: pods are on it with hardware addresses of their own.

use super::Ipam;
use serde::{Deserialize, Serialize};

/// CNI's type `macvlan`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Macvlan {
    /// The interface of the host.
    pub master: String,
    /// Whom pods on the same host see (default `bridge`: each other).
    #[serde(default)]
    pub mode: MacvlanMode,
    /// Bytes of the largest packet (default: that of the interface).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
    /// Addresses of pods on it.
    #[serde(default)]
    pub ipam: Ipam,
}

/// How the kernel hands packets on between interfaces on the same wire.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MacvlanMode {
    /// Straight.
    #[default]
    Bridge,
    /// Not at all.
    Private,
    /// By the switch outside.
    Vepa,
    /// There is one interface only.
    Passthru,
}

impl Macvlan {
    /// What is wrong with it.
    pub fn problem(&self) -> Option<String> {
        if self.master.is_empty() || self.master.len() > 15 {
            return Some(format!(
                "{:?} cannot be the name of an interface: correct master",
                self.master
            ));
        }
        self.ipam.problem()
    }
}
