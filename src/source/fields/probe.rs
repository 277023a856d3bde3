//! Probes and hooks.

use super::{Shape, Table, given};
use crate::source::decode::known;

const PROBE_KEYS: &[&str] = &["ExecStartPost=", "Probes="];
const HOOK_KEYS: &[&str] = &["ExecStartPost=", "ExecStop="];
const CHECK_KEYS: &[&str] = &["ExecStartPost=", "ExecStop=", "Probes="];

pub static PROBE: Table = Table {
    name: "Probe",
    about: "A check that is made again and again; exactly one kind of check.",
    rest: known::NONE,
    given: &[
        given(
            "exec",
            Shape::One(&EXEC),
            "A program, run as the container: right when it ends with 0.",
            PROBE_KEYS,
        ),
        given(
            "failureThreshold",
            Shape::Int,
            "So many failures in a row count; 3 when absent.",
            PROBE_KEYS,
        ),
        given(
            "grpc",
            Shape::One(&GRPC),
            "A call of the gRPC health protocol: right when it says SERVING.",
            PROBE_KEYS,
        ),
        given(
            "httpGet",
            Shape::One(&HTTP_GET),
            "An HTTP request: right when it is answered with 200 to 399.",
            PROBE_KEYS,
        ),
        given(
            "initialDelaySeconds",
            Shape::Int,
            "From the start to the first check.",
            PROBE_KEYS,
        ),
        given(
            "periodSeconds",
            Shape::Int,
            "From check to check; 10 when absent.",
            PROBE_KEYS,
        ),
        given(
            "successThreshold",
            Shape::Int,
            "So many successes in a row count; 1 when absent, and for all but readiness.",
            &["Probes="],
        ),
        given(
            "tcpSocket",
            Shape::One(&TCP),
            "A connection: right when it comes about.",
            PROBE_KEYS,
        ),
        given(
            "terminationGracePeriodSeconds",
            Shape::Int,
            "Instead of the pod's grace period, when this probe ends the container.",
            PROBE_KEYS,
        ),
        given(
            "timeoutSeconds",
            Shape::Int,
            "A check that takes longer has failed; 1 when absent.",
            PROBE_KEYS,
        ),
    ],
};

static EXEC: Table = Table {
    name: "ExecAction",
    about: "A program that is run as the container: with its user, environment, directory and mounts.",
    rest: known::NONE,
    given: &[given(
        "command",
        Shape::Texts,
        "The program and its arguments; there is no shell.",
        CHECK_KEYS,
    )],
};

static GRPC: Table = Table {
    name: "GRPCAction",
    about: "A call of the gRPC health protocol.",
    rest: known::NONE,
    given: &[
        given("port", Shape::Int, "The port.", PROBE_KEYS),
        given(
            "service",
            Shape::Text,
            "The service asked about; none when absent.",
            PROBE_KEYS,
        ),
    ],
};

static HTTP_GET: Table = Table {
    name: "HTTPGetAction",
    about: "An HTTP request.",
    rest: known::NONE,
    given: &[
        given(
            "host",
            Shape::Text,
            "The host; the pod itself when absent.",
            CHECK_KEYS,
        ),
        given(
            "httpHeaders",
            Shape::Many(&HEADER),
            "Headers to send.",
            CHECK_KEYS,
        ),
        given(
            "path",
            Shape::Text,
            "The path; `/` when absent.",
            CHECK_KEYS,
        ),
        given(
            "port",
            Shape::IntOrText,
            "The port, or the name of one of the container's.",
            CHECK_KEYS,
        ),
        given(
            "scheme",
            Shape::Words(&["HTTP", "HTTPS"]),
            "`HTTP` when absent; certificates are not checked.",
            CHECK_KEYS,
        ),
    ],
};

static HEADER: Table = Table {
    name: "HTTPHeader",
    about: "A header of a request.",
    rest: known::NONE,
    given: &[
        given("name", Shape::Text, "Its name.", CHECK_KEYS),
        given("value", Shape::Text, "Its value.", CHECK_KEYS),
    ],
};

static TCP: Table = Table {
    name: "TCPSocketAction",
    about: "A connection that is made and closed.",
    rest: known::NONE,
    given: &[
        given(
            "host",
            Shape::Text,
            "The host; the pod itself when absent.",
            PROBE_KEYS,
        ),
        given(
            "port",
            Shape::IntOrText,
            "The port, or the name of one of the container's.",
            PROBE_KEYS,
        ),
    ],
};

pub static LIFECYCLE: Table = Table {
    name: "Lifecycle",
    about: "What is done after the start and before the stop of a container.",
    rest: known::LIFECYCLE,
    given: &[
        given(
            "postStart",
            Shape::One(&HOOK),
            "Right after the start. When it fails the container is ended.",
            &["ExecStartPost="],
        ),
        given(
            "preStop",
            Shape::One(&HOOK),
            "Before a stop that was asked for, within the grace period.",
            &["ExecStop="],
        ),
        given(
            "stopSignal",
            Shape::Text,
            "Asks the container to end; SIGTERM when absent.",
            &["KillSignal="],
        ),
    ],
};

static HOOK: Table = Table {
    name: "LifecycleHandler",
    about: "What is done; exactly one.",
    rest: known::HOOK,
    given: &[
        given(
            "exec",
            Shape::One(&EXEC),
            "A program, run as the container.",
            HOOK_KEYS,
        ),
        given(
            "httpGet",
            Shape::One(&HTTP_GET),
            "An HTTP request.",
            HOOK_KEYS,
        ),
        given(
            "sleep",
            Shape::One(&SLEEP),
            "Nothing, for a while.",
            HOOK_KEYS,
        ),
    ],
};

static SLEEP: Table = Table {
    name: "SleepAction",
    about: "Waits.",
    rest: known::NONE,
    given: &[given(
        "seconds",
        Shape::Int,
        "How long; not longer than the grace period.",
        HOOK_KEYS,
    )],
};
