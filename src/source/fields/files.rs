//! Volumes of files: config maps, secrets, facts about the pod, projections.

use super::env::FIELD as FIELD_REF;
use super::{Given, Shape, Table, given};
use crate::source::decode::known;

const FILES: &str = "the files of the volume";
const HELD: &str = "what is missing and not optional keeps the pod from starting";

const MODE: Given = given(
    "defaultMode",
    Shape::Int,
    "The mode of files that name none; 0644 when absent.",
    &[],
)
.note(FILES);
const ITEMS: Given = given(
    "items",
    Shape::Many(&KEY_TO_PATH),
    "The keys that become files; all when absent.",
    &[],
)
.note(FILES);
const OPTIONAL: Given = given(
    "optional",
    Shape::Bool,
    "Whether it may be missing: there are no files of it then.",
    &[],
)
.note(HELD);
const MAP_NAME: Given = given("name", Shape::Text, "The config map.", &[]).note(FILES);
const FACTS: Given = given("items", Shape::Many(&DOWNWARD_FILE), "The files.", &[]).note(FILES);

pub static CONFIG_MAP: Table = Table {
    name: "ConfigMapVolumeSource",
    about: "A file for each key of a config map.",
    rest: known::NONE,
    given: &[MODE, ITEMS, MAP_NAME, OPTIONAL],
};

pub static SECRET: Table = Table {
    name: "SecretVolumeSource",
    about: "A file for each key of a secret.",
    rest: known::NONE,
    given: &[
        MODE,
        ITEMS,
        OPTIONAL,
        given("secretName", Shape::Text, "The secret.", &[]).note(FILES),
    ],
};

static KEY_TO_PATH: Table = Table {
    name: "KeyToPath",
    about: "A key and the file it becomes.",
    rest: known::NONE,
    given: &[
        given("key", Shape::Text, "The key.", &[]).note(FILES),
        given("mode", Shape::Int, "The mode of the file.", &[]).note(FILES),
        given("path", Shape::Text, "Where the file is in the volume.", &[]).note(FILES),
    ],
};

pub static DOWNWARD: Table = Table {
    name: "DownwardAPIVolumeSource",
    about: "Facts about the pod as files; followed when they change.",
    rest: known::NONE,
    given: &[MODE, FACTS],
};

static DOWNWARD_FILE: Table = Table {
    name: "DownwardAPIVolumeFile",
    about: "A fact and the file it becomes; one of `fieldRef` and `resourceFieldRef`.",
    rest: known::NONE,
    given: &[
        given(
            "fieldRef",
            Shape::One(&FIELD_REF),
            "A field of the pod's metadata, all labels or all annotations.",
            &[],
        )
        .note(FILES),
        given("mode", Shape::Int, "The mode of the file.", &[]).note(FILES),
        given("path", Shape::Text, "Where the file is in the volume.", &[]).note(FILES),
        given(
            "resourceFieldRef",
            Shape::One(&RESOURCE_REF),
            "A request or limit of a container.",
            &[],
        )
        .note(FILES),
    ],
};

static RESOURCE_REF: Table = Table {
    name: "ResourceFieldSelector",
    about: "A request or limit of a container. A limit that is not there is as much as the host has.",
    rest: known::NONE,
    given: &[
        given("containerName", Shape::Text, "The container.", &[]).note(FILES),
        given(
            "divisor",
            Shape::Quantity,
            "The unit it is told in; rounded up.",
            &[],
        )
        .note(FILES),
        given(
            "resource",
            Shape::Words(&[
                "limits.cpu",
                "limits.memory",
                "requests.cpu",
                "requests.memory",
            ]),
            "Which.",
            &[],
        )
        .note(FILES),
    ],
};

pub static PROJECTED: Table = Table {
    name: "ProjectedVolumeSource",
    about: "Several sources in one directory; with a secret among them on tmpfs.",
    rest: known::NONE,
    given: &[
        MODE,
        given(
            "sources",
            Shape::Many(&PROJECTION),
            "What is in it; of two files of one path the later one.",
            &[],
        )
        .note(FILES),
    ],
};

static PROJECTION: Table = Table {
    name: "VolumeProjection",
    about: "A part of a projected volume; one kind.",
    rest: known::PROJECTION,
    given: &[
        given(
            "configMap",
            Shape::One(&MAP_PROJECTION),
            "Keys of a config map.",
            &[],
        )
        .note(FILES),
        given(
            "downwardAPI",
            Shape::One(&DOWNWARD_PROJECTION),
            "Facts about the pod.",
            &[],
        )
        .note(FILES),
        given(
            "secret",
            Shape::One(&SECRET_PROJECTION),
            "Keys of a secret.",
            &[],
        )
        .note(FILES),
    ],
};

static MAP_PROJECTION: Table = Table {
    name: "ConfigMapProjection",
    about: "Keys of a config map in a projected volume.",
    rest: known::NONE,
    given: &[ITEMS, MAP_NAME, OPTIONAL],
};

static SECRET_PROJECTION: Table = Table {
    name: "SecretProjection",
    about: "Keys of a secret in a projected volume.",
    rest: known::NONE,
    given: &[
        ITEMS,
        given("name", Shape::Text, "The secret.", &[]).note(FILES),
        OPTIONAL,
    ],
};

static DOWNWARD_PROJECTION: Table = Table {
    name: "DownwardAPIProjection",
    about: "Facts about the pod in a projected volume.",
    rest: known::NONE,
    given: &[FACTS],
};
