//! A directory for one test, removed with it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// A fresh directory that is removed when dropped.
pub struct Scratch(PathBuf);

impl Scratch {
    /// Makes one. The name only helps to tell leftovers apart.
    pub fn new(name: &str) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir = format!("vks-test-{}-{number}-{name}", std::process::id());
        let path = std::env::temp_dir().join(dir);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.0
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file, directories above it included.
    pub fn put(&self, name: &str, text: &str) {
        use std::io::Write as _;
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut file = std::fs::File::create(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
