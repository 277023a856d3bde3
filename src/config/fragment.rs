//! What one settings file may say. Nothing is required; what is absent has the default named here.

use crate::model::security::Profile;
use serde::Deserialize;
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
        let Self { node, pods, paths } = over;
        put(&mut self.node.name, node.name);
        put(&mut self.node.ip, node.ip);
        put(&mut self.node.program, node.program);
        put(&mut self.pods.directories, pods.directories);
        put(&mut self.pods.profile, pods.profile);
        put(&mut self.paths.state, paths.state);
        put(&mut self.paths.run, paths.run);
        put(&mut self.paths.units, paths.units);
        put(&mut self.paths.netns, paths.netns);
    }
}

fn put<T>(under: &mut Option<T>, over: Option<T>) {
    if over.is_some() {
        *under = over;
    }
}
