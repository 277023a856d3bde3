//! Many services of two endpoints: how long the packet filter takes to learn all of them, how long until it knows of a
//! change of one, by a manifest that is written, and what they cost the agent.
//!
//! The peer of a change is the same change by the `nft` program, with nothing around it.

use crate::Effort;
use crate::inside::{agent, number_in, run, settle, start_agent, time, until};
use crate::report::{Figure, Target, list, median, ms};
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Milliseconds until all are loaded.
const LOAD: f64 = 500.0;
/// Milliseconds until a change is known.
const CHANGE: f64 = 10.0;
/// MB of the agent's memory for them.
const MEMORY: f64 = 40.0;
/// Services in one file.
const IN_A_FILE: usize = 250;

pub fn measure(effort: Effort) -> bool {
    let (count, rounds) = (effort.of(10_000, 500), effort.of(31, 5));
    let pod = |name: &str| {
        format!(
            "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, labels: {{app: web}}, annotations: {{vks.io/profile: trusted}}}}\n\
             spec:\n  containers:\n  - {{name: main, image: host:/usr/bin/sleep, args: [infinity]}}\n"
        )
    };
    write("pods", &(pod("one") + &pod("two")));
    // With one service, so that pods are looked at.
    write("first", &service("first", "web"));
    start_agent();
    until("pods are ready", || {
        run("vks", &["get", "endpoints", "first"]).matches(':').count() >= 2
    });
    settle();
    let before = pss();
    for (index, numbers) in (0..count).collect::<Vec<_>>().chunks(IN_A_FILE).enumerate() {
        let mut text = String::new();
        for number in numbers {
            text.push_str(&service(&format!("s{number}"), "web"));
        }
        write(&format!("many{index}"), &text);
    }
    let all = format!("s{}", count - 1);
    until("all are published", || {
        run("vks", &["get", "services", "-o", "name"]).contains(&format!("/{all}\n"))
    });
    write("extra", &service("extra", "web"));
    settle();
    let grown = pss();
    let load: Vec<Duration> = (0..3)
        .map(|_| {
            run("nft", &["delete", "table", "inet", "vks"]);
            time("systemctl", &["reload", "vks-network.service"])
        })
        .collect();
    settle();
    let (changes, by_nft) = (changes(rounds), by_nft(rounds));
    println!("  load: {}", list(&load));
    println!("  change: {}", list(&changes));
    println!("  by nft: {}", list(&by_nft));
    let line = |name: String, ours, peer, unit, target| {
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
    let memory = (grown as f64 - before as f64) / 1000.0;
    let lines = [
        line(format!("load {count} services"), ms(median(&load)), None, "ms", LOAD),
        line(
            format!("change one of {count}, from the file to the kernel"),
            ms(median(&changes)),
            None,
            "ms",
            CHANGE,
        ),
        line(format!("memory for {count} services"), memory, None, "MB", MEMORY),
    ];
    println!("  the same element by nft alone: {:.1} ms", ms(median(&by_nft)));
    lines.into_iter().all(|met| met)
}

fn service(name: &str, app: &str) -> String {
    let mut text = String::new();
    write!(
        text,
        "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\nspec:\n  selector: {{app: {app}}}\n  ports: [{{port: 80, targetPort: 7000}}]\n"
    )
    .expect("text");
    text
}

/// Replaces a file among the manifests at once.
fn write(name: &str, text: &str) {
    let to = format!("/etc/vks/pods.d/{name}.yaml");
    let new = format!("/etc/vks/{name}.new");
    fs::write(&new, text).expect("a manifest");
    fs::rename(new, to).expect("a manifest");
}

fn pss() -> u64 {
    let path = format!("/proc/{}/smaps_rollup", agent());
    number_in(Path::new(&path), "Pss")
}

/// From a manifest that is put in place to the kernel's news of the change.
fn changes(rounds: usize) -> Vec<Duration> {
    heard(rounds, |round| {
        let app = if round % 2 == 0 { "none" } else { "web" };
        write("extra", &service("extra", app));
    })
}

/// One element by the program, as a script would.
fn by_nft(rounds: usize) -> Vec<Duration> {
    heard(rounds, |round| {
        let act = if round % 2 == 0 { "add" } else { "delete" };
        run("nft", &[act, "element", "inet", "vks", "hairpin4", "{ 10.255.0.1 . 10.255.0.1 }"]);
    })
}

/// How long after each act `nft monitor` tells of a change. The first is not counted.
fn heard(rounds: usize, act: impl Fn(usize)) -> Vec<Duration> {
    let mut monitor = Command::new("nft")
        .args(["monitor", "elements"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("nft");
    let output = monitor.stdout.take().expect("its output");
    let (send, lines) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            // Who listens is gone: so is the reason to read.
            if send.send((Instant::now(), line)).is_err() {
                return;
            }
        }
    });
    crate::inside::pause(Duration::from_secs(1));
    let mut took = Vec::new();
    for round in 0..=rounds {
        let begin = Instant::now();
        act(round);
        let (at, _) = lines
            .recv_timeout(Duration::from_secs(30))
            .expect("news of a change");
        took.push(at - begin);
        settle();
        while lines.try_recv().is_ok() {}
    }
    monitor.kill().expect("the end of nft");
    monitor.wait().expect("the end of nft");
    took.split_off(1)
}
