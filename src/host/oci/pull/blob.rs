//! The blob of a layer: fetched into a file that outlives a cut, from where it was cut, and checked before anything of
//! it is unpacked.

use super::super::layer::{self, LayerError};
use super::super::manifest::Descriptor;
use super::super::store::{Store, StoreError};
use super::super::unpack::{Limits, UnpackError};
use super::registry::{Registry, What};
use super::{Progress, PullError, blocking};
use crate::model::oci::Digest;
use futures_util::StreamExt as _;
use reqwest::StatusCode;
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

/// How often a connection may be cut without that anything came.
const FRUITLESS: u32 = 3;
/// Progress is said after so many bytes.
const STEP: u64 = 1 << 20;

/// A layer that is not in the store.
pub(super) async fn layer(
    registry: &Registry,
    store: &Store,
    blob: &Descriptor,
    diff_id: &Digest,
    limits: Limits,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<(), PullError> {
    if blob.size > limits.bytes {
        let source = UnpackError::TooBig {
            what: "bytes, compressed",
            limit: limits.bytes,
        };
        let layer = diff_id.clone();
        return Err(LayerError::Unpack { layer, source }.into());
    }
    let path = store.partial(&blob.digest);
    let mut part = Part::open(path.clone()).await?;
    part.fetch(registry, blob, progress).await?;
    let (store, diff_id) = (store.clone(), diff_id.clone());
    let added = blocking(move || {
        let mut file = &part.file;
        file.rewind().map_err(|source| part.error(source))?;
        layer::add(&store, &diff_id, file, limits)?;
        Ok::<_, PullError>(part)
    });
    let part = added.await??;
    // The next attempt would find it and have nothing to fetch: no harm.
    let _ = std::fs::remove_file(&path);
    drop(part);
    Ok(())
}

/// What is here of a blob.
struct Part {
    path: PathBuf,
    file: File,
    hash: Sha256,
    have: u64,
}

impl Part {
    /// Waits for whoever else fetches it, and counts what is there.
    async fn open(path: PathBuf) -> Result<Self, PullError> {
        let open = move || {
            let mut options = File::options();
            let options = options.create(true).truncate(false).read(true).write(true);
            let opened = || -> io::Result<(File, Sha256, u64)> {
                let mut file = options.open(&path)?;
                file.lock()?;
                let mut hash = Sha256::new();
                let mut have = 0;
                let mut block = vec![0; 256 << 10];
                loop {
                    match file.read(&mut block)? {
                        0 => break,
                        read => {
                            hash.update(&block[..read]);
                            have += read as u64;
                        }
                    }
                }
                Ok((file, hash, have))
            };
            match opened() {
                Ok((file, hash, have)) => Ok(Self {
                    path,
                    file,
                    hash,
                    have,
                }),
                Err(source) => Err(error(&path, source)),
            }
        };
        blocking(open).await?
    }

    async fn fetch(
        &mut self,
        registry: &Registry,
        blob: &Descriptor,
        progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<(), PullError> {
        let what = format!("layer {}", blob.digest);
        let mut fruitless = 0;
        while self.have < blob.size {
            let before = self.have;
            match self.some(registry, blob, progress).await {
                Ok(()) => {}
                // Cut in the middle: from there on.
                Err(PullError::Network { .. }) if self.have > before => {}
                Err(error @ PullError::Network { .. }) if before == 0 => return Err(error),
                Err(PullError::Network { .. }) => {}
                Err(error) => return Err(error),
            }
            fruitless = match self.have > before {
                true => 0,
                false => fruitless + 1,
            };
            if self.have < blob.size && fruitless == FRUITLESS {
                return Err(PullError::Truncated {
                    what,
                    got: self.have,
                    wanted: blob.size,
                });
            }
        }
        let found = crate::unit::hex(&self.hash.clone().finalize());
        if self.have == blob.size && found == blob.digest.hex() {
            return Ok(());
        }
        // What is wrong is not resumed.
        self.reset()?;
        Err(PullError::Digest {
            what,
            wanted: blob.digest.clone(),
            found: format!("sha256:{found}"),
        })
    }

    /// One answer of the registry.
    async fn some(
        &mut self,
        registry: &Registry,
        blob: &Descriptor,
        progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<(), PullError> {
        let what = What::Blob(blob.digest.to_string());
        let response = match registry.get(&what, Some(self.have)).await {
            Err(PullError::Answer { status: 416, .. }) => return self.reset(),
            response => response?,
        };
        // A registry that knows no ranges begins at the beginning.
        if self.have > 0 && response.status() != StatusCode::PARTIAL_CONTENT {
            self.reset()?;
        }
        let mut said = self.have;
        let mut parts = response.bytes_stream();
        while let Some(part) = parts.next().await {
            let part = part.map_err(|source| registry.network(source))?;
            self.have += part.len() as u64;
            self.hash.update(&part);
            if self.have > blob.size {
                return Ok(());
            }
            // To the page cache: quick enough for this thread.
            let written = self.file.write_all(&part);
            written.map_err(|source| self.error(source))?;
            if self.have - said >= STEP || self.have == blob.size {
                said = self.have;
                progress(Progress::Fetched {
                    blob: blob.digest.clone(),
                    done: self.have,
                    total: blob.size,
                });
            }
        }
        Ok(())
    }

    fn reset(&mut self) -> Result<(), PullError> {
        self.hash = Sha256::new();
        self.have = 0;
        let emptied = self.file.set_len(0).and_then(|()| self.file.rewind());
        emptied.map_err(|source| self.error(source))
    }

    fn error(&self, source: io::Error) -> PullError {
        error(&self.path, source)
    }
}

fn error(path: &Path, source: io::Error) -> PullError {
    let path = path.to_owned();
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => PullError::NoSpace { path },
        _ => PullError::Store(StoreError::Io {
            act: "use",
            path,
            source,
        }),
    }
}
