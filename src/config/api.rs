//! `[api]`: the node's HTTPS API. It is there for a node of a cluster, and wherever the section is.

use super::{Wrong, check_path};
use crate::model::api::ApiSettings;
use crate::model::layout::Layout;
use crate::model::node::ClusterSettings;
use serde::Deserialize;
use std::net::{IpAddr, Ipv6Addr};
use std::path::PathBuf;

/// `[api]` of one file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Api {
    /// The address to listen on (default `"::"`, all of them).
    pub address: Option<IpAddr>,
    /// The port (default `kubernetes.port`).
    pub port: Option<u16>,
    /// The certificate, an absolute path (default `/var/lib/vks/node/serving.crt`).
    pub certificate: Option<PathBuf>,
    /// Its key, an absolute path (default `/var/lib/vks/node/serving.key`).
    pub key: Option<PathBuf>,
    /// Who signs certificates of clients, an absolute path (default `/var/lib/vks/node/ca.crt`).
    pub client_ca: Option<PathBuf>,
}

impl Api {
    pub(super) fn overlay(&mut self, over: Self) {
        use super::fragment::put;
        put(&mut self.address, over.address);
        put(&mut self.port, over.port);
        put(&mut self.certificate, over.certificate);
        put(&mut self.key, over.key);
        put(&mut self.client_ca, over.client_ca);
    }
}

/// Checks the values one file gives.
pub(super) fn check(api: &Api) -> Result<(), Wrong> {
    let paths = [
        ("api.certificate", &api.certificate),
        ("api.key", &api.key),
        ("api.client_ca", &api.client_ca),
    ];
    for (field, path) in paths {
        path.iter().try_for_each(|path| check_path(field, path))?;
    }
    match api.port {
        Some(0) => Err(("api.port", "must be from 1 to 65535".to_owned())),
        _ => Ok(()),
    }
}

/// Fills the gaps; `None` when there is neither the section nor a cluster.
pub(super) fn settings(
    api: Option<Api>,
    cluster: Option<&ClusterSettings>,
    layout: &Layout,
) -> Option<ApiSettings> {
    let port = cluster.map(|cluster| cluster.port);
    let api = match (api, port) {
        (None, None) => return None,
        (api, _) => api.unwrap_or_default(),
    };
    let own = |name: &str| layout.node().join(name);
    Some(ApiSettings {
        address: api.address.unwrap_or(Ipv6Addr::UNSPECIFIED.into()),
        port: api.port.or(port).unwrap_or(ClusterSettings::PORT),
        certificate: api.certificate.unwrap_or_else(|| own("serving.crt")),
        key: api.key.unwrap_or_else(|| own("serving.key")),
        client_ca: api.client_ca.unwrap_or_else(|| own("ca.crt")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_filled() {
        let layout = Layout::default();
        assert_eq!(settings(None, None, &layout), None);
        let api: Api = toml::from_str("address = '127.0.0.1'\nclient_ca = '/a/b'\n").unwrap();
        check(&api).unwrap();
        let made = settings(Some(api), None, &layout).unwrap();
        assert_eq!(
            (made.port, made.address.to_string().as_str()),
            (10250, "127.0.0.1")
        );
        assert_eq!(made.client_ca.to_str(), Some("/a/b"));
        assert_eq!(made.key.to_str(), Some("/var/lib/vks/node/serving.key"));
        for wrong in ["port = 0", "key = 'a'"] {
            assert!(check(&toml::from_str(wrong).unwrap()).is_err(), "{wrong}");
        }
    }
}
