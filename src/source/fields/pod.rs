//! The spec of a pod.

use super::container::{CONTAINER, EPHEMERAL_CONTAINER, INIT_CONTAINER, RESOURCE_LIST};
use super::identity::{DNS_CONFIG, HOST_ALIAS};
use super::security::POD_SECURITY;
use super::volume::VOLUME;
use super::{Shape, Table, given, told};
use crate::source::decode::known;

static READINESS_GATE: Table = Table {
    name: "PodReadinessGate",
    about: "A condition that holds back the readiness of the pod.",
    rest: known::NONE,
    given: &[told(
        "conditionType",
        Shape::Text,
        "The type of the condition.",
        "",
    )],
};

pub static POD_SPEC: Table = Table {
    name: "PodSpec",
    about: "What a pod runs, and how.",
    rest: known::POD_SPEC,
    given: &[
        given(
            "activeDeadlineSeconds",
            Shape::Int,
            "The pod is stopped and has failed when this long has passed since its first start, reboots included.",
            &["OnActiveSec=", "OnClockChange=", "ConditionPathExists=", "Deadline="],
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
        given(
            "dnsConfig",
            Shape::One(&DNS_CONFIG),
            "Resolver settings, laid over what `dnsPolicy` gives.",
            &["BindPaths="],
        )
        .note("an /etc/resolv.conf made by the sandbox unit"),
        given(
            "dnsPolicy",
            Shape::Words(&["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"]),
            "Which name servers the pod asks: those of `[dns]` in vks.toml(5), the host's, or only `dnsConfig`.",
            &["BindPaths="],
        )
        .note("an /etc/resolv.conf made by the sandbox unit"),
        given(
            "ephemeralContainers",
            Shape::Many(&EPHEMERAL_CONTAINER),
            "Programs put into the running pod to look at it. They cannot be changed or taken out again.",
            &["ExecCondition="],
        )
        .note("a service each, which the target of the pod does not start"),
        given(
            "hostAliases",
            Shape::Many(&HOST_ALIAS),
            "More lines for /etc/hosts.",
            &["BindPaths="],
        )
        .note("an /etc/hosts made by the sandbox unit"),
        given(
            "hostIPC",
            Shape::Bool,
            "The host's IPC namespace and /dev/shm instead of the pod's own. When absent, as the network is.",
            &["IPCNamespacePath=", "BindPaths="],
        ),
        given(
            "hostNetwork",
            Shape::Bool,
            "The network of the host instead of one of the pod's own.",
            &["NetworkNamespacePath="],
        ),
        given(
            "hostPID",
            Shape::Bool,
            "`false`: each container is process 1 of a pid namespace of its own. When absent, that of the host.",
            &["PrivatePIDs=", "ExecStop="],
        )
        .since(257),
        given(
            "hostUsers",
            Shape::Bool,
            "`false`: a user namespace with 65536 ids of the host that no other pod has, for images with a root directory of \
             their own. Network, IPC and UTS namespaces belong to it; volumes are mounted with the owners that the pod sees.",
            &["Setup=", "Root="],
        ),
        given(
            "hostname",
            Shape::Text,
            "The host name of a pod with a network of its own; the pod's name when absent.",
            &["Setup=", "Environment="],
        )
        .note("`vks launch` joins the pod's UTS namespace; `ProtectHostname=` from systemd 258 on"),
        given(
            "hostnameOverride",
            Shape::Text,
            "The host name, whatever the other fields say.",
            &["Setup=", "Environment="],
        ),
        told(
            "imagePullSecrets",
            Shape::Many(&PULL_SECRET),
            "Secrets with credentials of registries.",
            "shown to the registry of an image; nothing of them is in a unit",
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
            "priority",
            Shape::Int,
            "How much the pod matters. At the shutdown of the host it ends after pods of lower priority; above 0.",
            &["ExecStop=", "Priority="],
        ),
        given(
            "priorityClassName",
            Shape::Text,
            "The PriorityClass that the priority is taken from.",
            &["ExecStop=", "Priority="],
        ),
        given(
            "resources",
            Shape::One(&RESOURCE_LIST),
            "What the pod as a whole needs and may use.",
            &["CPUWeight=", "CPUQuota=", "MemoryMin=", "MemoryLow=", "MemoryMax="],
        )
        .note("on the slice of the pod"),
        told(
            "readinessGates",
            Shape::Many(&READINESS_GATE),
            "Conditions that must be true besides the containers being ready.",
            "set by `vks condition`; until then the pod is not ready, with the reason `ReadinessGatesNotReady`",
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
            "runtimeClassName",
            Shape::Text,
            "What image names without a kind mean: a word of `images.classes` in vks.toml(5), or `oci`, `nix`, `deb`, `host`.",
            &["ExecStart="],
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
            "setHostnameAsFQDN",
            Shape::Bool,
            "The kernel's host name is the FQDN, which a pod with a `subdomain` has.",
            &["Setup=", "Environment="],
        ),
        told(
            "shareProcessNamespace",
            Shape::Bool,
            "One pid namespace for all containers.",
            "only `false`: systemd cannot give several services one of their own",
        ),
        given(
            "subdomain",
            Shape::Text,
            "Makes the FQDN `hostname.subdomain.namespace.svc.domain`.",
            &["Setup="],
        )
        .note("in /etc/hosts"),
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

static PULL_SECRET: Table = Table {
    name: "LocalObjectReference",
    about: "A secret in the namespace of the pod.",
    rest: known::NONE,
    given: &[told("name", Shape::Text, "Its name.", "")],
};

static OS: Table = Table {
    name: "PodOS",
    about: "The operating system a pod is made for.",
    rest: known::NONE,
    given: &[told("name", Shape::Words(&["linux"]), "Its name.", "")],
};
