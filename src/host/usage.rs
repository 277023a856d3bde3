//! What processes use, from the files of their control groups (cgroup v2) and from `/proc`.

use crate::model::name::UnitName;
use std::io;
use std::path::{Path, PathBuf};

/// Where the one hierarchy is mounted.
pub const HIERARCHY: &str = "/sys/fs/cgroup";

/// What a control group has used, and uses. What its files do not tell is 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Processor time since its start, in microseconds.
    pub cpu: u64,
    /// Periods in which it was held back, and all of them.
    pub throttled: (u64, u64),
    /// How long it was held back, in microseconds.
    pub throttled_time: u64,
    /// Bytes in use.
    pub memory: u64,
    /// Bytes in use that the kernel cannot drop at once.
    pub working_set: u64,
    /// Bytes that belong to no file.
    pub anonymous: u64,
    /// Bytes of files.
    pub cache: u64,
    /// Bytes of swap space.
    pub swap: u64,
    /// The most bytes of swap space; `None` without a limit.
    pub swap_limit: Option<u64>,
    /// The most bytes; `None` without a limit.
    pub limit: Option<u64>,
    /// Page faults, and those that needed the disk.
    pub faults: (u64, u64),
    /// Times that something was ended for want of memory.
    pub ooms: u64,
    /// Processes and threads.
    pub tasks: u64,
}

/// The directory of the group of a unit; `None` when its main process has just ended.
pub fn control_group(main_pid: u32, unit: &UnitName) -> Option<PathBuf> {
    let groups = std::fs::read_to_string(format!("/proc/{main_pid}/cgroup")).ok()?;
    Some(Path::new(HIERARCHY).join(unit_group(&groups, unit)?))
}

/// The main process may be in a group of its own below that of its unit.
fn unit_group(groups: &str, unit: &UnitName) -> Option<PathBuf> {
    let path = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let parts: Vec<&str> = path.split('/').collect();
    let end = parts.iter().position(|part| *part == unit.as_str())?;
    Some(parts[..=end].iter().collect())
}

/// What a group uses; `None` when it is gone, or when this host has no cgroup v2.
pub fn read(group: &Path) -> Option<Usage> {
    let text = |name| file(group, name).ok().flatten();
    let number = |name| text(name).and_then(|text| text.trim().parse::<u64>().ok());
    let cpu = text("cpu.stat")?;
    let stat = text("memory.stat").unwrap_or_default();
    let events = text("memory.events").unwrap_or_default();
    let memory = number("memory.current").unwrap_or_default();
    Some(Usage {
        cpu: field(&cpu, "usage_usec"),
        throttled: (field(&cpu, "nr_throttled"), field(&cpu, "nr_periods")),
        throttled_time: field(&cpu, "throttled_usec"),
        memory,
        working_set: memory.saturating_sub(field(&stat, "inactive_file")),
        anonymous: field(&stat, "anon"),
        cache: field(&stat, "file"),
        swap: number("memory.swap.current").unwrap_or_default(),
        swap_limit: number("memory.swap.max"),
        limit: number("memory.max"),
        faults: (field(&stat, "pgfault"), field(&stat, "pgmajfault")),
        ooms: field(&events, "oom_kill"),
        tasks: number("pids.current").unwrap_or_default(),
    })
}

/// What the whole host uses: processor time, and memory as `/proc/meminfo` has it.
pub fn host() -> Usage {
    let text = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let meminfo = text("/proc/meminfo");
    let bytes = |key: &str| meminfo_field(&meminfo, key).saturating_mul(1024);
    let memory = bytes("MemTotal:").saturating_sub(bytes("MemFree:"));
    let faults = text("/proc/vmstat");
    Usage {
        cpu: cpu_of_host(&text("/proc/stat")),
        memory,
        working_set: memory.saturating_sub(bytes("Inactive(file):")),
        anonymous: bytes("AnonPages:"),
        cache: bytes("Cached:"),
        swap: bytes("SwapTotal:").saturating_sub(bytes("SwapFree:")),
        limit: Some(bytes("MemTotal:")),
        faults: (field(&faults, "pgfault"), field(&faults, "pgmajfault")),
        ..Usage::default()
    }
}

/// Ticks of the kernel's clock in a second, as it tells programs of them.
const TICKS: u64 = 100;

/// The sum of all but idle time, in microseconds: user, nice, system, irq, softirq, steal.
fn cpu_of_host(stat: &str) -> u64 {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu "));
    let numbers = line.unwrap_or_default().split_whitespace();
    let numbers: Vec<u64> = numbers.map(|text| text.parse().unwrap_or(0)).collect();
    let busy = [0, 1, 2, 5, 6, 7].map(|place| numbers.get(place).copied().unwrap_or(0));
    busy.iter().sum::<u64>().saturating_mul(1_000_000 / TICKS)
}

/// Bytes that came in and went out by an interface, with errors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traffic {
    /// The interface.
    pub name: String,
    /// Bytes and errors that came in.
    pub received: (u64, u64),
    /// Bytes and errors that went out.
    pub sent: (u64, u64),
}

/// What went through the interfaces of a process' network namespace, loopback aside.
pub fn traffic(pid: u32) -> Vec<Traffic> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/net/dev")).unwrap_or_default();
    parse_traffic(&text)
}

fn parse_traffic(text: &str) -> Vec<Traffic> {
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    let traffic = lines.map(|(name, numbers)| {
        let numbers: Vec<u64> = numbers
            .split_whitespace()
            .map(|text| text.parse().unwrap_or(0))
            .collect();
        let number = |place: usize| numbers.get(place).copied().unwrap_or(0);
        Traffic {
            name: name.trim().to_owned(),
            received: (number(0), number(2)),
            sent: (number(8), number(10)),
        }
    });
    traffic.filter(|traffic| traffic.name != "lo").collect()
}

/// A file of a group; `None` when it is not there, or its group was removed while it was read (ENODEV).
pub fn file(group: &Path, name: &str) -> io::Result<Option<String>> {
    match std::fs::read_to_string(group.join(name)) {
        Ok(text) => Ok(Some(text)),
        Err(error)
            if error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(19) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// The number behind a key, in lines of key and number.
pub fn field(text: &str, key: &str) -> u64 {
    let mut pairs = text.lines().filter_map(|line| line.split_once(' '));
    let value = pairs.find(|(name, _)| *name == key).map(|(_, value)| value);
    value
        .and_then(|value| value.trim().parse().ok())
        .unwrap_or(0)
}

/// The same in `/proc/meminfo`, which aligns.
fn meminfo_field(text: &str, key: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_group_is_that_of_the_unit() {
        let unit = "vks.a.b.c.service".parse().unwrap();
        let group = "vks.slice/vks-a.slice/vks.a.b.c.service";
        for below in ["", "/init.scope/x"] {
            let groups = format!("12:cpu:/x\n0::/{group}{below}\n");
            assert_eq!(unit_group(&groups, &unit), Some(group.into()));
        }
        assert_eq!(unit_group("0::/other.service\n", &unit), None);
        assert_eq!(unit_group("1:name=systemd:/x\n", &unit), None);
    }

    #[test]
    fn figures_of_the_host_are_read() {
        let stat = "cpu  100 1 50 1000 5 2 3 4 0 0\ncpu0 1 1 1 1\n";
        assert_eq!(cpu_of_host(stat), 160 * 10_000);
        let dev = "Inter-|   Receive\n face |bytes\n    lo: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0\n  eth0:100 1 2 0 0 0 0 0 200 1 3 0 0 0 0 0\n";
        let eth0 = Traffic {
            name: "eth0".into(),
            received: (100, 2),
            sent: (200, 3),
        };
        assert_eq!(parse_traffic(dev), [eth0]);
        assert_eq!(
            meminfo_field("MemTotal:       100 kB\nMemFree: 7 kB\n", "MemFree:"),
            7
        );
    }
}
