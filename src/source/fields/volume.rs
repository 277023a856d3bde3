//! Volumes and mounts.

use super::container::PULL_POLICIES;
use super::files::{CONFIG_MAP, DOWNWARD, PROJECTED, SECRET};
use super::storage::{CLAIM_OF_POD, CSI, EPHEMERAL, NFS};
use super::{Shape, Table, given, told};
use crate::source::decode::known;

pub const BINDS: &[&str] = &["BindPaths=", "BindReadOnlyPaths="];

static IMAGE_OF_VOLUME: Table = Table {
    name: "ImageVolumeSource",
    about: "An image whose files are a volume.",
    rest: known::NONE,
    given: &[
        told(
            "pullPolicy",
            PULL_POLICIES,
            "When the image is fetched although it may be here.",
            "as for containers",
        ),
        given(
            "reference",
            Shape::Text,
            "The image: `oci:`, `nix:` or `dir:`.",
            BINDS,
        ),
    ],
};

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
        given("csi", Shape::One(&CSI), "What mount(8) can mount.", BINDS),
        given(
            "downwardAPI",
            Shape::One(&DOWNWARD),
            "Facts about the pod as files; read-only, and followed.",
            BINDS,
        ),
        given(
            "emptyDir",
            Shape::One(&EMPTY_DIR),
            "A directory under `/var/lib/vks` that lives as long as the pod.",
            BINDS,
        ),
        given(
            "ephemeral",
            Shape::One(&EPHEMERAL),
            "A claim that lives as long as the pod.",
            BINDS,
        ),
        given(
            "hostPath",
            Shape::One(&HOST_PATH),
            "A path of the host.",
            BINDS,
        ),
        given(
            "image",
            Shape::One(&IMAGE_OF_VOLUME),
            "The files of an image; read-only.",
            BINDS,
        ),
        given("name", Shape::Text, "The name that mounts use.", BINDS),
        given(
            "nfs",
            Shape::One(&NFS),
            "What an NFS server exports.",
            BINDS,
        ),
        given(
            "persistentVolumeClaim",
            Shape::One(&CLAIM_OF_POD),
            "Storage that outlives the pod.",
            BINDS,
        ),
        given(
            "projected",
            Shape::One(&PROJECTED),
            "Several sources in one directory; read-only, and followed.",
            BINDS,
        ),
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
    rest: known::NONE,
    given: &[
        given(
            "medium",
            Shape::Words(&["Memory"]),
            "`Memory` for a tmpfs, gone when the pod stops; else a directory on disk.",
            &["Setup="],
        ),
        given(
            "sizeLimit",
            Shape::Quantity,
            "The most that one in memory holds; the memory limit of the pod bounds it too.",
            &["Setup="],
        )
        .note("refused for a directory on disk"),
    ],
};

pub static HOST_PATH: Table = Table {
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

pub static MOUNT: Table = Table {
    name: "VolumeMount",
    about: "Where a container sees a volume.",
    rest: known::NONE,
    given: &[
        given(
            "mountPath",
            Shape::Text,
            "The path in the container; it is made when it is not there.",
            BINDS,
        ),
        given(
            "mountPropagation",
            Shape::Words(&["None", "HostToContainer"]),
            "Whether what the host mounts later below the volume is seen; it is when absent.",
            &["MountFlags="],
        )
        .note("not `Bidirectional`: what a service mounts never reaches the host; one for all mounts of a container"),
        given("name", Shape::Text, "The volume.", BINDS),
        given(
            "readOnly",
            Shape::Bool,
            "Whether the container may only read.",
            &["BindReadOnlyPaths=", "BindPaths="],
        ),
        told(
            "recursiveReadOnly",
            Shape::Words(&["Disabled", "IfPossible", "Enabled"]),
            "Whether that holds for mounts below it too.",
            "it always does",
        ),
        given(
            "subPath",
            Shape::Text,
            "A part of the volume instead of all of it, found anew at each start; never anything outside of it.",
            &["ExecStartPre=", "SubPaths="],
        ),
        given(
            "subPathExpr",
            Shape::Text,
            "The same with variables of the container in it.",
            &["ExecStartPre=", "SubPaths="],
        ),
    ],
};

pub static DEVICE: Table = Table {
    name: "VolumeDevice",
    about: "Where a container sees a block device.",
    rest: known::NONE,
    given: &[
        given(
            "devicePath",
            Shape::Text,
            "The path in the container.",
            &["BindPaths="],
        ),
        given(
            "name",
            Shape::Text,
            "A volume with a claim of volumeMode Block.",
            &["BindPaths=", "DeviceAllow="],
        ),
    ],
};
