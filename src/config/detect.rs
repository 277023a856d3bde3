//! What the host says about itself, for settings that nobody wrote.

use super::HostMemory;
use crate::model::layout::{Layout, RUN_UNITS};
use crate::model::name::ObjectName;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;

/// What the host would say, for settings of a host that this is not: when its configuration is built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The host name, as a node has it.
    pub node_name: String,
    /// The address of the default route.
    pub host_ip: String,
    /// The machine-id, which prefixes of pods follow from.
    pub machine_id: String,
    /// The kernel has IPv6.
    pub ipv6: bool,
    /// CPUs.
    pub cpus: u64,
    /// Memory and swap space.
    pub memory: HostMemory,
    /// AppArmor and SELinux are enabled.
    pub security_modules: (bool, bool),
}

impl Facts {
    /// Two hosts that have nothing in common: what follows in the same way for both follows from the settings alone.
    pub fn of_two_hosts() -> [Self; 2] {
        let host = |name: &str, ip: &str, ipv6: bool, size: u64| Self {
            node_name: name.to_owned(),
            host_ip: ip.to_owned(),
            machine_id: name.repeat(32),
            ipv6,
            cpus: size,
            memory: HostMemory {
                total: size << 30,
                swap: (size - 1) << 30,
            },
            security_modules: (ipv6, !ipv6),
        };
        [
            host("a", "192.0.2.1", true, 2),
            host("b", "198.51.100.1", false, 3),
        ]
    }
}

/// The host name in lower case, as Kubernetes names nodes; `localhost` when it is none that a node can have.
pub fn node_name() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = host.trim().to_ascii_lowercase();
    match name.parse::<ObjectName>() {
        Ok(_) => name,
        Err(_) => "localhost".to_owned(),
    }
}

/// The address that packets to the world would leave from. Nothing is sent: connecting a UDP socket only
/// looks up the route, and 192.0.2.1 is an address of nobody (RFC 5737).
pub fn host_ip() -> Option<String> {
    let socket = UdpSocket::bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0))).ok()?;
    socket
        .connect(SocketAddr::from((Ipv4Addr::new(192, 0, 2, 1), 9)))
        .ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_unspecified() && !address.is_loopback()).then(|| address.to_string())
}

/// Memory and swap space, as the kernel counts them.
pub fn memory() -> Option<HostMemory> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let kib = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    Some(HostMemory {
        total: kib("MemTotal:")? << 10,
        swap: kib("SwapTotal:").unwrap_or(0) << 10,
    })
}

/// CPUs that run.
pub fn cpus() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/stat").ok()?;
    let cpu = |line: &&str| {
        let number = line.strip_prefix("cpu");
        number.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    u64::try_from(text.lines().filter(cpu).count())
        .ok()
        .filter(|count| *count > 0)
}

/// Whether unit files are kept where `/etc` is not: `vks-units.service` has decided that and made the link.
pub fn keeps_units(layout: &Layout) -> bool {
    std::fs::read_link(RUN_UNITS).is_ok_and(|to| to == layout.kept_units())
}

/// Whether AppArmor and SELinux are enabled in the kernel.
pub fn security_modules(root: &Path) -> (bool, bool) {
    let enabled = root.join("sys/module/apparmor/parameters/enabled");
    let app_armor = std::fs::read_to_string(enabled).is_ok_and(|text| text.starts_with('Y'));
    (app_armor, root.join("sys/fs/selinux/enforce").exists())
}
