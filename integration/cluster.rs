//! vks as a node of a real Kubernetes control plane: kube-apiserver, controller manager and scheduler on one side, a
//! booted Debian with vks on the other, judged by the real kubectl.
//!
//! Each file of `cluster/` is one topic.

#![allow(missing_docs)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::too_many_lines,
    reason = "tests: a story each"
)]

#[allow(dead_code, reason = "the container tests use the rest")]
#[path = "container/host.rs"]
mod host;
mod lab;

#[path = "cluster/controllers.rs"]
mod controllers;
#[path = "cluster/data.rs"]
mod data;
#[path = "cluster/debug.rs"]
mod debug;
#[path = "cluster/deletion.rs"]
mod deletion;
#[path = "cluster/events.rs"]
mod events;
#[path = "cluster/eviction.rs"]
mod eviction;
#[path = "cluster/figures.rs"]
mod figures;
#[path = "cluster/joining.rs"]
mod joining;
#[path = "cluster/node.rs"]
mod node;
#[path = "cluster/offline.rs"]
mod offline;
#[path = "cluster/pods.rs"]
mod pods;
#[path = "cluster/refused.rs"]
mod refused;
#[path = "cluster/room.rs"]
mod room;
#[path = "cluster/services.rs"]
mod services;
#[path = "cluster/shutdown.rs"]
mod shutdown;
#[path = "cluster/statuses.rs"]
mod statuses;
#[path = "cluster/two.rs"]
mod two;
#[path = "cluster/verbs.rs"]
mod verbs;
