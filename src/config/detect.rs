//! What the host says about itself, for settings that nobody wrote.

use super::Capacity;
use crate::model::name::ObjectName;
use crate::model::quantity::{Bytes, CpuMillis};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;

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

/// Cores that this process may use, and memory.
pub fn capacity() -> Option<Capacity> {
    let cores = rustix::thread::sched_getaffinity(None).ok()?.count();
    let info = rustix::system::sysinfo();
    let memory = u128::from(info.totalram) * u128::from(info.mem_unit);
    Some(Capacity {
        cpu: CpuMillis(u64::from(cores) * 1000),
        memory: Bytes(u64::try_from(memory).ok()?),
    })
}

/// Whether AppArmor and SELinux are enabled in the kernel.
pub fn security_modules(root: &Path) -> (bool, bool) {
    let enabled = root.join("sys/module/apparmor/parameters/enabled");
    let app_armor = std::fs::read_to_string(enabled).is_ok_and(|text| text.starts_with('Y'));
    (app_armor, root.join("sys/fs/selinux/enforce").exists())
}
