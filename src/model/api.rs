//! The node's HTTPS API, as the settings have it.

use std::net::IpAddr;
use std::path::PathBuf;

/// `[api]`: where the API listens, and with what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiSettings {
    /// The address (default `::`, which is all addresses of both families).
    pub address: IpAddr,
    /// The port (default that of `[kubernetes]`, 10250).
    pub port: u16,
    /// Its certificate, and those it was signed by, as PEM (default `/var/lib/vks/node/serving.crt`, which is written
    /// when the cluster has signed one).
    pub certificate: PathBuf,
    /// The key of the certificate (default `/var/lib/vks/node/serving.key`).
    pub key: PathBuf,
    /// Who signs certificates of clients (default `/var/lib/vks/node/ca.crt`).
    pub client_ca: PathBuf,
}
