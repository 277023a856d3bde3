//! What makes random volumes, mounts and devices valid ones, and when two mean the same.

use super::make::{Step, at};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Values of the fields of volumes.
#[rustfmt::skip]
pub fn values(table: &str, field: &str) -> Option<Value> {
    let values = match (table, field) {
        ("KeyToPath" | "DownwardAPIVolumeFile", "mode") => json!([0o400, 0o440]),
        (_, "defaultMode") => json!([0o600, 0o755]),
        ("KeyToPath", "key") => json!(["a", "b"]),
        ("KeyToPath" | "DownwardAPIVolumeFile", "path") => json!(["x", "d/y", "d/e %n"]),
        ("ConfigMapProjection", "name") => json!(["conf", "missing"]),
        ("SecretProjection", "name") => json!(["keys", "missing"]),
        ("ResourceFieldSelector", "containerName") => json!(["c1", "c2"]),
        ("ResourceFieldSelector", "divisor") => json!(["2", "1k"]),
        ("EmptyDirVolumeSource", "sizeLimit") => json!(["1Mi", "2Mi"]),
        ("PersistentVolumeClaimVolumeSource", "claimName") => json!(["data", "other"]),
        ("PersistentVolumeClaimSpec", "accessModes") => json!([["ReadWriteOnce"], ["ReadWriteMany"]]),
        ("PersistentVolumeClaimSpec", "volumeMode") => json!(["Filesystem"]),
        ("PersistentVolumeClaimSpec", "volumeName") => json!(["pv", "pv2"]),
        ("VolumeResourceRequirements", "requests") => json!([{"storage": "1Gi"}, {"storage": "2Gi"}]),
        ("NFSVolumeSource", "server") => json!(["files", "fd00::1"]),
        ("NFSVolumeSource", "path") => json!(["/e", "/50%"]),
        ("CSIVolumeSource", "fsType") => json!(["ext4", "cifs"]),
        ("CSIVolumeSource", "volumeAttributes") => json!([{"what": "//h/a b"}, {"what": "x", "options": "rw,y=50%"}]),
        ("VolumeMount", "subPath" | "subPathExpr") => json!(["a", "b/c d", "50%/$$(V0)"]),
        ("VolumeDevice", "devicePath") => json!(["/dev/x", "/dev/y"]),
        ("VolumeDevice", "name") => json!(["disk"]),
        _ => return None,
    };
    Some(values)
}

/// Makes the parts of a volume fit each other.
pub fn settle(volume: &mut Value) {
    if let Some(dir) = volume.get_mut("emptyDir")
        && dir.get("sizeLimit").is_some()
    {
        dir["medium"] = json!("Memory");
    }
    for (pointer, secret) in [
        ("/configMap/items", false),
        ("/secret/items", true),
        ("/downwardAPI/items", false),
        ("/projected/sources/0/configMap/items", false),
        ("/projected/sources/0/secret/items", true),
        ("/projected/sources/0/downwardAPI/items", false),
    ] {
        let items = volume.pointer_mut(pointer).and_then(Value::as_array_mut);
        for (index, item) in items.into_iter().flatten().enumerate() {
            let path = item["path"].as_str().unwrap_or_default().to_owned();
            item["path"] = format!("{path}{index}").into();
            if secret {
                let key = if item["key"] == "a" { "k" } else { "l" };
                item["key"] = key.into();
            }
            // One file at least has the mode of the volume.
            if index == 0 {
                item.as_object_mut().unwrap().remove("mode");
            }
            let field = item.pointer_mut("/fieldRef/fieldPath");
            if let Some(field) = field.filter(|field| !field.to_string().contains("metadata")) {
                *field = json!("metadata.labels");
            }
        }
    }
}

/// systemd has one propagation for all mounts of a container.
pub fn settle_mounts(container: &mut Value) {
    let Some(mounts) = container
        .get_mut("volumeMounts")
        .and_then(Value::as_array_mut)
    else {
        return;
    };
    let first = mounts[0].get("mountPropagation").cloned();
    for mount in mounts {
        let mount = mount.as_object_mut().unwrap();
        mount.remove("mountPropagation");
        mount.extend(
            first
                .clone()
                .map(|word| ("mountPropagation".to_owned(), word)),
        );
        let recursive = mount
            .get("recursiveReadOnly")
            .is_some_and(|word| word != "Disabled");
        if recursive {
            mount.insert("readOnly".to_owned(), json!(true));
            mount.retain(|key, value| key != "mountPropagation" || value == "None");
        }
    }
}

/// Devices are of a volume of their own; facts are about the last container.
pub fn settle_devices(spec: &mut Value, last: usize) {
    let mut some = false;
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        for container in spec
            .get_mut(list)
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            let devices = container
                .get_mut("volumeDevices")
                .and_then(Value::as_array_mut);
            for (index, device) in devices.into_iter().flatten().enumerate() {
                some = true;
                let path = device["devicePath"].as_str().unwrap_or_default().to_owned();
                device["devicePath"] = format!("{path}{index}").into();
            }
        }
    }
    if !spec["volumes"].is_array() {
        spec["volumes"] = json!([]);
    }
    let volumes = spec["volumes"].as_array_mut().unwrap();
    // One claim has a volume, and no other.
    let mut taken = BTreeSet::new();
    for volume in volumes.iter_mut() {
        let claim = volume.pointer_mut("/ephemeral/volumeClaimTemplate/spec");
        if let Some(claim) = claim
            && claim["volumeName"].is_string()
            && !taken.insert(claim["volumeName"].to_string())
        {
            claim.as_object_mut().unwrap().remove("volumeName");
        }
    }
    for pointer in [
        "/downwardAPI/items",
        "/projected/sources/0/downwardAPI/items",
    ] {
        for volume in volumes.iter_mut() {
            let items = volume.pointer_mut(pointer).and_then(Value::as_array_mut);
            for item in items.into_iter().flatten() {
                if let Some(name) = item.pointer_mut("/resourceFieldRef/containerName") {
                    *name = format!("c{last}").into();
                }
            }
        }
    }
    if some {
        volumes.push(json!({"name": "disk", "persistentVolumeClaim": {"claimName": "disk"}}));
    }
    if volumes.is_empty() {
        spec["volumes"] = Value::Null;
    }
}

/// Whether a change at a path of volumes or mounts is none.
pub fn is_the_same(before: &Value, path: &[Step]) -> bool {
    let Some((Step::Key(last), above)) = path.split_last() else {
        return false;
    };
    match last.as_str() {
        // Two amounts may be the same, in this unit or in that.
        "containerName" | "divisor" | "resource" => true,
        // Without a volume it is an empty directory, as a volume that says nothing is.
        "ephemeral" | "emptyDir" | "volumeClaimTemplate" => true,
        "mountPropagation" => others_say_so(before, above),
        "readOnly" => of_read_only(before, above),
        _ => false,
    }
}

/// Another mount of the container says None too.
fn others_say_so(before: &Value, mount: &[Step]) -> bool {
    let Some((Step::Index(own), list)) = mount.split_last() else {
        return false;
    };
    let mounts = at(before, list).and_then(Value::as_array);
    let mut others = mounts.into_iter().flatten().enumerate();
    others.any(|(index, mount)| index != *own && mount["mountPropagation"] == "None")
}

/// A mount of what is read-only anyway, or a volume whose mounts all are.
fn of_read_only(before: &Value, above: &[Step]) -> bool {
    let Some(one) = at(before, above) else {
        return false;
    };
    let volumes = before["spec"]["volumes"].as_array();
    if one.get("mountPath").is_some() {
        let mut found = volumes.into_iter().flatten();
        return found.any(|volume| {
            volume["name"] == one["name"]
                && (["configMap", "secret", "downwardAPI", "projected"]
                    .iter()
                    .any(|kind| volume[kind].is_object())
                    || ["persistentVolumeClaim", "nfs", "csi"]
                        .iter()
                        .any(|kind| volume[kind]["readOnly"] == true))
        });
    }
    let volume = at(before, &above[..above.len() - 1]).map(|volume| &volume["name"]);
    let lists = ["initContainers", "containers", "ephemeralContainers"]
        .map(|list| before["spec"][list].as_array());
    let containers = lists.into_iter().flatten().flatten();
    let mut mounts =
        containers.flat_map(|one| one["volumeMounts"].as_array().into_iter().flatten());
    one.get("claimName").is_some()
        && mounts.all(|mount| Some(&mount["name"]) != volume || mount["readOnly"] == true)
}
