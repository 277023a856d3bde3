//! Many services of two endpoints: how long the packet filter takes to learn all of them, how long until it knows of a
//! change of one, by a manifest that is written, what they cost the agent, and what they cost a connection.
//!
//! The peer of the load is as many services with two chains each, as Kubernetes' own proxy has them, loaded by `nft -f`; that
//! of a connection is one beside ten services.

use crate::Effort;
use crate::inside::{agent, number_in, pause, run, settle, start_agent, stop_agent, time, until};
use crate::report::{Figure, Target, list, median, ms};
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Milliseconds until all are loaded.
const LOAD: f64 = 500.0;
/// Milliseconds until a change is known.
const CHANGE: f64 = 10.0;
/// MB of the agent's memory for them.
const MEMORY: f64 = 40.0;
/// Time of a connection beside so many services, against one beside ten.
const CONNECTION: f64 = 1.05;
/// Services in one file.
const IN_A_FILE: usize = 250;

pub fn measure(effort: Effort) -> bool {
    let (count, rounds) = (effort.of(10_000, 500), effort.of(31, 5));
    let address = begin();
    let connects = effort.of(3001, 301);
    many(0, 9);
    until("ten are published", || published("s8"));
    settle();
    let beside_ten = connections(&address, connects);
    let before = pss();
    many(9, count);
    until("all are published", || {
        published(&format!("s{}", count - 1))
    });
    write("extra", &service("extra", "web"));
    settle();
    let grown = pss();
    let beside_all = connections(&address, connects);
    // The agent would hear that the table is gone, and put it back at the same time: what is asked for is what a boot takes.
    stop_agent();
    let load: Vec<Duration> = (0..5).map(|_| load()).collect();
    let peer: Vec<Duration> = (0..3).map(|_| load_chains(count)).collect();
    start_agent();
    settle();
    let (changes, by_nft) = (changes(rounds), by_nft(rounds));
    println!(
        "  load: {}; by nft, two chains each: {}",
        list(&load),
        list(&peer)
    );
    println!("  change: {}", list(&changes));
    println!("  an element by the nft program: {}", list(&by_nft));
    let figures = [
        figure(
            format!("load {count} services"),
            ms(median(&load)),
            "ms",
            LOAD,
        ),
        figure(
            format!("change one of {count}, from the file to the kernel"),
            ms(median(&changes)),
            "ms",
            CHANGE,
        ),
        figure(
            format!("memory for {count} services"),
            (grown as f64 - before as f64) / 1000.0,
            "MB",
            MEMORY,
        ),
        Figure {
            peer: Some(ms(median(&beside_ten)) * 1000.0),
            ..figure(
                format!("a connection beside {count} services, the peer is one beside 10"),
                ms(median(&beside_all)) * 1000.0,
                "us",
                CONNECTION,
            )
        },
    ];
    let met: Vec<bool> = figures.iter().map(Figure::print).collect();
    met.into_iter().all(|met| met)
}

fn figure(name: String, ours: f64, unit: &'static str, target: f64) -> Figure {
    Figure {
        name,
        ours,
        peer: None,
        unit,
        target: Target::AtMost(target),
    }
}

/// Two pods and a service; its address and port.
fn begin() -> String {
    let pod = |name: &str| {
        format!(
            "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, labels: {{app: web}}, annotations: {{vks.io/profile: trusted}}}}\n\
             spec:\n  containers:\n  - {{name: main, image: host:/usr/bin/socat, args: ['TCP-LISTEN:7000,fork,reuseaddr,backlog=512', 'OPEN:/dev/null']}}\n"
        )
    };
    fs::create_dir_all("/etc/vks/pods.d").expect("a directory");
    write("pods", &(pod("one") + &pod("two")));
    write("first", &service("first", "web"));
    start_agent();
    until("pods are ready", || {
        run("vks", &["get", "endpoints", "first"])
            .matches(':')
            .count()
            >= 2
    });
    let line = run("vks", &["get", "services", "first", "--no-headers"]);
    let address = line.split_whitespace().nth(2).expect("CLUSTER-IP");
    let address = format!("{address}:80");
    until("the service is reached", || {
        TcpStream::connect(&address).is_ok()
    });
    address
}

/// Writes services from one number to another.
fn many(from: usize, to: usize) {
    let all: Vec<usize> = (from..to).collect();
    for numbers in all.chunks(IN_A_FILE) {
        let mut text = String::new();
        for number in numbers {
            text.push_str(&service(&format!("s{number}"), "web"));
        }
        write(&format!("many{}", numbers[0]), &text);
    }
}

fn published(name: &str) -> bool {
    run("vks", &["get", "services", "-o", "name"]).contains(&format!("/{name}\n"))
}

/// The whole table anew, when the kernel has taken the old one to pieces.
fn load() -> Duration {
    run("nft", &["delete", "table", "inet", "vks"]);
    pause(Duration::from_secs(1));
    time("systemctl", &["reload", "vks-network.service"])
}

/// As many services in the form that Kubernetes' own proxy gives them.
fn load_chains(count: usize) -> Duration {
    let (mut chains, mut elements) = (String::new(), String::new());
    for number in 0..count {
        let address = format!("10.250.{}.{}", number / 250, number % 250 + 1);
        write!(
            chains,
            "chain e{number} {{ meta l4proto tcp dnat to 10.1.0.1:7000\n}}\nchain s{number} {{ numgen random mod 2 vmap {{ 0 : goto e{number}, 1 : goto e{number} }}\n}}\n"
        )
        .expect("text");
        writeln!(elements, "{address} . tcp . 80 : goto s{number},").expect("text");
    }
    let text = format!(
        "table ip peer {{\n{chains}map services {{ type ipv4_addr . inet_proto . inet_service : verdict\nelements = {{ {elements} }}\n}}\n\
         chain out {{ type nat hook output priority -90\nip daddr . meta l4proto . th dport vmap @services\n}}\n}}\n"
    );
    fs::write("/root/peer.nft", text).expect("a file");
    let took = time("nft", &["-f", "/root/peer.nft"]);
    run("nft", &["delete", "table", "ip", "peer"]);
    took
}

/// How long so many connections take, one after the other: the first packet of each is the one that rules are asked about.
fn connections(address: &str, count: usize) -> Vec<Duration> {
    let one = |_| {
        let begin = Instant::now();
        drop(TcpStream::connect(address).expect("a connection"));
        begin.elapsed()
    };
    (0..count).map(one).collect()
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
        run(
            "nft",
            &[
                act,
                "element",
                "inet",
                "vks",
                "hairpin4",
                "{ 10.255.0.1 . 10.255.0.1 }",
            ],
        );
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
    pause(Duration::from_secs(1));
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
