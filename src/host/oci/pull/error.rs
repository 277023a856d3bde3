//! Why an image was not pulled: each case is another event, and another thing to do.

use super::super::layer::LayerError;
use super::super::manifest::ManifestError;
use super::super::store::StoreError;
use super::super::unpack::UnpackError;
use crate::model::oci::Digest;
use std::path::PathBuf;
use std::time::Duration;

/// Why an image was not pulled.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// The registry has no such image, or does not say that it has to somebody like this.
    #[error("{name} is not at {registry}")]
    NotFound {
        /// The image, or a part of it.
        name: String,
        /// Where it was looked for.
        registry: String,
    },
    /// Somebody else could.
    #[error("{registry} does not let us pull {name}: check the credentials (imagePullSecrets)")]
    Unauthorized {
        /// The image.
        name: String,
        /// Where.
        registry: String,
    },
    /// Later.
    #[error("{registry} has had too many requests{}", after(*retry_after))]
    TooManyRequests {
        /// Where.
        registry: String,
        /// When it may be tried again, if the registry says.
        retry_after: Option<Duration>,
    },
    /// It is not what it is named by.
    #[error("{what} is {found}, not {wanted}: the registry's copy is damaged or was tampered with")]
    Digest {
        /// What was fetched.
        what: String,
        /// Its name.
        wanted: Digest,
        /// What it is.
        found: String,
    },
    /// The connection ended before the end, and again each time it was tried. What came is kept, to be resumed.
    #[error("{what} ended after {got} of {wanted} bytes")]
    Truncated {
        /// What was fetched.
        what: String,
        /// Bytes here.
        got: u64,
        /// Bytes in all.
        wanted: u64,
    },
    /// The disk is full.
    #[error("no space left for the image in {}", path.display())]
    NoSpace {
        /// Where.
        path: PathBuf,
    },
    /// A layer that would do what no layer may.
    #[error("the image is not one to run")]
    Hostile(#[source] LayerError),
    /// A layer.
    #[error(transparent)]
    Layer(LayerError),
    /// Nothing came, or nothing of use.
    #[error("cannot reach {registry}")]
    Network {
        /// Where.
        registry: String,
        /// What is wrong.
        source: reqwest::Error,
    },
    /// The registry gave an answer of another kind.
    #[error("{registry} answers {status} to a request for {name}")]
    Answer {
        /// Where.
        registry: String,
        /// What was asked for.
        name: String,
        /// The number of HTTP.
        status: u16,
    },
    /// What the registry says about tokens is of no use.
    #[error("{registry}: {what}")]
    Token {
        /// Where.
        registry: String,
        /// What is wrong.
        what: String,
    },
    /// Certificates, proxy or address.
    #[error("cannot use the settings for {registry}")]
    Settings {
        /// Where.
        registry: String,
        /// What is wrong.
        source: reqwest::Error,
    },
    /// The manifest or the configuration.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The program is ending.
    #[error("the work was given up")]
    GivenUp,
}

fn after(time: Option<Duration>) -> String {
    time.map(|time| format!(": to be tried again after {} s", time.as_secs()))
        .unwrap_or_default()
}

impl From<LayerError> for PullError {
    fn from(error: LayerError) -> Self {
        match error {
            LayerError::Unpack {
                source: UnpackError::NoSpace { path, .. },
                ..
            } => Self::NoSpace { path },
            LayerError::Unpack {
                source: UnpackError::Hostile { .. } | UnpackError::TooBig { .. },
                ..
            } => Self::Hostile(error),
            error => Self::Layer(error),
        }
    }
}
