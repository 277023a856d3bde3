//! The network of one pod, made and taken down by what the pod's sandbox unit calls.
//!
//! The peer is a namespace by `ip netns` with an interface by CNI's bridge plugin and its host-local addresses, with
//! masquerading, as Debian packages them.

use crate::Effort;
use crate::inside::{apply, names, run, start_agent, stop_agent};
use crate::machine::CNI;
use crate::report::{Figure, Target, list, median, ms};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Not more than this part of the peer's time, up and down.
const UP: f64 = 0.3;
const DOWN: f64 = 0.1;

const NETWORK: &str = r#"{"cniVersion":"0.4.0","name":"peer","type":"bridge","bridge":"peer0","isGateway":true,
"ipMasq":true,"ipam":{"type":"host-local","subnet":"10.250.0.0/16","routes":[{"dst":"0.0.0.0/0"}]}}"#;

pub fn measure(effort: Effort) -> bool {
    let rounds = effort.of(31, 5);
    if !Path::new(CNI).join("bridge").exists() {
        println!("SKIP wiring: Debian's package containernetworking-plugins could not be had");
        return false;
    }
    let sandbox = sandbox();
    let (mut up, mut down, mut peer_up, mut peer_down) = (vec![], vec![], vec![], vec![]);
    // The first round of each warms up.
    for round in 0..=rounds {
        let ours = [
            crate::inside::time("vks", &["sandbox", "up", &sandbox]),
            crate::inside::time("vks", &["sandbox", "down", &sandbox]),
        ];
        let peer = [peer(true), peer(false)];
        if round > 0 {
            up.push(ours[0]);
            down.push(ours[1]);
            peer_up.push(peer[0]);
            peer_down.push(peer[1]);
        }
    }
    println!("  up: {}", list(&up));
    println!("  down: {}", list(&down));
    println!("  up by CNI: {}", list(&peer_up));
    println!("  down by CNI: {}", list(&peer_down));
    let line = |name: &str, ours: &[Duration], peer: &[Duration], target| {
        Figure {
            name: format!("network of a pod {name}, the peer is CNI's bridge"),
            ours: ms(median(ours)),
            peer: Some(ms(median(peer))),
            unit: "ms",
            target: Target::AtMost(target),
        }
        .print()
    };
    let up = line("up", &up, &peer_up, UP);
    let down = line("down", &down, &peer_down, DOWN);
    up && down
}

/// A pod with a network of its own, stopped; its sandbox unit. It has the host's IPC: the peer makes no such namespace either.
fn sandbox() -> String {
    let name = &names("wire", 1)[0];
    let text = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, annotations: {{vks.io/profile: trusted}}}}\nspec:\n  \
         hostIPC: true\n  terminationGracePeriodSeconds: 1\n  containers:\n  - {{name: main, image: host:/usr/bin/sleep, args: [infinity]}}\n"
    );
    std::fs::write("/root/wire.yaml", text).expect("a manifest");
    start_agent();
    apply("/root/wire.yaml");
    stop_agent();
    run("systemctl", &["stop", &format!("vks-default-{name}.slice")]);
    format!("vks-default-{name}-sandbox.service")
}

/// The same by others.
fn peer(up: bool) -> Duration {
    let begin = Instant::now();
    if up {
        run("ip", &["netns", "add", "peer"]);
    }
    let plugin = Path::new(CNI).join("bridge");
    let mut child = Command::new(plugin)
        .env("CNI_COMMAND", if up { "ADD" } else { "DEL" })
        .env("CNI_CONTAINERID", "peer")
        .env("CNI_NETNS", "/run/netns/peer")
        .env("CNI_IFNAME", "eth0")
        .env("CNI_PATH", CNI)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("CNI's bridge");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(NETWORK.as_bytes()).expect("a pipe");
    drop(stdin);
    assert!(
        child.wait().expect("CNI's bridge").success(),
        "CNI's bridge"
    );
    if !up {
        run("ip", &["netns", "delete", "peer"]);
    }
    begin.elapsed()
}
