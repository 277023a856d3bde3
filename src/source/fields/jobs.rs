//! Jobs and CronJobs.

use super::objects::{KIND, NAMED, TEMPLATE, TEMPLATE_META, VERSION, spec};
use super::{Shape, Table, given, told};
use crate::source::decode::known;

pub static JOB: Table = Table::object(
    "Job",
    "Pods that run to their end, until enough have ended well.",
    &[
        VERSION,
        KIND,
        NAMED,
        spec(&JOB_SPEC, "How many, and what they run."),
    ],
);

static JOB_SPEC: Table = Table {
    name: "JobSpec",
    about: "How many pods are to end well, and what is done about failures.",
    rest: known::JOB,
    given: &[
        given(
            "activeDeadlineSeconds",
            Shape::Int,
            "The Job fails when it has been active for so long, asleep or awake.",
            &[],
        ),
        given(
            "backoffLimit",
            Shape::Int,
            "So many failures are borne; 6 when absent. After each the next pod waits, 10 s at first, then twice as long.",
            &[],
        ),
        given(
            "backoffLimitPerIndex",
            Shape::Int,
            "So many failures of each index are borne.",
            &[],
        ),
        given(
            "completionMode",
            Shape::Words(&["NonIndexed", "Indexed"]),
            "Whether each pod has an index, which must end well once.",
            &[],
        )
        .note("the pods NAME-INDEX-n, with the variable JOB_COMPLETION_INDEX"),
        given(
            "completions",
            Shape::Int,
            "So many pods must end well; 1 when parallelism is absent too, else one that ends well ends the Job.",
            &[],
        ),
        told(
            "managedBy",
            Shape::Words(&["kubernetes.io/job-controller"]),
            "Who looks after it: vks.",
            "",
        ),
        given(
            "maxFailedIndexes",
            Shape::Int,
            "So many indexes may fail before the others are given up.",
            &[],
        ),
        given(
            "parallelism",
            Shape::Int,
            "So many pods at a time; 1 when absent, at most 1000.",
            &[],
        ),
        given(
            "podFailurePolicy",
            Shape::One(&FAILURE),
            "What failures of some kinds mean.",
            &[],
        ),
        given(
            "podReplacementPolicy",
            Shape::Words(&["TerminatingOrFailed", "Failed"]),
            "Whether a pod on its way out is replaced at once, or when it has ended.",
            &[],
        ),
        given(
            "successPolicy",
            Shape::One(&SUCCESS),
            "Which indexes are enough.",
            &[],
        ),
        given("suspend", Shape::Bool, "No pods now.", &[]),
        given("template", Shape::One(&TEMPLATE), "The pods to make.", &[])
            .note("the pods NAME-n; restartPolicy OnFailure has systemd start them again"),
        given(
            "ttlSecondsAfterFinished",
            Shape::Int,
            "The Job and its pods go so long after its end.",
            &[],
        ),
    ],
};

static FAILURE: Table = Table::plain(
    "PodFailurePolicy",
    "What failures of some kinds mean.",
    &[given(
        "rules",
        Shape::Many(&FAILURE_RULE),
        "The first rule that fits counts.",
        &[],
    )],
);

static FAILURE_RULE: Table = Table::plain(
    "PodFailurePolicyRule",
    "What a failure means.",
    &[
        given(
            "action",
            Shape::Words(&["FailJob", "FailIndex", "Ignore", "Count"]),
            "What it does to the Job.",
            &[],
        ),
        given(
            "onExitCodes",
            Shape::One(&EXIT_CODES),
            "Which exit codes it is for.",
            &[],
        ),
        given(
            "onPodConditions",
            Shape::Many(&CONDITION),
            "Which conditions of the pod it is for.",
            &[],
        ),
    ],
);

static EXIT_CODES: Table = Table::plain(
    "PodFailurePolicyOnExitCodesRequirement",
    "Which exit codes a rule is for.",
    &[
        given(
            "containerName",
            Shape::Text,
            "Only those of this container.",
            &[],
        ),
        given(
            "operator",
            Shape::Words(&["In", "NotIn"]),
            "One of the values, or none of them.",
            &[],
        ),
        given("values", Shape::Ints, "The exit codes.", &[]),
    ],
);

static CONDITION: Table = Table::plain(
    "PodFailurePolicyOnPodConditionsPattern",
    "Which condition of a pod a rule is for.",
    &[
        told("status", Shape::Words(&["True"]), "That it is true.", ""),
        given(
            "type",
            Shape::Words(&["DisruptionTarget"]),
            "Of a pod that the host has ended: by a shutdown, or a power loss.",
            &[],
        ),
    ],
);

static SUCCESS: Table = Table::plain(
    "SuccessPolicy",
    "Which indexes are enough.",
    &[given(
        "rules",
        Shape::Many(&SUCCESS_RULE),
        "Any of these is enough.",
        &[],
    )],
);

static SUCCESS_RULE: Table = Table::plain(
    "SuccessPolicyRule",
    "Which indexes are enough.",
    &[
        given("succeededCount", Shape::Int, "So many of them.", &[]),
        given(
            "succeededIndexes",
            Shape::Text,
            "These, such as 0-2,5.",
            &[],
        ),
    ],
);

pub static CRON_JOB: Table = Table::object(
    "CronJob",
    "Jobs by the clock.",
    &[
        VERSION,
        KIND,
        NAMED,
        given("spec", Shape::One(&CRON_SPEC), "When, and what.", &[]),
    ],
);

static CRON_SPEC: Table = Table::plain(
    "CronJobSpec",
    "When Jobs are made, and which are kept.",
    &[
        given(
            "concurrencyPolicy",
            Shape::Words(&["Allow", "Forbid", "Replace"]),
            "What happens when the Job before has not ended.",
            &[],
        ),
        given(
            "failedJobsHistoryLimit",
            Shape::Int,
            "So many Jobs that failed are kept; 1 when absent.",
            &[],
        ),
        given(
            "jobTemplate",
            Shape::One(&JOB_TEMPLATE),
            "The Jobs to make.",
            &[],
        )
        .note("the Job NAME-MINUTES, by its time in minutes since 1970"),
        given(
            "schedule",
            Shape::Text,
            "When: minute, hour, day, month, day of the week, or a word such as @daily.",
            &["OnCalendar="],
        ),
        given(
            "startingDeadlineSeconds",
            Shape::Int,
            "A Job that could not be made for so long after its time is left out.",
            &[],
        ),
        given(
            "successfulJobsHistoryLimit",
            Shape::Int,
            "So many Jobs that ended well are kept; 3 when absent.",
            &[],
        ),
        given("suspend", Shape::Bool, "No Jobs now.", &[]),
        given(
            "timeZone",
            Shape::Text,
            "The zone of the schedule; that of the host when absent.",
            &["OnCalendar="],
        ),
    ],
);

static JOB_TEMPLATE: Table = Table::plain(
    "JobTemplateSpec",
    "The Jobs to make.",
    &[
        given(
            "metadata",
            Shape::One(&TEMPLATE_META),
            "What is said about the Jobs.",
            &[],
        ),
        given("spec", Shape::One(&JOB_SPEC), "What they do.", &[]),
    ],
);
