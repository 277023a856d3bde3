//! Storage that is mounted or outlives pods: claims, persistent volumes, NFS, what mount(8) mounts.

use super::volume::{BINDS, HOST_PATH};
use super::{Given, Shape, Table, given, told};
use crate::source::decode::known;

const ACCESS: Given = told(
    "accessModes",
    Shape::Texts,
    "How many may use it at a time; on one host only `ReadWriteOncePod` makes a difference.",
    "a claim has a volume only if the volume has its modes; a second pod waits for `ReadWriteOncePod`",
);
const VOLUME_MODE: Given = told(
    "volumeMode",
    Shape::Words(&["Filesystem", "Block"]),
    "A directory or a block device.",
    "claim and volume must have the same; a device is for `volumeDevices`",
);
const MOUNTED: &[&str] = &["What=", "Options="];
const FS_TYPE: Given = given(
    "fsType",
    Shape::Text,
    "The type of the file system.",
    &["Type="],
);
const READ_ONLY: Given = given(
    "readOnly",
    Shape::Bool,
    "Whether nothing is written to it.",
    &["Options=", "BindReadOnlyPaths="],
);
const DRIVER: Given = told(
    "driver",
    Shape::Words(&["mount.vks.io"]),
    "What mounts it: vks itself, by a mount unit.",
    "vks runs no other drivers",
);

pub static CLAIM_OF_POD: Table = Table {
    name: "PersistentVolumeClaimVolumeSource",
    about: "A claim in the pod's namespace.",
    rest: known::NONE,
    given: &[
        given("claimName", Shape::Text, "The claim.", BINDS),
        given(
            "readOnly",
            Shape::Bool,
            "Whether the containers may only read.",
            &["BindReadOnlyPaths="],
        ),
    ],
};

pub static EPHEMERAL: Table = Table {
    name: "EphemeralVolumeSource",
    about: "A claim that lives as long as the pod.",
    rest: known::NONE,
    given: &[given(
        "volumeClaimTemplate",
        Shape::One(&TEMPLATE),
        "The claim.",
        BINDS,
    )],
};

static TEMPLATE: Table = Table {
    name: "PersistentVolumeClaimTemplate",
    about: "What the claims of pods look like.",
    rest: known::NONE,
    given: &[
        told(
            "metadata",
            Shape::One(&super::objects::TEMPLATE_META),
            "What is said about the claims.",
            "nothing refers to it",
        ),
        given("spec", Shape::One(&CLAIM), "What they ask for.", BINDS),
    ],
};

pub static CLAIM: Table = Table {
    name: "PersistentVolumeClaimSpec",
    about: "Storage that is asked for. Without a volume it is a directory below `/var/lib/vks/volumes`.",
    rest: known::CLAIM,
    given: &[
        ACCESS,
        told(
            "resources",
            Shape::One(&REQUIREMENTS),
            "How much is asked for.",
            "a volume must have that much; a directory is not limited by it",
        ),
        VOLUME_MODE,
        given(
            "volumeName",
            Shape::Text,
            "The volume that is wanted.",
            &["BindPaths="],
        ),
    ],
};

static REQUIREMENTS: Table = Table {
    name: "VolumeResourceRequirements",
    about: "How much is asked for.",
    rest: known::CLAIM_RESOURCES,
    given: &[told(
        "requests",
        Shape::Amounts,
        "The least; only `storage`.",
        "compared with the volume's capacity",
    )],
};

pub static PERSISTENT_VOLUME: Table = Table {
    name: "PersistentVolumeSpec",
    about: "Storage that claims can have; one kind of place.",
    rest: known::PERSISTENT_VOLUME,
    given: &[
        ACCESS,
        given(
            "capacity",
            Shape::Amounts,
            "How large it is; only `storage`.",
            &[],
        )
        .note("compared with what claims ask for"),
        given(
            "claimRef",
            Shape::One(&REFERENCE),
            "The claim it is kept for.",
            BINDS,
        ),
        given(
            "csi",
            Shape::One(&CSI_PERSISTENT),
            "What mount(8) can mount.",
            MOUNTED,
        ),
        given(
            "hostPath",
            Shape::One(&HOST_PATH),
            "A path of the host.",
            BINDS,
        ),
        given(
            "local",
            Shape::One(&LOCAL),
            "A directory or device of the host.",
            BINDS,
        ),
        given(
            "mountOptions",
            Shape::Texts,
            "Options of the mount.",
            &["Options="],
        ),
        given(
            "nfs",
            Shape::One(&NFS),
            "What an NFS server exports.",
            MOUNTED,
        ),
        told(
            "persistentVolumeReclaimPolicy",
            Shape::Words(&["Retain"]),
            "What becomes of the data when the claim is gone.",
            "only `Retain`: vks removes no data that it did not make the place for",
        ),
        VOLUME_MODE,
    ],
};

static REFERENCE: Table = Table {
    name: "ObjectReference",
    about: "An object by its name.",
    rest: known::OBJECT_REFERENCE,
    given: &[
        given("name", Shape::Text, "Its name.", BINDS),
        given("namespace", Shape::Text, "Its namespace.", BINDS),
    ],
};

static LOCAL: Table = Table {
    name: "LocalVolumeSource",
    about: "A directory of the host that is there, or a device.",
    rest: known::NONE,
    given: &[
        given(
            "fsType",
            Shape::Text,
            "The file system on the device at `path`, which is mounted then.",
            &["Type="],
        ),
        given("path", Shape::Text, "The path.", &["BindPaths=", "What="]),
    ],
};

pub static NFS: Table = Table {
    name: "NFSVolumeSource",
    about: "A directory that an NFS server exports.",
    rest: known::NONE,
    given: &[
        given(
            "path",
            Shape::Text,
            "The directory on the server.",
            &["What="],
        ),
        READ_ONLY,
        given("server", Shape::Text, "Its name or address.", &["What="]),
    ],
};

pub static CSI: Table = Table {
    name: "CSIVolumeSource",
    about: "What mount(8) can mount, with the driver `mount.vks.io`; vks runs no other drivers.",
    rest: known::CSI,
    given: &[
        DRIVER,
        FS_TYPE,
        READ_ONLY,
        given(
            "volumeAttributes",
            Shape::Map,
            "What is mounted: `what` and `options`.",
            MOUNTED,
        ),
    ],
};

static CSI_PERSISTENT: Table = Table {
    name: "CSIPersistentVolumeSource",
    about: "What mount(8) can mount, with the driver `mount.vks.io`; vks runs no other drivers.",
    rest: known::CSI_PERSISTENT,
    given: &[
        DRIVER,
        FS_TYPE,
        READ_ONLY,
        given(
            "volumeAttributes",
            Shape::Map,
            "How it is mounted: `options`.",
            &["Options="],
        ),
        given("volumeHandle", Shape::Text, "What is mounted.", &["What="]),
    ],
};
