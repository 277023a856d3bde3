//! vks on a whole Debian 13 in a virtual machine: cgroup v2 controllers, real reboots, a plug that is pulled.
//!
//! One run for each script of `vm/`. A script says `ok NAME` or `not ok NAME: why` for each thing it looks at, in the
//! words of `vm/common.sh`, and `done N` at its end.

#![allow(missing_docs)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::too_many_lines,
    reason = "tests: a story each"
)]

mod lab;

use lab::Tier;
use std::path::{Path, PathBuf};

/// The directory that the machine gets: the program, its static units, the scripts.
fn payload(script: &str) -> PathBuf {
    let root = lab::repository();
    let to = root.join("target/integration/vm-payload").join(script);
    let _ = std::fs::remove_dir_all(&to);
    copy(&root.join("units"), &to.join("units"));
    copy(&root.join("integration/vm"), &to);
    std::fs::copy(lab::vks_program(), to.join("vks")).expect("the program under test");
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

/// Runs a script; each of its looks must be good, and none may be missing.
fn run(script: &str, boots: u32) {
    if !lab::require(Tier::Vm) {
        return;
    }
    let payload = payload(script);
    let output = lab::vm_run(&payload, script, boots);
    let _ = std::fs::remove_dir_all(&payload);
    let all = format!("{}\n{}", output.stdout, output.stderr);
    let lines = || output.stdout.lines().map(str::trim_end);
    let bad: Vec<&str> = lines().filter(|line| line.starts_with("not ok ")).collect();
    assert!(bad.is_empty(), "{bad:#?}\n{all}");
    let good = lines().filter(|line| line.starts_with("ok ")).count();
    assert!(
        good > 0 && lines().any(|line| line == format!("done {good}")),
        "the script did not come to its end:\n{all}"
    );
    assert_eq!(output.code, 0, "{all}");
}

/// Requests and limits in the files of cgroup v2, and what happens when they are reached.
#[test]
fn resources() {
    run("resources.sh", 1);
}

/// Protections, swap, numbers of processes, devices, and limits that change in place.
#[test]
fn resize() {
    run("resize.sh", 1);
}

/// A reboot with the agent masked, then one in which the plug is pulled.
#[test]
fn boots() {
    run("boots.sh", 3);
}

/// Jobs and CronJobs while the clock is set forward and back, the host sleeps, and over a reboot in the middle.
#[test]
fn clocks() {
    run("clocks.sh", 2);
}

/// WireGuard of the kernel: a mesh with two other hosts, and a pod behind a tunnel, over a reboot with the agent masked.
#[test]
fn mesh() {
    run("mesh.sh", 2);
}
