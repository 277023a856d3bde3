//! What a pod's security context asks for outside its containers: sysctls of its network namespace, the group of its volumes.

use crate::host::files::{Dir, FileError, GroupAccess};
use crate::host::namespace::{self, NamespaceError};
use crate::model::sandbox::FsGroup;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::Path;

/// Why something of it is not so.
#[derive(Debug, thiserror::Error)]
pub enum SettingError {
    /// A value that the kernel does not take.
    #[error("cannot set sysctl {name} to {value:?}")]
    Sysctl {
        /// Its name, with dots.
        name: String,
        /// The value.
        value: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// The namespace could not be visited.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// A volume that could not be given to the group.
    #[error("cannot give volumes to group {group}")]
    Group {
        /// The group.
        group: u32,
        /// What could not be done.
        source: FileError,
    },
}

/// Sets sysctls of a network namespace: below `/proc/sys/net` everybody sees those of his own.
pub(super) fn sysctls(namespace: &Path, wanted: &[(String, String)]) -> Result<(), SettingError> {
    namespace::visit_network(namespace, || {
        for (name, value) in wanted {
            let path = Path::new("/proc/sys").join(name.replace('.', "/"));
            set(&path, value).map_err(|source| SettingError::Sysctl {
                name: name.clone(),
                value: value.clone(),
                source,
            })?;
        }
        Ok(())
    })?
}

fn set(path: &Path, value: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(path)?;
    file.write_all(value.as_bytes())
}

/// Gives the pod's volumes to its group. One that is not there yet is left to whoever makes it.
pub(super) fn give_volumes(of: &FsGroup) -> Result<(), SettingError> {
    let give = |path: &String, access| match Dir::open(Path::new(path))? {
        Some(dir) => dir.give_to_group(of.group, access, of.only_on_mismatch),
        None => Ok(()),
    };
    let writable = of.writable.iter().map(|path| (path, GroupAccess::Write));
    let read_only = of.read_only.iter().map(|path| (path, GroupAccess::Read));
    for (path, access) in writable.chain(read_only) {
        give(path, access).map_err(|source| SettingError::Group {
            group: of.group,
            source,
        })?;
    }
    Ok(())
}
