//! One more pod beside many that run, against one beside few: what is there must not be paid for again.
//!
//! Part of it is systemd's own: for a unit it has not seen it reads all unit directories again, and it goes through the
//! slices beside the new one. So the same is measured of units of the same shape, written by hand and started by systemctl.

use crate::Effort;
use crate::inside::{apply, delete, manifest, names, reloads, run, settle, start_agent};
use crate::report::{Figure, Target, list, median};
use std::path::Path;
use std::time::{Duration, Instant};

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
    let by_hand_few = by_hand(rounds);
    run("vks", &["apply", "--wait", "-f", &manifest("rest", rest)]);
    settle();
    let _ = one_more(1);
    let beside_many = one_more(rounds);
    let by_hand_many = by_hand(rounds);
    println!("  beside {few}: {}", list(&beside_few));
    println!("  beside {many}: {}", list(&beside_many));
    let by_hand = Figure {
        name: format!("the same by systemctl, beside {many}, the peer is beside {few}"),
        ours: crate::report::ms(median(&by_hand_many)),
        peer: Some(crate::report::ms(median(&by_hand_few))),
        unit: "ms",
        target: Target::None,
    };
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
    by_hand.print();
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

/// A target, a slice and a service of a pod's shape, written and started by hand.
fn by_hand(rounds: usize) -> Vec<Duration> {
    let dir = Path::new("/etc/systemd/system.attached");
    let mut took = Vec::new();
    for round in 0..rounds {
        let name = format!("hand{round}");
        let (target, service) = (format!("{name}.target"), format!("{name}.service"));
        let begin = Instant::now();
        let text = format!(
            "[Unit]\nCollectMode=inactive-or-failed\nDefaultDependencies=no\nBindsTo=vks-default-{name}.slice\n\
             After=vks-default-{name}.slice\nWants={service}\n"
        );
        std::fs::write(dir.join(&target), text).expect("a unit");
        let text = format!(
            "[Unit]\nCollectMode=inactive-or-failed\nPartOf={target}\n[Service]\nType=exec\n\
             Slice=vks-default-{name}.slice\nExecStart=/usr/bin/sleep infinity\n"
        );
        std::fs::write(dir.join(&service), text).expect("a unit");
        run("systemctl", &["start", &target, &service]);
        took.push(begin.elapsed());
        run("systemctl", &["stop", &target, &service]);
        for unit in [&target, &service] {
            std::fs::remove_file(dir.join(unit)).expect("a unit");
        }
        settle();
    }
    took
}
