//! Puts the shares of slices in force.

use super::Applier;
use crate::host::drop_ins;
use crate::host::files::FileError;
use crate::host::systemd::SystemdError;
use crate::plan::shares::ShareChange;

/// Why a slice has not what it ought to have.
#[derive(Debug, thiserror::Error)]
pub enum ShareError {
    /// systemd did not take it.
    #[error(transparent)]
    Systemd(#[from] SystemdError),
    /// What systemd wrote down of it could not be removed.
    #[error(transparent)]
    File(#[from] FileError),
}

impl Applier {
    /// Sets and takes back properties of slices, up to the first that fails. A slice that has gone meanwhile is let be:
    /// setting anything of it would make its cgroup anew, and nobody would remove that.
    pub async fn share(&self, changes: &[ShareChange]) -> Result<(), ShareError> {
        for change in changes {
            if self.systemd.is_active(&change.unit).await? {
                self.systemd
                    .set_properties(&change.unit, &change.set)
                    .await?;
            }
            if !change.unset.is_empty() {
                drop_ins::remove(&change.unit, change.unset.iter().copied())?;
            }
        }
        Ok(())
    }
}
