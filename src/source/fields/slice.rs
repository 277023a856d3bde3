//! Endpoints that are no pods of this host.

use super::objects::{KIND, NAMED, VERSION};
use super::service::{NUMBER, PROTOCOL, TABLE};
use super::{Shape, Table, given, told};
use crate::source::decode::known;

pub(super) static SLICE: Table = Table::object(
    "EndpointSlice",
    "Endpoints of the service that its label `kubernetes.io/service-name` names, beside the pods that this selects.",
    &[
        told(
            "addressType",
            Shape::Words(&["IPv4", "IPv6"]),
            "The family of all its addresses.",
            "checked",
        ),
        VERSION,
        given(
            "endpoints",
            Shape::Many(&ENDPOINT),
            "Those that answer.",
            &[],
        ),
        KIND,
        NAMED,
        given(
            "ports",
            Shape::Many(&PORT),
            "Where the ports of the service lead, by their names.",
            &[],
        ),
    ],
);

static ENDPOINT: Table = Table {
    name: "Endpoint",
    about: "One that answers, such as a pod of another host.",
    rest: known::SLICE_ENDPOINT,
    given: &[
        given("addresses", Shape::Texts, "Its addresses.", &[]).note(TABLE),
        given(
            "conditions",
            Shape::One(&CONDITIONS),
            "Whether it counts.",
            &[],
        ),
        told(
            "hostname",
            Shape::Text,
            "What it is called below a headless service.",
            "pods are told by the name server",
        ),
    ],
};

static CONDITIONS: Table = Table {
    name: "EndpointConditions",
    about: "How an endpoint is.",
    rest: known::SLICE_CONDITIONS,
    given: &[given("ready", Shape::Bool, "It counts; true when absent.", &[]).note(TABLE)],
};

static PORT: Table = Table {
    name: "EndpointPort",
    about: "A port of all endpoints of a slice.",
    rest: known::SLICE_PORT,
    given: &[
        told(
            "name",
            Shape::Text,
            "The name it has in the service.",
            "by it the port of the service is found",
        ),
        NUMBER,
        PROTOCOL,
    ],
};
