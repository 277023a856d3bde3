//! A mount namespace in which scripts of packages start nothing.
//!
//! `invoke-rc.d` and `deb-systemd-invoke` ask `/usr/sbin/policy-rc.d`, which answers 101: not allowed. Hosts have no such
//! program, or one of their own; so ours is mounted over it, where only this process and what it runs see that. Where there
//! is none an empty file stands in for it meanwhile, which nobody runs, since it is not executable.

use super::DebError;
use crate::host::files::Dir;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use std::fs;
use std::path::Path;

const POLICY: &str = "/usr/sbin/policy-rc.d";
const HOME: &str = "/usr/sbin";
const PLACE: &str = "/run/vks/fetch";
const NAME: &str = "policy-rc.d";

/// As long as it lives, nothing is started. The process is in a mount namespace of its own for good.
pub(super) struct Quiet {
    made: bool,
}

impl Quiet {
    pub(super) fn begin() -> Result<Self, DebError> {
        let of_nix =
            |what: &'static str| move |error: nix::Error| DebError::Quiet(what, error.into());
        Dir::create(Path::new(PLACE))
            .and_then(|dir| dir.write(NAME, b"#!/bin/sh\nexit 101\n", 0o755))?;
        let ours = format!("{PLACE}/{NAME}");
        unshare(CloneFlags::CLONE_NEWNS).map_err(of_nix("a mount namespace"))?;
        let none = None::<&str>;
        // What is mounted here stays here; what the host mounts is seen.
        let slave = MsFlags::MS_REC | MsFlags::MS_SLAVE;
        mount(none, "/", none, slave, none).map_err(of_nix("a mount namespace"))?;
        let made = fs::symlink_metadata(POLICY).is_err();
        if made {
            Dir::create(Path::new(HOME)).and_then(|dir| dir.write(NAME, b"", 0o644))?;
        }
        let quiet = Self { made };
        mount(Some(ours.as_str()), POLICY, none, MsFlags::MS_BIND, none)
            .map_err(of_nix("policy-rc.d"))?;
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
