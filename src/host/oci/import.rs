//! Images from files: an OCI layout (a directory, or an archive of one) and what `docker save` writes, which
//! `podman save` and Nix's `dockerTools` write too; archives also compressed. No network.

use super::layer::{self, Hashing, LayerError};
use super::manifest::{self, Descriptor, Document, MOST_BYTES, ManifestError, Platform};
use super::store::{Store, StoreError};
use super::unpack::Limits;
use crate::model::oci::{Digest, Unpacked};
use files::Files;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

mod files;

/// Why nothing was imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The directory or archive is not there, or cannot be decompressed.
    #[error("cannot read {}", path.display())]
    Open {
        /// Where.
        path: PathBuf,
        /// What is wrong.
        source: io::Error,
    },
    /// It is no archive, or not all of one.
    #[error("{} is no archive, or not all of one", path.display())]
    Archive {
        /// Where.
        path: PathBuf,
        /// What is wrong.
        source: io::Error,
    },
    /// A file.
    #[error("cannot read {name:?} of {}", path.display())]
    Read {
        /// The directory or archive.
        path: PathBuf,
        /// What of it.
        name: String,
        /// What is wrong.
        source: io::Error,
    },
    /// It is something else.
    #[error(
        "{} is neither an OCI layout nor what docker save writes: it has no index.json and no manifest.json",
        .0.display()
    )]
    Kind(PathBuf),
    /// What a blob is named by is not what it is.
    #[error("{name:?} of {} is damaged: its digest is {found}", path.display())]
    Digest {
        /// The directory or archive.
        path: PathBuf,
        /// The blob.
        name: String,
        /// What it is.
        found: String,
    },
    /// A manifest or configuration.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A layer.
    #[error(transparent)]
    Layer(#[from] LayerError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An image that was imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// The names it has in the file, `name:tag`; none is possible.
    pub names: Vec<String>,
    /// Where it is now.
    pub image: Unpacked,
}

/// Imports all images of a file or directory that are for this platform. Blocks.
pub fn import(
    path: &Path,
    store: &Store,
    platform: &Platform,
    limits: Limits,
) -> Result<Vec<Imported>, ImportError> {
    let files = Files::open(path, store, limits.bytes)?;
    let import = Import {
        files,
        store,
        platform,
        limits,
    };
    if import.files.has("index.json") {
        import.layout()
    } else if import.files.has("manifest.json") {
        import.saved()
    } else {
        Err(ImportError::Kind(path.to_owned()))
    }
}

struct Import<'a> {
    files: Files,
    store: &'a Store,
    platform: &'a Platform,
    limits: Limits,
}

#[derive(Deserialize)]
struct Index {
    manifests: Vec<Descriptor>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

impl Import<'_> {
    fn layout(&self) -> Result<Vec<Imported>, ImportError> {
        let bytes = self.files.small("index.json")?;
        let index: Index = json(&bytes)?;
        let mut imported = Vec::new();
        for descriptor in &index.manifests {
            // One image per line; what is not for this platform is for another.
            let (digest, bytes) = match self.manifest(&descriptor.digest) {
                Err(ImportError::Manifest(ManifestError::Platform { .. }))
                    if index.manifests.len() > 1 =>
                {
                    continue;
                }
                found => found?,
            };
            let Document::Manifest(manifest) = manifest::read(&bytes, self.platform)? else {
                continue;
            };
            let config_bytes = self.blob(&manifest.config.digest)?;
            let (config, diffs) = manifest::config(&config_bytes)?;
            let pairs = manifest::pairs(manifest.layers, diffs.clone())?;
            for (blob, layer) in pairs {
                self.layer(&blob_name(&blob.digest), Some(&blob.digest), &layer)?;
            }
            let kept = [bytes.as_slice(), &config_bytes];
            let image = self.store.record(&digest, config, diffs, kept)?;
            let name = |key| descriptor.annotations.get(key).cloned();
            let names = name("io.containerd.image.name")
                .or_else(|| name("org.opencontainers.image.ref.name"));
            imported.push(Imported {
                names: names.into_iter().collect(),
                image,
            });
        }
        Ok(imported)
    }

    /// The manifest behind a digest, through one index if there is one.
    fn manifest(&self, digest: &Digest) -> Result<(Digest, Vec<u8>), ImportError> {
        let bytes = self.blob(digest)?;
        match manifest::read(&bytes, self.platform)? {
            Document::Manifest(_) => Ok((digest.clone(), bytes)),
            Document::Index(chosen) => {
                let bytes = self.blob(&chosen.digest)?;
                Ok((chosen.digest, bytes))
            }
        }
    }

    fn saved(&self) -> Result<Vec<Imported>, ImportError> {
        let bytes = self.files.small("manifest.json")?;
        let images: Vec<Saved> = json(&bytes)?;
        let mut imported = Vec::new();
        for saved in images {
            let config_bytes = self.files.small(&saved.config)?;
            let (config, diffs) = manifest::config(&config_bytes)?;
            if diffs.len() != saved.layers.len() {
                return Err(ManifestError::Layers {
                    layers: saved.layers.len(),
                    diffs: diffs.len(),
                }
                .into());
            }
            for (name, layer) in saved.layers.iter().zip(&diffs) {
                self.layer(name, None, layer)?;
            }
            let manifest = manifest_of(&config_bytes, &diffs);
            let digest = digest_of(&manifest)?;
            let kept = [manifest.as_slice(), &config_bytes];
            let image = self.store.record(&digest, config, diffs, kept)?;
            imported.push(Imported {
                names: saved.repo_tags.unwrap_or_default(),
                image,
            });
        }
        Ok(imported)
    }

    /// A small blob, which is what it is named by.
    fn blob(&self, digest: &Digest) -> Result<Vec<u8>, ImportError> {
        let name = blob_name(digest);
        let bytes = self.files.small(&name)?;
        let found = digest_of(&bytes)?;
        match found == *digest {
            true => Ok(bytes),
            false => Err(self.damaged(name, found.to_string())),
        }
    }

    fn layer(
        &self,
        name: &str,
        digest: Option<&Digest>,
        layer: &Digest,
    ) -> Result<(), ImportError> {
        if self.store.layer_size(layer).is_some() {
            return Ok(());
        }
        let mut blob = Hashing::new(self.files.open_file(name)?);
        layer::add(self.store, layer, &mut blob, self.limits)?;
        // What follows the compressed archive counts for the digest too. The layer itself is right already.
        let rest = io::copy(&mut blob, &mut io::sink());
        rest.map_err(|source| self.files.error(name, source))?;
        let (found, _) = blob.finish();
        match digest {
            Some(digest) if digest.hex() != found => {
                Err(self.damaged(name.to_owned(), format!("sha256:{found}")))
            }
            _ => Ok(()),
        }
    }

    fn damaged(&self, name: String, found: String) -> ImportError {
        ImportError::Digest {
            path: self.files.path().to_owned(),
            name,
            found,
        }
    }
}

fn blob_name(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm(), digest.hex())
}

/// What `docker save` has no manifest for: always the same for the same configuration.
fn manifest_of(config: &[u8], layers: &[Digest]) -> Vec<u8> {
    let config_digest = crate::unit::hex(&Sha256::digest(config));
    let layers: Vec<_> = layers
        .iter()
        .map(|layer| {
            serde_json::json!({ "mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": layer.as_str() })
        })
        .collect();
    serde_json::json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": { "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": format!("sha256:{config_digest}"), "size": config.len() },
        "layers": layers,
    })
    .to_string()
    .into_bytes()
}

fn digest_of(bytes: &[u8]) -> Result<Digest, ImportError> {
    let digest = Digest::sha256(&crate::unit::hex(&Sha256::digest(bytes)));
    digest.map_err(|source| {
        let what = "manifest";
        ManifestError::Digest { what, source }.into()
    })
}

fn json<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, ImportError> {
    serde_json::from_slice(bytes).map_err(|source| {
        let what = "manifest";
        ManifestError::Json { what, source }.into()
    })
}

/// No more than a manifest may have.
fn read_small(file: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let most = MOST_BYTES as u64;
    file.take(most + 1).read_to_end(&mut bytes)?;
    match bytes.len() > MOST_BYTES {
        true => Err(io::Error::other(format!("more than {MOST_BYTES} bytes"))),
        false => Ok(bytes),
    }
}
