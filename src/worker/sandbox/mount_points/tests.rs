use super::*;
use crate::config::scratch::Scratch;

fn layout(scratch: &Scratch) -> Layout {
    Layout {
        state: scratch.path("state"),
        ..Layout::default()
    }
}

fn point(path: PathBuf, like: Option<PathBuf>) -> MountPoint {
    let text = |path: PathBuf| path.display().to_string();
    MountPoint {
        path: text(path),
        like: like.map(text),
    }
}

fn uid(text: &str) -> PodUid {
    text.parse().unwrap()
}

fn released(layout: &Layout, pod: &str) {
    let errors = release(layout, &uid(pod));
    assert!(errors.is_empty(), "{errors:?}");
}

#[test]
fn what_is_made_goes_with_the_last_pod_that_uses_it() {
    let scratch = Scratch::new("points-two");
    let layout = layout(&scratch);
    let deep = scratch.path("host/a/b");
    make(&layout, &uid("1"), &[point(deep.clone(), None)]).unwrap();
    make(&layout, &uid("2"), &[point(deep.clone(), None)]).unwrap();
    released(&layout, "1");
    assert!(deep.is_dir(), "taken from under pod 2");
    released(&layout, "2");
    assert!(!scratch.path("host").exists());
    assert!(scratch.root().exists(), "more than was made is gone");
    released(&layout, "2");
    assert!(!layout.mountpoints(&uid("1")).exists());
}

#[test]
fn what_was_there_or_is_used_stays() {
    let scratch = Scratch::new("points-stay");
    let layout = layout(&scratch);
    scratch.put("there/x", "");
    let points = [
        point(scratch.path("there"), None),
        point(scratch.path("made"), None),
        point(scratch.path("file"), Some(scratch.path("there/x"))),
    ];
    make(&layout, &uid("1"), &points).unwrap();
    assert!(scratch.path("file").is_file());
    // A second time, as after a crash, changes nothing.
    make(&layout, &uid("1"), &points).unwrap();
    scratch.put("made/by-somebody", "");
    scratch.put("file", "content");
    released(&layout, "1");
    assert!(scratch.path("there").exists());
    assert!(scratch.path("made/by-somebody").exists());
    assert!(scratch.path("file").exists());
}

#[test]
fn two_names_of_one_place_are_one() {
    let scratch = Scratch::new("points-link");
    let layout = layout(&scratch);
    scratch.put("real/x", "");
    std::os::unix::fs::symlink(scratch.path("real"), scratch.path("link")).unwrap();
    make(&layout, &uid("1"), &[point(scratch.path("link/a/"), None)]).unwrap();
    make(&layout, &uid("2"), &[point(scratch.path("real/a"), None)]).unwrap();
    released(&layout, "1");
    assert!(scratch.path("real/a").is_dir());
    released(&layout, "2");
    assert!(!scratch.path("real/a").exists());
}

#[test]
fn what_was_never_made_is_no_hindrance() {
    let scratch = Scratch::new("points-half");
    let layout = layout(&scratch);
    let records = Records::open(&layout).unwrap();
    let mut record = Record::default();
    let path = scratch.path("never");
    record.take_in([path.clone()], vec![Made { path, file: false }]);
    records.write(&uid("1"), &record).unwrap();
    drop(records);
    released(&layout, "1");
    assert!(!layout.mountpoints(&uid("1")).exists());
}

#[test]
fn a_path_that_cannot_be_made_or_is_none_is_named() {
    let scratch = Scratch::new("points-wrong");
    let layout = layout(&scratch);
    scratch.put("file", "");
    let below = make(&layout, &uid("1"), &[point(scratch.path("file/x"), None)]);
    assert!(below.is_err());
    for wrong in ["data", "/a/../b", ""] {
        let point = MountPoint {
            path: wrong.to_owned(),
            like: None,
        };
        let result = make(&layout, &uid("1"), &[point]);
        assert!(matches!(result, Err(MountPointError::Path(_))), "{wrong}");
    }
}
