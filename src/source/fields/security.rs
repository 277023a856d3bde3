//! `securityContext` of pods and containers.

use super::{Shape, Table, given};
use crate::source::decode::known;

pub static POD_SECURITY: Table = Table {
    name: "PodSecurityContext",
    about: "Who the containers run as and what they may do, where they say nothing themselves.",
    rest: known::POD_SECURITY,
    given: &[
        given(
            "runAsGroup",
            Shape::Int,
            "The group of containers that name none.",
            &["ExecStart="],
        )
        .note("through `vks as`"),
        given(
            "runAsUser",
            Shape::Int,
            "The user of containers that name none.",
            &["ExecStart="],
        )
        .note("through `vks as`"),
    ],
};

pub static SECURITY: Table = Table {
    name: "SecurityContext",
    about: "Who the container runs as and what it may do.",
    rest: known::SECURITY,
    given: &[
        given(
            "runAsGroup",
            Shape::Int,
            "The group, by number; it needs no entry in group(5).",
            &["ExecStart="],
        )
        .note("through `vks as`"),
        given(
            "runAsUser",
            Shape::Int,
            "The user, by number; it needs no entry in passwd(5).",
            &["ExecStart="],
        )
        .note("through `vks as`"),
    ],
};
