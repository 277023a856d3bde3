//! What a pod and its containers may do: core/v1 PodSecurityContext and SecurityContext, as they are written.
//!
//! Absent means that nothing was said: what holds then is decided by planning, with the profile in force.

use super::capability::Capabilities;
use serde::{Deserialize, Serialize};

/// The annotation that chooses the profile of a pod's containers.
pub const PROFILE_ANNOTATION: &str = "vks.io/profile";

/// How far a container is shut in where its manifest says nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// As a service of the host: root, nothing taken away.
    Trusted,
    /// About what a container runtime gives: root with its usual capabilities, its own `/tmp`, `/run` and `/dev`.
    Default,
    /// A user of its own that exists as long as the pod runs, no capability, nothing of the host writable.
    #[default]
    Strict,
}

impl Profile {
    /// The words, for messages and manifests.
    pub const WORDS: [(&'static str, Self); 3] = [
        ("default", Self::Default),
        ("strict", Self::Strict),
        ("trusted", Self::Trusted),
    ];

    /// The profile of a word.
    pub fn named(word: &str) -> Option<Self> {
        let found = Self::WORDS.iter().find(|(name, _)| *name == word);
        found.map(|(_, profile)| *profile)
    }

    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Trusted => "trusted",
            Self::Default => "default",
            Self::Strict => "strict",
        }
    }
}

/// `securityContext` of a container, and the part of a pod's that holds for containers which say nothing.
/// User and group are in [`super::pod::RunAs`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Security {
    /// `runAsNonRoot`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub non_root: Option<bool>,
    /// `capabilities`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<CapabilityChange>,
    /// `privileged`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub privileged: Option<bool>,
    /// `allowPrivilegeEscalation`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub escalation: Option<bool>,
    /// `readOnlyRootFilesystem`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_only_root: Option<bool>,
    /// `procMount: Unmasked`
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub proc_unmasked: bool,
    /// `seccompProfile`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seccomp: Option<Seccomp>,
    /// `appArmorProfile`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app_armor: Option<AppArmor>,
    /// `seLinuxOptions`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub se_linux: Option<SeLinux>,
}

impl Security {
    /// What is in force for a container whose own this is: each field its own, else the pod's.
    pub fn over(&self, pod: &Self) -> Self {
        let of = self.clone();
        let pod = pod.clone();
        Self {
            non_root: of.non_root.or(pod.non_root),
            capabilities: of.capabilities.or(pod.capabilities),
            privileged: of.privileged.or(pod.privileged),
            escalation: of.escalation.or(pod.escalation),
            read_only_root: of.read_only_root.or(pod.read_only_root),
            proc_unmasked: of.proc_unmasked,
            seccomp: of.seccomp.or(pod.seccomp),
            app_armor: of.app_armor.or(pod.app_armor),
            se_linux: of.se_linux.or(pod.se_linux),
        }
    }

    /// Whether nothing is said.
    pub fn is_silent(&self) -> bool {
        *self == Self::default()
    }
}

/// `capabilities`: what is added to and taken from those of the profile.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapabilityChange {
    /// `add`, with `ALL` as all of them.
    pub add: Capabilities,
    /// `drop`; what is added by name stays when `ALL` is dropped.
    pub drop: Capabilities,
    /// `add` has `ALL` in it.
    pub add_all: bool,
    /// `drop` has `ALL` in it.
    pub drop_all: bool,
}

impl CapabilityChange {
    /// The set that comes of `base` (containerd's order: ALL first, then names to add, then names to drop).
    pub fn apply(self, base: Capabilities) -> Capabilities {
        let base = match (self.add_all, self.drop_all) {
            (_, true) => Capabilities::NONE,
            (true, false) => Capabilities::ALL,
            (false, false) => base,
        };
        base.and(self.add).without(self.drop)
    }
}

/// `seccompProfile`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Seccomp {
    /// `RuntimeDefault`: the system calls that services need.
    RuntimeDefault,
    /// `Unconfined`
    Unconfined,
    /// `Localhost`: a file below `/etc/vks/seccomp`, by its path there.
    Localhost(String),
}

/// `appArmorProfile`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum AppArmor {
    /// `Unconfined`
    Unconfined,
    /// `Localhost`: a profile that is loaded on the host.
    Localhost(String),
}

/// `seLinuxOptions`; what is absent is what containers have elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeLinux {
    /// Default `system_u`.
    pub user: Option<String>,
    /// Default `system_r`.
    pub role: Option<String>,
    /// Default `container_t`.
    pub kind: Option<String>,
    /// Default `s0`.
    pub level: Option<String>,
}

impl SeLinux {
    /// The context as the kernel takes it.
    pub fn context(&self) -> String {
        let or = |part: &Option<String>, default: &str| {
            part.clone().unwrap_or_else(|| default.to_owned())
        };
        format!(
            "{}:{}:{}:{}",
            or(&self.user, "system_u"),
            or(&self.role, "system_r"),
            or(&self.kind, "container_t"),
            or(&self.level, "s0")
        )
    }
}

/// `securityContext` of a pod, beside user and group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PodSecurity {
    /// For containers that say nothing.
    #[serde(skip_serializing_if = "Security::is_silent")]
    pub containers: Security,
    /// `fsGroup`: the group of what is in volumes, and a group of every container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fs_group: Option<u32>,
    /// `fsGroupChangePolicy` is `OnRootMismatch` (default false: `Always`).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub only_on_mismatch: bool,
    /// `supplementalGroups`
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<u32>,
    /// `supplementalGroupsPolicy` is `Strict` (default false: `Merge`, also the groups that the user has on the host).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub only_these_groups: bool,
    /// `sysctls`, name and value.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sysctls: Vec<(String, String)>,
}

impl PodSecurity {
    /// Whether nothing is said.
    pub fn is_silent(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_change_as_containerd_does_it() {
        let base = Capabilities::of(&["CHOWN", "KILL"]);
        let of = Capabilities::of;
        let change = |add: &[&str], drop: &[&str]| CapabilityChange {
            add: of(add),
            drop: of(drop),
            add_all: add.contains(&"ALL"),
            drop_all: drop.contains(&"ALL"),
        };
        let cases: [(&[&str], &[&str], Capabilities); 6] = [
            (&[], &[], base),
            (&["NET_ADMIN"], &["KILL"], of(&["CHOWN", "NET_ADMIN"])),
            (&["NET_ADMIN"], &["ALL"], of(&["NET_ADMIN"])),
            (&[], &["ALL"], Capabilities::NONE),
            (&["ALL"], &[], Capabilities::ALL),
            (
                &["ALL"],
                &["KILL"],
                Capabilities::ALL.without(of(&["KILL"])),
            ),
        ];
        for (add, drop, wanted) in cases {
            assert_eq!(change(add, drop).apply(base), wanted, "{add:?} {drop:?}");
        }
    }

    #[test]
    fn a_container_wins_over_its_pod_field_by_field() {
        let pod = Security {
            non_root: Some(true),
            seccomp: Some(Seccomp::RuntimeDefault),
            ..Security::default()
        };
        let own = Security {
            non_root: Some(false),
            ..Security::default()
        };
        let both = own.over(&pod);
        assert_eq!(both.non_root, Some(false));
        assert_eq!(both.seccomp, Some(Seccomp::RuntimeDefault));
    }

    #[test]
    fn every_profile_has_its_word() {
        for (word, profile) in Profile::WORDS {
            assert_eq!(Profile::named(word), Some(profile));
            assert_eq!(profile.word(), word);
        }
        assert_eq!(Profile::named("Strict"), None);
    }
}
