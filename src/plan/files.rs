//! Volumes of files: config maps, secrets, facts about the pod, and projections of all three.

use super::env::Context;
use crate::model::desired::DataObject;
use crate::model::name::{ObjectKey, ObjectName, VolumeName};
use crate::model::observed::Digest;
use crate::model::payload::{Files, Payload, TreeFile};
use crate::model::pod::{FieldRef, Pod, Resources};
use crate::model::quantity::{Bytes, CpuMillis};
use crate::model::status::Blocked;
use crate::model::volume::{
    DownwardFile, Fact, Items, KeyToPath, Projection, ResourceName, ResourceRef, Volume,
    VolumeSource,
};
use std::collections::BTreeMap;

/// The files of a volume; `None` for volumes of another kind.
pub(super) fn payload(context: &Context, volume: &Volume) -> Result<Option<Payload>, Blocked> {
    let tree = match &volume.source {
        VolumeSource::ConfigMap {
            name,
            optional,
            items,
        } => of_keys(context, false, name, *optional, items),
        VolumeSource::Secret {
            name,
            optional,
            items,
        } => of_keys(context, true, name, *optional, items),
        VolumeSource::DownwardApi(downward) => {
            facts(context, &downward.items, downward.mode).map(Tree::of_facts)
        }
        VolumeSource::Projected { sources, mode } => projected(context, sources, *mode),
        _ => return Ok(None),
    };
    let tree = tree.map_err(|message| blocked(&volume.name, &message))?;
    let fixed = (tree.immutable && tree.objects > 0).then(|| fixed(volume));
    Ok(Some(Payload::tree(
        &volume.name,
        tree.files,
        tree.secret,
        fixed,
    )))
}

/// Why a volume cannot be made, in the kubelet's words.
pub(super) fn blocked(volume: &VolumeName, message: &str) -> Blocked {
    Blocked {
        container: None,
        reason: "ContainerCreating",
        message: format!("MountVolume.SetUp failed for volume \"{volume}\" : {message}"),
    }
}

/// Whether containers see the volume on the pod's tmpfs.
pub(super) fn is_secret(source: &VolumeSource) -> bool {
    match source {
        VolumeSource::Secret { .. } => true,
        VolumeSource::Projected { sources, .. } => sources
            .iter()
            .any(|source| matches!(source, Projection::Keys { secret: true, .. })),
        _ => false,
    }
}

/// Whether it is a volume of files, which containers cannot write.
pub(super) fn is_tree(source: &VolumeSource) -> bool {
    matches!(
        source,
        VolumeSource::ConfigMap { .. }
            | VolumeSource::Secret { .. }
            | VolumeSource::DownwardApi(_)
            | VolumeSource::Projected { .. }
    )
}

/// The name of a tree that stays as it was first written: another one when the volume itself is another.
fn fixed(volume: &Volume) -> Digest {
    // Plain data: cannot fail.
    let json = serde_json::to_vec(volume).unwrap_or_default();
    crate::unit::digest(&[b"immutable ", json.as_slice()].concat())
}

/// Files, and what of the rest follows from where they come from.
struct Tree {
    files: Files,
    secret: bool,
    /// No object that it was made of changes.
    immutable: bool,
    /// How many there are.
    objects: usize,
}

impl Tree {
    fn of_facts(files: Files) -> Self {
        Self {
            files,
            secret: false,
            immutable: false,
            objects: 0,
        }
    }
}

fn of_keys(
    context: &Context,
    secret: bool,
    name: &ObjectName,
    optional: bool,
    items: &Items,
) -> Result<Tree, String> {
    let object = find(context, secret, name, optional)?;
    let mut files = Files::new();
    if let Some(object) = object {
        keys(
            &mut files,
            object,
            &items.keys,
            items.mode,
            (secret, name, optional),
        )?;
    }
    Ok(Tree {
        files,
        secret,
        immutable: object.is_some_and(|object| object.immutable),
        objects: usize::from(object.is_some()),
    })
}

fn projected(context: &Context, sources: &[Projection], mode: Option<u32>) -> Result<Tree, String> {
    let mut tree = Tree {
        immutable: true,
        ..Tree::of_facts(Files::new())
    };
    for source in sources {
        match source {
            Projection::Keys {
                secret,
                name,
                optional,
                keys: wanted,
            } => {
                tree.secret |= secret;
                let Some(object) = find(context, *secret, name, *optional)? else {
                    // It may come, and is then seen.
                    tree.immutable = false;
                    continue;
                };
                tree.immutable &= object.immutable;
                tree.objects += 1;
                let whose = (*secret, name, *optional);
                keys(&mut tree.files, object, wanted, mode, whose)?;
            }
            Projection::Downward(items) => {
                tree.immutable = false;
                tree.files.extend(facts(context, items, mode)?);
            }
        }
    }
    Ok(tree)
}

fn find<'a>(
    context: &Context<'a>,
    secret: bool,
    name: &ObjectName,
    optional: bool,
) -> Result<Option<&'a DataObject>, String> {
    let key = ObjectKey {
        namespace: context.pod.key.namespace.clone(),
        name: name.clone(),
    };
    let objects = match secret {
        true => &context.desired.secrets,
        false => &context.desired.config_maps,
    };
    match objects.get(&key) {
        None if !optional => Err(format!("{} \"{name}\" not found", kind(secret))),
        found => Ok(found),
    }
}

fn kind(secret: bool) -> &'static str {
    if secret { "secret" } else { "configmap" }
}

/// Puts keys of an object at their places: all by their names, or those that are listed.
fn keys(
    files: &mut Files,
    object: &DataObject,
    items: &[KeyToPath],
    default: Option<u32>,
    (secret, name, optional): (bool, &ObjectName, bool),
) -> Result<(), String> {
    let default = default.unwrap_or(TreeFile::MODE);
    let mut put = |path: &str, bytes: &[u8], mode: Option<u32>| {
        let file = TreeFile {
            bytes: bytes.to_owned(),
            mode: mode.unwrap_or(default),
        };
        files.insert(path.to_owned(), file);
    };
    if items.is_empty() {
        for (key, bytes) in &object.data {
            put(key, bytes, None);
        }
    }
    for item in items {
        match object.data.get(&item.key) {
            Some(bytes) => put(&item.path, bytes, item.mode),
            None if optional => {}
            None => {
                return Err(format!(
                    "references non-existent {} key: {} (of \"{name}\")",
                    kind(secret),
                    item.key
                ));
            }
        }
    }
    Ok(())
}

fn facts(context: &Context, items: &[DownwardFile], default: Option<u32>) -> Result<Files, String> {
    let mut files = Files::new();
    for item in items {
        let file = TreeFile {
            bytes: fact(context, &item.fact)?.into_bytes(),
            mode: item.mode.or(default).unwrap_or(TreeFile::MODE),
        };
        files.insert(item.path.clone(), file);
    }
    Ok(files)
}

fn fact(context: &Context, fact: &Fact) -> Result<String, String> {
    let pod = context.pod;
    let entry =
        |map: &BTreeMap<String, String>, key: &str| map.get(key).cloned().unwrap_or_default();
    Ok(match fact {
        Fact::Labels => lines(&pod.labels),
        Fact::Annotations => lines(&pod.annotations),
        Fact::Field(FieldRef::Name) => pod.key.name.to_string(),
        Fact::Field(FieldRef::Namespace) => pod.key.namespace.to_string(),
        Fact::Field(FieldRef::Uid) => context.uid.to_string(),
        Fact::Field(FieldRef::Label(key)) => entry(&pod.labels, key),
        Fact::Field(FieldRef::Annotation(key)) => entry(&pod.annotations, key),
        Fact::Field(_) => return Err("no such field for a file".to_owned()),
        Fact::Resource(reference) => amount(context, pod, reference)?.to_string(),
    })
}

/// One `key="value"` a line, sorted (kubelet: pkg/fieldpath `FormatMap`, which quotes as Go does).
fn lines(map: &BTreeMap<String, String>) -> String {
    let line = |(key, value): (&String, &String)| format!("{key}={}", go_quoted(value));
    map.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Go's `%q`.
fn go_quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            '\x07' => out.push_str("\\a"),
            '\x08' => out.push_str("\\b"),
            '\x0b' => out.push_str("\\v"),
            '\x0c' => out.push_str("\\f"),
            c if c.is_ascii_control() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A request or limit in units of the divisor, rounded up. What a container has no limit of, it has as much of as
/// the host (kubelet: `MergeContainerResourceLimits`).
pub(super) fn amount(context: &Context, pod: &Pod, reference: &ResourceRef) -> Result<u64, String> {
    let mut containers = pod.spec.all_containers();
    let found = containers.find(|(_, container)| container.name == reference.container);
    let Some((_, container)) = found else {
        return Err(format!("container {} not found", reference.container));
    };
    let Resources {
        cpu_request,
        cpu_limit,
        memory_request,
        memory_limit,
        ..
    } = container.resources;
    let settings = context.settings;
    let cores = CpuMillis(settings.cpus.unwrap_or(1) * 1000);
    let all = Bytes(settings.memory.map_or(0, |memory| memory.total));
    let value = match reference.resource {
        ResourceName::CpuLimit => cpu_limit.unwrap_or(cores).0,
        ResourceName::CpuRequest => cpu_request.or(cpu_limit).map_or(0, |amount| amount.0),
        ResourceName::MemoryLimit => memory_limit.unwrap_or(all).0,
        ResourceName::MemoryRequest => memory_request.or(memory_limit).map_or(0, |amount| amount.0),
    };
    Ok(value.div_ceil(reference.divisor.max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_written_as_the_kubelet_does() {
        let map = |pairs: &[(&str, &str)]| {
            pairs
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect::<BTreeMap<_, _>>()
        };
        assert_eq!(lines(&map(&[])), "");
        assert_eq!(
            lines(&map(&[("b", "2\n\u{1}\"ü\\"), ("a", "")])),
            "a=\"\"\nb=\"2\\n\\x01\\\"ü\\\\\""
        );
    }
}
