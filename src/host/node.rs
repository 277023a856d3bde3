//! What this host has and how it fares, read from /proc, /sys and the file systems.

use super::disk;
use crate::model::node::{HostFacts, Load, Space};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

fn line(path: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let text = text.trim().to_owned();
    (!text.is_empty()).then_some(text)
}

fn number(path: &str) -> Option<u64> {
    line(path)?.parse().ok()
}

/// A value of /proc/meminfo in bytes.
fn meminfo(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace()
        .next()?
        .parse::<u64>()
        .ok()
        .map(|kib| kib << 10)
}

/// The machine's architecture as Go names it.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        "powerpc64" => "ppc64le",
        other => other,
    }
}

fn huge_pages() -> BTreeMap<u64, u64> {
    let Ok(entries) = fs::read_dir("/sys/kernel/mm/hugepages") else {
        return BTreeMap::new();
    };
    let sizes = entries.flatten().filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        let kib: u64 = name
            .strip_prefix("hugepages-")?
            .strip_suffix("kB")?
            .parse()
            .ok()?;
        let count: u64 = fs::read_to_string(entry.path().join("nr_hugepages"))
            .ok()?
            .trim()
            .parse()
            .ok()?;
        Some((kib, (count * kib) << 10))
    });
    sizes.collect()
}

fn os_image() -> Option<String> {
    let text = fs::read_to_string("/etc/os-release")
        .or_else(|_| fs::read_to_string("/usr/lib/os-release"))
        .ok()?;
    let name = text
        .lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
    Some(name.trim_matches('"').to_owned())
}

/// What does not change while the host is up. `state` is a path on the file system that pods use.
pub fn facts(state: &Path, systemd: u32, addresses: Vec<String>) -> HostFacts {
    let machine_id = line("/etc/machine-id").unwrap_or_default();
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let of_memory = |name| meminfo(&memory, name).unwrap_or_default();
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let cpu = |line: &&str| {
        line.strip_prefix("cpu")
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    HostFacts {
        system_uuid: line("/sys/class/dmi/id/product_uuid").unwrap_or_else(|| machine_id.clone()),
        machine_id,
        boot_id: line("/proc/sys/kernel/random/boot_id").unwrap_or_default(),
        kernel: line("/proc/sys/kernel/osrelease").unwrap_or_default(),
        os_image: os_image().unwrap_or_else(|| "Linux".to_owned()),
        architecture: architecture(),
        systemd,
        hostname: line("/proc/sys/kernel/hostname").unwrap_or_default(),
        addresses,
        cpus: stat.lines().filter(cpu).count() as u64,
        memory: of_memory("MemTotal:"),
        swap: of_memory("SwapTotal:"),
        storage: disk::space(state).map_or(0, |fs| fs.bytes.1),
        huge_pages: huge_pages(),
    }
}

/// The file system of images, when it is not that of `state`.
fn images(state: &Path, images: &Path) -> Option<Space> {
    let device = |path| fs::metadata(path).ok().map(|found| found.dev());
    let own = device(images)?;
    if device(state) == Some(own) {
        return None;
    }
    disk::space(images)
}

/// How the host fares now. `state` and `stored` are paths on the file systems that pods and images use,
/// `systemd_problem` is what a call to systemd has told.
pub fn load(state: &Path, stored: &Path, systemd_problem: Option<String>) -> Load {
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let fs = disk::space(state);
    let threads = line("/proc/loadavg").and_then(|text| {
        let field = text.split_whitespace().nth(3)?.to_owned();
        field.split_once('/')?.1.parse().ok()
    });
    let max = [
        number("/proc/sys/kernel/pid_max"),
        number("/proc/sys/kernel/threads-max"),
    ];
    Load {
        memory_available: meminfo(&memory, "MemAvailable:").unwrap_or(u64::MAX),
        storage_available: fs.map_or(u64::MAX, |fs| fs.bytes.0),
        inodes: fs.map_or((0, 0), |fs| fs.inodes),
        pids: (
            threads.unwrap_or_default(),
            max.into_iter().flatten().min().unwrap_or_default(),
        ),
        memory_stall: stall().unwrap_or_default(),
        systemd_problem,
        images: images(state, stored),
        lately: [false; 3],
        shutting_down: false,
    }
}

/// PSI: `full avg10=0.00 avg60=0.00 avg300=0.00 total=0`.
fn stall() -> Option<f64> {
    let text = fs::read_to_string("/proc/pressure/memory").ok()?;
    let full = text.lines().find(|line| line.starts_with("full"))?;
    let word = full
        .split_whitespace()
        .find_map(|word| word.strip_prefix("avg60="))?;
    word.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_host_has_something() {
        let facts = facts(Path::new("/"), 257, Vec::new());
        assert!(
            facts.cpus > 0 && facts.memory > 1 << 20 && facts.storage > 0,
            "{facts:?}"
        );
        let load = load(Path::new("/"), Path::new("/"), None);
        assert_eq!(load.images, None);
        assert!(load.memory_available > 0 && load.pids.0 > 0 && load.pids.1 > load.pids.0);
    }
}
