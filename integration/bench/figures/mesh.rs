//! The mesh of hosts, with a device of userspace where the kernel has none: how long a thousand peers take to be known, how long
//! a change of one, which must not touch the others, and what goes through a tunnel of vks' own device.
//!
//! The peer of the device is Debian's wireguard-go, between the same two namespaces, with the same iperf3.

use crate::Effort;
use crate::inside::{pause, run, start_agent, time, until};
use crate::machine::WIREGUARD_GO;
use crate::report::{Figure, Target, list, median, ms};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// What is sent through a tunnel.
const MEGABYTES: u32 = 512;

pub fn measure(effort: Effort) -> bool {
    peers(effort.of(1000, 100), effort.of(15, 3));
    throughput(
        effort.of(5, 2),
        if effort.of(1, 0) == 1 { MEGABYTES } else { 32 },
    );
    true
}

fn figure(name: String, ours: f64, peer: Option<f64>, unit: &'static str) {
    let target = Target::None;
    let figure = Figure {
        name,
        ours,
        peer,
        unit,
        target,
    };
    figure.print();
}

/// The settings of so many peers, the first with these prefixes.
fn settings(keys: &[String], first: &str) -> String {
    let mut text = String::new();
    for (number, key) in keys.iter().enumerate() {
        let prefix = match number {
            0 => first.to_owned(),
            _ => format!("10.{}.{}.0/24", 64 + number / 250, number % 250),
        };
        write!(
            text,
            "[wireguard.peers.h{number}]\npublic_key = '{key}'\nendpoint = '192.0.2.2:{}'\nprefixes = ['{prefix}']\n",
            1000 + number
        )
        .expect("text");
    }
    text
}

/// What `wg` knows of the peers but the first.
fn others(keys: &[String]) -> Vec<String> {
    let dump = run("wg", &["show", "vks-wg0", "dump"]);
    let first = keys.first().map_or("", String::as_str);
    let mut lines: Vec<String> = dump
        .lines()
        .filter(|line| !line.starts_with(first))
        .map(str::to_owned)
        .collect();
    lines.sort();
    lines
}

fn peers(count: usize, rounds: usize) {
    let script = format!("for i in $(seq {count}); do openssl rand -base64 32; done");
    let keys: Vec<String> = run("sh", &["-c", &script])
        .lines()
        .map(str::to_owned)
        .collect();
    let write = |first: &str| {
        fs::create_dir_all("/etc/vks/vks.toml.d").expect("a directory");
        fs::write("/etc/vks/vks.toml.d/peers.toml", settings(&keys, first)).expect("settings");
    };
    let known = || run("wg", &["show", "vks-wg0", "peers"]).lines().count();
    write("10.64.0.0/24");
    start_agent();
    let load: Vec<Duration> = (0..3)
        .map(|_| {
            run("systemctl", &["stop", "vks-wireguard.service"]);
            until("the device is gone", || {
                !Path::new("/sys/class/net/vks-wg0").exists()
            });
            let took = time("systemctl", &["start", "vks-wireguard.service"]);
            assert_eq!(known(), count);
            took
        })
        .collect();
    println!("  load: {}", list(&load));
    figure(format!("{count} peers"), ms(median(&load)), None, "ms");
    let before = others(&keys);
    let change: Vec<Duration> = (0..=rounds)
        .map(|round| {
            let prefix = format!("10.60.{round}.0/24");
            write(&prefix);
            let took = time("systemctl", &["reload", "vks-wireguard.service"]);
            let shown = run("wg", &["show", "vks-wg0", "allowed-ips"]);
            assert!(shown.contains(&prefix), "the change is not there");
            took
        })
        .collect();
    assert_eq!(others(&keys), before, "others were touched");
    println!("  change: {}", list(&change));
    figure(
        format!("one of {count} peers changed, the others untouched"),
        ms(median(&change)),
        None,
        "ms",
    );
    run("systemctl", &["stop", "vks-wireguard.service"]);
}

/// Who does the work of a device.
#[derive(Clone, Copy)]
enum By {
    Vks,
    WireguardGo,
}

/// A device in a namespace; it goes with its process.
fn device(by: By, namespace: &str) -> Child {
    let name = format!("wg{namespace}");
    let mut command = Command::new("ip");
    command.args(["netns", "exec", namespace]);
    match by {
        By::Vks => command.args(["vks", "wireguard-device", &name]),
        By::WireguardGo => command
            .args([WIREGUARD_GO, "--foreground", &name])
            .env("LOG_LEVEL", "silent"),
    };
    let child = command.stdin(Stdio::null()).spawn().expect("ip");
    let socket = format!("/var/run/wireguard/{name}.sock");
    until("the device is there", || Path::new(&socket).exists());
    child
}

/// How long so much takes through a tunnel between two namespaces.
fn send(by: By, megabytes: u32) -> Duration {
    let mut devices = ["a", "b"].map(|namespace| device(by, namespace));
    let keys = ["a", "b"].map(|name| run("sh", &["-c", &format!("wg pubkey </root/{name}.key")]));
    let far = [("a", 0, 1, 2), ("b", 1, 0, 1)];
    for (name, own, other, at) in far {
        let link = format!("wg{name}");
        let script = format!(
            "wg set {link} private-key /root/{name}.key listen-port 51820 peer {} allowed-ips 10.9.0.0/24 endpoint 10.8.0.{at}:51820 && \
             ip -n {name} addr add 10.9.0.{}/24 dev {link} && ip -n {name} link set {link} mtu 1420 up",
            keys[other].trim(),
            own + 1
        );
        run("sh", &["-c", &script]);
    }
    let server = Command::new("ip")
        .args(["netns", "exec", "b", "iperf3", "-s", "-1"])
        .stdout(Stdio::null())
        .spawn();
    let mut server = server.expect("iperf3");
    until("iperf3 listens", || {
        run("ip", &["netns", "exec", "b", "ss", "-Hltn"]).contains(":5201")
    });
    run(
        "ip",
        &["netns", "exec", "a", "ping", "-c1", "-W5", "10.9.0.2"],
    );
    let bytes = format!("{megabytes}M");
    let words = [
        "netns", "exec", "a", "iperf3", "-J", "-c", "10.9.0.2", "-n", &bytes,
    ];
    let said = run("ip", &words);
    let seconds = said.split("\"sum_received\"").nth(1);
    let seconds = seconds.and_then(|rest| rest.split("\"seconds\":").nth(1));
    let seconds = seconds.and_then(|rest| rest.split(',').next()?.trim().parse::<f64>().ok());
    server.wait().expect("iperf3");
    for device in &mut devices {
        device.kill().expect("a device");
        device.wait().expect("a device");
    }
    for name in ["a", "b"] {
        // What is killed leaves its socket.
        let _ = fs::remove_file(format!("/var/run/wireguard/wg{name}.sock"));
        let link = format!("/run/netns/{name}");
        until("the interface is gone", || {
            Path::new(&link).exists() && !run("ip", &["-n", name, "link"]).contains("wg")
        });
    }
    Duration::from_secs_f64(seconds.expect("iperf3's seconds"))
}

fn throughput(rounds: usize, megabytes: u32) {
    if !Path::new(WIREGUARD_GO).exists() {
        println!("SKIP throughput: Debian's package wireguard-go could not be had");
        return;
    }
    run(
        "sh",
        &[
            "-c",
            "umask 077; mkdir -p /var/run/wireguard; ip netns add a; ip netns add b; ip link add name e0 netns a type veth peer name e0 netns b; \
             for n in a b; do wg genkey >/root/$n.key; ip -n $n link set lo up; ip -n $n link set e0 up; done; \
             ip -n a addr add 10.8.0.1/24 dev e0; ip -n b addr add 10.8.0.2/24 dev e0",
        ],
    );
    pause(Duration::from_secs(1));
    let (mut ours, mut peer) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        ours.push(send(By::Vks, megabytes));
        peer.push(send(By::WireguardGo, megabytes));
    }
    println!(
        "  {megabytes} MiB: {}; by wireguard-go: {}",
        list(&ours),
        list(&peer)
    );
    let rate = |took: &[Duration]| f64::from(megabytes) * 8.388_608 / median(took).as_secs_f64();
    figure(
        "userspace device, Mbit/s by iperf3; the peer is wireguard-go".to_owned(),
        rate(&ours),
        Some(rate(&peer)),
        "Mbit/s",
    );
}
