//! What a pod's directory holds besides records: planned as values, compared by digest.
//!
//! The digest rule, the same for what is planned and for what stands on disk:
//!
//! | content | digest |
//! |---|---|
//! | tree (config map, secret, facts) | [`tree_digest`]: SHA-256 over each path, its bytes and a mode that is not 0644, lengths in front |
//! | tree that does not follow its objects | given by planning: the same for as long as the volume is the same |
//! | environment file | [`file_digest`]: SHA-256 of its bytes |
//! | termination message file | [`TERMINATION`]: that it is there, whatever a container wrote into it |
//! | emptyDir | [`EMPTY_DIR`]: that it is there, whatever is in it |

use super::name::{ContainerName, VolumeName};
use super::observed::Digest;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fmt;

/// The digest of a termination message file that is there.
pub const TERMINATION: Digest = *b"termination-file";
/// The digest of an emptyDir that is there.
pub const EMPTY_DIR: Digest = *b"empty-directory!";

/// One file or directory below a pod's directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// Below the pod's directory, as `Layout` has it: `volumes/conf`, `secrets/pw`, `env/web`, `termination/web`.
    pub path: String,
    /// What it holds.
    pub content: PayloadContent,
}

/// What a [`Payload`] holds.
#[derive(Clone, PartialEq, Eq)]
pub enum PayloadContent {
    /// A directory of files, changed as a whole.
    Tree {
        /// The files.
        files: Files,
        /// Readable by root only, and seen by containers on a tmpfs.
        secret: bool,
        /// Of objects that are immutable: stands for the content instead of its digest, so that what was written stays.
        fixed: Option<Digest>,
    },
    /// An environment file, 0400 in a directory of 0700.
    EnvFile(Vec<u8>),
    /// A termination message file: 0666, made empty, then left alone.
    Termination,
    /// A directory that containers fill: 0777, made empty, then left alone.
    EmptyDir,
}

/// The files of a tree by their relative paths.
pub type Files = BTreeMap<String, TreeFile>;

/// A file of a tree.
#[derive(Clone, PartialEq, Eq)]
pub struct TreeFile {
    /// Its content.
    pub bytes: Vec<u8>,
    /// Permission bits.
    pub mode: u32,
}

impl TreeFile {
    /// The mode of a file that names none.
    pub const MODE: u32 = 0o644;
}

impl Payload {
    /// A volume of files. One with a secret in it is a store that the sandbox copies to tmpfs.
    pub fn tree(volume: &VolumeName, files: Files, secret: bool, fixed: Option<Digest>) -> Self {
        let kind = if secret { "secrets" } else { "volumes" };
        Self {
            path: format!("{kind}/{volume}"),
            content: PayloadContent::Tree {
                files,
                secret,
                fixed,
            },
        }
    }

    /// The environment file of a container.
    pub fn env_file(container: &ContainerName, bytes: Vec<u8>) -> Self {
        Self {
            path: format!("env/{container}"),
            content: PayloadContent::EnvFile(bytes),
        }
    }

    /// The termination message file of a container.
    pub fn termination(container: &ContainerName) -> Self {
        Self {
            path: format!("termination/{container}"),
            content: PayloadContent::Termination,
        }
    }

    /// An emptyDir volume.
    pub fn empty_dir(volume: &VolumeName) -> Self {
        Self {
            path: format!("volumes/{volume}"),
            content: PayloadContent::EmptyDir,
        }
    }
}

impl PayloadContent {
    /// What reading it back must give when it stands as planned.
    pub fn digest(&self) -> Digest {
        match self {
            Self::Tree { files, fixed, .. } => fixed.unwrap_or_else(|| tree_digest(files)),
            Self::EnvFile(bytes) => file_digest(bytes),
            Self::Termination => TERMINATION,
            Self::EmptyDir => EMPTY_DIR,
        }
    }
}

impl fmt::Debug for PayloadContent {
    /// Keys and lengths only: values may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tree { files, secret, .. } => {
                write!(f, "Tree(secret: {secret}) ")?;
                let sizes = files.iter().map(|(key, file)| (key, file.bytes.len()));
                f.debug_map().entries(sizes).finish()
            }
            Self::EnvFile(bytes) => write!(f, "EnvFile({} bytes)", bytes.len()),
            Self::Termination => f.write_str("Termination"),
            Self::EmptyDir => f.write_str("EmptyDir"),
        }
    }
}

/// The digest of a tree. Lengths go in front of keys and bytes, so that two different trees never hash the same text.
pub fn tree_digest(files: &Files) -> Digest {
    let mut hash = Sha256::new();
    for (path, file) in files {
        for part in [path.as_bytes(), &file.bytes] {
            // usize has at most 64 bits on every target.
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        if file.mode != TreeFile::MODE {
            // No length: it is not taken for the path of another file.
            hash.update(u64::MAX.to_le_bytes());
            hash.update(file.mode.to_le_bytes());
        }
    }
    first_half(&hash.finalize())
}

/// The digest of a file: the first 16 bytes of the SHA-256 of its content.
pub fn file_digest(bytes: &[u8]) -> Digest {
    first_half(&Sha256::digest(bytes))
}

fn first_half(hash: &[u8]) -> Digest {
    let mut digest = Digest::default();
    digest.copy_from_slice(&hash[..16]);
    digest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> Files {
        let own = |(key, text): &(&str, &str)| {
            let bytes = text.as_bytes().to_vec();
            let mode = if *key == "x" { 0o400 } else { TreeFile::MODE };
            ((*key).to_owned(), TreeFile { bytes, mode })
        };
        files.iter().map(own).collect()
    }

    #[test]
    fn trees_that_differ_have_different_digests() {
        let trees = [
            tree(&[]),
            tree(&[("a", "")]),
            tree(&[("a", "b")]),
            tree(&[("ab", "")]),
            tree(&[("a", ""), ("b", "")]),
            tree(&[("a", "b"), ("c", "d")]),
            tree(&[("x", "")]),
            tree(&[("y", "")]),
        ];
        let digests: std::collections::BTreeSet<_> = trees.iter().map(tree_digest).collect();
        assert_eq!(digests.len(), trees.len());
    }

    #[test]
    fn debug_shows_no_value() {
        let volume: VolumeName = "pw".parse().unwrap();
        let payload = Payload::tree(&volume, tree(&[("key", "hunter2")]), true, None);
        let text = format!("{payload:?}");
        assert!(text.contains("key") && !text.contains("hunter2"), "{text}");
        assert_eq!(payload.path, "secrets/pw");
        let env = PayloadContent::EnvFile(b"A=hunter2".to_vec());
        assert_eq!(format!("{env:?}"), "EnvFile(9 bytes)");
    }
}
