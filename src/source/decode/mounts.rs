//! Where a container sees volumes: mounts and devices.

use super::check::absolute_path;
use super::field::{Field, Fields};
use super::items::relative_path;
use super::known;
use crate::model::name::VolumeName;
use crate::model::volume::{BlockDevice, Mount, Propagation, SubPath, Volume, VolumeSource};
use std::collections::BTreeSet;

/// The mounts of a container: each path once, each of a volume of the pod.
pub fn mounts(container: &mut Fields<'_>, volumes: Option<&[Volume]>) -> Option<Vec<Mount>> {
    let mut paths = BTreeSet::new();
    let mounts = container.list("volumeMounts", |field| {
        let mount = mount(&field, volumes)?;
        once(&field, &mut paths, &mount.path)?;
        Some(mount)
    })?;
    let has = |wanted| mounts.iter().any(|mount| mount.propagation == wanted);
    if has(Propagation::Private) && has(Propagation::HostToContainer) {
        container.problem(
            "volumeMounts have different mountPropagation, and systemd has one for all mounts of a service: \
             write the same for all",
        );
        return None;
    }
    Some(mounts)
}

/// The devices of a container: each path once, each of a claim of the pod.
pub fn devices(container: &mut Fields<'_>, volumes: Option<&[Volume]>) -> Option<Vec<BlockDevice>> {
    let mut paths = BTreeSet::new();
    container.list("volumeDevices", |field| {
        let mut f = field.fields(known::NONE)?;
        let volume = f.require("name").and_then(|x| {
            let name = x.parse::<VolumeName>()?;
            let found = volumes.map(|all| all.iter().find(|volume| volume.name == name));
            let claim = |volume: &Volume| {
                matches!(
                    volume.source,
                    VolumeSource::Claim { .. } | VolumeSource::Ephemeral(_)
                )
            };
            if found.is_some_and(|found| !found.is_some_and(claim)) {
                x.problem(format!(
                    "there is no volume {:?} with a claim: a device needs a persistentVolumeClaim of volumeMode Block",
                    name.as_str()
                ));
                return None;
            }
            Some(name)
        });
        let path = f.require("devicePath").and_then(|x| mount_path(&x));
        f.finish();
        let device = BlockDevice {
            volume: volume?,
            path: path?,
        };
        once(&field, &mut paths, &device.path)?;
        Some(device)
    })
}

fn once(field: &Field<'_>, paths: &mut BTreeSet<String>, path: &str) -> Option<()> {
    if !paths.insert(path.to_owned()) {
        field.problem(format!(
            "{path:?} is mounted on twice: remove one mount or give it another mountPath"
        ));
        return None;
    }
    Some(())
}

fn mount(field: &Field<'_>, volumes: Option<&[Volume]>) -> Option<Mount> {
    let mut f = field.fields(known::NONE)?;
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
    let propagation = f.optional("mountPropagation", |x| propagation(&x));
    let recursive = f.optional("recursiveReadOnly", |x| {
        let asked = x.one_of(&[("Disabled", false), ("IfPossible", true), ("Enabled", true)])?;
        Some((asked, x))
    });
    let sub_path = sub_path(&mut f);
    f.finish();
    let (read_only, propagation) = (read_only?, propagation?.unwrap_or_default());
    // systemd makes every read-only mount so with all that is below it.
    if let Some((true, x)) = recursive?
        && (!read_only || propagation == Propagation::HostToContainer)
    {
        x.problem("needs readOnly: true and no mountPropagation but None: correct these, or remove the field");
        return None;
    }
    Some(Mount {
        volume: volume?,
        path: path?,
        read_only,
        sub_path: sub_path?,
        propagation,
    })
}

fn propagation(field: &Field<'_>) -> Option<Propagation> {
    let asked = field.one_of(&[
        ("None", Some(Propagation::Private)),
        ("HostToContainer", Some(Propagation::HostToContainer)),
        ("Bidirectional", None),
    ])?;
    if asked.is_none() {
        field.problem(
            "what a service of systemd mounts never reaches the host: mount it on the host, \
             and write HostToContainer",
        );
    }
    asked
}

fn sub_path(mount: &mut Fields<'_>) -> Option<Option<SubPath>> {
    let plain = mount.optional("subPath", |x| match x.text()? {
        "" => Some(None),
        _ => relative_path(&x).map(Some),
    });
    let expanded = mount.optional("subPathExpr", |x| match x.text()? {
        "" => Some(None),
        // What is expanded is checked again when it is known.
        _ => relative_path(&x).map(Some),
    });
    match (plain?.flatten(), expanded?.flatten()) {
        (Some(_), Some(_)) => {
            mount.problem("has both subPath and subPathExpr: keep one of them");
            None
        }
        (Some(path), None) => Some(Some(SubPath::Plain(path))),
        (None, Some(path)) => Some(Some(SubPath::Expanded(path))),
        (None, None) => Some(None),
    }
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
