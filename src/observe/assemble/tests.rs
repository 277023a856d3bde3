use super::*;
use crate::host::units::Listing;
use crate::model::observed::ActiveState;
use crate::model::pod::{ContainerRole, SourcePath};
use std::collections::BTreeSet;

fn key() -> PodKey {
    PodKey {
        namespace: "a".parse().unwrap(),
        name: "b".parse().unwrap(),
    }
}

fn name(text: &str) -> UnitName {
    text.parse().unwrap()
}

fn unit(text: &str, uid: &str, role: Option<UnitRole>) -> UnitOnDisk {
    let identity = role.map(|role| Identity {
        addresses: Vec::new(),
        pod: key(),
        uid: uid.parse().unwrap(),
        manifest: (role == UnitRole::Pod).then(|| "{}".into()),
        role,
        source: SourcePath("/etc/vks/pods.d/b.toml".into()),
        spec_hash: "h".into(),
    });
    UnitOnDisk {
        name: name(text),
        digest: [1; 16],
        loaded_digest: Some([2; 16]),
        fixed_digest: None,
        identity,
        wants: vec![name("vks.a.b.gone.service"), name("vks.a.b.web.service")],
        given: false,
    }
}

fn web() -> UnitRole {
    UnitRole::Container {
        name: "web".parse().unwrap(),
        role: ContainerRole::Main,
        image: "host:web".into(),
        image_id: "host:web".into(),
    }
}

fn active(units: &[&str]) -> States {
    let state = UnitState {
        loaded: true,
        active: ActiveState::Active,
        ..UnitState::default()
    };
    units
        .iter()
        .map(|unit| (name(unit), state.clone()))
        .collect()
}

fn disk(units: Vec<UnitOnDisk>) -> Disk {
    let enabled = BTreeSet::from([name("vks-a-b.target")]);
    Disk {
        listing: Listing {
            units,
            enabled,
            ..Listing::default()
        },
        ..Disk::default()
    }
}

#[test]
fn a_pod_has_its_files_and_what_systemd_still_has_of_it() {
    let files = vec![
        unit("vks-a-b.target", "u", Some(UnitRole::Pod)),
        unit("vks.a.b.web.service", "u", Some(web())),
        unit("vks.x.service", "u", None),
    ];
    let mut states = active(&[
        "vks-a-b.target",
        "vks-a-b.slice",
        "vks.a.b.gone.service",
        "vks-a.slice",
        "vks.running.service",
    ]);
    let still = UnitState {
        loaded: true,
        ..UnitState::default()
    };
    states.extend(["vks-a-c.target", "vks-pods.target"].map(|unit| (name(unit), still.clone())));
    let observed = assemble(disk(files), states);
    assert_eq!(
        observed.strays,
        BTreeSet::from(["vks.x.service".to_owned()])
    );
    assert_eq!(observed.orphans, BTreeSet::from([name("vks-a-c.target")]));
    let pod = &observed.pods[&key()];
    assert!(pod.enabled);
    assert_eq!(pod.manifest.as_deref(), Some("{}"));
    let units: Vec<_> = pod
        .units
        .iter()
        .map(|(name, unit)| (name.as_str(), unit.digest.is_some(), unit.state.loaded))
        .collect();
    assert_eq!(
        units,
        [
            ("vks-a-b.slice", false, true),
            ("vks-a-b.target", true, true),
            ("vks.a.b.gone.service", false, true),
            ("vks.a.b.web.service", true, false),
        ]
    );
    let units = ["vks-a-b.slice", "vks-a.slice"].map(name);
    assert_eq!(
        super::super::units_to_pods(&observed, &units.into()),
        ([key()].into(), [name("vks-a-b.slice")].into())
    );
}

#[test]
fn the_target_says_which_life_it_is() {
    let files = vec![
        unit("vks-a-b-sandbox.service", "old", Some(UnitRole::Sandbox)),
        unit("vks-a-b.target", "new", Some(UnitRole::Pod)),
    ];
    let mut disk = disk(files);
    let marked = PodDir {
        deadline_exceeded: true,
        ..PodDir::default()
    };
    disk.pods.insert("new".parse().unwrap(), marked);
    let observed = assemble(disk, States::new());
    let pod = &observed.pods[&key()];
    assert_eq!(pod.uid.as_str(), "new");
    assert!(pod.deadline_exceeded);
    let sandbox = &pod.units[&name("vks-a-b-sandbox.service")];
    assert_eq!(sandbox.identity.as_ref().unwrap().uid.as_str(), "old");
}

#[test]
fn a_pod_without_its_target_is_there_without_a_manifest() {
    let files = vec![unit("vks.a.b.web.service", "u", Some(web()))];
    let observed = assemble(disk(files), active(&["vks.a.b.web.service"]));
    let pod = &observed.pods[&key()];
    assert_eq!((pod.manifest.as_deref(), pod.enabled), (None, false));
    assert!(pod.units[&name("vks.a.b.web.service")].state.loaded);
}
