use super::*;
use crate::host::namespace::tests::in_private_mounts;
use crate::model::name::ObjectKey;
use crate::model::payload::{Payload, TreeFile};
use crate::model::quantity::Bytes;
use crate::model::sandbox::{HostPath, Hosts, MemoryVolume, MountPoint, PodNames, Resolver};
use crate::model::volume::HostPathKind;
use std::path::Path;

fn layout(root: &Path) -> Layout {
    Layout {
        state: root.join("state"),
        run: root.join("run"),
        units: root.join("units"),
        given: root.join("given"),
        netns: root.join("netns"),
    }
}

fn key() -> PodKey {
    PodKey {
        namespace: "default".parse().unwrap(),
        name: "p".parse().unwrap(),
    }
}

fn put(path: &Path, text: &str) {
    let dir = Dir::create(path.parent().unwrap()).unwrap();
    let name = path.file_name().unwrap().to_str().unwrap();
    dir.write(name, text.as_bytes(), 0o600).unwrap();
}

/// One of each that a sandbox can be asked for.
fn everything(root: &Path, volume: &VolumeName, claim: &ObjectKey) -> Setup {
    let text = |name| root.join(name).display().to_string();
    Setup {
        wiring: None,
        network: true,
        once: true,
        secrets: vec![volume.clone()],
        host_paths: vec![HostPath {
            path: text("made/file"),
            kind: HostPathKind::FileOrCreate,
        }],
        mount_points: vec![MountPoint {
            path: text("target/file"),
            like: Some(text("made/file")),
        }],
        memory: vec![MemoryVolume {
            name: "ram".parse().unwrap(),
            size: Some(Bytes(8 << 20)),
        }],
        claims: vec![claim.clone()],
        names: PodNames {
            hostname: Some("web".to_owned()),
            ipc: true,
            hosts: Some(Hosts::default()),
            resolver: Some(Resolver::default()),
        },
        ..Setup::default()
    }
}

#[test]
fn up_makes_everything_and_down_takes_it_away() {
    in_private_mounts(|root| {
        let layout = layout(root);
        let uid: PodUid = "u-1".parse().unwrap();
        let volume: VolumeName = "pw".parse().unwrap();
        let bytes = b"geheim".to_vec();
        let file = TreeFile { bytes, mode: 0o644 };
        let files = [("key".to_owned(), file)].into();
        payload::write(&layout, &uid, &Payload::tree(&volume, files, true, None)).unwrap();
        let claim = ObjectKey {
            namespace: "ns".parse().unwrap(),
            name: "data".parse().unwrap(),
        };
        let setup = everything(root, &volume, &claim);
        put(&root.join("made/x"), "");
        for _ in 0..2 {
            up(&layout, &uid, &key(), &setup).unwrap();
        }
        let secret = layout.secret_volume(&uid, &volume).join("key");
        assert_eq!(std::fs::read(secret).unwrap(), b"geheim");
        assert!(mounts::is_namespace(&layout.network_namespace(&uid)).unwrap());
        assert!(root.join("target/file").is_file());
        let ram = layout.memory_volume(&uid, &setup.memory[0].name);
        assert!(mounts::is_mount_point(&ram).unwrap());
        let data = layout.claim(&claim);
        put(&data.join("kept"), "words");
        for kind in ["uts", "ipc"] {
            let path = layout.pod_namespace(&uid, kind);
            assert!(mounts::is_namespace(&path).unwrap(), "{kind}");
        }
        assert!(mounts::is_tmpfs(&layout.pod_shm(&uid)).unwrap());
        let name = std::fs::read(layout.pod_etc(&uid, "hostname")).unwrap();
        assert_eq!(name, b"web\n");

        for _ in 0..2 {
            let errors = down(&layout, &uid);
            assert!(errors.is_empty(), "{errors:?}");
        }
        assert!(!layout.pod_run(&uid).exists());
        assert!(!layout.network_namespace(&uid).exists());
        assert!(!root.join("target").exists());
        assert!(root.join("made/file").exists(), "a hostPath is the user's");
        assert!(data.join("kept").exists(), "a claim outlives the pod");
        assert!(
            layout.pod(&uid).exists(),
            "the pod's directory is not the sandbox's"
        );
    });
}

#[test]
fn a_pod_of_an_earlier_boot_does_not_run_again() {
    in_private_mounts(|root| {
        let layout = layout(root);
        let uid: PodUid = "u-1".parse().unwrap();
        let setup = Setup {
            once: true,
            ..Setup::default()
        };
        put(&layout.once(&uid), "00000000-0000-0000-0000-000000000000\n");
        let again = up(&layout, &uid, &key(), &setup);
        assert!(matches!(again, Err(SandboxError::RanBefore)), "{again:?}");
        // Another policy does not ask.
        up(&layout, &uid, &key(), &Setup::default()).unwrap();
    });
}

#[test]
fn secrets_need_memory_and_a_store() {
    in_private_mounts(|root| {
        let uid: PodUid = "u-1".parse().unwrap();
        let volumes: Vec<VolumeName> = vec!["pw".parse().unwrap()];
        let missing = secrets(&layout(root), &uid, &volumes);
        assert!(
            matches!(missing, Err(SandboxError::NoSecret(_))),
            "{missing:?}"
        );
        let on_disk = crate::config::scratch::Scratch::new("sandbox-disk");
        if mounts::is_tmpfs(on_disk.root()).unwrap() {
            eprintln!("SKIP: the temporary directory is a tmpfs");
            return;
        }
        let refused = secrets(&layout(on_disk.root()), &uid, &volumes);
        assert!(
            matches!(refused, Err(SandboxError::NotInMemory(_))),
            "{refused:?}"
        );
        assert!(!on_disk.path("run/pods").exists());
    });
}
