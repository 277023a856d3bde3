//! Archives that want out, or want too much. Whatever becomes of each: nothing beside the layer's directory is touched.

use super::tests::{Maker, Scratch, is_root};
use super::{Limits, UnpackError};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use tar::{EntryType, Header};

/// A directory beside the layer's, with a file that must stay what it is.
struct Around {
    scratch: Scratch,
    before: Vec<(String, u64, i64, u64)>,
}

impl Around {
    fn new(name: &str) -> Self {
        let scratch = Scratch::new(name);
        std::fs::create_dir(scratch.0.join("outside")).unwrap();
        let secret = std::fs::File::create(scratch.0.join("outside/secret"));
        std::io::Write::write_all(&mut secret.unwrap(), b"secret").unwrap();
        let before = Self::look(&scratch.0);
        Self { scratch, before }
    }

    /// Names, inodes, times of change and links of all that is not in the layer.
    fn look(root: &Path) -> Vec<(String, u64, i64, u64)> {
        let mut found = Vec::new();
        for directory in [root.to_owned(), root.join("outside")] {
            for entry in std::fs::read_dir(directory).unwrap() {
                let entry = entry.unwrap();
                let meta = entry.metadata().unwrap();
                if entry.file_name() != "layer" {
                    let name = entry.path().display().to_string();
                    found.push((name, meta.ino(), meta.ctime_nsec(), meta.nlink()));
                }
            }
        }
        found.sort();
        found
    }

    fn outside(&self) -> String {
        self.scratch.0.join("outside").display().to_string()
    }
}

impl Drop for Around {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(
                self.before,
                Self::look(&self.scratch.0),
                "something outside was touched"
            );
        }
    }
}

fn small() -> Limits {
    Limits {
        bytes: 1 << 20,
        entries: 1000,
    }
}

fn refused(name: &str, make: impl FnOnce(&Around) -> Vec<u8>) {
    if !is_root() {
        return;
    }
    let around = Around::new(name);
    let archive = make(&around);
    let error = around.scratch.unpack(&archive, small()).unwrap_err();
    assert!(
        matches!(error, UnpackError::Hostile { .. }),
        "{name}: {error}"
    );
}

#[test]
fn paths_with_dots_are_refused() {
    for (index, path) in [
        "../outside/secret",
        "a/../../outside/x",
        "/../outside/secret",
        "..",
        "a/..",
    ]
    .into_iter()
    .enumerate()
    {
        refused(&format!("dots{index}"), |_| {
            Maker::default().file(path, "evil").end()
        });
    }
    refused("dots-long", |around| {
        let path = format!("../{}/x", around.outside());
        Maker::default()
            .pax(&[("path", path.as_bytes())])
            .file("short", "evil")
            .end()
    });
    refused("dots-gnu", |_| {
        let path = format!("{}/../../outside/x\0", "a".repeat(120));
        let kind = EntryType::GNULongName;
        Maker::default()
            .entry(kind, b"././@LongLink", b"", path.as_bytes())
            .file("x", "evil")
            .end()
    });
}

#[test]
fn absolute_paths_end_in_the_layer() {
    if !is_root() {
        return;
    }
    let around = Around::new("absolute");
    let secret = format!("{}/secret", around.outside());
    let archive = Maker::default()
        .file(&secret, "evil")
        .file("/etc/vks-test", "x")
        .end();
    around.scratch.unpack(&archive, small()).unwrap();
    assert!(around.scratch.at(secret.trim_start_matches('/')).is_file());
    assert!(!Path::new("/etc/vks-test").exists());
}

#[test]
fn links_lead_nowhere_outside() {
    if !is_root() {
        return;
    }
    let around = Around::new("links");
    let outside = around.outside();
    // What a link leads to is looked for in the layer, and is not there.
    for (name, target) in [
        ("abs", outside.as_str()),
        ("rel", "../../../../../../outside"),
        ("up", ".."),
    ] {
        let archive = Maker::default()
            .link(name, target)
            .file(&format!("{name}/secret"), "evil")
            .end();
        let _ = around.scratch.unpack(&archive, small());
        let linked = around.scratch.at(name);
        assert!(linked.symlink_metadata().unwrap().is_symlink(), "{name}");
    }
    // Through a link to a directory that the layer has, it is written there.
    let archive = Maker::default()
        .dir("usr/lib")
        .link("lib", "/usr/lib")
        .file("lib/x", "x")
        .end();
    around.scratch.unpack(&archive, small()).unwrap();
    assert!(around.scratch.at("usr/lib/x").is_file());
    // A file in the place of a link is not written through it.
    let archive = Maker::default()
        .link("f", &format!("{outside}/secret"))
        .file("f", "evil")
        .end();
    around.scratch.unpack(&archive, small()).unwrap();
    assert!(around.scratch.at("f").symlink_metadata().unwrap().is_file());
    // Nor a mode set, nor an owner given.
    let archive = Maker::default().link("d", &outside).dir("d").end();
    around.scratch.unpack(&archive, small()).unwrap();
    assert!(around.scratch.at("d").symlink_metadata().unwrap().is_dir());
}

#[test]
fn links_in_a_circle_are_refused() {
    refused("circle", |_| {
        Maker::default()
            .link("a", "b")
            .link("b", "a")
            .file("a/x", "x")
            .end()
    });
    refused("magic", |_| {
        Maker::default()
            .link("a", "/proc/self/cwd/..")
            .file("a/x", "x")
            .end()
    });
}

#[test]
fn hard_links_only_to_what_is_in_the_layer() {
    refused("hard-abs", |around| {
        Maker::default()
            .hard("x", &format!("{}/secret", around.outside()))
            .end()
    });
    refused("hard-up", |_| {
        Maker::default().hard("x", "../outside/secret").end()
    });
    refused("hard-link", |around| {
        let target = around.outside();
        Maker::default()
            .link("l", &target)
            .hard("x", "l/secret")
            .end()
    });
    refused("hard-dir", |_| {
        Maker::default().dir("d").hard("x", "d").end()
    });
    if !is_root() {
        return;
    }
    // To a link: the link itself, never what it leads to.
    let around = Around::new("hard-soft");
    let target = format!("{}/secret", around.outside());
    let archive = Maker::default()
        .link("l", &target)
        .hard("x", "l")
        .file("x", "evil")
        .hard("x", "x")
        .end();
    around.scratch.unpack(&archive, small()).unwrap();
    assert!(
        around
            .scratch
            .at("l")
            .symlink_metadata()
            .unwrap()
            .is_symlink()
    );
    assert!(around.scratch.at("x").symlink_metadata().unwrap().is_file());
}

#[test]
fn devices_are_left_out() {
    if !is_root() {
        return;
    }
    let around = Around::new("devices");
    let mut maker = Maker::default();
    for (kind, name) in [(EntryType::Char, "mem"), (EntryType::Block, "sda")] {
        let mut header = Header::new_gnu();
        header.set_path(name).unwrap();
        header.set_entry_type(kind);
        header.set_device_major(1).unwrap();
        header.set_device_minor(1).unwrap();
        header.set_mode(0o666);
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(0);
        header.set_cksum();
        maker.raw(&header, b"");
    }
    let stats = around.scratch.unpack(&maker.end(), small()).unwrap();
    assert_eq!(stats.devices, 2);
    assert!(!around.scratch.at("mem").exists() && !around.scratch.at("sda").exists());
}

#[test]
fn odd_whiteouts_are_refused() {
    for (index, name) in [".wh.", ".wh..", ".wh...", "a/.wh..."]
        .into_iter()
        .enumerate()
    {
        refused(&format!("whiteout{index}"), |_| {
            Maker::default().file(name, "").end()
        });
    }
    if !is_root() {
        return;
    }
    let around = Around::new("whiteout-out");
    let archive = Maker::default()
        .link("l", &around.outside())
        .file("l/.wh.secret", "")
        .end();
    let _ = around.scratch.unpack(&archive, small());
}

#[test]
fn limits_hold() {
    if !is_root() {
        return;
    }
    let around = Around::new("limits");
    // As many zeros as anybody likes, without having them anywhere.
    let mut header = Header::new_gnu();
    header.set_path("zeros").unwrap();
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(10 << 30);
    header.set_cksum();
    let zeros = std::io::Read::chain(&header.as_bytes()[..], std::io::repeat(0));
    let directory = std::fs::File::open(around.scratch.at("")).unwrap();
    let error = super::unpack(zeros, &directory.into(), small()).unwrap_err();
    assert!(
        matches!(error, UnpackError::TooBig { what: "bytes", .. }),
        "{error}"
    );
    let mut maker = Maker::default();
    for index in 0..1001 {
        maker = maker.file(&format!("f{index}"), "");
    }
    let error = around
        .scratch
        .unpack(
            &maker.end(),
            Limits {
                bytes: 8 << 20,
                ..small()
            },
        )
        .unwrap_err();
    assert!(
        matches!(
            error,
            UnpackError::TooBig {
                what: "entries",
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn names_have_limits() {
    refused("name", |_| {
        Maker::default()
            .pax(&[("path", "a".repeat(300).as_bytes())])
            .file("x", "")
            .end()
    });
    refused("path", |_| {
        Maker::default()
            .pax(&[("path", "a/".repeat(3000).as_bytes())])
            .file("x", "")
            .end()
    });
    refused("nul", |_| {
        Maker::default()
            .pax(&[("path", b"a\0b")])
            .file("x", "")
            .end()
    });
    refused("through", |_| {
        Maker::default().file("a", "x").file("a/b", "x").end()
    });
    refused("empty", |_| Maker::default().file(".", "x").end());
    refused("long-name", |_| {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::GNULongName);
        header.set_size(5 << 30);
        header.set_cksum();
        let mut maker = Maker::default();
        maker.raw(&header, b"");
        maker.end()
    });
}

#[test]
fn names_that_come_twice_are_the_last_one() {
    if !is_root() {
        return;
    }
    let around = Around::new("twice");
    let archive = Maker::default()
        .file("a", "one")
        .file("a", "two")
        .dir("b")
        .file("b/x", "x")
        .file("b", "now a file")
        .file("c", "x")
        .dir("c")
        .file("c/x", "x")
        .dir("c")
        .end();
    around.scratch.unpack(&archive, small()).unwrap();
    let read = |path| std::fs::read_to_string(around.scratch.at(path)).unwrap();
    assert_eq!(
        (read("a"), read("b"), read("c/x")),
        ("two".into(), "now a file".into(), "x".into())
    );
}

#[test]
fn what_is_cut_short_is_an_error() {
    if !is_root() {
        return;
    }
    let around = Around::new("cut");
    let whole = Maker::default().file("a", &"x".repeat(2000)).end();
    for length in [100, 600, 1500] {
        let error = around
            .scratch
            .unpack(&whole[..length], small())
            .unwrap_err();
        assert!(matches!(error, UnpackError::Read(_)), "{length}: {error}");
    }
}
