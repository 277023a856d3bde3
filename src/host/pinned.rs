//! UTS and IPC namespaces that are bound to a file, so that containers can join them.

use super::mounts;
use super::namespace::{NamespaceError, enter, on_own_thread};
use nix::sched::{CloneFlags, unshare};
use std::fs::File;
use std::io;
use std::path::Path;

/// Makes a UTS namespace with a host name, bound to `path`, whose directory must be there. One that is there already gets
/// the name.
pub fn create_uts(path: &Path, name: &str) -> Result<(), NamespaceError> {
    let set_name = || {
        nix::unistd::sethostname(name).map_err(|errno| NamespaceError::HostName {
            path: path.to_owned(),
            name: name.to_owned(),
            source: errno.into(),
        })
    };
    create(path, CloneFlags::CLONE_NEWUTS, "uts", set_name)
}

/// Makes an IPC namespace, bound to `path`, whose directory must be there. One that is there already is left as it is.
pub fn create_ipc(path: &Path) -> Result<(), NamespaceError> {
    create(path, CloneFlags::CLONE_NEWIPC, "ipc", || Ok(()))
}

/// Makes a namespace or enters the one that is there, and acts in it.
fn create(
    path: &Path,
    kind: CloneFlags,
    name: &str,
    act: impl FnOnce() -> Result<(), NamespaceError> + Send,
) -> Result<(), NamespaceError> {
    let failed = |source| NamespaceError::File {
        path: path.to_owned(),
        source,
    };
    let there = match File::create_new(path) {
        Ok(_) => false,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => mounts::is_namespace(path)?,
        Err(error) => return Err(failed(error)),
    };
    let found = if there {
        Some(File::open(path).map_err(failed)?)
    } else {
        None
    };
    on_own_thread(|| {
        if let Some(found) = found {
            enter(&found, kind, || path.display().to_string())?;
            return act();
        }
        unshare(kind).map_err(|errno| NamespaceError::Create(errno.into()))?;
        act()?;
        let own = Path::new("/proc/thread-self/ns").join(name);
        Ok(mounts::bind(&own, path)?)
    })?
}
