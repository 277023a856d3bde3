//! How registries are reached, and who one is there.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;

/// How one registry is reached. The default: by HTTPS with the host's certificates, without a proxy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RegistryAccess {
    /// Asked before the registry itself, in this order: `https://host[:port][/prefix]`; `http://` only with `http`.
    pub mirrors: Vec<String>,
    /// A file of certificates in PEM that are trusted besides the usual ones.
    pub ca: Option<PathBuf>,
    /// By plain HTTP (default false).
    pub http: bool,
    /// The proxy, `http://host:port` (default: none).
    pub proxy: Option<String>,
}

/// Who somebody is to a registry. Never shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Credentials {
    /// A user and a password.
    Basic {
        /// The user.
        user: String,
        /// The password.
        password: String,
    },
    /// A token that a registry's token server takes for a password (`identitytoken`).
    Identity(String),
    /// A token that the registry itself takes (`registrytoken`).
    Bearer(String),
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(…)")
    }
}
