//! A mount namespace in which scripts of packages start nothing.
//!
//! `invoke-rc.d` and `deb-systemd-invoke` ask `/usr/sbin/policy-rc.d`, which answers 101: not allowed. Hosts have no such
//! program, or one of their own; so ours is mounted over it, where only this process and what it runs see that. Where there
//! is none an empty file stands in for it meanwhile, which nobody runs, since it is not executable.

use super::DebError;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

const POLICY: &str = "/usr/sbin/policy-rc.d";
const OURS: &str = "/run/vks/fetch/policy-rc.d";

/// As long as it lives, nothing is started. The process is in a mount namespace of its own for good.
pub(super) struct Quiet {
    made: bool,
}

impl Quiet {
    pub(super) fn begin() -> Result<Self, DebError> {
        let step = |what: &'static str| move |error: io::Error| DebError::Quiet(what, error);
        let of_nix =
            |what: &'static str| move |error: nix::Error| DebError::Quiet(what, error.into());
        fs::write(OURS, "#!/bin/sh\nexit 101\n").map_err(step("policy-rc.d"))?;
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(OURS, mode).map_err(step("policy-rc.d"))?;
        unshare(CloneFlags::CLONE_NEWNS).map_err(of_nix("a mount namespace"))?;
        let none = None::<&str>;
        // What is mounted here stays here; what the host mounts is seen.
        let slave = MsFlags::MS_REC | MsFlags::MS_SLAVE;
        mount(none, "/", none, slave, none).map_err(of_nix("a mount namespace"))?;
        let made = fs::symlink_metadata(POLICY).is_err();
        if made {
            fs::write(POLICY, "").map_err(step("policy-rc.d"))?;
        }
        let quiet = Self { made };
        mount(Some(OURS), POLICY, none, MsFlags::MS_BIND, none).map_err(of_nix("policy-rc.d"))?;
        // The rest of /run may be mounted noexec.
        let again = MsFlags::MS_BIND | MsFlags::MS_REMOUNT;
        mount(none, POLICY, none, again, none).map_err(of_nix("policy-rc.d"))?;
        Ok(quiet)
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        // An empty file that cannot be removed now does no harm, and the next one removes it.
        let _ = umount2(POLICY, MntFlags::MNT_DETACH);
        let empty = fs::metadata(POLICY).is_ok_and(|data| data.len() == 0);
        if self.made && empty {
            let _ = fs::remove_file(Path::new(POLICY));
        }
    }
}
