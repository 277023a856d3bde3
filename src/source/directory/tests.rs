use super::*;
use crate::config::scratch::Scratch;
use proptest::prelude::*;

fn pod(name: &str, extra: &str) -> String {
    format!(
        "metadata: {{name: {name}}}\nspec:\n  containers: [{{name: c, image: 'host:true', args: ['{extra}']}}]\n"
    )
}

fn open(dirs: &[&str], scratch: &Scratch) -> Directories {
    let mut directories = Directories::new(dirs.iter().map(|dir| scratch.path(dir)).collect());
    assert!(directories.load().everything);
    directories
}

fn names(directories: &Directories) -> Vec<String> {
    let keys = directories.desired().pods.keys();
    keys.map(|key| key.name.to_string()).collect()
}

fn changed(changes: &Changes) -> Vec<String> {
    assert!(!changes.everything);
    changes
        .pods
        .iter()
        .map(|key| key.name.to_string())
        .collect()
}

#[test]
fn files_come_change_and_go() {
    let scratch = Scratch::new("dirs");
    scratch.put("d/a.yaml", &pod("a", "1"));
    scratch.put("d/.hidden.yaml", "broken: [");
    scratch.put("d/readme.txt", "text");
    let mut d = open(&["d"], &scratch);
    assert_eq!(names(&d), ["a"]);
    let (a, b) = (scratch.path("d/a.yaml"), scratch.path("d/b.yaml"));
    assert!(d.refresh(std::slice::from_ref(&a)).is_empty());
    scratch.put("d/a.yaml", &pod("a", "2"));
    scratch.put("d/b.yaml", &pod("b", "1"));
    assert_eq!(changed(&d.refresh(&[a.clone(), b.clone()])), ["a", "b"]);
    // A comment changes the bytes, not the pod.
    scratch.put("d/a.yaml", &format!("{}# x\n", pod("a", "2")));
    assert!(d.refresh(std::slice::from_ref(&a)).is_empty());
    std::fs::rename(&a, scratch.path("d/c.yaml")).unwrap();
    let changes = d.refresh(&[a.clone(), scratch.path("d/c.yaml")]);
    assert_eq!(
        (changed(&changes), names(&d)),
        (vec!["a".into()], vec!["a".into(), "b".into()])
    );
    std::fs::remove_file(&b).unwrap();
    assert_eq!(changed(&d.refresh(&[b])), ["b"]);
    assert_eq!(names(&d), ["a"]);
    assert!(d.desired().held.is_empty() && d.desired().problems.is_empty());
}

#[test]
fn a_broken_file_is_held() {
    let scratch = Scratch::new("held");
    scratch.put(
        "d/a.yaml",
        &format!("{}---\n{}", pod("a", ""), pod("b", "")),
    );
    let mut d = open(&["d"], &scratch);
    let a = scratch.path("d/a.yaml");
    let source = d.desired().pods.values().next().unwrap().source.clone();
    scratch.put("d/a.yaml", &format!("{}---\nnope: 1\n", pod("a", "")));
    assert_eq!(changed(&d.refresh(std::slice::from_ref(&a))), ["a", "b"]);
    assert!(names(&d).is_empty() && d.desired().holds(&source));
    assert_eq!(d.desired().problems.len(), 3);
    // Repaired, without b: nobody knows any more what ran, so all is looked at.
    scratch.put("d/a.yaml", &pod("a", ""));
    assert!(d.refresh(&[a]).everything);
    assert!(!d.desired().holds(&source) && d.desired().problems.is_empty());
    assert_eq!(names(&d), ["a"]);
}

#[test]
fn the_first_definition_wins() {
    let scratch = Scratch::new("twice");
    scratch.put("x/b.yaml", &pod("a", "first"));
    scratch.put(
        "y/a.yaml",
        &format!("{}---\n{}", pod("b", ""), pod("a", "second")),
    );
    let mut d = open(&["x", "y"], &scratch);
    assert_eq!(names(&d), ["a"]);
    let (first, second) = (scratch.path("x/b.yaml"), scratch.path("y/a.yaml"));
    assert_eq!(
        d.desired().problems[0].to_string(),
        format!(
            "{}:5: metadata.name: Pod default/a is already defined in {}:1: rename or remove one of them",
            second.display(),
            first.display()
        )
    );
    assert!(d.desired().held.contains(&second));
    // A broken first file keeps its claim.
    scratch.put("x/b.yaml", &format!("{}x: y\n", pod("a", "first")));
    assert!(d.refresh(std::slice::from_ref(&first)).everything);
    assert_eq!(d.desired().held.len(), 2);
    std::fs::remove_file(&first).unwrap();
    assert!(d.refresh(&[first]).everything);
    assert_eq!(names(&d), ["a", "b"]);
    assert!(d.desired().problems.is_empty());
}

#[test]
fn data_objects_change_the_pods_that_use_them() {
    let scratch = Scratch::new("data");
    let map = |value: &str| {
        format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: m}}\ndata: {{k: {value}}}\n")
    };
    let user = "metadata: {name: user}\nspec:\n  volumes: [{name: v, configMap: {name: m}}]\n  containers: [{name: c, image: 'host:true'}]\n";
    scratch.put("d/a.yaml", user);
    scratch.put("d/b.yaml", &pod("other", ""));
    scratch.put("d/m.yaml", &map("one"));
    let mut d = open(&["d"], &scratch);
    scratch.put("d/m.yaml", &map("two"));
    let m = scratch.path("d/m.yaml");
    assert_eq!(changed(&d.refresh(std::slice::from_ref(&m))), ["user"]);
    std::fs::remove_file(&m).unwrap();
    assert_eq!(changed(&d.refresh(&[m])), ["user"]);
}

#[test]
fn absent_and_unreadable_directories_are_held() {
    let scratch = Scratch::new("absent");
    scratch.put("file", "");
    let mut d = open(&["none", "file"], &scratch);
    assert_eq!(d.desired().held.len(), 2);
    assert_eq!(d.desired().problems.len(), 1);
    assert!(d.desired().problems[0].message.contains("cannot be read"));
    scratch.put("none/a.yaml", &pod("a", ""));
    assert!(d.refresh(&[scratch.path("none/a.yaml")]).everything);
    assert_eq!((names(&d), d.desired().held.len()), (vec!["a".into()], 1));
    std::fs::remove_dir_all(scratch.path("none")).unwrap();
    assert!(d.refresh(&[scratch.path("none")]).everything);
    assert!(d.desired().held.contains(&scratch.path("none")));
}

#[test]
fn files_that_go_with_their_directory_are_held() {
    let scratch = Scratch::new("moved");
    scratch.put("d/a.yaml", &pod("a", ""));
    let mut d = open(&["d"], &scratch);
    std::fs::rename(scratch.path("d"), scratch.path("old")).unwrap();
    assert!(d.refresh(&[scratch.path("d/a.yaml")]).everything);
    assert!(d.desired().held.contains(&scratch.path("d")));
}

#[test]
fn what_is_no_file_is_a_problem_and_not_opened() {
    let scratch = Scratch::new("odd");
    std::fs::create_dir_all(scratch.path("d/dir.yaml")).unwrap();
    let mode = nix::sys::stat::Mode::from_bits_truncate(0o600);
    nix::unistd::mkfifo(&scratch.path("d/pipe.yaml"), mode).unwrap();
    std::os::unix::fs::symlink("nowhere", scratch.path("d/link.yaml")).unwrap();
    let d = open(&["d"], &scratch);
    assert_eq!(d.desired().problems.len(), 3);
    assert_eq!(d.desired().held.len(), 3);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 40, ..ProptestConfig::default() })]

    /// Following changes one by one gives the same as reading everything.
    #[test]
    fn refresh_equals_load(steps in prop::collection::vec((0usize..4, 0usize..6, 0usize..4), 1..12)) {
        let scratch = Scratch::new("steps");
        for dir in ["x", "y"] {
            std::fs::create_dir(scratch.path(dir)).unwrap();
        }
        let mut d = open(&["x", "y"], &scratch);
        for (file, action, name) in steps {
            let file = ["x/a.yaml", "x/b.yaml", "y/a.yaml", "y/b.yaml"][file];
            let (path, name) = (scratch.path(file), ["p", "q", "r", "s"][name]);
            match action {
                0 => drop(std::fs::remove_file(&path)),
                1 => scratch.put(file, "broken: ["),
                2 => scratch.put(file, &format!("{}---\n{}", pod(name, ""), pod("q", "x"))),
                3 => scratch.put(file, &format!("{}zzz: 1\n", pod(name, ""))),
                _ => scratch.put(file, &pod(name, &action.to_string())),
            }
            let before = d.desired().pods.clone();
            let changes = d.refresh(&[path]);
            let fresh = open(&["x", "y"], &scratch);
            let sorted = |d: &Directories| {
                let mut problems = d.desired().problems.clone();
                problems.sort();
                problems
            };
            prop_assert_eq!(&d.desired().pods, &fresh.desired().pods);
            prop_assert_eq!(&d.desired().held, &fresh.desired().held);
            prop_assert_eq!(sorted(&d), sorted(&fresh));
            let after = &d.desired().pods;
            for key in before.keys().chain(after.keys()) {
                let same = before.get(key) == after.get(key);
                prop_assert!(same || changes.everything || changes.pods.contains(key));
            }
        }
    }
}
