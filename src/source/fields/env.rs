//! Environment variables.

use super::identity::RESOURCE_FIELD;
use super::{Shape, Table, given, told};
use crate::source::decode::known;

pub static ENV_VAR: Table = Table {
    name: "EnvVar",
    about: "A variable of the program.",
    rest: known::NONE,
    given: &[
        given(
            "name",
            Shape::Text,
            "Its name: letters, digits and `_`.",
            &["Environment="],
        ),
        given(
            "value",
            Shape::Text,
            "Its value. `$(NAME)` is replaced by a variable that stands before it.",
            &["Environment="],
        ),
        given(
            "valueFrom",
            Shape::One(&ENV_SOURCE),
            "Where its value comes from instead.",
            &["Environment=", "EnvironmentFile="],
        ),
    ],
};

static ENV_SOURCE: Table = Table {
    name: "EnvVarSource",
    about: "Where the value of a variable comes from; exactly one.",
    rest: known::ENV_SOURCE,
    given: &[
        given(
            "configMapKeyRef",
            Shape::One(&CONFIG_MAP_KEY),
            "A key of a config map.",
            &["EnvironmentFile="],
        ),
        given(
            "fieldRef",
            Shape::One(&FIELD),
            "A field of the pod.",
            &["Environment="],
        ),
        given(
            "fileKeyRef",
            Shape::One(&FILE_KEY),
            "A key of a file that another container has written to a volume.",
            &["ExecStartPre=", "EnvironmentFile=", "FileKeys="],
        )
        .note("`vks variables` takes it before each start"),
        given(
            "resourceFieldRef",
            Shape::One(&RESOURCE_FIELD),
            "A request or limit of a container.",
            &["Environment="],
        ),
        given(
            "secretKeyRef",
            Shape::One(&SECRET_KEY),
            "A key of a secret.",
            &["EnvironmentFile="],
        )
        .note("the file is readable by root only"),
    ],
};

pub static FIELD: Table = Table {
    name: "ObjectFieldSelector",
    about: "A field of the pod.",
    rest: known::NONE,
    given: &[
        told(
            "apiVersion",
            Shape::Words(&["v1"]),
            "The version the path is written in.",
            "",
        ),
        given(
            "fieldPath",
            Shape::Text,
            "Which field, such as `metadata.name`, `metadata.labels['x']`, `spec.nodeName`, `status.podIP`, `status.podIPs`, `status.hostIP`.",
            &["Environment="],
        ),
    ],
};

static CONFIG_MAP_KEY: Table = Table {
    name: "ConfigMapKeySelector",
    about: "A key of a config map of the pod's namespace.",
    rest: known::NONE,
    given: &[
        given("key", Shape::Text, "The key.", &[]).note("a line of the environment file"),
        given(
            "name",
            Shape::Text,
            "The config map.",
            &["EnvironmentFile="],
        ),
        given(
            "optional",
            Shape::Bool,
            "Whether it may be missing: there is then no such variable.",
            &[],
        )
        .note("what is missing and not optional keeps the pod from starting"),
    ],
};

static FILE_KEY: Table = Table {
    name: "FileKeySelector",
    about: "A key of a file of lines such as `NAME='value'` in a volume of the pod, which the container need not mount.",
    rest: known::NONE,
    given: &[
        given("key", Shape::Text, "The name in the file.", &["FileKeys="]),
        given(
            "optional",
            Shape::Bool,
            "Whether file or key may be missing: there is then no such variable.",
            &["FileKeys="],
        )
        .note("what is missing and not optional keeps the container from starting"),
        given(
            "path",
            Shape::Text,
            "The file, relative to the root of the volume; never anything outside of it.",
            &["FileKeys="],
        ),
        given("volumeName", Shape::Text, "The volume.", &["FileKeys="]),
    ],
};

static SECRET_KEY: Table = Table {
    name: "SecretKeySelector",
    about: "A key of a secret of the pod's namespace.",
    rest: known::NONE,
    given: &[
        given("key", Shape::Text, "The key.", &[]).note("a line of the environment file"),
        given("name", Shape::Text, "The secret.", &["EnvironmentFile="]),
        given(
            "optional",
            Shape::Bool,
            "Whether it may be missing: there is then no such variable.",
            &[],
        )
        .note("what is missing and not optional keeps the pod from starting"),
    ],
};

pub static ENV_FROM: Table = Table {
    name: "EnvFromSource",
    about: "All keys of an object as variables; exactly one of the two.",
    rest: known::NONE,
    given: &[
        given(
            "configMapRef",
            Shape::One(&CONFIG_MAP),
            "The config map.",
            &["EnvironmentFile="],
        ),
        given("prefix", Shape::Text, "Put before each key.", &[])
            .note("a line of the environment file"),
        given(
            "secretRef",
            Shape::One(&SECRET),
            "The secret.",
            &["EnvironmentFile="],
        )
        .note("the file is readable by root only"),
    ],
};

static CONFIG_MAP: Table = Table {
    name: "ConfigMapEnvSource",
    about: "A config map of the pod's namespace.",
    rest: known::NONE,
    given: &[
        given("name", Shape::Text, "Its name.", &["EnvironmentFile="]),
        given("optional", Shape::Bool, "Whether it may be missing.", &[])
            .note("what is missing and not optional keeps the pod from starting"),
    ],
};

static SECRET: Table = Table {
    name: "SecretEnvSource",
    about: "A secret of the pod's namespace.",
    rest: known::NONE,
    given: &[
        given("name", Shape::Text, "Its name.", &["EnvironmentFile="]),
        given("optional", Shape::Bool, "Whether it may be missing.", &[])
            .note("what is missing and not optional keeps the pod from starting"),
    ],
};
