//! Keys that are newer than the oldest systemd vks runs on. An older one ignores what it does not know, in silence: a pod
//! that needs such a key is refused there.

use crate::config::Settings;
use crate::model::pod::Container;
use crate::model::status::Blocked;

/// Refuses a container for a field whose key this host's systemd does not have.
pub(super) fn needs(
    settings: &Settings,
    container: &Container,
    field: &str,
    key: &str,
    version: u32,
) -> Result<(), Blocked> {
    if settings.systemd >= version {
        return Ok(());
    }
    Err(Blocked {
        container: Some(container.name.clone()),
        reason: "CreateContainerConfigError",
        message: format!(
            "{field} needs {key} of systemd {version}, and this host has systemd {}: remove it, or use a newer systemd",
            settings.systemd
        ),
    })
}
