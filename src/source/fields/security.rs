//! `securityContext` of pods and containers.

use super::{Given, Shape, Table, given, told};
use crate::source::decode::known;

/// `vks as` makes the program somebody else.
const AS: &[&str] = &["ExecStart="];

const NON_ROOT: Given = told(
    "runAsNonRoot",
    Shape::Bool,
    "Refuses to run as root.",
    "a container that would be root is not started",
);
const SECCOMP: Given = given(
    "seccompProfile",
    Shape::One(&SECCOMP_PROFILE),
    "The system calls that programs may make.",
    &["SystemCallFilter="],
);
const APP_ARMOR: Given = given(
    "appArmorProfile",
    Shape::One(&APP_ARMOR_PROFILE),
    "The AppArmor profile of programs.",
    &["AppArmorProfile="],
);
const SE_LINUX: Given = given(
    "seLinuxOptions",
    Shape::One(&SE_LINUX_OPTIONS),
    "The SELinux context of programs.",
    &["SELinuxContext="],
);

pub static POD_SECURITY: Table = Table {
    name: "PodSecurityContext",
    about: "Who the containers run as and what they may do, where they say nothing themselves.",
    rest: known::POD_SECURITY,
    given: &[
        APP_ARMOR,
        given(
            "fsGroup",
            Shape::Int,
            "The group that volumes belong to, and every container.",
            &["ExecStart=", "Setup="],
        ),
        given(
            "fsGroupChangePolicy",
            Shape::Words(&["Always", "OnRootMismatch"]),
            "Whether volumes get that group at each start, or only when their top has another.",
            &["Setup="],
        ),
        given(
            "runAsGroup",
            Shape::Int,
            "The group of containers that name none.",
            AS,
        )
        .note("through `vks as`"),
        NON_ROOT,
        given(
            "runAsUser",
            Shape::Int,
            "The user of containers that name none.",
            AS,
        )
        .note("through `vks as`"),
        told(
            "seLinuxChangePolicy",
            Shape::Words(&["MountOption", "Recursive"]),
            "How volumes get the SELinux label.",
            "only without `seLinuxOptions`: volumes keep their labels",
        ),
        SE_LINUX,
        SECCOMP,
        given(
            "supplementalGroups",
            Shape::Ints,
            "More groups of every container.",
            AS,
        )
        .note("through `vks as`"),
        given(
            "supplementalGroupsPolicy",
            Shape::Words(&["Merge", "Strict"]),
            "Whether the groups that the host's group(5) gives the user count too.",
            AS,
        ),
        given(
            "sysctls",
            Shape::Many(&SYSCTL),
            "Settings of the pod's network namespace; only those that stay in it.",
            &["Setup="],
        )
        .note("not with `hostNetwork`"),
    ],
};

pub static SECURITY: Table = Table {
    name: "SecurityContext",
    about: "Who the container runs as and what it may do.",
    rest: known::SECURITY,
    given: &[
        given(
            "allowPrivilegeEscalation",
            Shape::Bool,
            "Whether programs can get more rights than they started with.",
            &["NoNewPrivileges="],
        ),
        APP_ARMOR,
        given(
            "capabilities",
            Shape::One(&CAPABILITIES),
            "The parts of root's rights that programs have.",
            &["CapabilityBoundingSet="],
        ),
        given(
            "privileged",
            Shape::Bool,
            "All rights, all devices, nothing hidden.",
            &["CapabilityBoundingSet=", "SystemCallFilter="],
        ),
        told(
            "procMount",
            Shape::Words(&["Default"]),
            "How much of /proc is hidden.",
            "`Unmasked` with `hostUsers: false`",
        ),
        given(
            "readOnlyRootFilesystem",
            Shape::Bool,
            "All but the volumes can only be read.",
            &["ProtectSystem=", "TemporaryFileSystem="],
        ),
        given(
            "runAsGroup",
            Shape::Int,
            "The group, by number; it needs no entry in group(5).",
            AS,
        )
        .note("through `vks as`"),
        NON_ROOT,
        given(
            "runAsUser",
            Shape::Int,
            "The user, by number; it needs no entry in passwd(5).",
            AS,
        )
        .note("through `vks as`"),
        SE_LINUX,
        SECCOMP,
    ],
};

static CAPABILITIES: Table = Table {
    name: "Capabilities",
    about: "Capabilities as in capabilities(7), without CAP_; `ALL` is all of them.",
    rest: known::NONE,
    given: &[
        given(
            "add",
            Shape::Texts,
            "Those it has beside the usual ones.",
            &["CapabilityBoundingSet="],
        ),
        given(
            "drop",
            Shape::Texts,
            "Those it has not.",
            &["CapabilityBoundingSet="],
        ),
    ],
};

static SECCOMP_PROFILE: Table = Table {
    name: "SeccompProfile",
    about: "The system calls that programs may make.",
    rest: known::NONE,
    given: &[
        given(
            "localhostProfile",
            Shape::Text,
            "A profile in JSON below `/etc/vks/seccomp`, with type `Localhost`.",
            &["SystemCallFilter="],
        ),
        given(
            "type",
            Shape::Words(&["RuntimeDefault", "Unconfined", "Localhost"]),
            "The usual ones, all, or those of a file.",
            &["SystemCallFilter="],
        ),
    ],
};

static APP_ARMOR_PROFILE: Table = Table {
    name: "AppArmorProfile",
    about: "The AppArmor profile of programs.",
    rest: known::NONE,
    given: &[
        given(
            "localhostProfile",
            Shape::Text,
            "A profile that the host has loaded, with type `Localhost`.",
            &["AppArmorProfile="],
        ),
        given(
            "type",
            Shape::Words(&["Unconfined", "Localhost"]),
            "None, or one of the host; vks brings none.",
            &["AppArmorProfile="],
        ),
    ],
};

static SE_LINUX_OPTIONS: Table = Table {
    name: "SELinuxOptions",
    about: "The parts of an SELinux context.",
    rest: known::NONE,
    given: &[
        given("level", Shape::Text, "The level.", &["SELinuxContext="]),
        given("role", Shape::Text, "The role.", &["SELinuxContext="]),
        given("type", Shape::Text, "The type.", &["SELinuxContext="]),
        given("user", Shape::Text, "The user.", &["SELinuxContext="]),
    ],
};

static SYSCTL: Table = Table {
    name: "Sysctl",
    about: "A setting of the kernel.",
    rest: known::NONE,
    given: &[
        given(
            "name",
            Shape::Text,
            "Its name, such as `net.ipv4.ip_unprivileged_port_start`.",
            &["Setup="],
        ),
        given("value", Shape::Text, "Its value.", &["Setup="]),
    ],
};
