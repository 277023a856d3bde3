//! What the agent occupies: the proportional set size, idle, and for each pod more.

use crate::Effort;
use crate::inside::{agent, manifest, names, number_in, run, settle, start_agent};
use crate::report::{Figure, Target};
use std::path::PathBuf;

/// MB of an agent without pods.
const IDLE: f64 = 12.0;
/// kB of each pod.
const SLOPE: f64 = 30.0;

pub fn measure(effort: Effort) -> bool {
    let count = effort.of(500, 50);
    start_agent();
    settle();
    let idle = pss();
    run(
        "vks",
        &[
            "apply",
            "--wait",
            "-f",
            &manifest("memory", &names("memory", count)),
        ],
    );
    settle();
    let grown = pss();
    run("systemctl", &["restart", "vks.service"]);
    settle();
    let restarted = pss();
    println!(
        "  PSS: {idle} kB, with {count} pods {grown} kB, after a restart with them {restarted} kB"
    );
    let line = |name: String, ours: f64, unit, target| {
        let peer = None;
        let target = Target::AtMost(target);
        Figure {
            name,
            ours,
            peer,
            unit,
            target,
        }
        .print()
    };
    let slope = |pss: u64| (pss as f64 - idle as f64) / count as f64;
    let idle = line(
        "memory of the idle agent".to_owned(),
        idle as f64 / 1000.0,
        "MB",
        IDLE,
    );
    let grown = line(
        format!("memory for each of {count} pods"),
        slope(grown),
        "kB",
        SLOPE,
    );
    let restarted = line(
        "the same after a restart".to_owned(),
        slope(restarted),
        "kB",
        SLOPE,
    );
    idle && grown && restarted
}

/// kB.
fn pss() -> u64 {
    number_in(
        &PathBuf::from(format!("/proc/{}/smaps_rollup", agent())),
        "Pss",
    )
}
