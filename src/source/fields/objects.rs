//! Objects as a whole: kinds, metadata, templates, config maps, secrets.

use super::pod::POD_SPEC;
use super::{Given, Shape, Table, given, jobs, storage, told, workloads};
use crate::source::decode::known;

/// The kinds of objects vks takes, with the version of the API.
pub static KINDS: &[(&str, &str, &Table)] = &[
    ("Pod", "v1", &POD),
    ("Deployment", "apps/v1", &workloads::DEPLOYMENT),
    ("StatefulSet", "apps/v1", &workloads::STATEFUL_SET),
    ("DaemonSet", "apps/v1", &workloads::DAEMON_SET),
    ("Job", "batch/v1", &jobs::JOB),
    ("CronJob", "batch/v1", &jobs::CRON_JOB),
    ("ConfigMap", "v1", &CONFIG_MAP),
    ("Secret", "v1", &SECRET),
    ("PersistentVolumeClaim", "v1", &CLAIM),
    ("PersistentVolume", "v1", &PERSISTENT_VOLUME),
    ("Service", "v1", &SERVICE),
    ("EndpointSlice", "discovery.k8s.io/v1", &super::slice::SLICE),
    ("PriorityClass", "scheduling.k8s.io/v1", &PRIORITY_CLASS),
];

pub(super) const VERSION: Given = told(
    "apiVersion",
    Shape::Text,
    "The version of the API that the object is written in.",
    "",
);
pub(super) const KIND: Given = told("kind", Shape::Text, "The kind of the object.", "");
pub(super) const NAMED: Given = given(
    "metadata",
    Shape::One(&OBJECT_META),
    "What the object is called, and what is said about it.",
    &[],
);

/// What an object asks for.
pub(super) const fn spec(table: &'static Table, meaning: &'static str) -> Given {
    given("spec", Shape::One(table), meaning, &[])
}

static POD: Table = Table::object(
    "Pod",
    "Containers that run together on this host: a target with a service for each of them.",
    &[
        VERSION,
        KIND,
        NAMED,
        spec(&POD_SPEC, "What the pod runs, and how."),
    ],
);

pub(super) static OBJECT_META: Table = Table {
    name: "ObjectMeta",
    about: "What an object is called, and what is said about it.",
    rest: known::META,
    given: &[
        told(
            "annotations",
            Shape::Map,
            "Free notes by name; those that begin with `vks.io/` are settings.",
            "a variable can have one (`fieldRef`)",
        ),
        told(
            "deletionGracePeriodSeconds",
            Shape::Int,
            "How long a pod gets to end that is being deleted.",
            "with `deletionTimestamp`",
        ),
        told(
            "deletionTimestamp",
            Shape::Text,
            "A pod with it is stopped, and kept until it is gone from its source.",
            "written by the API server",
        ),
        told(
            "labels",
            Shape::Map,
            "Names and values by which objects are selected.",
            "`-l` chooses by them; a variable can have one (`fieldRef`)",
        ),
        given(
            "name",
            Shape::Text,
            "The name of the object, once in its namespace.",
            &["Pod="],
        )
        .note("part of the name of each unit"),
        given(
            "namespace",
            Shape::Text,
            "The namespace the object is in; `default` when absent.",
            &["Namespace="],
        )
        .note("part of the name of each unit; the pods of a namespace share a slice"),
        given(
            "uid",
            Shape::Text,
            "The identity of this life of the object; one is made when absent.",
            &["UID="],
        )
        .note("names the directory of the pod"),
    ],
};

/// The metadata of a template: labels and annotations are those of the pods.
pub(super) static TEMPLATE_META: Table = Table {
    name: "ObjectMeta",
    about: "What is said about the pods made of the template.",
    rest: known::TEMPLATE_META,
    given: &[
        told(
            "annotations",
            Shape::Map,
            "The annotations of the pods.",
            "",
        ),
        told("labels", Shape::Map, "The labels of the pods.", ""),
    ],
};

pub(super) static TEMPLATE: Table = Table {
    name: "PodTemplateSpec",
    about: "The pods to make.",
    rest: known::NONE,
    given: &[
        given(
            "metadata",
            Shape::One(&TEMPLATE_META),
            "What is said about the pods.",
            &[],
        ),
        given("spec", Shape::One(&POD_SPEC), "What they run.", &[]),
    ],
};

pub(super) static SELECTOR: Table = Table {
    name: "LabelSelector",
    about: "Chooses objects by their labels.",
    rest: known::SELECTOR,
    given: &[told(
        "matchLabels",
        Shape::Map,
        "Labels that must be there, with these values.",
        "",
    )],
};

static CONFIG_MAP: Table = Table::object(
    "ConfigMap",
    "Named values that pods use as variables and files.",
    &[
        VERSION,
        KIND,
        NAMED,
        given("binaryData", Shape::Map, "Values in base64, by key.", &[]).note("files of volumes"),
        given("data", Shape::Map, "Values, by key.", &[])
            .note("files of volumes, `EnvironmentFile=`"),
        told(
            "immutable",
            Shape::Bool,
            "Says that the values never change.",
            "volumes that have it are not followed",
        ),
    ],
);

static SERVICE: Table = Table::object(
    "Service",
    "An address and ports that lead to pods that are ready: elements of the table `inet vks`.",
    &[
        VERSION,
        KIND,
        NAMED,
        spec(
            &super::service::SPEC,
            "How it is reached, and which pods are behind it.",
        ),
        given(
            "subsets",
            Shape::Many(&super::service::SUBSET),
            "Where it leads, as Endpoints have it; when absent, to the pods of this host that the selector names.",
            &[],
        )
        .note("sets and maps of the table `inet vks`"),
        given(
            "subsetsOutside",
            Shape::Many(&super::service::SUBSET),
            "The same for who comes from outside, by a port of the host or an address from elsewhere, if it leads elsewhere.",
            &[],
        )
        .note("sets and maps of the table `inet vks`"),
    ],
);

static SECRET: Table = Table::object(
    "Secret",
    "Named values that nobody but the pod is to see: they stand in no unit and on no command line.",
    &[
        VERSION,
        KIND,
        NAMED,
        given("data", Shape::Map, "Values in base64, by key.", &[])
            .note("files of volumes on tmpfs, `EnvironmentFile=`"),
        told(
            "immutable",
            Shape::Bool,
            "Says that the values never change.",
            "volumes that have it are not followed",
        ),
        given(
            "stringData",
            Shape::Map,
            "Values as they are, by key; they win over `data`.",
            &[],
        )
        .note("files of volumes on tmpfs, `EnvironmentFile=`"),
        told("type", Shape::Text, "What the values are for.", ""),
    ],
);

static CLAIM: Table = Table::object(
    "PersistentVolumeClaim",
    "Storage that outlives pods. The annotation `vks.io/reclaim-policy: Delete` has its directory go with it.",
    &[
        VERSION,
        KIND,
        NAMED,
        spec(&storage::CLAIM, "What is asked for."),
    ],
);

static PERSISTENT_VOLUME: Table = Table::object(
    "PersistentVolume",
    "Storage that claims can have. It has no namespace.",
    &[
        VERSION,
        KIND,
        NAMED,
        spec(&storage::PERSISTENT_VOLUME, "What and where it is."),
    ],
);

static PRIORITY_CLASS: Table = Table {
    name: "PriorityClass",
    about: "A priority that pods can have by its name. It has no namespace.",
    rest: known::PRIORITY_CLASS,
    given: &[
        VERSION,
        KIND,
        NAMED,
        told(
            "globalDefault",
            Shape::Bool,
            "The priority is that of all pods that name no class.",
            "",
        ),
        told(
            "preemptionPolicy",
            Shape::Words(&["PreemptLowerPriority", "Never"]),
            "Whether pods make room for themselves.",
            "nothing preempts on one host",
        ),
        told(
            "value",
            Shape::Int,
            "The priority.",
            "`Priority=` of the pods",
        ),
    ],
};
