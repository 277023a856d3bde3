//! What one settings file may say. Nothing is required; what is absent has the default named here.

use super::api::Api;
use super::kubernetes::Kubernetes;
use super::wireguard::Wireguard;
use crate::model::network::{Mode, Prefix};
use crate::model::security::Profile;
use serde::Deserialize;
use std::net::IpAddr;
use std::path::PathBuf;

/// One file: `vks.toml` or a drop-in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Fragment {
    /// `[node]`: this host.
    pub node: Node,
    /// `[pods]`: where pods come from.
    pub pods: Pods,
    /// `[paths]`: where vks keeps things.
    pub paths: Paths,
    /// `[network]`: addresses of pods and services.
    pub network: Network,
    /// `[wireguard]`: the mesh of hosts; there is none without it.
    pub wireguard: Option<Wireguard>,
    /// `[dns]`: the name servers of the cluster.
    pub dns: Dns,
    /// `[kubernetes]`: the cluster this host is a node of; none without the section.
    pub kubernetes: Option<Kubernetes>,
    /// `[api]`: the node's HTTPS API.
    pub api: Option<Api>,
    /// `[images]`: what images are and where they come from.
    pub images: super::images::Images,
}

/// `[network]`: addresses of pods and services.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Network {
    /// `"pod"` or `"host"` (default `"pod"`).
    pub mode: Option<Mode>,
    /// `["ipv4", "ipv6"]`: what pods get an address of (default: both, without IPv6 where the kernel has none).
    pub families: Option<Vec<Family>>,
    /// The pods' IPv4 prefix (default: a /24 of `ipv4_range` that follows from the machine-id).
    pub ipv4: Option<Prefix>,
    /// Where that /24 is taken from (default `10.192.0.0/10`).
    pub ipv4_range: Option<Prefix>,
    /// The pods' IPv6 prefix (default: a unique local /64 that follows from the machine-id).
    pub ipv6: Option<Prefix>,
    /// Prefixes of the addresses of services, at most one of each family (default `10.96.0.0/16` and
    /// `fd76:6b73:5c::/112`).
    pub services: Option<Vec<Prefix>>,
    /// First and last port of services of type NodePort (default `[30000, 32767]`).
    pub node_ports: Option<(u16, u16)>,
    /// Bytes of a pod's largest packet (default: what the interface with the default route takes).
    pub mtu: Option<u32>,
    /// Destinations that see the pod's own address (default none).
    pub no_masquerade: Option<Vec<Prefix>>,
}

/// A family of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

/// `[dns]`: the name servers of the cluster, for pods whose `dnsPolicy` asks for them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Dns {
    /// Their addresses (default vks' own; none, `[]`: such pods get what the host uses).
    pub servers: Option<Vec<IpAddr>>,
    /// The domain below which services have their names (default `cluster.local`).
    pub domain: Option<String>,
}

/// What pods may use of the host's swap space (kubelet: memorySwap.swapBehavior).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub enum Swap {
    /// None of it.
    #[default]
    NoSwap,
    /// A container of a burstable pod as much of it as its memory request is of the host's memory; others none.
    LimitedSwap,
    /// As much as there is.
    UnlimitedSwap,
}

/// `[node]`: this host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Node {
    /// The node's name for `fieldRef: spec.nodeName` (default: the host name in lower case).
    pub name: Option<String>,
    /// The node's address for `fieldRef: status.hostIP` (default: the address packets to the world leave from;
    /// none without a route).
    pub ip: Option<String>,
    /// The vks that units run, an absolute path (default `/usr/bin/vks`).
    pub program: Option<String>,
    /// Processes and threads that a pod may have (default: no limit for the pod, systemd's for each container).
    pub pids_limit: Option<u64>,
    /// What pods may use of the swap space (default `NoSwap`).
    pub swap: Option<Swap>,
}

/// `[pods]`: where pods come from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Pods {
    /// Directories of manifests, absolute paths, the first winning (default `["/etc/vks/pods.d"]`).
    pub directories: Option<Vec<PathBuf>>,
    /// The profile of pods that name none: `strict`, `default` or `trusted` (default `strict`).
    pub profile: Option<Profile>,
}

/// `[paths]`: where vks keeps things; absolute paths.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Paths {
    /// What survives a reboot (default `/var/lib/vks`).
    pub state: Option<PathBuf>,
    /// What does not (default `/run/vks`).
    pub run: Option<PathBuf>,
    /// Where unit files are written; in systemd's search path (default `/etc/systemd/system.attached`).
    pub units: Option<PathBuf>,
    /// Where network namespaces are mounted (default `/run/netns`).
    pub netns: Option<PathBuf>,
}

impl Fragment {
    /// Lays another fragment over this one: what it says wins, a list replaces a list.
    pub fn overlay(&mut self, over: Self) {
        let Self {
            node,
            pods,
            paths,
            network,
            wireguard,
            dns,
            kubernetes,
            api,
            images,
        } = over;
        self.images.overlay(images);
        if let Some(over) = api {
            self.api.get_or_insert_default().overlay(over);
        }
        if let Some(over) = kubernetes {
            self.kubernetes.get_or_insert_default().overlay(over);
        }
        if let Some(over) = wireguard {
            self.wireguard.get_or_insert_default().overlay(over);
        }
        self.network.overlay(network);
        put(&mut self.node.name, node.name);
        put(&mut self.node.ip, node.ip);
        put(&mut self.node.program, node.program);
        put(&mut self.node.pids_limit, node.pids_limit);
        put(&mut self.node.swap, node.swap);
        put(&mut self.dns.servers, dns.servers);
        put(&mut self.dns.domain, dns.domain);
        put(&mut self.pods.directories, pods.directories);
        put(&mut self.pods.profile, pods.profile);
        put(&mut self.paths.state, paths.state);
        put(&mut self.paths.run, paths.run);
        put(&mut self.paths.units, paths.units);
        put(&mut self.paths.netns, paths.netns);
    }
}

impl Network {
    fn overlay(&mut self, over: Self) {
        put(&mut self.mode, over.mode);
        put(&mut self.families, over.families);
        put(&mut self.ipv4, over.ipv4);
        put(&mut self.ipv4_range, over.ipv4_range);
        put(&mut self.ipv6, over.ipv6);
        put(&mut self.services, over.services);
        put(&mut self.node_ports, over.node_ports);
        put(&mut self.mtu, over.mtu);
        put(&mut self.no_masquerade, over.no_masquerade);
    }
}

/// What is said over what was said.
pub(super) fn put<T>(under: &mut Option<T>, over: Option<T>) {
    if over.is_some() {
        *under = over;
    }
}
