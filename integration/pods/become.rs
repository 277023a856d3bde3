//! What a pod becomes, and how two of those differ.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use vks::config::{HostMemory, Settings};
use vks::model::claim::{
    AccessMode, PersistentPlace, PersistentVolume, Reclaim, VolumeClaim, VolumeMode,
};
use vks::model::desired::{DataObject, Desired, Problem};
use vks::model::name::{ObjectKey, UnitName};
use vks::model::pod::Pod;
use vks::model::priority::PriorityClass;
use vks::model::volume::HostPathKind;
use vks::observe::status::{Facts, status};
use vks::plan::units::{Rendered, render};
use vks::plan::{RENDER_SEED, new_uid};
use vks::source::parse;
use vks::unit::UnitFile;

/// What a pod becomes.
pub struct Became {
    pub pod: Pod,
    pub desired: Desired,
    pub settings: Settings,
    pub files: BTreeMap<UnitName, UnitFile>,
    pub rendered: Rendered,
}

/// A seccomp profile of the host. What gives a container its host name must be in it.
const PROFILE: &str = r#"{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["read", "write", "setns"], "action": "SCMP_ACT_ALLOW"}]}"#;

/// Another one.
const OTHER_PROFILE: &str = r#"{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["read", "openat", "setns"], "action": "SCMP_ACT_ALLOW"}]}"#;

/// Why it becomes nothing.
pub enum Refused {
    /// The manifest is wrong.
    Problems(Vec<Problem>),
    /// It cannot be started.
    Blocked(String),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Problems(problems) => {
                let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
                f.write_str(&texts.join("\n"))
            }
            Self::Blocked(message) => f.write_str(message),
        }
    }
}

/// What pods may refer to: the config map `conf` and the secret `keys`.
fn desired(pod: &Pod) -> Desired {
    let object = |values: &[(&str, &str)]| DataObject {
        data: values
            .iter()
            .map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec()))
            .collect(),
        ..DataObject::default()
    };
    let key = |name: &str| ObjectKey {
        namespace: pod.key.namespace.clone(),
        name: name.parse().unwrap(),
    };
    Desired {
        pods: BTreeMap::from([(pod.key.clone(), pod.clone())]),
        config_maps: BTreeMap::from([(key("conf"), object(&[("a", "1 %n"), ("b", "$x \"q\"")]))]),
        secrets: BTreeMap::from([(key("keys"), object(&[("k", "s3cret"), ("l", "'")]))]),
        volume_claims: ["data", "other", "disk"]
            .map(|name| (key(name), claim(name)))
            .into(),
        persistent_volumes: ["pv", "pv2", "disk"]
            .map(|name| (name.parse().unwrap(), persistent(name)))
            .into(),
        priority_classes: BTreeMap::from([(
            "high".parse().unwrap(),
            PriorityClass {
                value: 1000,
                global_default: false,
                source: pod.source.clone(),
            },
        )]),
        ..Desired::default()
    }
}

fn mode(name: &str) -> VolumeMode {
    match name {
        "disk" => VolumeMode::Block,
        _ => VolumeMode::Filesystem,
    }
}

/// A claim; the one for a device has the volume of its name.
fn claim(name: &str) -> VolumeClaim {
    VolumeClaim {
        access_modes: vec![AccessMode::Once],
        request: None,
        volume_name: (name == "disk").then(|| name.parse().unwrap()),
        mode: mode(name),
        reclaim: Reclaim::Retain,
        source: None,
    }
}

fn persistent(name: &str) -> PersistentVolume {
    PersistentVolume {
        capacity: None,
        access_modes: vec![AccessMode::Once, AccessMode::Many],
        claim_ref: None,
        mode: mode(name),
        place: PersistentPlace::Path {
            // A block device is a device.
            path: match mode(name) {
                VolumeMode::Block => format!("/dev/{name}"),
                VolumeMode::Filesystem => format!("/srv/{name}"),
            },
            kind: HostPathKind::Unchecked,
        },
        source: None,
    }
}

/// Reads a manifest, and renders the pod in it.
pub fn become_units(manifest: &Value) -> Result<Became, Refused> {
    let mut parsed = parse(
        Path::new("/etc/vks/pods.d/x.json"),
        manifest.to_string().as_bytes(),
    );
    if !parsed.problems.is_empty() {
        return Err(Refused::Problems(parsed.problems));
    }
    let pod = parsed.pods.pop().unwrap();
    let settings = Settings {
        host_ip: Some("192.0.2.1".to_owned()),
        dns_servers: vec!["10.43.0.10".parse().unwrap()],
        systemd: 257,
        cpus: Some(8),
        memory: Some(HostMemory {
            total: 16 << 30,
            swap: 0,
        }),
        app_armor: true,
        se_linux: true,
        seccomp: BTreeMap::from([
            ("a.json".to_owned(), PROFILE.to_owned()),
            ("b.json".to_owned(), OTHER_PROFILE.to_owned()),
        ]),
        ..Settings::default()
    };
    let desired = desired(&pod);
    let uid = pod
        .uid
        .clone()
        .unwrap_or_else(|| new_uid(&pod.key, RENDER_SEED));
    let rendered = render(&pod, &uid, &desired, &settings)
        .map_err(|blocked| Refused::Blocked(blocked.message))?;
    if let Some(blocked) = rendered.blocked.first() {
        return Err(Refused::Blocked(blocked.message.clone()));
    }
    let files = rendered
        .units
        .iter()
        .map(|(name, unit)| (name.clone(), unit.file.clone()))
        .collect();
    Ok(Became {
        pod,
        desired,
        settings,
        files,
        rendered,
    })
}

impl Became {
    /// Everything that can differ: the place, the key and what it says. Not the manifest that a pod carries, nor the
    /// hashes, which are made of the fields and not their effect.
    fn facts(&self) -> BTreeSet<(String, String, String)> {
        let mut facts = BTreeSet::new();
        for (unit, file) in &self.files {
            for section in &file.sections {
                for (index, (key, value)) in section.entries.iter().enumerate() {
                    if !matches!(key.as_str(), "Manifest" | "SpecHash") {
                        let nth = section.entries[..index]
                            .iter()
                            .filter(|(other, _)| other == key)
                            .count();
                        facts.insert((
                            format!("{unit} {} {nth}", section.name),
                            key.clone(),
                            value.clone(),
                        ));
                    }
                }
            }
        }
        for payload in &self.rendered.payloads {
            let content = format!("{:?} {:?}", payload.content, payload.content.digest());
            facts.insert((payload.path.clone(), "(files)".to_owned(), content));
        }
        let facts_of_host = Facts {
            host_mode: false,
            host_ip: self.settings.host_ip.clone(),
        };
        let told = format!("{:?}", status(&self.pod, None, &[], &facts_of_host));
        facts.insert((String::new(), "(status)".to_owned(), told));
        facts
    }

    /// The keys in which two differ.
    pub fn differences(&self, other: &Self) -> BTreeSet<String> {
        let (mine, theirs) = (self.facts(), other.facts());
        mine.symmetric_difference(&theirs)
            .map(|(_, key, _)| key.clone())
            .collect()
    }
}
