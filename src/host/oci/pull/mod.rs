//! An image from a registry into the store.
//!
//! First the manifest, an index before it if the registry has one; then the configuration, which names the layers by what
//! is in them, so that those that are there are not fetched; then the others, some at once ([`blob`]). Each byte counts
//! for a digest as it comes in, and the image is recorded when all of it is right.

mod blob;
mod error;
mod registry;

pub use error::PullError;

use super::manifest::{self, Descriptor, Document, Manifest, ManifestError, Platform};
use super::store::Store;
use super::unpack::Limits;
use crate::model::oci::{Digest, Unpacked};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use registry::{Registry, What};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::path::PathBuf;

/// Layers that are fetched at once, as by other runtimes.
const AT_ONCE: usize = 3;

/// Who one is to a registry. Never shown.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Auth {
    /// Nobody.
    #[default]
    Anonymous,
    /// A user and a password.
    Basic(String, String),
    /// A token that the registry's token server takes for a password.
    Identity(String),
    /// A token that the registry itself takes.
    Bearer(String),
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Anonymous => "Anonymous",
            _ => "Auth(…)",
        })
    }
}

/// Another registry with the same images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror {
    /// `https://host[:port][/prefix]`
    pub url: String,
    /// Who one is there.
    pub auth: Auth,
}

/// What to pull, and from where.
#[derive(Debug, Clone)]
pub struct PullRequest {
    /// `host[:port]`; `docker.io` is known to live elsewhere.
    pub registry: String,
    /// `library/nginx`
    pub repository: String,
    /// Default `latest`; of no account with a digest.
    pub tag: Option<String>,
    /// Of a manifest or an index.
    pub digest: Option<Digest>,
    /// Default: this host's.
    pub platform: Platform,
    /// Who one is to the registry.
    pub auth: Auth,
    /// Asked before the registry, in this order.
    pub mirrors: Vec<Mirror>,
    /// Certificates in PEM that are trusted besides the host's.
    pub certificates: Vec<Vec<u8>>,
    /// The registry, and mirrors that say so, by plain HTTP (default false: HTTPS or nothing).
    pub plain_http: bool,
    /// The proxy, `http://host:port` (default: none, whatever the environment says).
    pub proxy: Option<String>,
    /// What a layer may cost.
    pub limits: Limits,
    /// Where the store is.
    pub store: PathBuf,
}

impl PullRequest {
    /// The image by name, as messages say it.
    pub fn name(&self) -> String {
        let named = format!("{}/{}", self.registry, self.repository);
        match (&self.digest, &self.tag) {
            (Some(digest), _) => format!("{named}@{digest}"),
            (None, tag) => format!("{named}:{}", tag.as_deref().unwrap_or("latest")),
        }
    }
}

/// How far a pull has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// The image is known.
    Resolved {
        /// Its manifest.
        digest: Digest,
        /// Its layers.
        layers: usize,
        /// Bytes of those that are not there.
        missing: u64,
    },
    /// Of a layer, so much is here.
    Fetched {
        /// Its blob.
        blob: Digest,
        /// Bytes here.
        done: u64,
        /// Of so many.
        total: u64,
    },
    /// A layer is in the store.
    Unpacked {
        /// Its diffID.
        layer: Digest,
    },
}

/// Pulls an image. The registry is asked for its manifest also when the store has all of it: who may have it is for the
/// registry to say. `progress` is called often and must be quick. Dropped, it stops; what was
/// fetched is resumed by the next pull.
pub async fn pull(
    request: &PullRequest,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Unpacked, PullError> {
    let store = Store::open(&request.store)?;
    // Each mirror, then the registry: whose manifest can be had has the image. What the last one says counts.
    let mut registries = Registry::all(request)?.into_iter().peekable();
    loop {
        let Some(registry) = registries.next() else {
            return Err(PullError::GivenUp);
        };
        match from(&registry, request, &store, progress).await {
            Ok(image) => return Ok(image),
            Err(error) if registries.peek().is_none() => return Err(error),
            // A full disk is as full for the next.
            Err(error @ (PullError::NoSpace { .. } | PullError::Store(_))) => return Err(error),
            Err(error) => log::debug!("{}: {error}; the next registry is asked", request.name()),
        }
    }
}

async fn from(
    registry: &Registry,
    request: &PullRequest,
    store: &Store,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Unpacked, PullError> {
    let name = request.name();
    let wanted = match (&request.digest, &request.tag) {
        (Some(digest), _) => digest.to_string(),
        (None, tag) => tag.clone().unwrap_or_else(|| "latest".to_owned()),
    };
    let bytes = document(registry, &name, &wanted, request.digest.as_ref()).await?;
    let (digest, bytes, manifest) = match manifest::read(&bytes, &request.platform)? {
        Document::Manifest(manifest) => (digest_of(&bytes)?, bytes, manifest),
        Document::Index(chosen) => {
            if let Some(image) = store.image(&chosen.digest)? {
                return Ok(image);
            }
            let wanted = chosen.digest.to_string();
            let bytes = document(registry, &name, &wanted, Some(&chosen.digest)).await?;
            match manifest::read(&bytes, &request.platform)? {
                Document::Manifest(manifest) => (chosen.digest, bytes, manifest),
                Document::Index(_) => {
                    return Err(ManifestError::Kind("an index of indexes".to_owned()).into());
                }
            }
        }
    };
    if let Some(image) = store.image(&digest)? {
        return Ok(image);
    }
    fetch(
        registry,
        store,
        request,
        (digest, bytes, manifest),
        progress,
    )
    .await
}

async fn fetch(
    registry: &Registry,
    store: &Store,
    request: &PullRequest,
    (digest, bytes, manifest): (Digest, Vec<u8>, Manifest),
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Unpacked, PullError> {
    let what = What::Blob(manifest.config.digest.to_string());
    let config_bytes = registry.small(&what).await?;
    check(
        &config_bytes,
        "the image's configuration",
        &manifest.config.digest,
    )?;
    let (config, diffs) = manifest::config(&config_bytes)?;
    let layers = diffs.clone();
    let pairs = manifest::pairs(manifest.layers, diffs)?;
    // Held until the image is recorded: nobody takes away meanwhile what is there.
    let mut held = Vec::new();
    for layer in &layers {
        let (store, layer) = (store.clone(), layer.clone());
        held.push(blocking(move || store.hold(&layer)).await??);
    }
    let mut missing: Vec<(Descriptor, Digest)> = Vec::new();
    for (blob, layer) in pairs {
        let known = missing.iter().any(|(_, other)| *other == layer);
        if !known && store.layer_size(&layer).is_none() {
            missing.push((blob, layer));
        }
    }
    progress(Progress::Resolved {
        digest: digest.clone(),
        layers: layers.len(),
        missing: missing.iter().map(|(blob, _)| blob.size).sum(),
    });
    let fetched = missing.into_iter().map(|(blob, layer)| async move {
        blob::layer(registry, store, &blob, &layer, request.limits, progress).await?;
        progress(Progress::Unpacked { layer });
        Ok::<(), PullError>(())
    });
    stream::iter(fetched)
        .buffer_unordered(AT_ONCE)
        .try_collect::<Vec<()>>()
        .await?;
    let store = store.clone();
    let recorded = blocking(move || store.record(&digest, config, layers, [&bytes, &config_bytes]));
    let image = recorded.await??;
    drop(held);
    Ok(image)
}

/// A manifest or index. Its digest is checked when it is known.
async fn document(
    registry: &Registry,
    name: &str,
    wanted: &str,
    digest: Option<&Digest>,
) -> Result<Vec<u8>, PullError> {
    let bytes = registry.small(&What::Manifest(wanted.to_owned())).await?;
    if let Some(digest) = digest {
        check(&bytes, name, digest)?;
    }
    Ok(bytes)
}

fn check(bytes: &[u8], what: &str, wanted: &Digest) -> Result<(), PullError> {
    let found = digest_of(bytes)?;
    match found == *wanted {
        true => Ok(()),
        false => Err(PullError::Digest {
            what: what.to_owned(),
            wanted: wanted.clone(),
            found: found.to_string(),
        }),
    }
}

fn digest_of(bytes: &[u8]) -> Result<Digest, PullError> {
    let hex = crate::unit::hex(&Sha256::digest(bytes));
    Digest::sha256(&hex).map_err(|source| {
        PullError::Manifest(ManifestError::Digest {
            what: "manifest",
            source,
        })
    })
}

/// Runs what blocks on a thread of its own.
async fn blocking<T: Send + 'static>(
    act: impl FnOnce() -> T + Send + 'static,
) -> Result<T, PullError> {
    tokio::task::spawn_blocking(act)
        .await
        .map_err(|_| PullError::GivenUp)
}
