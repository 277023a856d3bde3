//! What the units of a pod are called. Names are made here and never taken apart: identity is in `[X-kubernetes]`.
//!
//! | unit | name |
//! |---|---|
//! | container | `vks.<namespace>.<pod>.<image>.service`, or `<image>:<container>` when two containers share `<image>` |
//! | pod | `vks-<namespace>-<pod>.target`, `vks-<namespace>-<pod>.slice` |
//! | a volume that is mounted | the path it is mounted on, escaped: `run-vks-vksmounts-<hash>.mount` |
//! | helpers | `vks-<namespace>-<pod>-sandbox.service`, `-probes.service`, `-deadline.timer`, `-deadline.service` |
//! | CronJob | `vks-<namespace>-<name>-cron.timer`, `.service` |
//!
//! Each part is escaped so that the joints are never part of it: the mapping is injective. A name over
//! 255 bytes gets each long part cut and closed with a hash of the whole part.

use super::escape::name_part;
use super::{digest, hex};
use crate::model::name::{ContainerName, PodKey, UnitName};
use crate::model::pod::{Container, ContainerRole, PodSpec};
use std::collections::BTreeMap;
use std::path::Path;

/// The target that starts all pods at boot.
pub const ALL_PODS: &str = "vks-pods.target";

/// The target that wants the pods whose units are part of the host's configuration. Where it is not, there are none.
pub const DECLARED: &str = "vks-declared.target";

/// What has the directories of those pods filled before they start.
pub const FILL: &str = "vks-declared.service";

/// Units of vks that are no pod's, by how their names begin: installed with it, and not made by it.
const INSTALLED: [&str; 10] = [
    "vks.",
    "vks-declared.",
    "vks-fetch@",
    "vks-images.",
    "vks-network.",
    "vks-pods.",
    "vks-units.",
    "vks-wireguard-device@",
    "vks-wireguard-refresh.",
    "vks-wireguard.",
];

/// Whether a unit with one of vks' names is installed with it, and no pod's.
pub fn is_installed(name: &str) -> bool {
    // `vks.<namespace>.<pod>.<image>.service` is a container.
    INSTALLED.iter().any(|start| name.starts_with(start)) && name.matches('.').count() == 1
}

/// Part of the name of every mount unit of vks, whose name is the path it mounts on.
pub const MOUNTS: &str = "-vksmounts-";

/// Whether a unit has a name that vks gives.
pub fn is_ours(name: &str) -> bool {
    name.starts_with("vks") || (name.ends_with(".mount") && name.contains(MOUNTS))
}

/// The unit that mounts on a path, by the rules of `systemd-escape --path`.
pub fn mount(path: &Path) -> UnitName {
    let mut name = String::new();
    for part in path.components() {
        if let std::path::Component::Normal(part) = part {
            if !name.is_empty() {
                name.push('-');
            }
            for (index, byte) in part.as_encoded_bytes().iter().enumerate() {
                match byte {
                    b'.' if index == 0 => name.push_str("\\x2e"),
                    b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'.' | b':' | b'_' => {
                        name.push(char::from(*byte));
                    }
                    byte => name.push_str(&format!("\\x{byte:02x}")),
                }
            }
        }
    }
    #[expect(
        clippy::expect_used,
        reason = "escaped, and no longer than the settings let paths be"
    )]
    format!("{name}.mount")
        .parse()
        .expect("an escaped path makes a valid unit name")
}

/// Bytes of a unit name (systemd's UNIT_NAME_MAX without the terminating zero).
const LIMIT: usize = 255;
/// Bytes of a part in a name that had to be shortened.
const PART: usize = 52;

/// The unit names of one pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodUnits<'a> {
    key: &'a PodKey,
}

impl<'a> PodUnits<'a> {
    /// The names for a pod.
    pub fn new(key: &'a PodKey) -> Self {
        Self { key }
    }

    /// Stands for the pod; carries its manifest.
    pub fn target(&self) -> UnitName {
        self.pod_level("", "target")
    }

    /// Bounds its resources; stopping it stops everything of the pod.
    pub fn slice(&self) -> UnitName {
        self.pod_level("", "slice")
    }

    /// Makes what the containers need before they start.
    pub fn sandbox(&self) -> UnitName {
        self.pod_level("-sandbox", "service")
    }

    /// Runs its probes.
    pub fn probes(&self) -> UnitName {
        self.pod_level("-probes", "service")
    }

    /// Waits for the active deadline.
    pub fn deadline_timer(&self) -> UnitName {
        self.pod_level("-deadline", "timer")
    }

    /// Ends the pod when the deadline has passed.
    pub fn deadline(&self) -> UnitName {
        self.pod_level("-deadline", "service")
    }

    /// Of a CronJob, whose key this then is: starts [`PodUnits::cron`] at its times.
    pub fn cron_timer(&self) -> UnitName {
        self.pod_level("-cron", "timer")
    }

    /// Has vks look at a CronJob.
    pub fn cron(&self) -> UnitName {
        self.pod_level("-cron", "service")
    }

    fn pod_level(&self, role: &str, suffix: &str) -> UnitName {
        let parts = [self.key.namespace.as_str(), self.key.name.as_str()];
        fitted(&parts, |p| format!("vks-{}-{}{role}.{suffix}", p[0], p[1]))
    }

    /// The unit of each container.
    pub fn containers(&self, spec: &PodSpec) -> BTreeMap<ContainerName, UnitName> {
        let mut shared: BTreeMap<&str, usize> = BTreeMap::new();
        // An ephemeral container must not change the names of others: it always has its own name in that of its unit.
        for (_, container) in spec.lasting_containers() {
            *shared.entry(container.image.short_name()).or_default() += 1;
        }
        let name = |role: ContainerRole, container: &Container| {
            let image = container.image.short_name();
            let unique = role != ContainerRole::Ephemeral && shared.get(image) == Some(&1);
            self.container(image, (!unique).then_some(&container.name))
        };
        spec.all_containers()
            .map(|(role, c)| (c.name.clone(), name(role, c)))
            .collect()
    }

    fn container(&self, image: &str, container: Option<&ContainerName>) -> UnitName {
        let key = [self.key.namespace.as_str(), self.key.name.as_str(), image];
        match container {
            None => fitted(&key, |p| format!("vks.{}.{}.{}.service", p[0], p[1], p[2])),
            Some(container) => {
                let parts = [key[0], key[1], key[2], container.as_str()];
                fitted(&parts, |p| {
                    format!("vks.{}.{}.{}:{}.service", p[0], p[1], p[2], p[3])
                })
            }
        }
    }
}

/// Joins escaped parts; when the result is too long, joins shortened ones.
fn fitted(parts: &[&str], join: impl Fn(&[String]) -> String) -> UnitName {
    let escaped: Vec<String> = parts.iter().map(|part| name_part(part)).collect();
    let full = join(&escaped);
    let text = match full.len() {
        0..=LIMIT => full,
        _ => join(
            &escaped
                .iter()
                .map(|part| shortened(part))
                .collect::<Vec<_>>(),
        ),
    };
    #[expect(
        clippy::expect_used,
        reason = "only letters, digits and \\x.. between fixed joints, and at most 4*52+32 bytes"
    )]
    text.parse().expect("escaped parts make a valid unit name")
}

/// A part that fits: cut at the start of an escape if need be, then `_` (which no part contains) and a hash.
fn shortened(part: &str) -> String {
    if part.len() <= PART {
        return part.to_owned();
    }
    let mut end = PART - 17;
    // `\x2d` is four bytes: do not leave a piece of it.
    if let Some(start) = part[..end].rfind('\\')
        && start + 4 > end
    {
        end = start;
    }
    let hash = hex(&digest(part.as_bytes())[..8]);
    format!("{}_{hash}", &part[..end])
}
