//! The mark that a pod which runs in one boot only has been started, and in which boot that was.

use super::SandboxError;
use crate::host::files::Dir;
use crate::model::layout::Layout;
use crate::model::name::PodUid;

/// The name of the mark in the pod's directory (`Layout::once`).
const MARK: &str = "once";
/// A boot id has 36 bytes and a line break.
const LIMIT: usize = 64;

/// Whether the pod was started in an earlier boot. In this one it may have been: its sandbox may come up again.
pub(super) fn ran_before(layout: &Layout, uid: &PodUid) -> Result<bool, SandboxError> {
    let Some(dir) = Dir::open(&layout.pod(uid)).map_err(SandboxError::Once)? else {
        return Ok(false);
    };
    let mark = dir.read(MARK, LIMIT).map_err(SandboxError::Once)?;
    let own = boot_id()?;
    Ok(mark.is_some_and(|boot| boot != own))
}

/// Marks the pod as started in this boot. Safe from a power loss when this returns.
pub(super) fn mark(layout: &Layout, uid: &PodUid) -> Result<(), SandboxError> {
    let boot = boot_id()?;
    let write = || {
        let dir = Dir::create(&layout.pod(uid))?;
        if dir.read(MARK, LIMIT)?.as_deref() == Some(&boot) {
            return Ok(());
        }
        dir.write(MARK, &boot, 0o644)?;
        dir.sync()
    };
    write().map_err(SandboxError::Once)
}

fn boot_id() -> Result<Vec<u8>, SandboxError> {
    std::fs::read("/proc/sys/kernel/random/boot_id").map_err(SandboxError::BootId)
}
