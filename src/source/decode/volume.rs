//! Volumes of a pod.

use super::check::{absolute_path, data_key};
use super::container::PULL_POLICIES;
use super::field::{Field, Fields};
use super::items::items;
use super::resources::quantity;
use super::{claim, facts, known, projected, remote};
use crate::model::name::{ObjectName, VolumeName};
use crate::model::volume::{HostPathKind, Items, Volume, VolumeSource};
use std::collections::BTreeSet;

/// The volumes of a pod, each name once.
pub fn volumes(spec: &mut Fields<'_>) -> Option<Vec<Volume>> {
    let mut seen = BTreeSet::new();
    spec.list("volumes", |field| {
        let volume = volume(&field)?;
        if !seen.insert(volume.name.clone()) {
            field.problem(format!(
                "the volume {:?} is there twice: rename or remove one",
                volume.name.as_str()
            ));
            return None;
        }
        Some(volume)
    })
}

fn volume(field: &Field<'_>) -> Option<Volume> {
    let mut f = field.fields(known::VOLUME)?;
    let name = f.require("name").and_then(|x| x.parse::<VolumeName>());
    let sources = [
        f.optional("emptyDir", |x| empty_dir(&x)),
        f.optional("hostPath", |x| host_path(&x)),
        f.optional("configMap", |x| config_map(&x)),
        f.optional("secret", |x| secret(&x)),
        f.optional("downwardAPI", |x| facts::volume(&x)),
        f.optional("projected", |x| projected::volume(&x)),
        f.optional("persistentVolumeClaim", |x| claim::volume_of(&x)),
        f.optional("ephemeral", |x| claim::ephemeral(&x)),
        f.optional("nfs", |x| remote::nfs(&x).map(VolumeSource::Mount)),
        f.optional("csi", |x| remote::inline(&x).map(VolumeSource::Mount)),
        f.optional("image", |x| image(&x)),
    ];
    let before = f.report.count();
    f.finish();
    // What is left may be a kind of volume that has just been refused.
    let refused = field.report.count() > before;
    let mut given = Vec::new();
    for source in sources {
        given.extend(source?);
    }
    if given.len() > 1 {
        field.problem("has several sources: keep one of them");
        return None;
    }
    if refused {
        return None;
    }
    Some(Volume {
        name: name?,
        // As in the API, a volume that says nothing is an emptyDir.
        source: given.pop().unwrap_or(VolumeSource::EmptyDir),
    })
}

fn image(field: &Field<'_>) -> Option<VolumeSource> {
    let mut f = field.fields(known::NONE)?;
    let image = f.require("reference").and_then(|x| x.parse());
    let policy = f.optional("pullPolicy", |x| x.one_of(&PULL_POLICIES));
    f.finish();
    Some(VolumeSource::Image {
        image: image?,
        policy: policy?,
    })
}

fn empty_dir(field: &Field<'_>) -> Option<VolumeSource> {
    let mut f = field.fields(known::NONE)?;
    let memory = f.optional("medium", |x| x.one_of(&[("", false), ("Memory", true)]));
    let memory = memory.map(Option::unwrap_or_default);
    let size = f.optional("sizeLimit", |x| {
        let size = quantity(&x)?;
        if memory == Some(false) {
            x.problem(
                "a directory on disk has no limit that this host can hold: use medium: Memory, or remove the field",
            );
            return None;
        }
        Some(size)
    });
    f.finish();
    let size = size?;
    Some(match memory? {
        true => VolumeSource::Memory { size },
        false => VolumeSource::EmptyDir,
    })
}

/// `hostPath`, of a pod's volume or a persistent one.
pub fn host_path(field: &Field<'_>) -> Option<VolumeSource> {
    const KINDS: [(&str, HostPathKind); 8] = [
        ("", HostPathKind::Unchecked),
        ("DirectoryOrCreate", HostPathKind::DirectoryOrCreate),
        ("Directory", HostPathKind::Directory),
        ("FileOrCreate", HostPathKind::FileOrCreate),
        ("File", HostPathKind::File),
        ("Socket", HostPathKind::Socket),
        ("CharDevice", HostPathKind::CharDevice),
        ("BlockDevice", HostPathKind::BlockDevice),
    ];
    let mut f = field.fields(known::NONE)?;
    let path = f.require("path").and_then(|x| absolute_path(&x));
    let kind = f.optional("type", |x| x.one_of(&KINDS));
    f.finish();
    Some(VolumeSource::HostPath {
        path: path?,
        kind: kind?.unwrap_or(HostPathKind::Unchecked),
    })
}

fn config_map(field: &Field<'_>) -> Option<VolumeSource> {
    let (name, optional, items) = keys(field, "name")?;
    Some(VolumeSource::ConfigMap {
        name,
        optional,
        items,
    })
}

fn secret(field: &Field<'_>) -> Option<VolumeSource> {
    let (name, optional, items) = keys(field, "secretName")?;
    Some(VolumeSource::Secret {
        name,
        optional,
        items,
    })
}

fn keys(field: &Field<'_>, name_key: &'static str) -> Option<(ObjectName, bool, Items)> {
    let mut f = field.fields(known::NONE)?;
    let name = f.require(name_key).and_then(|x| x.parse());
    let optional = f.flag("optional");
    let items = items(&mut f);
    f.finish();
    Some((name?, optional?, items?))
}

/// A reference to one key: `name`, `key`, `optional`.
pub fn key_ref(field: &Field<'_>) -> Option<(ObjectName, String, bool)> {
    let mut f = field.fields(known::NONE)?;
    let name = f.require("name").and_then(|x| x.parse());
    let key = f.require("key").and_then(|x| {
        let key = x.text()?;
        data_key(key).map_err(|message| x.problem(message)).ok()?;
        Some(key.to_owned())
    });
    let optional = f.flag("optional");
    f.finish();
    Some((name?, key?, optional?))
}
