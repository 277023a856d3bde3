//! The spec of a pod.

use super::container::{CONTAINER, INIT_CONTAINER};
use super::security::POD_SECURITY;
use super::volume::VOLUME;
use super::{Shape, Table, given, told};
use crate::source::decode::known;

pub static POD_SPEC: Table = Table {
    name: "PodSpec",
    about: "What a pod runs, and how.",
    rest: known::POD_SPEC,
    given: &[
        given(
            "activeDeadlineSeconds",
            Shape::Int,
            "The pod is stopped and has failed when it has been active for this long.",
            &["OnActiveSec=", "ConditionPathExists="],
        )
        .note("a timer and a service of their own"),
        told(
            "automountServiceAccountToken",
            Shape::Bool,
            "Whether the token of the service account is mounted.",
            "only `false`: there is no token here",
        ),
        given(
            "containers",
            Shape::Many(&CONTAINER),
            "What the pod is for; at least one.",
            &[],
        )
        .note("a service each"),
        told(
            "dnsPolicy",
            Shape::Words(&["Default", "ClusterFirst", "ClusterFirstWithHostNet"]),
            "Which name servers the pod asks.",
            "each gives those of the host",
        ),
        given(
            "hostNetwork",
            Shape::Bool,
            "The network of the host instead of one of the pod's own.",
            &["NetworkNamespacePath="],
        ),
        told(
            "hostUsers",
            Shape::Bool,
            "The users of the host instead of a user namespace.",
            "only `true`",
        ),
        given(
            "initContainers",
            Shape::Many(&INIT_CONTAINER),
            "Run one after the other before the containers start; \
            with `restartPolicy: Always` they are sidecars.",
            &["Requires=", "Wants=", "After="],
        )
        .note("a service each"),
        told(
            "os",
            Shape::One(&OS),
            "The operating system the pod is made for.",
            "only `linux`",
        ),
        given(
            "restartPolicy",
            Shape::Words(&["Always", "OnFailure", "Never"]),
            "When a container starts again after its end.",
            &[
                "Restart=",
                "RestartSec=",
                "RestartSteps=",
                "RestartMaxDelaySec=",
            ],
        ),
        given(
            "securityContext",
            Shape::One(&POD_SECURITY),
            "Who the containers run as, where they say nothing themselves.",
            &[],
        ),
        told(
            "serviceAccount",
            Shape::Text,
            "An old name of `serviceAccountName`.",
            "a variable can have it (`fieldRef`)",
        ),
        told(
            "serviceAccountName",
            Shape::Text,
            "The account the pod would use towards the API.",
            "a variable can have it (`fieldRef`)",
        ),
        given(
            "terminationGracePeriodSeconds",
            Shape::Int,
            "From the request to stop to SIGKILL, hooks included; 30 when absent.",
            &["TimeoutStopSec="],
        ),
        given(
            "volumes",
            Shape::Many(&VOLUME),
            "Directories and files that containers can mount.",
            &[],
        )
        .note("made by the sandbox unit"),
    ],
};

static OS: Table = Table {
    name: "PodOS",
    about: "The operating system a pod is made for.",
    rest: known::NONE,
    given: &[told("name", Shape::Words(&["linux"]), "Its name.", "")],
};
