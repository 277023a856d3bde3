//! The store of images: what is named in it is whole.
//!
//! ```text
//! images/                 0700: programs of strangers, some of them setuid
//!   layers/<hex>/fs/      a layer in the form of overlayfs, by the digest of its uncompressed archive
//!   layers/<hex>/size     its bytes
//!   records/<hex>.json    an image: what planning needs of it
//!   blobs/<hex>.manifest  its manifest, and beside it its configuration, as they came
//!   tmp/                  what is being made, by layer
//!   locks/<hex>           held by whoever makes a layer
//! ```
//!
//! A layer is made in `tmp/`, written out to the disk and then renamed. What a process that was cut short has left there
//! goes with the next attempt, or with [`Store::sweep`].

use super::accounts;
use crate::host::files::{Dir, FileError};
use crate::model::oci::{Digest, ImageConfig, Unpacked};
use rustix::fs::{self, Mode, OFlags};
use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// Why the store could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file or directory of it.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file or directory of it, by the kernel.
    #[error("cannot {act} {} in the store of images", path.display())]
    Io {
        /// What was tried.
        act: &'static str,
        /// With what.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// A record that vks did not write.
    #[error("the record of image {digest} is damaged: remove the image, and pull it again")]
    Record {
        /// The image.
        digest: String,
        /// What is wrong.
        source: serde_json::Error,
    },
}

/// An image of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// What it is.
    pub image: Unpacked,
    /// Bytes of its layers that no other image has.
    pub own: u64,
}

/// The store of images of this host.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
}

/// What is kept of an image as it came.
const KEPT: [&str; 2] = ["manifest", "config"];

const DIRECTORIES: [&str; 5] = ["layers", "records", "blobs", "tmp", "locks"];

impl Store {
    /// Opens a store, and makes it if there is none. `/var/lib/vks/images` on a host.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        let above = root.parent().unwrap_or(Path::new("/"));
        let name = root.file_name().and_then(|name| name.to_str());
        let dir = Dir::create(above)?.create_sub(name.unwrap_or("images"), 0o700)?;
        for name in DIRECTORIES {
            dir.create_sub(name, 0o700)?;
        }
        Ok(Self {
            root: root.to_owned(),
        })
    }

    /// Where a layer is, or would be.
    pub fn layer(&self, layer: &Digest) -> PathBuf {
        self.root.join("layers").join(layer.hex()).join("fs")
    }

    /// The size of a layer, if it is there.
    pub fn layer_size(&self, layer: &Digest) -> Option<u64> {
        let size = self.root.join("layers").join(layer.hex()).join("size");
        std::fs::read_to_string(size).ok()?.trim().parse().ok()
    }

    /// Whether all layers of an image are there.
    pub fn is_whole(&self, image: &Unpacked) -> bool {
        let mut layers = image.layers.iter();
        layers.all(|layer| self.layer_size(layer).is_some())
    }

    /// The image of a manifest, if it is there and whole.
    pub fn image(&self, digest: &Digest) -> Result<Option<Unpacked>, StoreError> {
        let path = self.root.join("records").join(record_name(digest));
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(io_error("read", &path, source)),
        };
        let image: Unpacked =
            serde_json::from_slice(&text).map_err(|source| StoreError::Record {
                digest: digest.to_string(),
                source,
            })?;
        Ok(Some(image).filter(|image| self.is_whole(image)))
    }

    /// All images, in the order of their digests. Records that are damaged are left out.
    pub fn images(&self) -> Result<Vec<Stored>, StoreError> {
        let mut found = Vec::new();
        for name in self.names("records")? {
            let hex = name.strip_suffix(".json");
            let digest = hex.and_then(|hex| Digest::sha256(hex).ok());
            if let Some(Ok(Some(image))) = digest.map(|digest| self.image(&digest)) {
                found.push(image);
            }
        }
        let own = |image: &Unpacked| {
            let others = found.iter().filter(|other| other.digest != image.digest);
            let shared: BTreeSet<&Digest> = others.flat_map(|other| &other.layers).collect();
            let layers: BTreeSet<&Digest> = image.layers.iter().collect();
            let own = layers.difference(&shared);
            own.filter_map(|layer| self.layer_size(layer)).sum()
        };
        let stored = found.iter().map(|image| Stored {
            image: image.clone(),
            own: own(image),
        });
        Ok(stored.collect())
    }

    /// Which images use a layer.
    pub fn users_of(&self, layer: &Digest) -> Result<Vec<Digest>, StoreError> {
        let images = self.images()?.into_iter().map(|stored| stored.image);
        let users = images.filter(|image| image.layers.contains(layer));
        Ok(users.map(|image| image.digest).collect())
    }

    /// Forgets an image, and removes the layers that no other image has. No such image is fine. Bytes that came free.
    pub fn remove(&self, digest: &Digest) -> Result<u64, StoreError> {
        let records = self.dir("records")?;
        records.remove_tree(&record_name(digest))?;
        let blobs = self.dir("blobs")?;
        for kind in KEPT {
            blobs.remove_tree(&format!("{}.{kind}", digest.hex()))?;
        }
        records.sync()?;
        self.remove_unused_layers()
    }

    /// Removes layers that no image has: of images that are gone, or whose pull did not come to its end and is not
    /// going on. Bytes that came free.
    pub fn remove_unused_layers(&self) -> Result<u64, StoreError> {
        let images = self.images()?.into_iter();
        let used: BTreeSet<String> = images
            .flat_map(|stored| stored.image.layers)
            .map(|layer| layer.hex().to_owned())
            .collect();
        let layers = self.dir("layers")?;
        let mut freed = 0;
        for name in self.names("layers")? {
            let Ok(layer) = Digest::sha256(&name) else {
                continue;
            };
            if used.contains(&name) || self.in_use_mark(&layer)?.is_none() {
                continue;
            }
            freed += self.layer_size(&layer).unwrap_or(0);
            // Its size first: without it, it does not count as there.
            if let Some(directory) = layers.sub(&name)? {
                directory.remove_tree("size")?;
            }
            layers.remove_tree(&name)?;
        }
        Ok(freed)
    }

    /// The layer's lock, if nobody has it. It is held by a pull from before the layer is made until its image is recorded.
    fn in_use_mark(&self, layer: &Digest) -> Result<Option<File>, StoreError> {
        let file = self.lock_file(layer)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(_) => Ok(None),
        }
    }

    /// Holds a layer: nobody removes or makes it meanwhile but whoever holds this. Waits for others; blocks.
    pub(super) fn hold(&self, layer: &Digest) -> Result<File, StoreError> {
        let file = self.lock_file(layer)?;
        let held = file.lock_shared();
        held.map_err(|source| io_error("lock", &self.root.join("locks"), source))?;
        Ok(file)
    }

    fn lock_file(&self, layer: &Digest) -> Result<File, StoreError> {
        let path = self.root.join("locks").join(layer.hex());
        let mut options = File::options();
        let opened = options.create(true).truncate(false).write(true).open(&path);
        opened.map_err(|source| io_error("open", &path, source))
    }

    /// Begins to make a layer; its size when it is there. Waits for whoever is making it. Blocks.
    pub(super) fn begin(&self, layer: &Digest) -> Result<Result<Begun, u64>, StoreError> {
        let making = self
            .root
            .join("locks")
            .join(format!("{}.make", layer.hex()));
        let mut options = File::options();
        let opened = options
            .create(true)
            .truncate(false)
            .write(true)
            .open(&making);
        let lock = opened.map_err(|source| io_error("open", &making, source))?;
        lock.lock()
            .map_err(|source| io_error("lock", &making, source))?;
        if let Some(size) = self.layer_size(layer) {
            return Ok(Err(size));
        }
        let tmp = self.dir("tmp")?;
        tmp.remove_tree(layer.hex())?;
        self.dir("layers")?.remove_tree(layer.hex())?;
        tmp.create_sub(layer.hex(), 0o700)?
            .create_sub("fs", 0o755)?;
        let path = self.root.join("tmp").join(layer.hex());
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = fs::open(path.join("fs"), flags, Mode::empty())
            .map_err(|errno| io_error("open", &path, errno.into()))?;
        Ok(Ok(Begun {
            store: self.clone(),
            name: layer.hex().to_owned(),
            directory,
            _lock: lock,
            done: false,
        }))
    }

    /// Records an image whose layers are all there, with the manifest and the configuration as they came.
    pub(super) fn record(
        &self,
        digest: &Digest,
        config: ImageConfig,
        layers: Vec<Digest>,
        kept: [&[u8]; 2],
    ) -> Result<Unpacked, StoreError> {
        let sizes = layers.iter().filter_map(|layer| self.layer_size(layer));
        let size = sizes.sum();
        let paths: Vec<PathBuf> = layers.iter().map(|layer| self.layer(layer)).collect();
        let image = Unpacked {
            digest: digest.clone(),
            config,
            layers,
            size,
            accounts: accounts::of(&paths),
        };
        let blobs = self.dir("blobs")?;
        for (kind, bytes) in KEPT.iter().zip(kept) {
            blobs.write(&format!("{}.{kind}", digest.hex()), bytes, 0o600)?;
        }
        blobs.sync()?;
        let json = serde_json::to_vec(&image).map_err(|source| StoreError::Record {
            digest: digest.to_string(),
            source,
        })?;
        let records = self.dir("records")?;
        records.write(&record_name(digest), &json, 0o600)?;
        records.sync()?;
        Ok(image)
    }

    /// Removes what attempts that were cut short have left, blobs that could be resumed among it, but for those that are
    /// going on.
    pub fn sweep(&self) -> Result<(), StoreError> {
        let tmp = self.dir("tmp")?;
        for name in self.names("tmp")? {
            // A blob is locked itself by whoever fetches it.
            let lock = match name.strip_suffix(".part") {
                Some(_) => self.root.join("tmp").join(&name),
                None => self.root.join("locks").join(format!("{name}.make")),
            };
            let lock = File::options().write(true).open(lock);
            if lock.is_ok_and(|lock| lock.try_lock().is_err()) {
                continue;
            }
            tmp.remove_tree(&name)?;
        }
        Ok(())
    }

    /// Where it lies.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// A directory of the store by name.
    pub(super) fn dir(&self, name: &str) -> Result<Dir, StoreError> {
        Ok(Dir::create(&self.root.join(name))?)
    }

    /// Where a blob is kept while it is fetched, to be resumed.
    pub(super) fn partial(&self, blob: &Digest) -> PathBuf {
        self.root.join("tmp").join(format!("{}.part", blob.hex()))
    }

    fn names(&self, directory: &str) -> Result<Vec<String>, StoreError> {
        let entries = self.dir(directory)?.entries()?;
        Ok(entries.into_iter().map(|(name, _)| name).collect())
    }
}

fn record_name(digest: &Digest) -> String {
    format!("{}.json", digest.hex())
}

fn io_error(act: &'static str, path: &Path, source: io::Error) -> StoreError {
    StoreError::Io {
        act,
        path: path.to_owned(),
        source,
    }
}

/// A layer that is being made. Dropped before it is committed, it is removed.
#[derive(Debug)]
pub(super) struct Begun {
    store: Store,
    name: String,
    directory: OwnedFd,
    _lock: File,
    done: bool,
}

impl Begun {
    /// The empty directory to unpack into.
    pub(super) fn directory(&self) -> &OwnedFd {
        &self.directory
    }

    /// Writes it to the disk and gives it its name.
    pub(super) fn commit(mut self, size: u64) -> Result<(), StoreError> {
        let tmp = self.store.dir("tmp")?;
        let made = tmp.create_sub(&self.name, 0o700)?;
        made.write("size", size.to_string().as_bytes(), 0o600)?;
        let path = self.store.root.join("tmp").join(&self.name);
        fs::syncfs(&self.directory).map_err(|errno| io_error("write out", &path, errno.into()))?;
        let target = self.store.root.join("layers").join(&self.name);
        fs::rename(&path, &target).map_err(|errno| io_error("rename", &path, errno.into()))?;
        self.done = true;
        self.store.dir("layers")?.sync()?;
        Ok(())
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        if !self.done
            && let Ok(tmp) = self.store.dir("tmp")
        {
            // What stays goes with the next attempt.
            let _ = tmp.remove_tree(&self.name);
        }
    }
}
