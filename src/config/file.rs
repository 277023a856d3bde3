//! Reads a file that somebody else wrote, without ever waiting for it.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Why a file could not be read. The text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// There is no such file.
    #[error("is not there")]
    Gone,
    /// A link that leads nowhere.
    #[error("is a link that leads nowhere: correct or remove it")]
    Dangling,
    /// Not a regular file: it is never opened.
    #[error("is not a regular file: replace or remove it")]
    NotRegular,
    /// Larger than the limit.
    #[error("is larger than {0} bytes: split it into several files")]
    TooLarge(u64),
    /// It changed while it was being read: another look is needed, and comes with the writer's last event.
    #[error("is being written: it is read again when that is done")]
    Changing,
    /// Anything else.
    #[error("cannot be read ({0}): correct its permissions or remove it")]
    Io(std::io::Error),
}

/// The bytes of a regular file of at most `limit` bytes. Links are followed. Named pipes, devices and the
/// like are not even opened, so this cannot block on them.
///
/// # Errors
/// See [`ReadError`].
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>, ReadError> {
    let before = path.metadata().map_err(|error| missing(path, error))?;
    if !before.is_file() {
        return Err(ReadError::NotRegular);
    }
    // Between the look and the opening it may have become a named pipe.
    let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
    let mut file = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(path)
        .map_err(|error| missing(path, error))?;
    let opened = file.metadata().map_err(ReadError::Io)?;
    if !opened.is_file() {
        return Err(ReadError::NotRegular);
    }
    let bytes = take(&mut file, limit)?;
    let after = file.metadata().map_err(ReadError::Io)?;
    if same(&opened, &after) {
        Ok(bytes)
    } else {
        Err(ReadError::Changing)
    }
}

fn take(file: &mut File, limit: u64) -> Result<Vec<u8>, ReadError> {
    let mut bytes = Vec::new();
    file.take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(ReadError::Io)?;
    if bytes.len() as u64 > limit {
        return Err(ReadError::TooLarge(limit));
    }
    Ok(bytes)
}

fn same(a: &Metadata, b: &Metadata) -> bool {
    a.len() == b.len() && a.modified().ok() == b.modified().ok()
}

fn missing(path: &Path, error: std::io::Error) -> ReadError {
    match error.kind() {
        ErrorKind::NotFound if path.is_symlink() => ReadError::Dangling,
        ErrorKind::NotFound => ReadError::Gone,
        _ => ReadError::Io(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::scratch::Scratch;

    #[test]
    fn only_regular_files_are_read() {
        let dir = Scratch::new("read");
        dir.put("a", "text");
        assert_eq!(read(&dir.path("a"), 4).unwrap(), b"text");
        assert!(matches!(
            read(&dir.path("a"), 3),
            Err(ReadError::TooLarge(3))
        ));
        assert!(matches!(read(&dir.path("b"), 3), Err(ReadError::Gone)));
        assert!(matches!(
            read(&dir.path("."), 3),
            Err(ReadError::NotRegular)
        ));
        std::os::unix::fs::symlink("nowhere", dir.path("link")).unwrap();
        assert!(matches!(
            read(&dir.path("link"), 3),
            Err(ReadError::Dangling)
        ));
        std::os::unix::fs::symlink("a", dir.path("good")).unwrap();
        assert_eq!(read(&dir.path("good"), 9).unwrap(), b"text");
        let mode = nix::sys::stat::Mode::from_bits_truncate(0o600);
        nix::unistd::mkfifo(&dir.path("pipe"), mode).unwrap();
        assert!(matches!(
            read(&dir.path("pipe"), 3),
            Err(ReadError::NotRegular)
        ));
        assert!(matches!(
            read(Path::new("/dev/zero"), 3),
            Err(ReadError::NotRegular)
        ));
    }
}
