//! What volumes become: claims looked up, places, mount units, parts of volumes, files that stay.

use super::*;
use crate::model::claim::*;
use crate::model::name::{ObjectName, VolumeName};
use crate::model::payload::PayloadContent;
use crate::model::quantity::Bytes;
use crate::model::volume::*;
use crate::plan::units::{Rendered, render};

fn claim(more: impl FnOnce(&mut VolumeClaim)) -> VolumeClaim {
    let mut claim = VolumeClaim {
        access_modes: vec![AccessMode::Once],
        request: None,
        volume_name: None,
        mode: VolumeMode::Filesystem,
        reclaim: Reclaim::Retain,
        source: None,
    };
    more(&mut claim);
    claim
}

fn persistent(more: impl FnOnce(&mut PersistentVolume)) -> PersistentVolume {
    let mut volume = PersistentVolume {
        capacity: Some(Bytes(10)),
        access_modes: vec![AccessMode::Once],
        claim_ref: None,
        mode: VolumeMode::Filesystem,
        place: PersistentPlace::Path {
            path: "/srv/pv".into(),
            kind: HostPathKind::Directory,
        },
        source: None,
    };
    more(&mut volume);
    volume
}

fn name(text: &str) -> ObjectName {
    text.parse().unwrap()
}

fn key(text: &str) -> ObjectKey {
    ObjectKey {
        namespace: "default".parse().unwrap(),
        name: name(text),
    }
}

/// A pod with a volume that its container mounts.
fn with(source: VolumeSource, more: impl FnOnce(&mut Mount)) -> Pod {
    let volume: VolumeName = "v".parse().unwrap();
    let mut made = pod("web");
    let mut mount = Mount {
        volume: volume.clone(),
        path: "/data".into(),
        read_only: false,
        sub_path: None,
        propagation: Propagation::Unsaid,
    };
    more(&mut mount);
    made.spec.volumes = vec![Volume {
        name: volume,
        source,
    }];
    made.spec.containers[0].mounts = vec![mount];
    made
}

fn rendered(want: &Desired) -> Result<Rendered, String> {
    let pod = want.pods.values().next().unwrap();
    let uid = "u".parse().unwrap();
    let made = render(pod, &uid, want, &Settings::default());
    let mut made = made.map_err(|blocked| blocked.message)?;
    match made.blocked.pop() {
        Some(blocked) => Err(blocked.message),
        None => Ok(made),
    }
}

/// The values of a key in the container's unit.
fn values(rendered: &Rendered, key: &str) -> Vec<String> {
    let units = rendered.units.iter();
    let mut found = units.filter(|(unit, _)| unit.as_str().starts_with("vks.default.web"));
    let (_, unit) = found.next().unwrap();
    let all = unit.file.values("Service", key);
    all.map(str::to_owned).collect()
}

/// Where the container of a pod with a claim finds it, or why it does not.
fn bound(
    claims: &[(&str, VolumeClaim)],
    volumes: &[(&str, PersistentVolume)],
) -> Result<String, String> {
    let source = VolumeSource::Claim {
        name: name("c"),
        read_only: false,
    };
    let mut want = desired([with(source, |_| {})]);
    for (text, claim) in claims {
        want.volume_claims.insert(key(text), claim.clone());
    }
    for (text, volume) in volumes {
        want.persistent_volumes.insert(name(text), volume.clone());
    }
    let binds = values(&rendered(&want)?, "BindPaths");
    Ok(binds[0].strip_suffix(":/data").unwrap().to_owned())
}

#[test]
fn claims_have_what_the_manifests_say() {
    let own = Ok("/var/lib/vks/volumes/default/c".to_owned());
    let pv = Ok("/srv/pv".to_owned());
    let plain = claim(|_| {});
    let named = claim(|c| c.volume_name = Some(name("pv")));
    let for_c = persistent(|v| v.claim_ref = Some(key("c")));
    let says = |found: Result<String, String>, word: &str| {
        let message = found.unwrap_err();
        assert!(message.contains(word), "{message}");
    };
    assert_eq!(bound(&[("c", plain.clone())], &[]), own);
    assert_eq!(
        bound(&[("c", plain.clone())], &[("pv", persistent(|_| {}))]),
        own
    );
    assert_eq!(
        bound(&[("c", named.clone())], &[("pv", persistent(|_| {}))]),
        pv
    );
    assert_eq!(bound(&[("c", plain.clone())], &[("pv", for_c.clone())]), pv);
    says(bound(&[], &[]), "\"c\" not found");
    says(
        bound(&[("c", named.clone())], &[]),
        "persistentvolume \"pv\" not found",
    );
    // Of two that name one, the first has it; one that is kept for another is not had.
    let two = [("b", named.clone()), ("c", named.clone())];
    says(
        bound(&two, &[("pv", persistent(|_| {}))]),
        "bound to claim default/b",
    );
    assert_eq!(bound(&two, &[("pv", for_c)]), pv);
    let other = persistent(|v| v.claim_ref = Some(key("x")));
    says(
        bound(&[("c", named.clone())], &[("pv", other)]),
        "bound to claim default/x",
    );
    let large = claim(|c| {
        c.volume_name = Some(name("pv"));
        c.request = Some(Bytes(11));
    });
    says(
        bound(&[("c", large)], &[("pv", persistent(|_| {}))]),
        "smaller",
    );
    let modes = persistent(|v| v.access_modes = vec![AccessMode::Many]);
    says(bound(&[("c", named)], &[("pv", modes)]), "access modes");
    let block = claim(|c| c.mode = VolumeMode::Block);
    says(bound(&[("c", block)], &[]), "block device");
}

/// A volume is that of one claim, also of claims that pods bring along.
#[test]
fn two_claims_of_a_pod_do_not_share_a_volume() {
    let named = claim(|c| c.volume_name = Some(name("pv")));
    let source = VolumeSource::Ephemeral(Box::new(named.clone()));
    let mut one = with(source.clone(), |_| {});
    let second = |made: &mut Pod| {
        let volume: VolumeName = "w".parse().unwrap();
        made.spec.volumes.push(Volume {
            name: volume,
            source: source.clone(),
        });
    };
    let of = |made: Pod, claims: &[&str]| {
        let mut want = desired([made]);
        for claim in claims {
            want.volume_claims.insert(key(claim), named.clone());
        }
        want.persistent_volumes
            .insert(name("pv"), persistent(|_| {}));
        rendered(&want).map(|made| values(&made, "BindPaths").remove(0))
    };
    assert_eq!(of(one.clone(), &[]), Ok("/srv/pv:/data".to_owned()));
    let message = of(one.clone(), &["z"]).unwrap_err();
    assert!(message.contains("bound to claim default/z"), "{message}");
    second(&mut one);
    let message = of(one, &[]).unwrap_err();
    assert!(
        message.contains("bound to claim default/web-v"),
        "{message}"
    );
}

#[test]
fn another_place_is_another_container_and_another_label_is_not() {
    let source = VolumeSource::Claim {
        name: name("c"),
        read_only: false,
    };
    let hashes = |path: &str| {
        let mut want = desired([with(source.clone(), |_| {})]);
        want.volume_claims
            .insert(key("c"), claim(|c| c.volume_name = Some(name("pv"))));
        let kind = HostPathKind::Directory;
        let place = PersistentPlace::Path {
            path: path.into(),
            kind,
        };
        want.persistent_volumes
            .insert(name("pv"), persistent(|v| v.place = place));
        let units = rendered(&want).unwrap().units.into_values();
        units.map(|unit| unit.spec_hash).collect::<Vec<_>>()
    };
    assert_eq!(hashes("/a"), hashes("/a"));
    assert_ne!(hashes("/a"), hashes("/b"));
}

#[test]
fn what_is_mounted_has_a_unit_that_the_sandbox_wants() {
    let spec = MountSpec {
        what: "files:/100%".into(),
        kind: "nfs".into(),
        options: vec!["ro".into(), "soft".into()],
    };
    let want = desired([with(VolumeSource::Mount(spec), |_| {})]);
    let made = rendered(&want).unwrap();
    let mut mounts = made
        .units
        .iter()
        .filter(|(unit, _)| unit.as_str().ends_with(".mount"));
    let (unit, mount) = mounts.next().unwrap();
    assert!(crate::unit::names::is_ours(unit.as_str()));
    let place = mount.file.value("Mount", "Where").unwrap();
    assert_eq!(*unit, crate::unit::names::mount(place.as_ref()));
    assert_eq!(mount.file.value("Mount", "What"), Some("files:/100%%"));
    assert_eq!(mount.file.value("Mount", "Options"), Some("ro,soft"));
    let sandbox = &made.units[&"vks-default-web-sandbox.service".parse().unwrap()];
    for key in ["Wants", "After"] {
        assert!(
            sandbox
                .file
                .values("Unit", key)
                .any(|name| name == unit.as_str())
        );
    }
    assert!(values(&made, "BindReadOnlyPaths").contains(&format!("{place}:/data")));
    let mut host = Host::default();
    settle(&want, &mut host, 1);
    settle(&desired([]), &mut host, 1);
    assert!(host.observed.pods.is_empty());
}

#[test]
fn a_part_of_a_volume_is_bound_by_a_command_of_vks() {
    let part = |text: &str| {
        let mut want = with(VolumeSource::EmptyDir, |mount| {
            mount.sub_path = Some(SubPath::Expanded(text.into()));
        });
        want.spec.containers[0].env = vec![EnvVar {
            name: "A".into(),
            value: EnvValue::Text("x/y".into()),
        }];
        rendered(&desired([want]))
    };
    let made = part("logs/$(A)").unwrap();
    let at = "/run/vks/pods/u/sub/main/0";
    assert_eq!(values(&made, "BindPaths")[0], format!("-{at}:/data"));
    assert_eq!(values(&made, "ExecStartPre").len(), 1);
    for (text, word) in [
        ("$(B)", "\"B\""),
        ("../$(A)", "no relative path"),
        ("/$(A)", "no relative path"),
    ] {
        let message = part(text).unwrap_err();
        assert!(message.contains(word), "{message}");
    }
}

#[test]
fn files_of_immutable_objects_stay() {
    let source = VolumeSource::ConfigMap {
        name: name("m"),
        optional: false,
        items: Items::default(),
    };
    let digest = |text: &str, immutable, mode: Option<u32>| {
        let mut source = source.clone();
        if let VolumeSource::ConfigMap { items, .. } = &mut source {
            items.mode = mode;
        }
        let mut want = desired([with(source, |_| {})]);
        let object = DataObject {
            data: [("k".to_owned(), text.as_bytes().to_vec())].into(),
            immutable,
            source: None,
        };
        want.config_maps.insert(key("m"), object);
        let payloads = rendered(&want).unwrap().payloads;
        let mut trees = payloads.iter().map(|payload| &payload.content);
        let tree = trees.find(|content| matches!(content, PayloadContent::Tree { .. }));
        tree.unwrap().digest()
    };
    assert_eq!(digest("a", true, None), digest("b", true, None));
    assert_ne!(digest("a", false, None), digest("b", false, None));
    assert_ne!(digest("a", true, None), digest("a", false, None));
    assert_ne!(
        digest("a", true, None),
        digest("a", true, Some(0o600)),
        "another volume"
    );
}
