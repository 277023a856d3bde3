//! The certificate of the API, read from files that may change.

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ServerConfig, WebPkiClientVerifier};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where the certificate and what belongs to it lie, as PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, then those that it was signed by.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// Those who sign certificates of clients. Without it there is only the way by token.
    pub client_ca: Option<PathBuf>,
}

/// Why there is nothing to begin a TLS connection with.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{path}: cannot be read as PEM", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: rustls::pki_types::pem::Error,
    },
    /// A file holds no certificate.
    #[error("{path}: has no certificate: write one into it", path = path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// Those who sign certificates of clients cannot be used.
    #[error("{path}: cannot be used to check clients", path = path.display())]
    Clients {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Certificate and key cannot be used together.
    #[error("{path}: cannot be used with its key", path = path.display())]
    Pair {
        /// The certificate.
        path: PathBuf,
        /// Why not.
        source: rustls::Error,
    },
}

impl TlsError {
    /// Whether a file is not there: it may still come.
    pub fn is_missing(&self) -> bool {
        use rustls::pki_types::pem::Error;
        matches!(self, Self::File { source: Error::Io(error), .. } if error.kind() == std::io::ErrorKind::NotFound)
    }
}

/// What connections begin with: TLS 1.2 or 1.3, a certificate of the client if it has one.
pub fn config(files: &TlsFiles) -> Result<ServerConfig, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let chain = certificates(&files.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|source| TlsError::File {
        path: files.key.clone(),
        source,
    })?;
    let pair = |source| TlsError::Pair {
        path: files.certificate.clone(),
        source,
    };
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(pair)?;
    let builder = match &files.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let unusable = |source: Box<dyn std::error::Error + Send + Sync>| TlsError::Clients {
                path: path.clone(),
                source,
            };
            let mut roots = RootCertStore::empty();
            for certificate in certificates(path)? {
                roots
                    .add(certificate)
                    .map_err(|error| unusable(error.into()))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .allow_unauthenticated()
                .build()
                .map_err(|error| unusable(error.into()))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder.with_single_cert(chain, key).map_err(pair)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let failed = |source| TlsError::File {
        path: path.to_owned(),
        source,
    };
    let found = CertificateDer::pem_file_iter(path).map_err(failed)?;
    let found: Vec<_> = found.collect::<Result<_, _>>().map_err(failed)?;
    match found.is_empty() {
        false => Ok(found),
        true => Err(TlsError::Empty {
            path: path.to_owned(),
        }),
    }
}
