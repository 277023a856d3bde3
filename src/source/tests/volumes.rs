//! Volumes, mounts and claims: right ones and wrong ones.

use super::*;
use crate::model::claim::{PersistentPlace, Reclaim, VolumeMode};
use crate::model::name::ObjectName;
use crate::model::volume::*;

/// A pod with a volume and a mount of it, as YAML in flow style.
fn pod(volume: &str, container: &str) -> String {
    format!(
        "metadata: {{name: a}}\nspec:\n  volumes: [{{name: v, {volume}}}]\n  containers: [{{name: b, image: 'host:true', {container}}}]\n"
    )
}

fn parsed(text: &str) -> ParsedFile {
    let parsed = parse(std::path::Path::new("/x.yaml"), text.as_bytes());
    assert_eq!(parsed.problems, [], "{text}");
    parsed
}

fn volume(text: &str) -> VolumeSource {
    let mut pods = parsed(&pod(text, "")).pods;
    let again = super::super::pod_from_manifest(&pods[0].manifest, pods[0].source.clone());
    assert_eq!(
        again.as_ref(),
        Ok(&pods[0]),
        "its own manifest means the same"
    );
    pods.remove(0).spec.volumes.remove(0).source
}

fn mount(text: &str) -> Mount {
    let text = pod(
        "emptyDir: {}",
        &format!("volumeMounts: [{{name: v, mountPath: /x, {text}}}]"),
    );
    parsed(&text).pods[0].spec.containers[0].mounts[0].clone()
}

#[test]
fn files() {
    let VolumeSource::ConfigMap {
        items, optional, ..
    } = volume(
        "configMap: {name: m, optional: true, defaultMode: 0o400, items: [{key: k, path: a//b/, mode: 511}]}",
    )
    else {
        panic!()
    };
    let key = KeyToPath {
        key: "k".into(),
        path: "a/b".into(),
        mode: Some(0o777),
    };
    assert_eq!(
        (items.keys, items.mode, optional),
        (vec![key], Some(0o400), true)
    );
    let VolumeSource::DownwardApi(downward) = volume(
        "downwardAPI: {items: [{path: l, fieldRef: {fieldPath: metadata.labels}}, \
         {path: c, resourceFieldRef: {containerName: b, resource: limits.cpu, divisor: 1m}}, \
         {path: m, resourceFieldRef: {containerName: b, resource: requests.memory}}]}",
    ) else {
        panic!()
    };
    let divisors = downward.items.iter().map(|item| match &item.fact {
        Fact::Resource(reference) => reference.divisor,
        _ => 0,
    });
    assert_eq!(divisors.collect::<Vec<_>>(), [0, 1, 1]);
    let VolumeSource::Projected { sources, .. } = volume(
        "projected: {sources: [{configMap: {name: m}}, {secret: {name: s, optional: true}}, \
         {downwardAPI: {items: [{path: n, fieldRef: {fieldPath: metadata.name}}]}}]}",
    ) else {
        panic!()
    };
    assert_eq!(sources.len(), 3);
}

#[test]
fn storage() {
    assert_eq!(
        volume("emptyDir: {medium: Memory, sizeLimit: 1Mi}"),
        VolumeSource::Memory {
            size: Some(crate::model::quantity::Bytes(1 << 20))
        }
    );
    let VolumeSource::Mount(nfs) = volume("nfs: {server: 'fd00::1', path: /e, readOnly: true}")
    else {
        panic!()
    };
    assert_eq!(
        (nfs.what.as_str(), nfs.is_read_only()),
        ("[fd00::1]:/e", true)
    );
    let VolumeSource::Mount(other) = volume(
        "csi: {driver: mount.vks.io, fsType: cifs, volumeAttributes: {what: //h/a share, options: 'a,b'}}",
    ) else {
        panic!()
    };
    assert_eq!(
        (other.what.as_str(), other.options),
        ("//h/a share", vec!["a".into(), "b".into()])
    );
    assert!(matches!(
        volume("persistentVolumeClaim: {claimName: c, readOnly: true}"),
        VolumeSource::Claim {
            read_only: true,
            ..
        }
    ));
    assert!(matches!(
        volume(
            "ephemeral: {volumeClaimTemplate: {metadata: {labels: {a: b}}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1}}}}}"
        ),
        VolumeSource::Ephemeral(_)
    ));
}

#[test]
fn mounts() {
    assert_eq!(
        mount("subPath: a/./b/").sub_path,
        Some(SubPath::Plain("a/b".into()))
    );
    assert_eq!(mount("subPath: ''").sub_path, None);
    assert_eq!(
        mount("subPathExpr: $(A)").sub_path,
        Some(SubPath::Expanded("$(A)".into()))
    );
    assert_eq!(
        mount("mountPropagation: None").propagation,
        Propagation::Private
    );
    assert!(mount("readOnly: true, recursiveReadOnly: IfPossible").read_only);
}

#[test]
fn claims() {
    let file = parsed(
        "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: c, annotations: {vks.io/reclaim-policy: Delete}}\n\
         spec: {accessModes: [ReadWriteOnce], volumeName: v, resources: {requests: {storage: 1Ki}}, storageClassName: x}\n---\n\
         apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: v}\n\
         spec: {accessModes: [ReadWriteOnce], capacity: {storage: 2Ki}, volumeMode: Block, local: {path: /dev/x}, \
         claimRef: {namespace: default, name: c}}\n",
    );
    let (_, claim) = &file.volume_claims[0];
    assert_eq!(claim.reclaim, Reclaim::Delete);
    let (name, volume) = &file.persistent_volumes[0];
    assert_eq!(*name, "v".parse::<ObjectName>().unwrap());
    assert_eq!(volume.mode, VolumeMode::Block);
    let device = PersistentPlace::Path {
        path: "/dev/x".into(),
        kind: HostPathKind::BlockDevice,
    };
    assert_eq!(volume.place, device);
}

#[test]
fn wrong_volumes() {
    let cases = [
        (
            "projected: {sources: [{serviceAccountToken: {path: t}}]}",
            "projected.sources[0].serviceAccountToken: vks does not implement this field yet: remove it, there is no API server that issues one",
        ),
        (
            "projected: {sources: [{}]}",
            "projected.sources[0]: write exactly one of configMap, secret and downwardAPI",
        ),
        (
            "configMap: {name: m, items: [{key: k, path: ../x}]}",
            "configMap.items[0].path: must not contain '..': write the path without it",
        ),
        (
            "configMap: {name: m, items: [{key: k, path: ..x}]}",
            "configMap.items[0].path: must not begin with '..': rename it",
        ),
        (
            "configMap: {name: m, items: [{key: k, path: x}, {key: l, path: x}]}",
            "configMap.items[1]: the path \"x\" is there twice: change or remove one",
        ),
        (
            "downwardAPI: {items: [{path: x, fieldRef: {fieldPath: spec.nodeName}}]}",
            "downwardAPI.items[0].fieldRef.fieldPath: no such field for a file: write metadata.name, metadata.namespace, metadata.uid, metadata.labels, metadata.annotations, metadata.labels['key'] or metadata.annotations['key']",
        ),
        (
            "csi: {driver: x, fsType: y, volumeAttributes: {what: z}}",
            "csi.driver: vks runs no CSI drivers: use mount.vks.io, which mounts what mount(8) can mount",
        ),
        (
            "iscsi: {}",
            "iscsi: vks does not implement this field yet: remove it, or use csi with the driver mount.vks.io",
        ),
        (
            "nfs: {server: a b, path: /x}",
            "nfs.server: must be one word without quotes and backslashes: correct it",
        ),
        (
            "emptyDir: {medium: HugePages}",
            "emptyDir.medium: unknown value: write Memory",
        ),
    ];
    for (text, wanted) in cases {
        expect(&pod(text, ""), &[&format!("3: spec.volumes[0].{wanted}")]);
    }
    let missing = pod(
        "downwardAPI: {items: [{path: x, resourceFieldRef: {containerName: no, resource: limits.cpu}}]}",
        "",
    );
    expect(
        &missing,
        &[
            "3: spec: there is no container \"no\", whose resources a volume is to tell: correct containerName",
        ],
    );
}

#[test]
fn wrong_mounts() {
    let cases = [
        (
            "subPath: ../x",
            "volumeMounts[0].subPath: must not contain '..': write the path without it",
        ),
        (
            "subPath: /x",
            "volumeMounts[0].subPath: must be a relative path: remove the '/' in front",
        ),
        (
            "subPath: x, subPathExpr: y",
            "volumeMounts[0]: has both subPath and subPathExpr: keep one of them",
        ),
        (
            "mountPropagation: Bidirectional",
            "volumeMounts[0].mountPropagation: what a service of systemd mounts never reaches the host: mount it on the host, and write HostToContainer",
        ),
        (
            "recursiveReadOnly: Enabled",
            "volumeMounts[0].recursiveReadOnly: needs readOnly: true and no mountPropagation but None: correct these, or remove the field",
        ),
    ];
    for (text, wanted) in cases {
        let text = pod(
            "emptyDir: {}",
            &format!("volumeMounts: [{{name: v, mountPath: /x, {text}}}]"),
        );
        expect(&text, &[&format!("4: spec.containers[0].{wanted}")]);
    }
    expect(
        &pod(
            "emptyDir: {}",
            "volumeDevices: [{name: v, devicePath: /dev/x}]",
        ),
        &[
            "4: spec.containers[0].volumeDevices[0].name: there is no volume \"v\" with a claim: a device needs a persistentVolumeClaim of volumeMode Block",
        ],
    );
}

#[test]
fn wrong_claims() {
    let claim = |spec: &str| {
        format!(
            "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: c}}\nspec: {{{spec}}}\n"
        )
    };
    expect(
        &claim("accessModes: []"),
        &["4: spec: accessModes is missing: add at least one, such as ReadWriteOnce"],
    );
    expect(
        &claim("accessModes: [ReadWriteOncePod, ReadWriteOnce]"),
        &["4: spec: ReadWriteOncePod goes with no other access mode: remove the others"],
    );
    expect(
        &claim("accessModes: [ReadWriteOnce], selector: {matchLabels: {a: b}}"),
        &[
            "4: spec.selector: vks does not implement this field yet: remove it, and write volumeName",
        ],
    );
    let volume = |spec: &str| {
        format!(
            "apiVersion: v1\nkind: PersistentVolume\nmetadata: {{name: v}}\nspec: {{accessModes: [ReadWriteOnce], {spec}}}\n"
        )
    };
    expect(
        &volume(""),
        &["4: spec: write exactly one of hostPath, local, nfs and csi"],
    );
    expect(
        &volume("local: {path: /x}, persistentVolumeReclaimPolicy: Delete"),
        &[
            "4: spec.persistentVolumeReclaimPolicy: vks removes no data that it did not make the place for: write Retain",
        ],
    );
    expect(
        &volume("nfs: {server: a, path: /x}, volumeMode: Block"),
        &["4: spec: volumeMode Block needs a device of this host: use local without fsType"],
    );
    expect(
        &volume("local: {path: /x}, mountOptions: [ro]"),
        &["4: spec: mountOptions have no effect on a path of the host: remove them"],
    );
}
