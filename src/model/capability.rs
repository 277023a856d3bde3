//! Capabilities (capabilities(7)) by name, as sets.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The names, without `CAP_`, in the order of their numbers.
const NAMES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// One capability, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capability(u8);

impl Capability {
    /// The capability of a name such as `NET_ADMIN`; `None` when Linux has none of that name.
    pub fn named(name: &str) -> Option<Self> {
        let at = NAMES.iter().position(|known| *known == name)?;
        u8::try_from(at).ok().map(Self)
    }
}

/// A set of capabilities, a bit each, as the kernel has them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities(pub u64);

impl Capabilities {
    /// None.
    pub const NONE: Self = Self(0);
    /// All that Linux has.
    pub const ALL: Self = Self((1 << NAMES.len()) - 1);

    /// The set of some names; names that are none are left out.
    pub fn of(names: &[&str]) -> Self {
        let mut set = Self::NONE;
        for name in names {
            set = Capability::named(name).map_or(set, |one| set.with(one));
        }
        set
    }

    /// With one more.
    #[must_use]
    pub fn with(self, one: Capability) -> Self {
        Self(self.0 | 1 << one.0)
    }

    /// What is in either.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is not in the other.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether a name is in it.
    pub fn has(self, name: &str) -> bool {
        Capability::named(name).is_some_and(|one| self.0 & (1 << one.0) != 0)
    }

    /// Whether there is none in it.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for Capabilities {
    /// As systemd reads them: `CAP_CHOWN CAP_KILL`; empty for none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut between = "";
        for (number, name) in NAMES.iter().enumerate() {
            if self.0 & (1 << number) != 0 {
                write!(f, "{between}CAP_{name}")?;
                between = " ";
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_kernel() {
        for (name, number) in [
            ("CHOWN", 0),
            ("NET_ADMIN", 12),
            ("SYS_ADMIN", 21),
            ("MKNOD", 27),
            ("CHECKPOINT_RESTORE", 40),
        ] {
            assert_eq!(Capability::named(name), Some(Capability(number)), "{name}");
        }
        assert_eq!(Capability::named("CAP_CHOWN"), None);
        assert_eq!(Capabilities::ALL.0, 0x1ff_ffff_ffff);
    }

    #[test]
    fn sets_are_written_as_systemd_reads_them() {
        let set = Capabilities::of(&["KILL", "CHOWN"]);
        assert_eq!(set.to_string(), "CAP_CHOWN CAP_KILL");
        assert!(set.has("KILL") && !set.has("MKNOD"));
        assert_eq!(set.without(set).to_string(), "");
        assert_eq!(set.and(Capabilities::ALL), Capabilities::ALL);
    }
}
