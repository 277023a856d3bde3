//! What `vks apply` was given, kept as the second source of manifests: one file for each object, root only,
//! since a secret may be among them.

use super::context::Context;
use super::error::CliError;
use crate::agent::AgentError;
use crate::agent::pass::{look, once};
use crate::host::files::Dir;
use crate::host::lock::{Lock, try_lock, wait_lock};
use crate::host::systemd::Systemd;
use crate::model::name::ObjectKey;
use crate::source::What;

/// What became of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It was not there.
    Created,
    /// It said something else.
    Configured,
    /// It said the same.
    Unchanged,
}

impl Change {
    /// kubectl's word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Configured => "configured",
            Self::Unchanged => "unchanged",
        }
    }
}

/// Kind in lower case and key of an object; none for what is no object.
pub fn parts(what: &What) -> Option<(&'static str, &ObjectKey)> {
    match what {
        What::Pod(key) => Some(("pod", key)),
        What::Controller(key) => Some((key.kind.word(), &key.object)),
        What::ConfigMap(key) => Some(("configmap", key)),
        What::Secret(key) => Some(("secret", key)),
        What::VolumeClaim(key) => Some(("persistentvolumeclaim", key)),
        What::PersistentVolume(key) => Some(("persistentvolume", key)),
        What::Service(key) => Some(("service", key)),
        What::EndpointSlice(key) => Some(("endpointslice", key)),
        What::PriorityClass(key) => Some(("priorityclass", key)),
        What::Network(key) => Some(("networkattachmentdefinition", key)),
        What::Uid(_) => None,
    }
}

/// The file an object is kept in.
pub fn file_name(kind: &str, key: &ObjectKey) -> String {
    crate::host::records::object_file(kind, key)
}

/// The largest file that is read back to see whether it says the same.
const LIMIT: usize = 8 << 20;

/// Keeps an object.
pub fn put(context: &Context, name: &str, json: &str) -> Result<Change, CliError> {
    let dir = Dir::create(&context.settings.layout.manifests()).map_err(CliError::File)?;
    let before = dir.read(name, LIMIT).map_err(CliError::File)?;
    if before.as_deref() == Some(json.as_bytes()) {
        return Ok(Change::Unchanged);
    }
    dir.write(name, json.as_bytes(), 0o600)
        .map_err(CliError::File)?;
    Ok(if before.is_some() {
        Change::Configured
    } else {
        Change::Created
    })
}

/// What is kept of an object.
///
/// # Errors
/// Those of reading the file.
pub fn kept(context: &Context, name: &str) -> Result<Option<Vec<u8>>, CliError> {
    match Dir::open(&context.settings.layout.manifests()).map_err(CliError::File)? {
        Some(dir) => dir.read(name, LIMIT).map_err(CliError::File),
        None => Ok(None),
    }
}

/// Forgets an object; whether it was there.
pub fn remove(context: &Context, name: &str) -> Result<bool, CliError> {
    match Dir::open(&context.settings.layout.manifests()).map_err(CliError::File)? {
        Some(dir) => dir.remove(name).map_err(CliError::File),
        None => Ok(false),
    }
}

/// Brings the host to what the manifests say, unless an agent runs, which does it by itself. Whether all went well.
pub async fn converge(verb: &str, context: &Context) -> Result<bool, CliError> {
    let name = format!("vks {verb}");
    let lock = try_lock(&context.settings.layout.lock(), &name).map_err(AgentError::Lock)?;
    let guard = match lock {
        Lock::Held(guard) => guard,
        Lock::Busy(holder) if holder.name == "vks run" => return Ok(true),
        // Another command: it may have read the manifests before ours was there, so ours comes after it.
        Lock::Busy(_) => {
            let path = context.settings.layout.lock();
            let wait = tokio::task::spawn_blocking(move || wait_lock(&path, &name));
            let held = wait.await.map_err(|_| AgentError::Task)?;
            held.map_err(AgentError::Lock)?
        }
    };
    let systemd = Systemd::connect(None).await.map_err(AgentError::Systemd)?;
    let mut parts = look(context.settings.clone(), systemd).await?;
    let failures = once(&mut parts, &guard).await?;
    for failure in &failures {
        context.tell(format_args!("error: {}", crate::chain::line(failure)));
    }
    Ok(failures.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_object_has_a_file_of_its_own() {
        let key = |namespace: &str, name: &str| ObjectKey {
            namespace: namespace.parse().unwrap(),
            name: name.parse().unwrap(),
        };
        assert_eq!(
            file_name("pod", &key("default", "web")),
            "pod.default.web.json"
        );
        let (a, b) = (
            key("n", &"x".repeat(253)),
            key("n", &format!("{}y", "x".repeat(252))),
        );
        assert_ne!(file_name("pod", &a), file_name("pod", &b));
        assert!(file_name("deployment", &a).len() < 255);
    }
}
