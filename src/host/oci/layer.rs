//! From the blob of a layer to its directory in the store: decompressed, unpacked and counted in one pass, and kept only
//! when its digest is right.

use super::store::{Store, StoreError};
use super::unpack::{Limits, UnpackError, unpack};
use crate::model::oci::Digest;
use flate2::bufread::MultiGzDecoder;
use sha2::{Digest as _, Sha256};
use std::io::{self, BufRead, BufReader, Read};

/// Read at once from the blob.
const BUFFER: usize = 128 << 10;

/// Why a layer is not in the store.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    /// The archive.
    #[error("cannot unpack layer {layer}")]
    Unpack {
        /// The layer's diffID.
        layer: Digest,
        /// What is wrong.
        source: UnpackError,
    },
    /// Something else came out of it than the image says.
    #[error("layer {wanted} unpacks to {found}: the image is damaged or was tampered with")]
    Digest {
        /// What the image's configuration says.
        wanted: Digest,
        /// What it is.
        found: String,
    },
    /// The digest is of a kind that nobody computes here.
    #[error("layer {0} is named by something else than sha256")]
    Algorithm(Digest),
    /// The blob could not be read.
    #[error("cannot read the blob of layer {layer}")]
    Read {
        /// The layer's diffID.
        layer: Digest,
        /// What the kernel said.
        source: io::Error,
    },
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Counts and digests what is read.
pub(super) struct Hashing<R> {
    inner: R,
    hash: Sha256,
    read: u64,
}

impl<R> Hashing<R> {
    pub(super) fn new(inner: R) -> Self {
        Self {
            inner,
            hash: Sha256::new(),
            read: 0,
        }
    }

    /// Digest (hex) and bytes of all that was read.
    pub(super) fn finish(self) -> (String, u64) {
        (crate::unit::hex(&self.hash.finalize()), self.read)
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hash.update(&buffer[..read]);
        self.read += read as u64;
        Ok(read)
    }
}

/// What decompresses a blob, told by its first bytes: media types are wrong too often.
pub(super) fn decompressed<'a>(blob: impl Read + 'a) -> io::Result<Box<dyn Read + 'a>> {
    let mut blob = BufReader::with_capacity(BUFFER, blob);
    let start = blob.fill_buf()?;
    Ok(if start.starts_with(&[0x1f, 0x8b]) {
        Box::new(BufReader::with_capacity(BUFFER, MultiGzDecoder::new(blob)))
    } else if start.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        Box::new(zstd::stream::read::Decoder::with_buffer(blob)?)
    } else {
        Box::new(blob)
    })
}

/// Unpacks a blob into the store as the layer `diff_id`, unless it is there. Blocks. Bytes on disk.
pub(super) fn add(
    store: &Store,
    diff_id: &Digest,
    blob: impl Read,
    limits: Limits,
) -> Result<u64, LayerError> {
    if diff_id.algorithm() != "sha256" {
        return Err(LayerError::Algorithm(diff_id.clone()));
    }
    let begun = match store.begin(diff_id)? {
        Ok(begun) => begun,
        Err(size) => return Ok(size),
    };
    let read_error = |source| LayerError::Read {
        layer: diff_id.clone(),
        source,
    };
    let archive = decompressed(blob).map_err(read_error)?;
    let mut archive = Hashing::new(archive);
    let stats = unpack(&mut archive, begun.directory(), limits);
    let stats = stats.map_err(|source| LayerError::Unpack {
        layer: diff_id.clone(),
        source,
    })?;
    let (found, _) = archive.finish();
    if found != diff_id.hex() {
        return Err(LayerError::Digest {
            wanted: diff_id.clone(),
            found: format!("sha256:{found}"),
        });
    }
    begun.commit(stats.bytes)?;
    Ok(stats.bytes)
}
