//! Deployments, StatefulSets and DaemonSets.

use super::objects::{KIND, NAMED, OBJECT_META, SELECTOR, TEMPLATE, VERSION, spec};
use super::{Given, Shape, Table, given, told};
use crate::source::decode::known;

const TEMPLATES: Given = given("template", Shape::One(&TEMPLATE), "The pods to make.", &[]);
const CHOSEN: Given = told(
    "selector",
    Shape::One(&SELECTOR),
    "Which pods are its own.",
    "must match the labels of the template",
);
const MIN_READY: Given = given(
    "minReadySeconds",
    Shape::Int,
    "How long a pod must have been ready to count as available; 0 when absent.",
    &[],
)
.note("the next pod is replaced then");
const HISTORY: Given = given(
    "revisionHistoryLimit",
    Shape::Int,
    "How many templates that no pod has any more are kept; 10 when absent.",
    &[],
)
.note("`vks rollout history` and `undo`");
const REPLICAS: Given = given(
    "replicas",
    Shape::Int,
    "How many pods; 1 when absent, at most 1000.",
    &[],
);

pub static DEPLOYMENT: Table = Table::object(
    "Deployment",
    "Pods that are all the same, all on this host.",
    &[
        VERSION,
        KIND,
        NAMED,
        spec(&DEPLOYMENT_SPEC, "How many, and what they run."),
    ],
);

static DEPLOYMENT_SPEC: Table = Table::plain(
    "DeploymentSpec",
    "How many pods, what they run, and how they are replaced.",
    &[
        MIN_READY,
        given("paused", Shape::Bool, "Changes of the template wait.", &[]),
        told(
            "progressDeadlineSeconds",
            Shape::Int,
            "A rollout that has not come further for so long is said to have failed; 600 when absent.",
            "`vks rollout status` fails then",
        ),
        REPLICAS.note("the pods NAME-HASH-0 to NAME-HASH-(n-1)"),
        HISTORY,
        CHOSEN,
        given(
            "strategy",
            Shape::One(&STRATEGY),
            "How pods of an old template are replaced.",
            &[],
        ),
        TEMPLATES,
    ],
);

static STRATEGY: Table = Table::plain(
    "DeploymentStrategy",
    "How pods of an old template are replaced.",
    &[
        given(
            "rollingUpdate",
            Shape::One(&ROLLING),
            "How many at a time.",
            &[],
        ),
        given(
            "type",
            Shape::Words(&["Recreate", "RollingUpdate"]),
            "All at once, or a few at a time (RollingUpdate when absent).",
            &[],
        ),
    ],
);

static ROLLING: Table = Table::plain(
    "RollingUpdateDeployment",
    "How many pods are replaced at a time.",
    &[
        given(
            "maxSurge",
            Shape::IntOrText,
            "So many pods, or so much of all, more than wanted; 25% when absent, rounded up.",
            &[],
        ),
        given(
            "maxUnavailable",
            Shape::IntOrText,
            "So many pods, or so much of all, fewer than wanted; 25% when absent, rounded down.",
            &[],
        ),
    ],
);

pub static DAEMON_SET: Table = Table::object(
    "DaemonSet",
    "One pod on this host.",
    &[
        VERSION,
        KIND,
        NAMED,
        given("spec", Shape::One(&DAEMON_SPEC), "What it runs.", &[]),
    ],
);

static DAEMON_SPEC: Table = Table::plain(
    "DaemonSetSpec",
    "What the pod runs, and how it is replaced.",
    &[
        MIN_READY,
        HISTORY,
        CHOSEN,
        TEMPLATES,
        given(
            "updateStrategy",
            Shape::One(&DAEMON_STRATEGY),
            "How a pod of an old template is replaced.",
            &[],
        ),
    ],
);

static DAEMON_STRATEGY: Table = Table::plain(
    "DaemonSetUpdateStrategy",
    "How a pod of an old template is replaced.",
    &[
        given(
            "rollingUpdate",
            Shape::One(&DAEMON_ROLLING),
            "Whether the new pod starts beside the old one.",
            &[],
        ),
        given(
            "type",
            Shape::Words(&["OnDelete", "RollingUpdate"]),
            "When it is removed by hand, or by itself (RollingUpdate when absent).",
            &[],
        ),
    ],
);

static DAEMON_ROLLING: Table = Table::plain(
    "RollingUpdateDaemonSet",
    "Whether the new pod starts beside the old one.",
    &[
        given(
            "maxSurge",
            Shape::IntOrText,
            "Not 0: the new pod is ready before the old one ends; 0 when absent.",
            &[],
        ),
        given(
            "maxUnavailable",
            Shape::IntOrText,
            "Not 0: the old pod has ended before the new one starts; 1 when absent.",
            &[],
        ),
    ],
);

pub static STATEFUL_SET: Table = Table::object(
    "StatefulSet",
    "Pods with a number and volumes of their own, all on this host.",
    &[
        VERSION,
        KIND,
        NAMED,
        spec(&STATEFUL_SPEC, "How many, and what they run."),
    ],
);

static STATEFUL_SPEC: Table = Table {
    name: "StatefulSetSpec",
    about: "How many pods, what they run, and how they are replaced.",
    rest: known::STATEFUL_SET,
    given: &[
        MIN_READY,
        given(
            "ordinals",
            Shape::One(&ORDINALS),
            "The numbers of the pods.",
            &[],
        ),
        given(
            "persistentVolumeClaimRetentionPolicy",
            Shape::One(&RETENTION),
            "What becomes of the claims of pods that go: they are kept.",
            &[],
        ),
        given(
            "podManagementPolicy",
            Shape::Words(&["OrderedReady", "Parallel"]),
            "Whether pods start and stop one after the other (when absent) or all at once.",
            &[],
        ),
        REPLICAS.note("the pods NAME-0 to NAME-(n-1)"),
        HISTORY,
        CHOSEN,
        TEMPLATES,
        given(
            "updateStrategy",
            Shape::One(&STATEFUL_STRATEGY),
            "How pods of an old template are replaced, from the highest number down.",
            &[],
        ),
        given(
            "volumeClaimTemplates",
            Shape::Many(&CLAIM),
            "Volumes that each pod has a claim of its own for.",
            &[],
        )
        .note("the claims CLAIM-NAME-0 and so on"),
    ],
};

static ORDINALS: Table = Table::plain(
    "StatefulSetOrdinals",
    "The numbers of the pods.",
    &[given(
        "start",
        Shape::Int,
        "The first number; 0 when absent.",
        &[],
    )],
);

static RETENTION: Table = Table::plain(
    "StatefulSetPersistentVolumeClaimRetentionPolicy",
    "What becomes of the claims of pods that go.",
    &[
        told(
            "whenDeleted",
            Shape::Words(&["Retain"]),
            "When the StatefulSet is deleted.",
            "claims are never removed with their pods",
        ),
        told(
            "whenScaled",
            Shape::Words(&["Retain"]),
            "When it has fewer pods.",
            "claims are never removed with their pods",
        ),
    ],
);

static STATEFUL_STRATEGY: Table = Table::plain(
    "StatefulSetUpdateStrategy",
    "How pods of an old template are replaced.",
    &[
        given(
            "rollingUpdate",
            Shape::One(&STATEFUL_ROLLING),
            "Which of them, and how many at a time.",
            &[],
        ),
        given(
            "type",
            Shape::Words(&["OnDelete", "RollingUpdate"]),
            "When they are removed by hand, or by themselves (RollingUpdate when absent).",
            &[],
        ),
    ],
);

static STATEFUL_ROLLING: Table = Table::plain(
    "RollingUpdateStatefulSetStrategy",
    "Which pods are replaced, and how many at a time.",
    &[
        given(
            "maxUnavailable",
            Shape::IntOrText,
            "So many at a time; 1 when absent.",
            &[],
        ),
        given(
            "partition",
            Shape::Int,
            "Pods before this place keep the old template; 0 when absent.",
            &[],
        ),
    ],
);

static CLAIM: Table = Table {
    name: "PersistentVolumeClaim",
    about: "A volume that each pod has a claim of its own for.",
    rest: known::CLAIM_TEMPLATE,
    given: &[
        given(
            "metadata",
            Shape::One(&OBJECT_META),
            "The name of the volume.",
            &[],
        ),
        given(
            "spec",
            Shape::One(&super::storage::CLAIM),
            "What each claim asks for. `volumeName` is refused: all pods would have the same volume.",
            &[],
        ),
    ],
};
