//! The figures, each by its name on the command line.

mod beside;
mod burst;
mod exit;
mod idle;
mod images;
mod memory;
mod mesh;
mod restart;
mod services;
mod wiring;

use crate::Effort;

/// Measures and prints; whether the targets are met.
type Measure = fn(Effort) -> bool;

pub const ALL: &[(&str, Measure)] = &[
    ("burst", burst::measure),
    ("beside", beside::measure),
    ("memory", memory::measure),
    ("idle", idle::measure),
    ("exit", exit::measure),
    ("restart", restart::measure),
    ("images", images::measure),
    ("services", services::measure),
    ("wiring", wiring::measure),
    ("mesh", mesh::measure),
];

/// One of them, on a machine of its own.
pub fn run(name: &str, effort: Effort) -> bool {
    let found = ALL.iter().find(|(known, _)| *known == name);
    found.is_some_and(|(_, measure)| measure(effort))
}
