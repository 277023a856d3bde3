//! Volumes and mounts.

use super::{Shape, Table, given, told};
use crate::source::decode::known;

const BINDS: &[&str] = &["BindPaths=", "BindReadOnlyPaths="];

pub static VOLUME: Table = Table {
    name: "Volume",
    about: "A directory or file that containers can mount; one kind. Without any it is an emptyDir.",
    rest: known::VOLUME,
    given: &[
        given(
            "configMap",
            Shape::One(&CONFIG_MAP),
            "A file for each key of a config map; read-only, and follows its changes.",
            BINDS,
        ),
        given(
            "emptyDir",
            Shape::One(&EMPTY_DIR),
            "A directory under `/var/lib/vks` that lives as long as the pod.",
            BINDS,
        ),
        given(
            "hostPath",
            Shape::One(&HOST_PATH),
            "A path of the host.",
            BINDS,
        ),
        given("name", Shape::Text, "The name that mounts use.", BINDS),
        given(
            "secret",
            Shape::One(&SECRET),
            "A file for each key of a secret; read-only, on tmpfs, and follows its changes.",
            BINDS,
        ),
    ],
};

static EMPTY_DIR: Table = Table {
    name: "EmptyDirVolumeSource",
    about: "A directory that is empty when the pod starts for the first time.",
    rest: known::EMPTY_DIR,
    given: &[],
};

static HOST_PATH: Table = Table {
    name: "HostPathVolumeSource",
    about: "A path of the host.",
    rest: known::NONE,
    given: &[
        given("path", Shape::Text, "The path.", BINDS),
        given(
            "type",
            Shape::Words(&[
                "DirectoryOrCreate",
                "Directory",
                "FileOrCreate",
                "File",
                "Socket",
                "CharDevice",
                "BlockDevice",
            ]),
            "What must be there, or is made; not looked at when absent.",
            &["Setup="],
        )
        .note("checked by the sandbox unit"),
    ],
};

static CONFIG_MAP: Table = Table {
    name: "ConfigMapVolumeSource",
    about: "A file for each key of a config map.",
    rest: known::KEYS_VOLUME,
    given: &[
        told(
            "defaultMode",
            Shape::Int,
            "The mode of the files.",
            "only 0644",
        ),
        given("name", Shape::Text, "The config map.", &[]).note("the files of the volume"),
        given(
            "optional",
            Shape::Bool,
            "Whether it may be missing: the directory is then empty.",
            &[],
        )
        .note("what is missing and not optional keeps the pod from starting"),
    ],
};

static SECRET: Table = Table {
    name: "SecretVolumeSource",
    about: "A file for each key of a secret.",
    rest: known::KEYS_VOLUME,
    given: &[
        told(
            "defaultMode",
            Shape::Int,
            "The mode of the files.",
            "only 0644",
        ),
        given(
            "optional",
            Shape::Bool,
            "Whether it may be missing: the directory is then empty.",
            &[],
        )
        .note("what is missing and not optional keeps the pod from starting"),
        given("secretName", Shape::Text, "The secret.", &[]).note("the files of the volume"),
    ],
};

pub static MOUNT: Table = Table {
    name: "VolumeMount",
    about: "Where a container sees a volume.",
    rest: known::MOUNT,
    given: &[
        given(
            "mountPath",
            Shape::Text,
            "The path in the container; it is made when it is not there.",
            BINDS,
        ),
        told(
            "mountPropagation",
            Shape::Words(&["None"]),
            "Whether mounts made later are passed on.",
            "only `None`",
        ),
        given("name", Shape::Text, "The volume.", BINDS),
        given(
            "readOnly",
            Shape::Bool,
            "Whether the container may only read.",
            &["BindReadOnlyPaths=", "BindPaths="],
        ),
        told(
            "recursiveReadOnly",
            Shape::Words(&["Disabled"]),
            "Whether that holds for mounts below it too.",
            "only `Disabled`",
        ),
    ],
};
