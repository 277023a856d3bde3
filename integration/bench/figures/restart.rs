//! The agent is killed and started again: how long until `vks get` shows every pod as it is.

use crate::Effort;
use crate::inside::{AGENT, agent, manifest, names, run, settle, start_agent, until};
use crate::report::{Figure, Target, list, median, ms};
use rustix::process::{Pid, Signal, kill_process};
use std::time::{Duration, Instant};

const TARGET_MS: f64 = 1000.0;

pub fn measure(effort: Effort) -> bool {
    let pods = names("restart", effort.of(500, 50));
    // systemd must not start it before the clock runs.
    let folder = format!("/run/systemd/system/{AGENT}.d");
    std::fs::create_dir_all(&folder).expect(&folder);
    std::fs::write(format!("{folder}/bench.conf"), "[Service]\nRestart=no\n").expect(&folder);
    run("systemctl", &["daemon-reload"]);
    start_agent();
    run(
        "vks",
        &["apply", "--wait", "-f", &manifest("restart", &pods)],
    );
    settle();
    let (mut ready, mut shown) = (vec![], vec![]);
    for _ in 0..effort.of(5, 2) {
        let (to_ready, to_get) = round(pods.len());
        ready.push(to_ready);
        shown.push(to_get);
    }
    println!("  start to READY: {}", list(&ready));
    println!("  start to the end of get: {}", list(&shown));
    Figure {
        name: format!(
            "start of a killed agent with {} pods to a full get",
            pods.len()
        ),
        ours: ms(median(&shown)),
        peer: None,
        unit: "ms",
        target: Target::AtMost(TARGET_MS),
    }
    .print()
}

fn round(pods: usize) -> (Duration, Duration) {
    let pid = Pid::from_raw(agent().cast_signed()).expect("the agent");
    kill_process(pid, Signal::KILL).expect("kill");
    until("the agent is down", || {
        let state = run("systemctl", &["show", "-P", "ActiveState", AGENT]);
        matches!(state.trim(), "failed" | "inactive")
    });
    let begin = Instant::now();
    start_agent();
    let ready = begin.elapsed();
    let text = run("vks", &["get", "pods", "-A", "--no-headers"]);
    let shown = begin.elapsed();
    let running = text.lines().filter(|line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        columns[2..5] == ["1/1", "Running", "0"]
    });
    assert_eq!(running.count(), pods, "{text}");
    settle();
    (ready, shown)
}
