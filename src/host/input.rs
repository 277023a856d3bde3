//! Standard inputs of containers: named pipes.

use super::files::{Dir, FileError};
use crate::model::layout::Layout;
use crate::model::name::{ContainerName, PodUid};
use nix::sys::stat::Mode;
use std::io;
use std::os::unix::fs::PermissionsExt as _;

/// Why there is no named pipe.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// The directory it lies in.
    #[error("the pod's directory for standard inputs is not in order")]
    Directory(#[from] FileError),
    /// The pipe itself.
    #[error("cannot make the standard input of container {0}")]
    Pipe(ContainerName, #[source] io::Error),
}

/// Makes named pipes that everybody may use who sees them: root, and the containers they are for. Those that are there
/// stay.
pub fn make(layout: &Layout, uid: &PodUid, containers: &[ContainerName]) -> Result<(), InputError> {
    let run = Dir::create(&layout.run)?.create_sub("pods", 0o755)?;
    run.create_sub(uid.as_str(), 0o700)?
        .create_sub("stdin", 0o700)?;
    for container in containers {
        let path = layout.stdin(uid, container);
        match nix::unistd::mkfifo(&path, Mode::empty()) {
            Ok(()) | Err(nix::Error::EEXIST) => {}
            Err(errno) => return Err(InputError::Pipe(container.clone(), errno.into())),
        }
        // Not by mkfifo, which the mask of this process would have a say in.
        let mode = std::fs::Permissions::from_mode(0o666);
        std::fs::set_permissions(&path, mode)
            .map_err(|error| InputError::Pipe(container.clone(), error))?;
    }
    Ok(())
}
