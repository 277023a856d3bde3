//! vks' own settings: `/etc/vks/vks.toml` and drop-ins, merged and checked.

pub mod file;
#[cfg(test)]
pub mod scratch;

use crate::model::layout::Layout;
use std::path::PathBuf;

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
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            node_name: "localhost".to_owned(),
            host_ip: None,
            program: "/usr/bin/vks".to_owned(),
            pod_dirs: vec!["/etc/vks/pods.d".into()],
            layout: Layout::default(),
        }
    }
}
