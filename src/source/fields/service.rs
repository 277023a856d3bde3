//! Services.

use super::{Given, Shape, Table, given, told};
use crate::source::decode::known;

/// `nft list table inet vks` shows all of it.
pub(super) const TABLE: &str = "sets and maps of the table `inet vks`";

/// What every kind of port has.
pub(super) const NUMBER: Given = given("port", Shape::Int, "Its number.", &[]).note(TABLE);
pub(super) const PROTOCOL: Given = given(
    "protocol",
    Shape::Words(&["TCP", "UDP", "SCTP"]),
    "`TCP` when absent.",
    &[],
)
.note(TABLE);

pub(super) static SPEC: Table = Table {
    name: "ServiceSpec",
    about: "How pods are reached as one.",
    rest: known::SERVICE,
    given: &[
        told(
            "allocateLoadBalancerNodePorts",
            Shape::Bool,
            "Whether a LoadBalancer has ports of the host.",
            "it always has",
        ),
        given(
            "clusterIP",
            Shape::Text,
            "Its address; `None` for none, one is chosen and kept when absent.",
            &[],
        )
        .note(TABLE),
        given(
            "clusterIPs",
            Shape::Texts,
            "Its addresses, one of each family.",
            &[],
        )
        .note(TABLE),
        given(
            "externalIPs",
            Shape::Texts,
            "Addresses from elsewhere that lead here when packets for them reach the host.",
            &[],
        )
        .note(TABLE),
        told(
            "externalName",
            Shape::Text,
            "The name it stands for, of type ExternalName.",
            "shown, and what the name server answers",
        ),
        told(
            "externalTrafficPolicy",
            Shape::Words(&["Cluster", "Local"]),
            "Whether pods of other hosts count for who comes from outside.",
            "with Local the endpoints of slices do not count at ports of the host and externalIPs, and where no pod is ready \
             nobody answers; pods see who asks. Pods and the host are led to all",
        ),
        told(
            "internalTrafficPolicy",
            Shape::Words(&["Cluster", "Local"]),
            "The same for pods that ask.",
            "with Local the endpoints of slices do not count at clusterIPs",
        ),
        given(
            "ipFamilies",
            Shape::Texts,
            "`IPv4`, `IPv6`: which comes first.",
            &[],
        )
        .note(TABLE),
        given(
            "ipFamilyPolicy",
            Shape::Words(&["SingleStack", "PreferDualStack", "RequireDualStack"]),
            "One family or both; one when absent.",
            &[],
        )
        .note(TABLE),
        given("ports", Shape::Many(&PORT), "Its ports.", &[]),
        given(
            "publishNotReadyAddresses",
            Shape::Bool,
            "Pods that are not ready count too.",
            &[],
        )
        .note(TABLE),
        given("selector", Shape::Map, "Labels of the pods behind it.", &[]).note(TABLE),
        given(
            "sessionAffinity",
            Shape::Words(&["None", "ClientIP"]),
            "Whether a client comes to the same pod again.",
            &[],
        )
        .note(TABLE),
        given(
            "sessionAffinityConfig",
            Shape::One(&AFFINITY),
            "For how long.",
            &[],
        ),
        given(
            "type",
            Shape::Words(&["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"]),
            "How it is reached; a LoadBalancer is a NodePort here.",
            &[],
        )
        .note(TABLE),
    ],
};

static AFFINITY: Table = Table {
    name: "SessionAffinityConfig",
    about: "How long a client comes to the same pod.",
    rest: known::NONE,
    given: &[given(
        "clientIP",
        Shape::One(&CLIENT_IP),
        "By the client's address.",
        &[],
    )],
};

static CLIENT_IP: Table = Table {
    name: "ClientIPConfig",
    about: "How long a client comes to the same pod, by its address.",
    rest: known::NONE,
    given: &[given(
        "timeoutSeconds",
        Shape::Int,
        "Seconds since it came last, up to 86400; 10800 when absent.",
        &[],
    )
    .note(TABLE)],
};

static PORT: Table = Table {
    name: "ServicePort",
    about: "A port of a service.",
    rest: known::SERVICE_PORT,
    given: &[
        told(
            "appProtocol",
            Shape::Text,
            "What is spoken there.",
            "only informs",
        ),
        told(
            "name",
            Shape::Text,
            "Its name; several ports need one.",
            "shown",
        ),
        given(
            "nodePort",
            Shape::Int,
            "The port of the host that leads here, of type NodePort; one is chosen and kept when absent.",
            &[],
        )
        .note(TABLE),
        NUMBER,
        PROTOCOL,
        given(
            "targetPort",
            Shape::IntOrText,
            "The pod's port, by number or name; the same number when absent.",
            &[],
        )
        .note(TABLE),
    ],
};

pub(super) static SUBSET: Table = Table {
    name: "EndpointSubset",
    about: "Addresses that all have the same ports.",
    rest: known::NONE,
    given: &[
        given(
            "addresses",
            Shape::Many(&SUBSET_ADDRESS),
            "The addresses.",
            &[],
        )
        .note(TABLE),
        given("ports", Shape::Many(&SUBSET_PORT), "Their ports.", &[]).note(TABLE),
    ],
};

static SUBSET_ADDRESS: Table = Table {
    name: "EndpointAddress",
    about: "An address behind a service.",
    rest: known::NONE,
    given: &[
        told(
            "hostname",
            Shape::Text,
            "What it is called below a headless service.",
            "answered by `vks dns`",
        ),
        given("ip", Shape::Text, "The address.", &[]).note(TABLE),
    ],
};

static SUBSET_PORT: Table = Table {
    name: "EndpointSubsetPort",
    about: "A port behind a service.",
    rest: known::NONE,
    given: &[
        given(
            "name",
            Shape::Text,
            "The name of the port of the service that leads here.",
            &[],
        )
        .note(TABLE),
        NUMBER,
        PROTOCOL,
    ],
};
