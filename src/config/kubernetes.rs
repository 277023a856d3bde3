//! `[kubernetes]`: the cluster that this host is a node of. Without the section there is none.

use super::{Wrong, check_path};
use crate::model::layout::Layout;
use crate::model::network::Prefix;
use crate::model::node::{ClusterSettings, Eviction, Leave, Reserved, Taint};
use crate::model::quantity::{Bytes, CpuMillis};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// `[kubernetes]` of one file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Kubernetes {
    /// The kubeconfig with the node's identity, an absolute path (default `/var/lib/vks/node/kubeconfig`).
    pub kubeconfig: Option<PathBuf>,
    /// Labels of the Node object.
    pub labels: Option<BTreeMap<String, String>>,
    /// Annotations of the Node object.
    pub annotations: Option<BTreeMap<String, String>>,
    /// Taints the node is registered with: `key=value:effect`.
    pub taints: Option<Vec<String>>,
    /// What is kept for the host.
    pub reserved: Option<Keep>,
    /// The most pods (default 110).
    pub pods: Option<u32>,
    /// The port of the node's HTTPS API (default 10250).
    pub port: Option<u16>,
    /// From what on the host is said to be short of something.
    pub eviction: Option<Least>,
    /// How long the shutdown of the host waits for pods.
    pub shutdown: Option<Shutdown>,
}

/// `kubernetes.shutdown`: whole seconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Shutdown {
    /// For all pods together (default 0: the shutdown does not wait).
    pub grace: u32,
    /// The last part of that, for those that are critical (default 0).
    pub critical: u32,
}

/// `kubernetes.eviction`: what has to be free.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Least {
    /// Memory, a quantity (default `100Mi`).
    pub memory: Option<String>,
    /// Per cent of the space on disk (default 10).
    pub storage: Option<u8>,
    /// Per cent of the inodes (default 5).
    pub inodes: Option<u8>,
    /// Per cent of the space where images lie, when that is a file system of its own (default 15).
    pub images: Option<u8>,
    /// Seconds for which the host is said to be short of something after it was (default 300).
    pub transition: Option<u32>,
}

/// `kubernetes.reserved`: quantities as Kubernetes writes them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Keep {
    /// CPU (default 0).
    pub cpu: Option<String>,
    /// Memory (default 0).
    pub memory: Option<String>,
    /// Space on disk (default 0).
    pub ephemeral_storage: Option<String>,
}

impl Kubernetes {
    pub(super) fn overlay(&mut self, over: Self) {
        use super::fragment::put;
        put(&mut self.kubeconfig, over.kubeconfig);
        put(&mut self.labels, over.labels);
        put(&mut self.annotations, over.annotations);
        put(&mut self.taints, over.taints);
        put(&mut self.reserved, over.reserved);
        put(&mut self.pods, over.pods);
        put(&mut self.port, over.port);
        put(&mut self.eviction, over.eviction);
        put(&mut self.shutdown, over.shutdown);
    }
}

/// Prefixes of labels that the API server lets a node have (NodeRestriction).
const OWN_PREFIXES: [&str; 2] = ["kubelet.kubernetes.io", "node.kubernetes.io"];
/// Labels below `kubernetes.io` that it lets a node have.
const OWN_LABELS: [&str; 7] = [
    "kubernetes.io/hostname",
    "kubernetes.io/os",
    "kubernetes.io/arch",
    "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region",
    "beta.kubernetes.io/os",
    "beta.kubernetes.io/arch",
];
const EFFECTS: [&str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];

/// Whether the API server refuses this label from a node.
fn is_forbidden(label: &str) -> bool {
    let Some((prefix, _)) = label.split_once('/') else {
        return false;
    };
    let below = |domain: &str| prefix == domain || prefix.ends_with(&format!(".{domain}"));
    (below("kubernetes.io") || below("k8s.io"))
        && !OWN_LABELS.contains(&label)
        && !OWN_PREFIXES.iter().any(|own| below(own))
}

fn taint(text: &str) -> Option<Taint> {
    let (rest, effect) = text.rsplit_once(':')?;
    let (key, value) = rest.split_once('=').unwrap_or((rest, ""));
    (EFFECTS.contains(&effect) && !key.is_empty()).then(|| Taint {
        key: key.to_owned(),
        value: value.to_owned(),
        effect: effect.to_owned(),
    })
}

/// Checks the values one file gives.
pub(super) fn check(kubernetes: &Kubernetes) -> Result<(), Wrong> {
    if let Some(path) = &kubernetes.kubeconfig {
        check_path("kubernetes.kubeconfig", path)?;
    }
    for label in kubernetes.labels.iter().flat_map(BTreeMap::keys) {
        if is_forbidden(label) {
            let message = format!(
                "a node may not give itself the label {label:?}: remove it, and set it with kubectl label node"
            );
            return Err(("kubernetes.labels", message));
        }
    }
    for text in kubernetes.taints.iter().flatten() {
        if taint(text).is_none() {
            let message = format!(
                "{text:?} is not a taint: write key=value:effect with effect {}",
                EFFECTS.join(", ")
            );
            return Err(("kubernetes.taints", message));
        }
    }
    if let Some(keep) = &kubernetes.reserved {
        let wrong = |text: &Option<String>, error: Option<String>| {
            error.map(|error| ("kubernetes.reserved", format!("{error} ({text:?})")))
        };
        let cpu = keep.cpu.as_ref().and_then(|x| x.parse::<CpuMillis>().err());
        let bytes = |text: &Option<String>| {
            let text = text.as_ref()?;
            text.parse::<Bytes>().err().map(|error| error.to_string())
        };
        let found = wrong(&keep.cpu, cpu.map(|error| error.to_string()))
            .or_else(|| wrong(&keep.memory, bytes(&keep.memory)))
            .or_else(|| wrong(&keep.ephemeral_storage, bytes(&keep.ephemeral_storage)));
        found.map_or(Ok(()), Err)?;
    }
    if let Some(least) = &kubernetes.eviction {
        let memory = least.memory.as_ref().map(|text| text.parse::<Bytes>());
        if let Some(Err(error)) = memory {
            return Err(("kubernetes.eviction", error.to_string()));
        }
        if least.storage.max(least.inodes).max(least.images) > Some(100) {
            let message = "more than 100 per cent: write a number from 0 to 100".to_owned();
            return Err(("kubernetes.eviction", message));
        }
    }
    if let Some(Shutdown { grace, critical }) = kubernetes.shutdown
        && critical > grace
    {
        let message =
            format!("critical ({critical}) is a part of grace ({grace}): it cannot be longer");
        return Err(("kubernetes.shutdown", message));
    }
    if kubernetes.port == Some(0) {
        return Err(("kubernetes.port", "must be from 1 to 65535".to_owned()));
    }
    Ok(())
}

/// Fills the gaps. What `check` has let through is taken as it is.
pub(super) fn settings(kubernetes: Kubernetes, layout: &Layout) -> ClusterSettings {
    let keep = kubernetes.reserved.unwrap_or_default();
    let bytes = |text: Option<String>| {
        let parsed = text.and_then(|text| text.parse::<Bytes>().ok());
        parsed.unwrap_or_default()
    };
    let taints = kubernetes.taints.unwrap_or_default();
    ClusterSettings {
        kubeconfig: kubernetes
            .kubeconfig
            .unwrap_or_else(|| layout.node().join("kubeconfig")),
        labels: kubernetes.labels.unwrap_or_default(),
        annotations: kubernetes.annotations.unwrap_or_default(),
        taints: taints.iter().filter_map(|text| taint(text)).collect(),
        reserved: Reserved {
            cpu: keep
                .cpu
                .and_then(|text| text.parse().ok())
                .unwrap_or_default(),
            memory: bytes(keep.memory),
            ephemeral_storage: bytes(keep.ephemeral_storage),
        },
        pods: kubernetes.pods.unwrap_or(ClusterSettings::PODS),
        port: kubernetes.port.unwrap_or(ClusterSettings::PORT),
        eviction: eviction(kubernetes.eviction.unwrap_or_default()),
        shutdown: kubernetes
            .shutdown
            .filter(|shutdown| shutdown.grace > 0)
            .map(|shutdown| Leave {
                grace: seconds(shutdown.grace),
                critical: seconds(shutdown.critical),
            }),
    }
}

/// The prefixes that the cluster has given this node's pods, as they were written down when it was registered.
pub(super) fn pod_prefixes(layout: &Layout) -> Vec<Prefix> {
    let text = std::fs::read_to_string(layout.pod_cidrs()).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).collect()
}

fn seconds(number: u32) -> Duration {
    Duration::from_secs(number.into())
}

fn eviction(least: Least) -> Eviction {
    let default = Eviction::default();
    let memory = least.memory.and_then(|text| text.parse().ok());
    Eviction {
        memory: memory.unwrap_or(default.memory),
        storage: least.storage.unwrap_or(default.storage),
        inodes: least.inodes.unwrap_or(default.inodes),
        images: least.images.unwrap_or(default.images),
        transition: least.transition.map_or(default.transition, seconds),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<ClusterSettings, Wrong> {
        let kubernetes: Kubernetes = toml::from_str(text).unwrap();
        check(&kubernetes)?;
        Ok(settings(kubernetes, &Layout::default()))
    }

    #[test]
    fn gaps_are_filled() {
        let made = read("").unwrap();
        assert_eq!(
            made.kubeconfig.to_str(),
            Some("/var/lib/vks/node/kubeconfig")
        );
        assert_eq!((made.pods, made.port), (110, 10250));
        let made =
            read("taints = ['a=b:NoSchedule', 'c:NoExecute']\nreserved = { cpu = '500m' }\n");
        let made = made.unwrap();
        assert_eq!(made.taints[1].key, "c");
        assert_eq!(made.reserved.cpu, CpuMillis(500));
        assert_eq!(made.shutdown, None);
        let made = read("shutdown = { grace = 30, critical = 10 }").unwrap();
        assert_eq!(made.shutdown.unwrap().critical, Duration::from_secs(10));
    }

    #[test]
    fn what_the_api_server_would_refuse_is_told() {
        let cases = [
            (
                "labels = { 'node-role.kubernetes.io/worker' = '' }",
                "kubernetes.labels",
            ),
            ("labels = { 'x.k8s.io/a' = '' }", "kubernetes.labels"),
            ("taints = ['a=b']", "kubernetes.taints"),
            ("reserved = { memory = 'x' }", "kubernetes.reserved"),
            ("kubeconfig = 'x'", "kubernetes.kubeconfig"),
            (
                "shutdown = { grace = 1, critical = 2 }",
                "kubernetes.shutdown",
            ),
            ("eviction = { images = 101 }", "kubernetes.eviction"),
        ];
        for (text, field) in cases {
            assert_eq!(read(text).unwrap_err().0, field, "{text}");
        }
        for good in [
            "kubernetes.io/hostname",
            "node.kubernetes.io/x",
            "example.com/a",
            "plain",
        ] {
            assert!(
                read(&format!("labels = {{ '{good}' = '' }}")).is_ok(),
                "{good}"
            );
        }
    }
}
