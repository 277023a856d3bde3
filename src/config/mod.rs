//! vks' own settings: `/etc/vks/vks.toml` and drop-ins, merged and checked.
//!
//! Files are looked for below `/usr/lib/vks`, `/run/vks` and `/etc/vks`, the last being the most important:
//! the most important `vks.toml` counts, and over it every `vks.toml.d/*.toml` in the order of their names,
//! whatever directory they are in. A drop-in masks those of the same name in less important directories;
//! an empty one, or a link to `/dev/null`, only masks.

mod api;
pub mod detect;
pub mod file;
mod files;
pub mod fragment;
pub mod images;
mod kubernetes;
pub mod network;
#[cfg(test)]
pub mod scratch;
mod seccomp;
pub mod wireguard;

use crate::model::api::ApiSettings;
use crate::model::layout::Layout;
use crate::model::name::ObjectName;
use crate::model::network::{NetworkSettings, Prefix};
use crate::model::node::ClusterSettings;
use crate::model::security::Profile;
use crate::model::wireguard::Mesh;
use detect::Facts;
pub use fragment::Swap;
use fragment::{Fragment, Paths};
pub use images::ImageSettings;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::{Component, Path, PathBuf};

/// Checked settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `node.name` (default: the host name).
    pub node_name: String,
    /// `node.ip` (default: the address of the default route; none without one).
    pub host_ip: Option<String>,
    /// `node.program`: the vks that units run (default `/usr/bin/vks`). Not the running one: a path that
    /// changes with each build would change every unit.
    pub program: String,
    /// `pods.directories` (default `/etc/vks/pods.d`); `vks apply`'s own directory is always a source too.
    pub pod_dirs: Vec<PathBuf>,
    /// `paths.*`.
    pub layout: Layout,
    /// `network.*`.
    pub network: NetworkSettings,
    /// `wireguard.*`: the mesh of hosts; none without such a section.
    pub wireguard: Option<Mesh>,
    /// `dns.servers`: the cluster's name servers (default vks' own; none in network mode `host`).
    pub dns_servers: Vec<IpAddr>,
    /// `dns.domain` (default `cluster.local`).
    pub dns_domain: String,
    /// `node.pids_limit`: processes and threads of a pod (default: no limit of the pod as a whole).
    pub pids_limit: Option<u64>,
    /// `node.swap` (default: no swap for pods).
    pub swap: Swap,
    /// CPUs of this host; `None` where nobody looked.
    pub cpus: Option<u64>,
    /// Memory and swap space of this host in bytes; `None` where nobody looked (as for `vks render`).
    pub memory: Option<HostMemory>,
    /// The major version of systemd here. Where nobody asked, the oldest one that gives everything: 257.
    pub systemd: u32,
    /// `pods.profile`: for pods that name none (default strict).
    pub profile: Profile,
    /// The seccomp profiles of this host: the files below `/etc/vks/seccomp`, by their path there.
    pub seccomp: BTreeMap<String, String>,
    /// AppArmor is enabled in the kernel (default false).
    pub app_armor: bool,
    /// SELinux is enabled in the kernel (default false).
    pub se_linux: bool,
    /// `kubernetes.*`: the cluster this host is a node of; `None` without the section.
    pub cluster: Option<ClusterSettings>,
    /// `api.*`: the node's HTTPS API; `None` without the section and without a cluster.
    pub api: Option<ApiSettings>,
    /// `images.*`.
    pub images: ImageSettings,
}

/// What the host has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostMemory {
    /// Bytes of memory.
    pub total: u64,
    /// Bytes of swap space.
    pub swap: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            node_name: "localhost".to_owned(),
            host_ip: None,
            program: "/usr/bin/vks".to_owned(),
            pod_dirs: vec!["/etc/vks/pods.d".into()],
            layout: Layout::default(),
            network: NetworkSettings::default(),
            wireguard: None,
            dns_servers: NetworkSettings::default()
                .name_server()
                .into_iter()
                .collect(),
            dns_domain: "cluster.local".to_owned(),
            pids_limit: None,
            swap: Swap::default(),
            cpus: None,
            memory: None,
            systemd: 257,
            profile: Profile::default(),
            seccomp: BTreeMap::new(),
            app_armor: false,
            se_linux: false,
            cluster: None,
            api: None,
            images: ImageSettings::default(),
        }
    }
}

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A directory of drop-ins is there but cannot be read.
    #[error("{path}: cannot be read: correct its permissions or remove it")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A settings file cannot be read.
    #[error("{path}: cannot be used as settings")]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: file::ReadError,
    },
    /// A settings file says something that vks does not understand, or that cannot be.
    #[error("{path}:{line}: {message}")]
    Text {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
}

impl Settings {
    /// Reads the settings files below `root` (`/` on a real host) and fills the gaps with what the host says
    /// about itself. Paths in the settings are taken as they are, not below `root`.
    ///
    /// # Errors
    /// The first file that cannot be read or says something wrong, by name and line.
    pub fn load(root: &Path) -> Result<Self, ConfigError> {
        Self::load_as(root, None)
    }

    /// The same for another host, of which this is known.
    ///
    /// # Errors
    /// As for [`Settings::load`].
    pub fn load_as(root: &Path, facts: Option<&Facts>) -> Result<Self, ConfigError> {
        let mut merged = Fragment::default();
        for path in files::list(root)? {
            merged.overlay(files::read(&path)?);
        }
        let mut settings = Self::from_fragment(merged, facts);
        settings.seccomp = seccomp::read(root)?;
        (settings.app_armor, settings.se_linux) = match facts {
            Some(facts) => facts.security_modules,
            None => detect::security_modules(root),
        };
        Ok(settings)
    }

    fn from_fragment(merged: Fragment, facts: Option<&Facts>) -> Self {
        let Fragment {
            node,
            pods,
            paths,
            network,
            wireguard,
            dns,
            kubernetes,
            api,
            images,
        } = merged;
        let default = Self::default();
        let layout = layout(paths, default.layout);
        let wireguard = wireguard.map(|mut wireguard| {
            if kubernetes.is_some() {
                wireguard::complete(&mut wireguard, wireguard::told(&layout));
            }
            wireguard::settings(wireguard)
        });
        let mut network = network::settings(network, facts);
        let given = kubernetes
            .as_ref()
            .map(|_| kubernetes::pod_prefixes(&layout));
        if let Some(given) = given.filter(|given| network.derived && !given.is_empty()) {
            network.pods = given;
            network.derived = false;
        }
        let cluster = kubernetes.map(|found| kubernetes::settings(found, &layout));
        let network = NetworkSettings {
            mesh: mesh_prefixes(wireguard.as_ref()),
            ..network
        };
        let own = || network.name_server().into_iter().collect();
        Self {
            node_name: node.name.unwrap_or_else(|| match facts {
                Some(facts) => facts.node_name.clone(),
                None => detect::node_name(),
            }),
            host_ip: node.ip.or_else(|| match facts {
                Some(facts) => Some(facts.host_ip.clone()),
                None => detect::host_ip(),
            }),
            program: node.program.unwrap_or(default.program),
            pod_dirs: pods.directories.unwrap_or(default.pod_dirs),
            api: api::settings(api, cluster.as_ref(), &layout),
            cluster,
            layout,
            wireguard,
            dns_servers: dns.servers.unwrap_or_else(own),
            network,
            dns_domain: dns.domain.unwrap_or(default.dns_domain.clone()),
            pids_limit: node.pids_limit,
            swap: node.swap.unwrap_or_default(),
            cpus: facts.map_or_else(detect::cpus, |facts| Some(facts.cpus)),
            memory: facts.map_or_else(detect::memory, |facts| Some(facts.memory)),
            profile: pods.profile.unwrap_or_default(),
            images: images::settings(images),
            ..default
        }
    }

    /// All directories pods come from, in order: `pods.directories`, then that of `vks apply`, then what the API server
    /// gave this node. The last one also when the host is no node any more: what runs from it was not asked to stop.
    pub fn manifest_dirs(&self) -> Vec<PathBuf> {
        let mut dirs = self.pod_dirs.clone();
        let given = self.layout.cluster();
        let is_node = self.cluster.is_some() || given.is_dir();
        let own = [self.layout.manifests()];
        for dir in own.into_iter().chain(is_node.then_some(given)) {
            if !dirs.contains(&dir) {
                dirs.push(dir);
            }
        }
        dirs
    }
}

fn mesh_prefixes(mesh: Option<&Mesh>) -> Vec<Prefix> {
    let peers = mesh.into_iter().flat_map(|mesh| mesh.peers.values());
    peers.flat_map(|peer| peer.prefixes.clone()).collect()
}

fn layout(paths: Paths, default: Layout) -> Layout {
    let mut layout = Layout {
        state: paths.state.unwrap_or(default.state),
        run: paths.run.unwrap_or(default.run),
        units: default.units,
        given: default.given,
        netns: paths.netns.unwrap_or(default.netns),
    };
    match paths.units {
        Some(units) => layout.units = units,
        None if detect::keeps_units(&layout) => layout.units = layout.kept_units(),
        None => {}
    }
    layout
}

type Wrong = (&'static str, String);

fn check_dns(dns: &fragment::Dns) -> Result<(), Wrong> {
    if dns
        .servers
        .as_ref()
        .is_some_and(|servers| servers.len() > 3)
    {
        let message = "has more than 3 servers, the most a resolver asks: remove some";
        return Err(("dns.servers", message.to_owned()));
    }
    if let Some(domain) = &dns.domain {
        let domain = domain.parse::<ObjectName>();
        domain.map_err(|error| ("dns.domain", error.to_string()))?;
    }
    Ok(())
}

/// Checks the values one file gives.
fn check(fragment: &Fragment) -> Result<(), Wrong> {
    let Fragment {
        node,
        pods,
        paths,
        network,
        wireguard,
        dns,
        kubernetes,
        api,
        images,
    } = fragment;
    network::check(network)?;
    images::check(images)?;
    wireguard.iter().try_for_each(wireguard::check)?;
    kubernetes.iter().try_for_each(kubernetes::check)?;
    api.iter().try_for_each(api::check)?;
    check_dns(dns)?;
    if node.pids_limit == Some(0) {
        return Err((
            "node.pids_limit",
            "must be at least 1: remove it for no limit".to_owned(),
        ));
    }
    if let Some(name) = &node.name {
        let name = name.parse::<ObjectName>();
        name.map_err(|error| ("node.name", error.to_string()))?;
    }
    if let Some(ip) = &node.ip
        && ip.parse::<IpAddr>().is_err()
    {
        return Err((
            "node.ip",
            format!("{ip:?} is not an IP address: write one such as 192.0.2.7"),
        ));
    }
    if let Some(program) = &node.program {
        check_path("node.program", Path::new(program))?;
    }
    let mut seen = BTreeSet::new();
    for dir in pods.directories.iter().flatten() {
        check_path("pods.directories", dir)?;
        if !seen.insert(dir) {
            let message = format!("{} is there twice: remove one", dir.display());
            return Err(("pods.directories", message));
        }
    }
    for (field, path) in [
        ("paths.state", &paths.state),
        ("paths.run", &paths.run),
        ("paths.units", &paths.units),
        ("paths.netns", &paths.netns),
    ] {
        path.iter().try_for_each(|path| check_path(field, path))?;
    }
    paths.run.iter().try_for_each(|run| check_run(run))?;
    Ok(())
}

/// Mount units have their path for a name, escaped, and at most 255 bytes.
fn check_run(run: &Path) -> Result<(), Wrong> {
    match run.as_os_str().len() {
        0..=48 => Ok(()),
        _ => {
            let message = format!("{} is longer than 48 bytes: shorten it", run.display());
            Err(("paths.run", message))
        }
    }
}

/// Absolute, plain, and of characters that need no thought in a unit file.
fn check_path(field: &'static str, path: &Path) -> Result<(), Wrong> {
    let plain = path
        .components()
        .all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    let text = path.to_string_lossy();
    let letters = !text.chars().any(|c| c.is_control() || c.is_whitespace());
    if path.is_absolute() && plain && letters && path != Path::new("/") {
        return Ok(());
    }
    let message =
        format!("{text:?} must be an absolute path without '..' and white space: correct it");
    Err((field, message))
}

#[cfg(test)]
mod tests;
