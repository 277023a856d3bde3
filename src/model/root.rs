//! The root directory of a container that does not run in the host's: what is mounted where in it, and who the program
//! then is. Planning writes it into the container's unit, `vks launch --root` reads it there.

use serde::{Deserialize, Serialize};

/// The key of `[X-kubernetes]` that holds a [`Root`] as JSON.
pub const ROOT_KEY: &str = "Root";

/// In front of a variable's name in the unit, where the loader and libraries of vks' own commands, which run as the host's
/// root, would act on it. The program has it by its own name.
pub const MASK: &str = "VKS_OF_PROGRAM_";

/// What such variables begin with.
const ACTED_ON: [&str; 14] = [
    "LD_",
    "GLIBC_",
    "GCONV_PATH",
    "GETCONF_DIR",
    "HOSTALIASES",
    "LOCALDOMAIN",
    "LOCPATH",
    "MALLOC_",
    "NLSPATH",
    "RES_OPTIONS",
    "RESOLV_",
    "RUST_",
    "TZDIR",
    "VKS_",
];

/// The name that a variable has in the unit.
pub fn masked(name: &str) -> String {
    match ACTED_ON.iter().any(|start| name.starts_with(start)) {
        true => format!("{MASK}{name}"),
        false => name.to_owned(),
    }
}

/// The name that the program knows it by.
pub fn unmasked(name: &str) -> &str {
    name.strip_prefix(MASK).unwrap_or(name)
}

/// A container's root.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Root {
    /// Directories of layers, lowest first. None: `directory` itself is the root, as it is.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<String>,
    /// Of layers: where the writable layer and the mount are made. Else: the root directory.
    pub directory: String,
    /// Only what is mounted can be written.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub read_only: bool,
    /// What is mounted, in this order, after `/proc`, `/sys` and `/dev`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub binds: Vec<Bind>,
    /// Directories that are made if need be; with a root that cannot be written, they can.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<String>,
    /// All of the host's devices, nothing hidden, nothing of `/proc` and `/sys` read-only.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub privileged: bool,
    /// Nothing of `/proc` is hidden or read-only.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unmasked: bool,
    /// The user namespace that the program is in, where it is bound to a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub users: Option<String>,
    /// The working directory; made if need be.
    pub working_dir: String,
    /// Variables of the image that the container has no others of the name for. They are in no environment but the
    /// program's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub image_variables: Vec<(String, String)>,
    /// Names of the variables of the unit that the program has too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub variables: Vec<String>,
    /// `HOME`, unless the variables have it.
    pub home: String,
    /// Its user, as the program itself counts.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Its further groups.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<u32>,
    /// The most capabilities it can ever have; what it has, for root. In hex.
    pub capabilities: String,
}

/// Something of the host in the root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bind {
    /// Where it is on the host.
    pub from: String,
    /// Where it is in the root, absolute. Links count from the root.
    pub to: String,
    /// It and all that is mounted below it cannot be written.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub read_only: bool,
    /// What the host mounts below it later is not seen.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub private: bool,
    /// It may be missing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_that_the_loader_acts_on_are_masked() {
        for name in [
            "LD_PRELOAD",
            "GLIBC_TUNABLES",
            "RUST_LOG",
            "VKS_OF_PROGRAM_A",
        ] {
            assert!(masked(name).starts_with(MASK), "{name}");
            assert_eq!(unmasked(&masked(name)), name);
        }
        for name in ["PATH", "HOME", "OLD_LD_", "LANG"] {
            assert_eq!(masked(name), name);
        }
    }
}
