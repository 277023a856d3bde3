//! How often the agent wakes up when nothing happens: only to tell the watchdog that it lives.

use crate::Effort;
use crate::inside::{agent, manifest, names, over_threads, pause, run, settle, start_agent};
use crate::report::{Figure, Target};
use std::time::Duration;

pub fn measure(effort: Effort) -> bool {
    let (count, seconds) = (effort.of(100, 20), effort.of(60, 15));
    start_agent();
    run(
        "vks",
        &[
            "apply",
            "--wait",
            "-f",
            &manifest("idle", &names("idle", count)),
        ],
    );
    settle();
    // The runtime's spare threads end after ten idle seconds, which is the end of the work and no wake-up.
    pause(Duration::from_secs(12));
    let (wake_ups, switches) = watch(seconds);
    println!("  context switches of all threads in {seconds} s: {switches}");
    Figure {
        name: format!("wake-ups of the agent with {count} pods in {seconds} idle seconds"),
        ours: wake_ups as f64,
        peer: None,
        unit: "times",
        target: Target::AtMost(watchdog(seconds) as f64),
    }
    .print()
}

/// Tenths of a second in which some thread of the agent ran, and how often threads ran in all.
fn watch(seconds: usize) -> (usize, u64) {
    let agent = agent();
    let switches = || {
        over_threads(agent, "voluntary_ctxt_switches")
            + over_threads(agent, "nonvoluntary_ctxt_switches")
    };
    let begin = switches();
    let (mut wake_ups, mut last) = (0, begin);
    for _ in 0..seconds * 10 {
        pause(Duration::from_millis(100));
        let now = switches();
        wake_ups += usize::from(now != last);
        last = now;
    }
    (wake_ups, last.saturating_sub(begin))
}

/// The most often the watchdog can be due in this time: every half of WatchdogSec=.
fn watchdog(seconds: usize) -> usize {
    let text = run("systemctl", &["show", "-P", "WatchdogUSec", "vks.service"]);
    let period = match text.trim() {
        "1min" => 60,
        text => text
            .trim_end_matches('s')
            .parse()
            .expect("WatchdogSec= in seconds"),
    } / 2;
    seconds.div_ceil(period)
}
