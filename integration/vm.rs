//! vks on a whole Debian 13 in a virtual machine: cgroup v2 controllers, real reboots, a plug that is pulled.
//!
//! The scripts of `vm/` are stories; all are told in one machine by `vm/run.sh`, since boots are what takes time. Each says
//! `ok NAME` or `not ok NAME: why` for each thing it looks at, in the words of `vm/common.sh`, and `done N` at its end. A test
//! looks at what one story has said; `cargo test --test vm mesh` tells only that one.

#![allow(missing_docs)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::too_many_lines,
    clippy::disallowed_methods,
    reason = "tests: a story each"
)]

mod lab;

use lab::{Output, Tier};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// What is told: those of one line beside each other, in one boot after the other.
/// `mesh` before others whose pods have addresses: it has the network set up for the first time, by what it writes.
const STORIES: [&[&str]; 3] = [
    &["hosts", "resources", "resize", "mesh", "sctp", "boots"],
    &["down"],
    &["clocks"],
];

/// Boots that they need together.
const BOOTS: u32 = 4;

/// For one boot, in seconds: an emulated machine is slow, and more so beside others.
const PATIENCE: u32 = 2100;

/// The directory that the machine gets: the program, its static units, the scripts, and which of them are to be run.
fn payload(stories: &str) -> PathBuf {
    let root = lab::repository();
    let to = root.join("target/integration/vm-payload");
    let _ = std::fs::remove_dir_all(&to);
    copy(&root.join("units"), &to.join("units"));
    copy(&root.join("integration/vm"), &to);
    let program = to.join("vks");
    std::fs::copy(lab::vks_program(), &program).expect("the program under test");
    std::fs::write(to.join("stories"), stories).expect("a file");
    // A file system of ext2 to be mounted: the machine has no program that makes one.
    let made = Command::new("mke2fs")
        .args(["-q", "-t", "ext2"])
        .arg(to.join("disk.img"))
        .arg("2M")
        .status();
    assert!(made.expect("mke2fs").success(), "mke2fs failed");
    to
}

fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        std::fs::create_dir_all(to).expect("a directory");
        for entry in std::fs::read_dir(from).expect("a directory") {
            let entry = entry.expect("an entry");
            copy(&entry.path(), &to.join(entry.file_name()));
        }
    } else {
        std::fs::copy(from, to).expect("a file");
    }
}

/// The run that all tests of this process look at. Stories that are named on the command line are told alone.
fn whole() -> &'static Output {
    static RUN: OnceLock<Output> = OnceLock::new();
    RUN.get_or_init(|| {
        let named: Vec<String> = std::env::args().skip(1).collect();
        let asked = |story: &&str| named.iter().any(|name| name == story);
        let any = STORIES.iter().flat_map(|line| line.iter()).any(asked);
        let lines = STORIES.iter().map(|line| {
            let told = line.iter().filter(|story| !any || asked(story));
            told.copied().collect::<Vec<_>>().join(" ") + "\n"
        });
        let payload = payload(&lines.collect::<String>());
        let output = lab::vm_run(&payload, "run.sh", BOOTS, PATIENCE);
        let _ = std::fs::remove_dir_all(&payload);
        println!("{}", output.stdout);
        output
    })
}

/// Looks at a story: each of its looks must be good, and none may be missing.
fn look(story: &str) {
    if !lab::require(Tier::Vm) {
        return;
    }
    let output = whole();
    let mut ours = false;
    let lines = output.stdout.lines().map(str::trim_end).filter(|line| {
        if let Some(name) = line.strip_prefix("== ") {
            ours = name == story;
        }
        ours
    });
    let lines: Vec<&str> = lines.collect();
    let count = |start: &str| lines.iter().filter(|line| line.starts_with(start)).count();
    let all = format!("{}\n{}", lines.join("\n"), output.stderr);
    assert_eq!(count("not ok "), 0, "{all}");
    let good = count("ok ");
    assert!(
        good > 0 && lines.contains(&format!("done {good}").as_str()),
        "the story did not come to its end:\n{all}"
    );
}

/// Requests and limits in the files of cgroup v2, and what happens when they are reached.
#[test]
fn resources() {
    look("resources");
}

/// Protections, swap, numbers of processes, devices, and limits that change in place.
#[test]
fn resize() {
    look("resize");
}

/// A reboot with the agent masked, then one in which the plug is pulled.
#[test]
fn boots() {
    look("boots");
}

/// Jobs and CronJobs while the clock is set forward and back, the host sleeps, and over a reboot in the middle.
#[test]
fn clocks() {
    look("clocks");
}

/// WireGuard of the kernel: a mesh with two other hosts, and a pod behind a tunnel, over a reboot with the agent masked
/// and one after the plug was pulled.
#[test]
fn mesh() {
    look("mesh");
}

/// Three hosts with vks in a mesh of the kernel's WireGuard; one of them is switched off and on again.
#[test]
fn hosts() {
    look("hosts");
}

/// Ports of the host and services of SCTP.
#[test]
fn sctp() {
    look("sctp");
}

/// Nothing of the host's network is left once it is taken down.
#[test]
fn down() {
    look("down");
}
