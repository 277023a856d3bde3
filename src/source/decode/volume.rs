//! Volumes and volume mounts.

use super::check::{absolute_path, data_key};
use super::field::{Field, Fields};
use super::known;
use crate::model::name::{ObjectName, VolumeName};
use crate::model::volume::{HostPathKind, Mount, Volume, VolumeSource};
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
        field.problem("has several sources: keep one of emptyDir, hostPath, configMap and secret");
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

fn empty_dir(field: &Field<'_>) -> Option<VolumeSource> {
    field.fields(known::EMPTY_DIR)?.finish();
    Some(VolumeSource::EmptyDir)
}

fn host_path(field: &Field<'_>) -> Option<VolumeSource> {
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
    let (name, optional) = keys(field, "name")?;
    Some(VolumeSource::ConfigMap { name, optional })
}

fn secret(field: &Field<'_>) -> Option<VolumeSource> {
    let (name, optional) = keys(field, "secretName")?;
    Some(VolumeSource::Secret { name, optional })
}

fn keys(field: &Field<'_>, name_key: &'static str) -> Option<(ObjectName, bool)> {
    let mut f = field.fields(known::KEYS_VOLUME)?;
    let name = f.require(name_key).and_then(|x| x.parse());
    let optional = f.flag("optional");
    let mode = f.optional("defaultMode", |x| {
        let mode = x.integer(0, 0o777)?;
        if mode != 0o644 {
            x.problem("vks knows only the default mode, 0644 (decimal 420): remove the field");
        }
        (mode == 0o644).then_some(())
    });
    f.finish();
    mode?;
    name.zip(optional)
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

/// The mounts of a container: each path once, each of a volume of the pod.
pub fn mounts(container: &mut Fields<'_>, volumes: Option<&[Volume]>) -> Option<Vec<Mount>> {
    let mut paths = BTreeSet::new();
    container.list("volumeMounts", |field| {
        let mount = mount(&field, volumes)?;
        if !paths.insert(mount.path.clone()) {
            field.problem(format!(
                "{:?} is mounted on twice: remove one mount or give it another mountPath",
                mount.path
            ));
            return None;
        }
        Some(mount)
    })
}

fn mount(field: &Field<'_>, volumes: Option<&[Volume]>) -> Option<Mount> {
    let mut f = field.fields(known::MOUNT)?;
    let volume = f.require("name").and_then(|x| {
        let name = x.parse::<VolumeName>()?;
        // With volumes that are wrong themselves there is nothing to compare with.
        if volumes.is_some_and(|all| all.iter().all(|volume| volume.name != name)) {
            x.problem(format!(
                "there is no volume {:?}: add it to spec.volumes or correct the name",
                name.as_str()
            ));
            return None;
        }
        Some(name)
    });
    let path = f.require("mountPath").and_then(|x| mount_path(&x));
    let read_only = f.flag("readOnly");
    let propagation = f.optional("mountPropagation", |x| x.one_of(&[("None", ())]));
    let recursive = f.optional("recursiveReadOnly", |x| x.one_of(&[("Disabled", ())]));
    f.finish();
    propagation.zip(recursive)?;
    Some(Mount {
        volume: volume?,
        path: path?,
        read_only: read_only?,
    })
}

fn mount_path(field: &Field<'_>) -> Option<String> {
    let path = absolute_path(field)?;
    let problem = if path == "/" {
        "must not be '/': mount on a directory below it"
    } else if path.contains(':') {
        "must not contain ':': choose another path"
    } else {
        return Some(path);
    };
    field.problem(problem);
    None
}
