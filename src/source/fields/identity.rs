//! Names, resolvers, devices of a terminal, and changes of resources.

use super::{Shape, Table, given, told};
use crate::source::decode::known;

pub static HOST_ALIAS: Table = Table {
    name: "HostAlias",
    about: "An address and names for it.",
    rest: known::NONE,
    given: &[
        given("hostnames", Shape::Texts, "The names.", &["Setup="]),
        given("ip", Shape::Text, "The address.", &["Setup="]),
    ],
};

pub static DNS_CONFIG: Table = Table {
    name: "PodDNSConfig",
    about: "Resolver settings, laid over what `dnsPolicy` gives.",
    rest: known::NONE,
    given: &[
        given(
            "nameservers",
            Shape::Texts,
            "More name servers; three are asked at most.",
            &["Setup="],
        ),
        given(
            "options",
            Shape::Many(&DNS_OPTION),
            "Options of the resolver; they replace those of the same name.",
            &["Setup="],
        ),
        given(
            "searches",
            Shape::Texts,
            "More domains that short names are looked up in.",
            &["Setup="],
        ),
    ],
};

static DNS_OPTION: Table = Table {
    name: "PodDNSConfigOption",
    about: "An option as in resolv.conf(5).",
    rest: known::NONE,
    given: &[
        given("name", Shape::Text, "Its name.", &["Setup="]),
        given(
            "value",
            Shape::Text,
            "Its value, if it has one.",
            &["Setup="],
        ),
    ],
};

pub static RESIZE_POLICY: Table = Table {
    name: "ContainerResizePolicy",
    about: "What a change of a resource does to a running container.",
    rest: known::NONE,
    given: &[
        told(
            "resourceName",
            Shape::Words(&["cpu", "memory"]),
            "The resource.",
            "",
        ),
        told(
            "restartPolicy",
            Shape::Words(&["NotRequired", "RestartContainer"]),
            "`NotRequired` when absent: it takes effect at once, and nothing restarts.",
            "",
        ),
    ],
};

pub static RESOURCE_FIELD: Table = Table {
    name: "ResourceFieldSelector",
    about: "A request or limit of a container of the pod.",
    rest: known::NONE,
    given: &[
        given(
            "containerName",
            Shape::Text,
            "The container; the one that refers when absent.",
            &["Environment="],
        ),
        given(
            "divisor",
            Shape::Quantity,
            "The unit it is told in, rounded up; 1 when absent.",
            &["Environment="],
        ),
        given(
            "resource",
            Shape::Words(&[
                "limits.cpu",
                "limits.memory",
                "requests.cpu",
                "requests.memory",
            ]),
            "Which; a limit that is not set is that of the pod, else what the host has.",
            &["Environment="],
        ),
    ],
};
