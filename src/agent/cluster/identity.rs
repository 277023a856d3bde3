//! Who this node is to the API server: keys made here, certificates signed by the cluster, renewed in time.
//!
//! In `/var/lib/vks/node`, 0700: `bootstrap.kubeconfig` from `vks join`, with a token that is good for a first request;
//! `client.key` and `client.crt`, by which the node is known; `serving.key` and `serving.crt` of its HTTPS API; `ca.crt`.
//! A request for a certificate is approved by the cluster (for clients at once, by the controller manager; for serving
//! by whoever runs the cluster: `kubectl certificate approve`).

use super::api::{CallError, Server};
use super::follow::{News, follow};
use super::pem;
use crate::host::files::{Dir, FileError};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, PKCS_ECDSA_P256_SHA256};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use tokio::sync::mpsc::channel;

/// Signs certificates by which nodes are known.
const CLIENT: &str = "kubernetes.io/kube-apiserver-client-kubelet";
/// Signs certificates of the nodes' HTTPS API.
const SERVING: &str = "kubernetes.io/kubelet-serving";
const REQUESTS: &str = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
/// The largest certificate file.
const LARGEST: usize = 256 << 10;

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The server.
    #[error("the request for a certificate was in vain")]
    Call(#[from] CallError),
    /// A file.
    #[error("a certificate cannot be kept")]
    File(#[from] FileError),
    /// The key or the request cannot be made.
    #[error("a request for a certificate cannot be made")]
    Make(#[from] rcgen::Error),
    /// Somebody has decided against it.
    #[error("the request {name} is {what}: {why}")]
    Denied {
        /// The request's name.
        name: String,
        /// `Denied` or `Failed`.
        what: String,
        /// What was said.
        why: String,
    },
    /// The API server has told something that is no certificate.
    #[error("the certificate in the request {0} cannot be read")]
    Unreadable(String),
    /// Nobody answers any more.
    #[error("the request {0} is not followed any more")]
    Lost(String),
}

/// What a certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To be known to the API server.
    Client,
    /// The node's HTTPS API.
    Serving,
}

impl Purpose {
    fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Serving => "serving",
        }
    }

    fn signer(self) -> &'static str {
        match self {
            Self::Client => CLIENT,
            Self::Serving => SERVING,
        }
    }

    fn usage(self) -> &'static str {
        match self {
            Self::Client => "client auth",
            Self::Serving => "server auth",
        }
    }
}

/// The directory with the node's keys, and the node's name and addresses.
#[derive(Debug, Clone)]
pub struct Papers {
    /// Where keys and certificates are.
    pub dir: PathBuf,
    /// The node's name.
    pub node: String,
    /// Names and addresses of the serving certificate.
    pub names: Vec<String>,
}

impl Papers {
    /// The kubeconfig of `vks join`, when it was used.
    pub fn bootstrap(&self) -> Option<PathBuf> {
        let path = self.dir.join("bootstrap.kubeconfig");
        path.is_file().then_some(path)
    }

    /// Whether this node's identity is of its own making: it came by `vks join`.
    pub fn is_own(&self) -> bool {
        self.dir.join("client.key").is_file()
    }

    /// Seconds since 1970 at which a certificate is to be renewed: four fifths into its life. `None` when there is
    /// none that can be used.
    pub fn renewal(&self, purpose: Purpose) -> Option<i64> {
        let dir = Dir::open(&self.dir).ok()??;
        let name = purpose.name();
        dir.has(&format!("{name}.key"))
            .ok()
            .filter(|there| *there)?;
        let bytes = dir.read(&format!("{name}.crt"), LARGEST).ok()??;
        let (from, until) = pem::validity(&bytes)?;
        Some(from + (until - from) / 5 * 4)
    }

    /// Asks for a certificate, waits for it, and keeps it with its key.
    ///
    /// # Errors
    /// When it cannot be asked for, or is denied.
    pub async fn request(&self, server: &Server, purpose: Purpose) -> Result<(), IdentityError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let names = match purpose {
            Purpose::Client => Vec::new(),
            Purpose::Serving => self.names.clone(),
        };
        let mut params = CertificateParams::new(names)?;
        let mut subject = DistinguishedName::new();
        subject.push(DnType::OrganizationName, "system:nodes");
        subject.push(DnType::CommonName, format!("system:node:{}", self.node));
        params.distinguished_name = subject;
        let text = params.serialize_request(&key)?.pem()?;
        let request = json!({
            "apiVersion": "certificates.k8s.io/v1",
            "kind": "CertificateSigningRequest",
            "metadata": { "generateName": "csr-" },
            "spec": {
                "request": pem::base64(text.as_bytes()),
                "signerName": purpose.signer(),
                // Servers before 1.22 want all three, whatever the key.
                "usages": ["digital signature", "key encipherment", purpose.usage()],
            },
        });
        let made = server.create(REQUESTS, &request).await?;
        let name = made["metadata"]["name"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        log::info!("a certificate is asked for ({}): {name}", purpose.signer());
        let certificate = signed(server, &name).await?;
        self.keep(purpose, &key.serialize_pem(), &certificate)
    }

    /// Writes a pair. The key first: a certificate without its key is of no use to anybody.
    fn keep(&self, purpose: Purpose, key: &str, certificate: &[u8]) -> Result<(), IdentityError> {
        let name = purpose.name();
        let Some(dir) = Dir::open(&self.dir)? else {
            return Ok(());
        };
        dir.write(&format!("{name}.key"), key.as_bytes(), 0o600)?;
        dir.write(&format!("{name}.crt"), certificate, 0o600)?;
        Ok(())
    }

    /// Writes the kubeconfig with the node's own certificate, after the pattern of the one it has joined by.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_kubeconfig(&self, path: &Path, server: &str) -> Result<(), FileError> {
        let text = kubeconfig(
            server,
            &self.dir,
            &json!({
                "client-certificate": self.dir.join("client.crt"),
                "client-key": self.dir.join("client.key"),
            }),
        );
        let (Some(above), Some(name)) = (
            path.parent(),
            path.file_name().and_then(|name| name.to_str()),
        ) else {
            return Ok(());
        };
        Dir::create(above)?.write(name, text.as_bytes(), 0o600)
    }
}

/// A kubeconfig: JSON, which YAML readers read too.
pub fn kubeconfig(server: &str, dir: &Path, user: &Value) -> String {
    let text = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{
            "name": "cluster",
            "cluster": { "server": server, "certificate-authority": dir.join("ca.crt") },
        }],
        "users": [{ "name": "node", "user": user }],
        "contexts": [{ "name": "node", "context": { "cluster": "cluster", "user": "node" } }],
        "current-context": "node",
    });
    format!("{text}\n")
}

/// Waits until a request is signed.
async fn signed(server: &Server, name: &str) -> Result<Vec<u8>, IdentityError> {
    let path = format!("{REQUESTS}?fieldSelector=metadata.name%3D{name}");
    let (sender, mut news) = channel(4);
    let mut source = std::pin::pin!(follow(server.clone(), path, sender));
    loop {
        let new = tokio::select! {
            () = &mut source => return Err(IdentityError::Lost(name.to_owned())),
            new = news.recv() => new,
        };
        let object = match new {
            Some(News::All { mut items, .. }) if !items.is_empty() => items.swap_remove(0),
            Some(News::Changed(object)) => *object,
            Some(News::Deleted(_)) | None => return Err(IdentityError::Lost(name.to_owned())),
            Some(_) => continue,
        };
        if let Some(found) = outcome(&object) {
            return found;
        }
    }
}

/// What has become of a request; `None` while nothing has.
fn outcome(object: &Value) -> Option<Result<Vec<u8>, IdentityError>> {
    let name = object["metadata"]["name"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    for condition in object["status"]["conditions"]
        .as_array()
        .into_iter()
        .flatten()
    {
        let what = condition["type"].as_str().unwrap_or_default();
        if matches!(what, "Denied" | "Failed") {
            return Some(Err(IdentityError::Denied {
                name,
                what: what.to_owned(),
                why: condition["message"].as_str().unwrap_or_default().to_owned(),
            }));
        }
    }
    let text = object["status"]["certificate"].as_str()?;
    let bytes = pem::decode(text).filter(|bytes| pem::validity(bytes).is_some());
    Some(bytes.ok_or(IdentityError::Unreadable(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_waits_until_it_is_decided() {
        assert!(
            outcome(&json!({ "status": { "conditions": [{ "type": "Approved" }] } })).is_none()
        );
        let denied = json!({ "metadata": { "name": "csr-1" },
            "status": { "conditions": [{ "type": "Denied", "message": "no" }] } });
        assert!(matches!(
            outcome(&denied),
            Some(Err(IdentityError::Denied { .. }))
        ));
        let broken = json!({ "status": { "certificate": "aGk=" } });
        assert!(matches!(
            outcome(&broken),
            Some(Err(IdentityError::Unreadable(_)))
        ));
    }

    #[test]
    fn a_certificate_is_renewed_in_its_last_fifth() {
        let scratch = crate::config::scratch::Scratch::new("papers");
        let papers = Papers {
            dir: scratch.root().to_owned(),
            node: "n".to_owned(),
            names: Vec::new(),
        };
        assert_eq!(papers.renewal(Purpose::Client), None);
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.not_before = rcgen::date_time_ymd(2026, 1, 1);
        params.not_after = rcgen::date_time_ymd(2026, 1, 11);
        let certificate = params.self_signed(&key).unwrap().pem();
        papers
            .keep(
                Purpose::Client,
                &key.serialize_pem(),
                certificate.as_bytes(),
            )
            .unwrap();
        assert!(papers.is_own());
        let start = 1_767_225_600;
        assert_eq!(papers.renewal(Purpose::Client), Some(start + 8 * 86_400));
    }
}
