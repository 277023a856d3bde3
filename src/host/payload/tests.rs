use super::*;
use crate::host::files::tests::Scratch;
use crate::model::name::{ContainerName, VolumeName};
use crate::model::payload::{TreeFile, tree_digest};
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

struct Host {
    scratch: Scratch,
    layout: Layout,
    uid: PodUid,
}

impl Host {
    fn new() -> Self {
        let scratch = Scratch::new();
        let layout = Layout {
            state: scratch.0.join("state"),
            run: scratch.0.join("run"),
            units: scratch.0.join("units"),
            given: scratch.0.join("given"),
            netns: scratch.0.join("netns"),
        };
        let uid = "0a-1".parse().unwrap();
        Self {
            scratch,
            layout,
            uid,
        }
    }

    fn write(&self, payload: &Payload) {
        write(&self.layout, &self.uid, payload).unwrap();
        let read = read(&self.layout, &self.uid).unwrap();
        assert_eq!(
            read.get(&payload.path),
            Some(&payload.content.digest()),
            "{payload:?}"
        );
    }

    fn pod(&self, path: &str) -> std::path::PathBuf {
        self.layout.pod(&self.uid).join(path)
    }
}

fn volume(name: &str) -> VolumeName {
    name.parse().unwrap()
}

fn files(files: &[(&str, &str)]) -> Files {
    let own = |(key, text): &(&str, &str)| {
        let bytes = text.as_bytes().to_vec();
        let mode = TreeFile::MODE;
        ((*key).to_owned(), TreeFile { bytes, mode })
    };
    files.iter().map(own).collect()
}

fn listing(path: &Path) -> Vec<String> {
    let entries = fs::read_dir(path).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn a_config_map_volume_changes_as_a_whole() {
    let host = Host::new();
    let conf = |pairs| Payload::tree(&volume("conf"), files(pairs), false, None);
    host.write(&conf(&[("a", "1"), ("b", "2")]));
    let tree = host.pod("volumes/conf");
    let inode = fs::metadata(&tree).unwrap().ino();
    host.write(&conf(&[("b", "3"), ("c", "4")]));
    // Containers have this directory mounted: it must stay the same one.
    assert_eq!(fs::metadata(&tree).unwrap().ino(), inode);
    let current = format!(
        "..{}",
        crate::unit::hex(&tree_digest(&files(&[("b", "3"), ("c", "4")])))
    );
    assert_eq!(listing(&tree), [&*current, "..data", "b", "c"]);
    assert_eq!(fs::read_to_string(tree.join("b")).unwrap(), "3");
    assert_eq!(
        fs::read_link(tree.join("b")).unwrap(),
        Path::new("..data/b")
    );
    assert_eq!((mode(&tree), mode(&tree.join(current))), (0o755, 0o755));
    assert_eq!(mode(&host.pod("volumes")), 0o700);
    host.write(&conf(&[]));
    assert_eq!(listing(&tree).len(), 2);
}

#[test]
fn what_was_cut_short_reads_as_missing_and_is_repaired() {
    let host = Host::new();
    let payload = Payload::tree(
        &volume("conf"),
        files(&[("a", "1"), ("b", "2")]),
        false,
        None,
    );
    host.write(&payload);
    let tree = host.pod("volumes/conf");
    let missing = || read(&host.layout, &host.uid).unwrap().is_empty();
    // Before the links, before stale ones were removed, before the swap.
    fs::remove_file(tree.join("a")).unwrap();
    assert!(missing());
    host.write(&payload);
    std::os::unix::fs::symlink("..data/old", tree.join("old")).unwrap();
    fs::create_dir(tree.join("..0123")).unwrap();
    assert!(missing());
    host.write(&payload);
    fs::remove_file(tree.join("..data")).unwrap();
    let current = listing(&tree).remove(0);
    fs::remove_file(tree.join(current).join("b")).unwrap();
    host.write(&payload);
    assert_eq!(fs::read_to_string(tree.join("b")).unwrap(), "2");
}

#[test]
fn a_secret_stands_on_disk_and_on_tmpfs() {
    let host = Host::new();
    let secret = |text| Payload::tree(&volume("pw"), files(&[("key", text)]), true, None);
    host.write(&secret("one"));
    let store = host.pod("secrets/pw/key");
    assert_eq!(
        (mode(&store), mode(&host.pod("secrets/pw"))),
        (0o777, 0o755),
        "a link, in a directory that is open itself: the one above is not"
    );
    assert_eq!(mode(&host.pod("secrets")), 0o700);
    let run = host.layout.pod_run(&host.uid);
    assert!(!run.exists(), "only the sandbox makes it");
    // The sandbox comes up.
    fs::create_dir_all(&run).unwrap();
    assert!(
        read(&host.layout, &host.uid).unwrap().is_empty(),
        "the copy is missing"
    );
    restore_secrets(&host.layout, &host.uid).unwrap();
    let copy = run.join("secrets/pw");
    assert_eq!(fs::read_to_string(copy.join("key")).unwrap(), "one");
    assert_eq!(mode(&run.join("secrets")), 0o700);
    let inode = fs::metadata(&copy).unwrap().ino();
    host.write(&secret("two"));
    assert_eq!(fs::read_to_string(copy.join("key")).unwrap(), "two");
    assert_eq!(fs::read_to_string(store).unwrap(), "two");
    assert_eq!(fs::metadata(&copy).unwrap().ino(), inode);
    assert_eq!(listing(&host.pod("secrets")), ["pw"]);
}

#[test]
fn files_for_containers() {
    let host = Host::new();
    let web: ContainerName = "web".parse().unwrap();
    host.write(&Payload::env_file(&web, b"A=1\n".to_vec()));
    host.write(&Payload::env_file(&web, b"A=2\n".to_vec()));
    assert_eq!(
        (mode(&host.pod("env")), mode(&host.pod("env/web"))),
        (0o700, 0o400)
    );
    host.write(&Payload::termination(&web));
    assert_eq!(mode(&host.pod("termination/web")), 0o666);
    fs::OpenOptions::new()
        .write(true)
        .open(host.pod("termination/web"))
        .and_then(|mut file| std::io::Write::write_all(&mut file, b"over"))
        .unwrap();
    host.write(&Payload::termination(&web));
    assert_eq!(
        fs::read_to_string(host.pod("termination/web")).unwrap(),
        "over"
    );
}

#[test]
fn an_empty_dir_is_left_to_its_containers() {
    let host = Host::new();
    let payload = Payload::empty_dir(&volume("cache"));
    host.write(&payload);
    let cache = host.pod("volumes/cache");
    assert_eq!(mode(&cache), 0o777);
    fs::create_dir(cache.join("x")).unwrap();
    std::os::unix::fs::symlink("/etc", cache.join("..data")).unwrap();
    host.write(&payload);
    fs::remove_file(cache.join("..data")).unwrap();
    fs::set_permissions(&cache, fs::Permissions::from_mode(0o700)).unwrap();
    host.write(&payload);
    assert_eq!(
        (mode(&cache), listing(&cache)),
        (0o700, vec!["x".to_owned()])
    );
}

#[test]
fn payloads_and_pods_are_removed() {
    let host = Host::new();
    fs::create_dir_all(host.layout.pod_run(&host.uid)).unwrap();
    host.write(&Payload::tree(
        &volume("conf"),
        files(&[("a", "1")]),
        false,
        None,
    ));
    host.write(&Payload::tree(
        &volume("pw"),
        files(&[("a", "1")]),
        true,
        None,
    ));
    for path in ["volumes/conf", "secrets/pw", "secrets/pw", "env/none"] {
        remove(&host.layout, &host.uid, path).unwrap();
    }
    assert!(read(&host.layout, &host.uid).unwrap().is_empty());
    assert!(listing(&host.layout.pod_run(&host.uid).join("secrets")).is_empty());
    let other: PodUid = "other".parse().unwrap();
    let payload = Payload::empty_dir(&volume("cache"));
    write(&host.layout, &other, &payload).unwrap();
    remove_pod_dir(&host.layout, &host.uid).unwrap();
    remove_pod_dir(&host.layout, &host.uid).unwrap();
    assert_eq!(listing(&host.layout.state.join("pods")), ["other"]);
    assert!(listing(&host.layout.run.join("pods")).is_empty());
    assert!(host.scratch.0.exists());
}

#[test]
fn nested_paths_and_modes_are_kept_through_the_store() {
    let host = Host::new();
    let file = |text: &str, mode| TreeFile {
        bytes: text.as_bytes().to_vec(),
        mode,
    };
    let both = Files::from([
        ("a/b/c".to_owned(), file("deep", 0o400)),
        ("a/d".to_owned(), file("d", 0o640)),
        ("top".to_owned(), file("t", TreeFile::MODE)),
    ]);
    let secret = Payload::tree(&volume("pw"), both.clone(), true, None);
    fs::create_dir_all(host.layout.pod_run(&host.uid)).unwrap();
    host.write(&secret);
    let copy = host.layout.pod_run(&host.uid).join("secrets/pw");
    fs::remove_dir_all(&copy).unwrap();
    restore_secrets(&host.layout, &host.uid).unwrap();
    host.write(&secret);
    assert_eq!(fs::read_to_string(copy.join("a/b/c")).unwrap(), "deep");
    assert_eq!(mode(&copy.join("..data/a/b/c")), 0o400);
    assert_eq!(
        fs::read_link(copy.join("a")).unwrap(),
        Path::new("..data/a")
    );
    // Fewer files, and the same ones with another mode: both are seen as changes.
    let mut fewer = both;
    fewer.remove("a/b/c");
    host.write(&Payload::tree(&volume("pw"), fewer.clone(), true, None));
    assert!(!copy.join("a/b").exists() && copy.join("a/d").exists());
    fewer.insert("top".to_owned(), file("t", 0o600));
    host.write(&Payload::tree(&volume("pw"), fewer, true, None));
    assert_eq!(mode(&copy.join("..data/top")), 0o600);
}

#[test]
fn a_fixed_tree_is_not_written_again() {
    let host = Host::new();
    let with = |text, name| Payload::tree(&volume("conf"), files(&[("a", text)]), false, name);
    let tree = host.pod("volumes/conf/a");
    host.write(&with("one", Some([7; 16])));
    host.write(&with("two", Some([7; 16])));
    assert_eq!(fs::read_to_string(&tree).unwrap(), "one");
    host.write(&with("two", Some([8; 16])));
    assert_eq!(fs::read_to_string(&tree).unwrap(), "two");
    host.write(&with("three", None));
    assert_eq!(fs::read_to_string(&tree).unwrap(), "three");
}

#[test]
fn paths_and_keys_do_not_lead_out() {
    let host = Host::new();
    for path in [
        "",
        "env",
        "env/",
        "env/../x",
        "env/..",
        "runs/web",
        "/etc/passwd",
        "secrets/.new-x",
    ] {
        let (path, content) = (path.to_owned(), PayloadContent::EnvFile(Vec::new()));
        let payload = Payload { path, content };
        assert!(
            write(&host.layout, &host.uid, &payload).is_err(),
            "{payload:?}"
        );
        assert!(
            remove(&host.layout, &host.uid, &payload.path).is_err(),
            "{payload:?}"
        );
    }
    for key in ["..data", "..", "../x", "a/../b", "a//b", "/a", ""] {
        for payload in [
            Payload::tree(&volume("conf"), files(&[(key, "")]), false, None),
            Payload::tree(&volume("pw"), files(&[(key, "")]), true, None),
        ] {
            assert!(
                write(&host.layout, &host.uid, &payload).is_err(),
                "{payload:?}"
            );
        }
    }
    // The kind of a payload and its place belong together.
    let misplaced = Payload {
        path: "volumes/pw".to_owned(),
        content: PayloadContent::Tree {
            files: files(&[]),
            secret: true,
            fixed: None,
        },
    };
    assert!(matches!(
        write(&host.layout, &host.uid, &misplaced),
        Err(PayloadError::Path(_))
    ));
}
