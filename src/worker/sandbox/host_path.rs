//! Paths of the host that volumes stand for: checked and made by the rules of the kubelet, in its words.

use crate::model::sandbox::HostPath;
use crate::model::volume::HostPathKind;
use std::fs::{self, DirBuilder, FileType, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, OpenOptionsExt as _};

/// Why a path of the host cannot be mounted.
#[derive(Debug, thiserror::Error)]
pub(super) enum HostPathError {
    #[error("hostPath type check failed: {path} is not a {wanted}")]
    Kind { path: String, wanted: &'static str },
    #[error("cannot look at hostPath {path}")]
    Look { path: String, source: io::Error },
    #[error("cannot make hostPath {path}")]
    Make { path: String, source: io::Error },
}

/// Checks what is there, and makes what may be made: directories with mode 0755 and those above them, files
/// with mode 0644. Without a kind nothing is checked; when nothing is there either, it becomes a directory, as
/// container runtimes do.
pub(super) fn prepare(wanted: &HostPath) -> Result<(), HostPathError> {
    use HostPathKind::{Directory, DirectoryOrCreate, FileOrCreate, Unchecked};
    let path = &wanted.path;
    match fs::metadata(path) {
        Ok(found) => check(wanted, found.file_type()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => match wanted.kind {
            DirectoryOrCreate | Unchecked => made(path, make_directory(path)),
            FileOrCreate => made(path, make_file(path)),
            kind => Err(HostPathError::Kind {
                path: path.clone(),
                wanted: word(kind),
            }),
        },
        Err(error) if error.kind() == io::ErrorKind::NotADirectory && wanted.kind == Directory => {
            Err(HostPathError::Kind {
                path: path.clone(),
                wanted: word(Directory),
            })
        }
        Err(source) => Err(HostPathError::Look {
            path: path.clone(),
            source,
        }),
    }
}

fn check(wanted: &HostPath, found: FileType) -> Result<(), HostPathError> {
    let right = match wanted.kind {
        HostPathKind::Unchecked => true,
        HostPathKind::Directory | HostPathKind::DirectoryOrCreate => found.is_dir(),
        // To the kubelet, everything that is no directory is a file.
        HostPathKind::File | HostPathKind::FileOrCreate => !found.is_dir(),
        HostPathKind::Socket => found.is_socket(),
        HostPathKind::CharDevice => found.is_char_device(),
        HostPathKind::BlockDevice => found.is_block_device(),
    };
    match right {
        true => Ok(()),
        false => Err(HostPathError::Kind {
            path: wanted.path.clone(),
            wanted: word(wanted.kind),
        }),
    }
}

/// The kubelet's word for a kind.
fn word(kind: HostPathKind) -> &'static str {
    match kind {
        HostPathKind::Unchecked | HostPathKind::Directory | HostPathKind::DirectoryOrCreate => {
            "directory"
        }
        HostPathKind::File | HostPathKind::FileOrCreate => "file",
        HostPathKind::Socket => "socket file",
        HostPathKind::CharDevice => "character device",
        HostPathKind::BlockDevice => "block device",
    }
}

fn made(path: &str, result: io::Result<()>) -> Result<(), HostPathError> {
    result.map_err(|source| HostPathError::Make {
        path: path.to_owned(),
        source,
    })
}

fn make_directory(path: &str) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o755).create(path)
}

fn make_file(path: &str) -> io::Result<()> {
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o644)
        .open(path);
    made.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::scratch::Scratch;
    use std::os::unix::net::UnixListener;

    fn prepared(scratch: &Scratch, name: &str, kind: HostPathKind) -> Result<(), String> {
        let path = scratch.path(name).display().to_string();
        prepare(&HostPath { path, kind }).map_err(|error| error.to_string())
    }

    #[test]
    fn kinds_are_checked_in_the_kubelets_words() {
        let scratch = Scratch::new("host-path-check");
        scratch.put("file", "");
        scratch.put("dir/x", "");
        let _listener = UnixListener::bind(scratch.path("sock")).unwrap();
        let right = [
            ("dir", HostPathKind::Directory),
            ("dir", HostPathKind::DirectoryOrCreate),
            ("file", HostPathKind::File),
            ("sock", HostPathKind::File),
            ("sock", HostPathKind::Socket),
            ("file", HostPathKind::Unchecked),
        ];
        for (name, kind) in right {
            prepared(&scratch, name, kind).unwrap();
        }
        let wrong = [
            ("file", HostPathKind::Directory, "directory"),
            ("nope", HostPathKind::Directory, "directory"),
            ("dir", HostPathKind::FileOrCreate, "file"),
            ("nope", HostPathKind::File, "file"),
            ("file", HostPathKind::Socket, "socket file"),
            ("file", HostPathKind::CharDevice, "character device"),
            ("nope", HostPathKind::BlockDevice, "block device"),
        ];
        for (name, kind, word) in wrong {
            let path = scratch.path(name);
            let message = format!(
                "hostPath type check failed: {} is not a {word}",
                path.display()
            );
            assert_eq!(prepared(&scratch, name, kind), Err(message));
        }
    }

    #[test]
    fn what_may_be_made_is_made() {
        let scratch = Scratch::new("host-path-make");
        prepared(&scratch, "a/b", HostPathKind::DirectoryOrCreate).unwrap();
        prepared(&scratch, "a/file", HostPathKind::FileOrCreate).unwrap();
        prepared(&scratch, "a/any", HostPathKind::Unchecked).unwrap();
        assert!(scratch.path("a/b").is_dir());
        assert!(scratch.path("a/file").is_file());
        assert!(scratch.path("a/any").is_dir());
        // The directory of a file is not made.
        assert!(prepared(&scratch, "no/file", HostPathKind::FileOrCreate).is_err());
    }
}
