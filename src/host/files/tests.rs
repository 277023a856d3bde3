use super::*;
use std::os::unix::fs::PermissionsExt as _;

/// A directory of the test's own, removed at the end.
pub(crate) struct Scratch(pub PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("vks-test-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn dir(&self) -> Dir {
        Dir::open(&self.0).unwrap().unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn writes_are_whole_have_their_mode_and_leave_nothing_else() {
    let scratch = Scratch::new();
    let dir = scratch.dir();
    for text in ["one", "two"] {
        dir.write("file", text.as_bytes(), 0o640).unwrap();
        assert_eq!(dir.read("file", 100).unwrap().unwrap(), text.as_bytes());
    }
    let mode = std::fs::metadata(scratch.0.join("file"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o7777, 0o640);
    dir.symlink("link", "file").unwrap();
    dir.symlink("link", "other").unwrap();
    assert_eq!(dir.read_link("link").unwrap().as_deref(), Some("other"));
    assert_eq!(dir.entries().unwrap().len(), 2);
    assert!(dir.remove("link").unwrap() && !dir.remove("link").unwrap());
    assert!(dir.read("file", 2).is_err(), "larger than the limit");
    dir.sync().unwrap();
}

#[test]
fn a_file_made_once_is_left_alone() {
    let scratch = Scratch::new();
    let dir = scratch.dir();
    assert!(dir.create_file("file", 0o666).unwrap());
    dir.write("file", b"text", 0o666).unwrap();
    assert!(!dir.create_file("file", 0o666).unwrap());
    assert_eq!(dir.read("file", 100).unwrap().unwrap(), b"text");
}

#[test]
fn names_and_links_do_not_lead_out() {
    let scratch = Scratch::new();
    let dir = scratch.dir();
    for name in ["", ".", "..", "/etc/passwd", "a/b", "a\0b"] {
        assert!(dir.write(name, b"", 0o600).is_err(), "{name:?}");
        assert!(dir.read(name, 100).is_err(), "{name:?}");
        assert!(dir.create_sub(name, 0o700).is_err(), "{name:?}");
        assert!(dir.remove_tree(name).is_err(), "{name:?}");
    }
    std::os::unix::fs::symlink("/etc", scratch.0.join("etc")).unwrap();
    assert!(dir.create_sub("etc", 0o700).is_err());
    assert!(dir.sub("etc").is_err());
    assert!(dir.sub("../x").is_err());
    std::os::unix::fs::symlink("/etc/passwd", scratch.0.join("passwd")).unwrap();
    assert!(dir.read("passwd", 1 << 20).is_err());
    // A write replaces the link, not what it points to.
    dir.write("passwd", b"mine", 0o600).unwrap();
    assert_eq!(dir.read("passwd", 100).unwrap().unwrap(), b"mine");
}

#[test]
fn a_fifo_in_the_place_of_a_file_does_not_hold_us_up() {
    let scratch = Scratch::new();
    let dir = scratch.dir();
    fs::mkfifoat(&dir.fd, "fifo", Mode::from_raw_mode(0o600)).unwrap();
    assert!(dir.read("fifo", 100).is_err());
}

#[test]
fn removal_follows_no_link_and_bears_any_depth() {
    let scratch = Scratch::new();
    let dir = scratch.dir();
    dir.create_sub("keep", 0o700)
        .unwrap()
        .write("file", b"", 0o600)
        .unwrap();
    let tree = dir.create_sub("tree", 0o700).unwrap();
    tree.symlink("link", "../keep").unwrap();
    let mut deep = dir.sub("tree").unwrap().unwrap();
    for _ in 0..500 {
        deep.write("file", b"", 0o400).unwrap();
        deep = deep.create_sub("d", 0o700).unwrap();
    }
    dir.remove_tree("tree").unwrap();
    dir.remove_tree("tree").unwrap();
    let left: Vec<_> = dir
        .entries()
        .unwrap()
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(left, ["keep"]);
    assert!(dir.sub("keep").unwrap().unwrap().has("file").unwrap());
}

#[test]
fn leftovers_of_cut_short_writes_are_swept() {
    let scratch = Scratch::new();
    let dir = scratch.dir();
    dir.write(&temporary(), b"", 0o600).unwrap();
    dir.write("file", b"", 0o600).unwrap();
    dir.sweep().unwrap();
    assert_eq!(dir.entries().unwrap().len(), 1);
}

#[test]
fn what_is_mounted_below_is_left_alone() {
    let scratch = Scratch::new();
    let dir = scratch.dir();
    dir.create_sub("keep", 0o700)
        .unwrap()
        .write("file", b"", 0o600)
        .unwrap();
    let tree = dir.create_sub("tree", 0o700).unwrap();
    tree.create_sub("mount", 0o700).unwrap();
    tree.write("file", b"", 0o600).unwrap();
    let (from, to) = (scratch.0.join("keep"), scratch.0.join("tree/mount"));
    // In a mount namespace of the thread's own, so that nothing is left whatever happens.
    let removed = std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            use nix::mount::{MsFlags, mount};
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS).ok()?;
            let none = None::<&str>;
            mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).ok()?;
            mount(Some(&from), &to, none, MsFlags::MS_BIND, none).ok()?;
            Some(scratch.dir().remove_tree("tree"))
        });
        thread.join().unwrap()
    });
    let Some(removed) = removed else {
        eprintln!("SKIP: mounts need root");
        return;
    };
    let error = removed.unwrap_err().to_string();
    assert!(error.contains("mounted"), "{error}");
    assert!(dir.sub("keep").unwrap().unwrap().has("file").unwrap());
    assert!(!dir.sub("tree").unwrap().unwrap().has("file").unwrap());
}
