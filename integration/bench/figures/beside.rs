//! One more pod beside many that run, against one beside few: what is there must not be paid for again.

use crate::Effort;
use crate::inside::{apply, delete, manifest, names, reloads, run, settle, start_agent};
use crate::report::{Figure, Target, list, median};
use std::time::Duration;

const TARGET: f64 = 1.2;

pub fn measure(effort: Effort) -> bool {
    let (few, many, rounds) = (10, effort.of(1000, 100), effort.of(21, 3));
    start_agent();
    let residents = names("resident", many);
    let (first, rest) = residents.split_at(few);
    run("vks", &["apply", "--wait", "-f", &manifest("first", first)]);
    settle();
    // The first round warms caches up and is not counted.
    let _ = one_more(1);
    let before = reloads();
    let beside_few = one_more(rounds);
    run("vks", &["apply", "--wait", "-f", &manifest("rest", rest)]);
    settle();
    let _ = one_more(1);
    let beside_many = one_more(rounds);
    println!("  beside {few}: {}", list(&beside_few));
    println!("  beside {many}: {}", list(&beside_many));
    let time = Figure {
        name: format!("one more pod beside {many}, the peer is one beside {few}"),
        ours: crate::report::ms(median(&beside_many)),
        peer: Some(crate::report::ms(median(&beside_few))),
        unit: "ms",
        target: Target::AtMost(TARGET),
    };
    let reloads = Figure {
        name: "reloads of systemd in that".to_owned(),
        ours: (reloads() - before) as f64,
        peer: None,
        unit: "times",
        target: Target::AtMost(0.0),
    };
    // Both lines are wanted, also when the first is a miss.
    let (time, reloads) = (time.print(), reloads.print());
    time && reloads
}

fn one_more(rounds: usize) -> Vec<Duration> {
    let mut took = Vec::new();
    for round in 0..rounds {
        let name = [format!("extra{round}")];
        let file = manifest("extra", &name);
        took.push(apply(&file));
        settle();
        delete(&file, &name);
        settle();
    }
    took
}
