//! `vks sandbox mend`: what somebody has taken away of a pod's network comes back, under the pod's running containers.
//!
//! A namespace lives as long as a process is in it: when only its name was removed, it gets the name again. Interfaces,
//! addresses and routes are made anew as they were; connections go on.

use super::network::{self, NetworkError};
use crate::host::link::{self, Batch};
use crate::host::mounts;
use crate::host::namespace;
use crate::host::process::Process;
use crate::host::routes::Routes;
use crate::model::layout::Layout;
use crate::model::name::{PodKey, PodUid};
use crate::model::network::{POD_LINK, Wiring};
use crate::unit::names::PodUnits;
use std::fs;
use std::net::IpAddr;
use std::path::Path;

/// Mends what is broken. Whether anything was.
pub(super) fn mend(
    layout: &Layout,
    uid: &PodUid,
    pod: &PodKey,
    wiring: &Wiring,
) -> Result<bool, NetworkError> {
    let path = layout.network_namespace(uid);
    let named = fs::symlink_metadata(&path).is_ok() && mounts::is_namespace(&path).unwrap_or(false);
    if !named && let Some(process) = inhabitant(pod) {
        namespace::name_network(&path, &process.proc_dir().join("ns/net"))?;
    }
    if named && is_whole(&path, wiring) {
        return Ok(false);
    }
    if namespace::create_network(&path)? {
        network::up(layout, uid, pod, Some(wiring))?;
        return Ok(true);
    }
    if !is_whole(&path, wiring) {
        // Its other end goes with it.
        let remove = || {
            let mut batch = Batch::default();
            batch.remove(POD_LINK);
            batch.run(link::is_gone)
        };
        namespace::visit_network(&path, remove)?.map_err(NetworkError::Pod)?;
        network::up(layout, uid, pod, Some(wiring))?;
    }
    Ok(true)
}

/// Whether packets find their way to the pod and out of it.
fn is_whole(path: &Path, wiring: &Wiring) -> bool {
    let host = Routes::read();
    let inside = || {
        let routes = Routes::read();
        let mut addresses = wiring.addresses.iter();
        // One behind a tunnel has no route of its own.
        let out = |ip: &IpAddr| wiring.inner.is_some() || routes.has_default(ip.is_ipv4());
        link::index(POD_LINK).is_ok() && addresses.all(out)
    };
    wiring.addresses.iter().all(|address| host.has(*address))
        && namespace::visit_network(path, inside).unwrap_or(false)
}

/// A process of the pod that is in a network namespace of its own.
fn inhabitant(pod: &PodKey) -> Option<Process> {
    let slice = format!("/{}/", PodUnits::new(pod).slice());
    let own = fs::read_link("/proc/1/ns/net").ok()?;
    let entries = fs::read_dir("/proc").ok()?.flatten();
    let mut pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.find_map(|pid| {
        let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
        let network = fs::read_link(format!("/proc/{pid}/ns/net")).ok()?;
        if !groups.contains(&slice) || network == own {
            return None;
        }
        Process::open(pid).ok().flatten()
    })
}
