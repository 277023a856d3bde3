//! From the end of a process to its new line in `vks get pods -w`.

use crate::Effort;
use crate::inside::{main_pid, manifest, names, pause, run, settle, start_agent, unit};
use crate::report::{Figure, Target, list, median, ms};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

const TARGET_MS: f64 = 20.0;

pub fn measure(effort: Effort) -> bool {
    let pods = names("exit", effort.of(30, 5));
    start_agent();
    run("vks", &["apply", "--wait", "-f", &manifest("exit", &pods)]);
    settle();
    let watch = Watch::start(pods.len());
    let mut took: Vec<Duration> = pods.iter().map(|pod| watch.kill(pod)).collect();
    took.sort();
    println!("  sorted: {}", list(&took));
    Figure {
        name: format!(
            "exit of a process to its line in get -w, p50 of {}",
            took.len()
        ),
        ours: ms(median(&took)),
        peer: None,
        unit: "ms",
        target: Target::AtMost(TARGET_MS),
    }
    .print()
}

/// `vks get pods -w`, each line with the time it came.
struct Watch {
    lines: Receiver<(Instant, String)>,
    child: Child,
}

impl Watch {
    fn start(pods: usize) -> Self {
        let mut command = Command::new("vks");
        command.args(["get", "pods", "-w", "--no-headers"]);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("vks get");
        let out = BufReader::new(child.stdout.take().expect("a pipe"));
        let (send, lines) = channel();
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                if send.send((Instant::now(), line)).is_err() {
                    break;
                }
            }
        });
        let watch = Self { lines, child };
        for _ in 0..pods {
            watch.next();
        }
        watch
    }

    fn next(&self) -> (Instant, String) {
        let line = self.lines.recv_timeout(Duration::from_secs(10));
        line.expect("a line of vks get -w within ten seconds")
    }

    /// Kills the pod's process; the time until its new status is told.
    fn kill(&self, pod: &str) -> Duration {
        let pid = main_pid(&unit(pod));
        let pid = Pid::from_raw(pid.cast_signed()).expect("a process");
        let begin = Instant::now();
        kill_process(pid, Signal::KILL).expect("kill");
        loop {
            let (at, line) = self.next();
            let mut columns = line.split_whitespace();
            if columns.next() == Some(pod) {
                assert_ne!(
                    columns.nth(1),
                    Some("Running"),
                    "not its new status: {line}"
                );
                // Until it has been started again, so that this is not in the way of the next.
                pause(Duration::from_millis(1300));
                return at - begin;
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
