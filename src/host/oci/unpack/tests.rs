//! What is kept of a well-meant archive, judged by stat.

use super::{Limits, Stats, UnpackError, unpack};
use rustix::fs::{self, Mode, OFlags};
use std::io::Write as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use tar::{Builder, EntryType, Header};

/// A directory that goes with the test.
pub(super) struct Scratch(pub PathBuf);

impl Scratch {
    pub(super) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("vks-oci-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(path.join("layer")).unwrap();
        Self(path)
    }

    pub(super) fn at(&self, path: &str) -> PathBuf {
        self.0.join("layer").join(path)
    }

    pub(super) fn unpack(&self, archive: &[u8], limits: Limits) -> Result<Stats, UnpackError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = fs::open(self.0.join("layer"), flags, Mode::empty()).unwrap();
        unpack(archive, &fd, limits)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Owners, whiteouts and capabilities need root.
pub(super) fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        assert!(std::env::var_os("VKS_REQUIRE_ALL").is_none(), "needs root");
        println!("SKIP: unpacking needs root");
    }
    root
}

/// An archive in the making. Names are written as they are, whatever they are.
#[derive(Default)]
pub(super) struct Maker(pub Vec<u8>);

impl Maker {
    pub(super) fn entry(
        mut self,
        kind: EntryType,
        name: &[u8],
        link: &[u8],
        content: &[u8],
    ) -> Self {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.as_old_mut().name[..name.len()].copy_from_slice(name);
        header.as_old_mut().linkname[..link.len()].copy_from_slice(link);
        header.set_mode(0o755);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1_000_000_000);
        header.set_size(content.len() as u64);
        header.set_cksum();
        self.raw(&header, content);
        self
    }

    pub(super) fn raw(&mut self, header: &Header, content: &[u8]) {
        self.0.extend_from_slice(header.as_bytes());
        self.0.extend_from_slice(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
    }

    pub(super) fn file(self, name: &str, content: &str) -> Self {
        self.entry(EntryType::Regular, name.as_bytes(), b"", content.as_bytes())
    }

    pub(super) fn dir(self, name: &str) -> Self {
        self.entry(EntryType::Directory, name.as_bytes(), b"", b"")
    }

    pub(super) fn link(self, name: &str, target: &str) -> Self {
        self.entry(EntryType::Symlink, name.as_bytes(), target.as_bytes(), b"")
    }

    pub(super) fn hard(self, name: &str, target: &str) -> Self {
        self.entry(EntryType::Link, name.as_bytes(), target.as_bytes(), b"")
    }

    /// PAX records for the next entry.
    pub(super) fn pax(self, records: &[(&str, &[u8])]) -> Self {
        let mut text = Vec::new();
        for (key, value) in records {
            let rest = key.len() + value.len() + 3;
            let mut length = rest + 1;
            while length != rest + length.to_string().len() {
                length = rest + length.to_string().len();
            }
            write!(text, "{length} {key}=").unwrap();
            text.extend_from_slice(value);
            text.push(b'\n');
        }
        self.entry(EntryType::XHeader, b"pax", b"", &text)
    }

    pub(super) fn end(mut self) -> Vec<u8> {
        self.0.extend_from_slice(&[0; 1024]);
        self.0
    }
}

fn is_whiteout(path: &Path) -> bool {
    let found = path.symlink_metadata().unwrap();
    found.file_type().is_char_device() && found.rdev() == 0
}

fn is_opaque(path: &Path) -> bool {
    let mut value = [0; 4];
    fs::getxattr(path, "trusted.overlay.opaque", &mut value)
        .is_ok_and(|read| value[..read] == *b"y")
}

#[test]
fn files_directories_and_links_are_as_the_archive_says() {
    if !is_root() {
        return;
    }
    let scratch = Scratch::new("plain");
    let mut builder = Builder::new(Vec::new());
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_size(5);
    header.set_mode(0o4711);
    header.set_uid(33);
    header.set_gid(34);
    header.set_mtime(1_234_567_890);
    let long = format!("usr/{}/su", "long".repeat(50));
    builder
        .append_data(&mut header, &long, &b"hello"[..])
        .unwrap();
    let archive = Maker(builder.into_inner().unwrap()[..].to_vec()).0;
    // Without the end of that archive: entries follow.
    let archive = Maker(archive[..archive.len() - 1024].to_vec())
        .dir("etc/")
        .file("./etc/passwd", "root:x:0:0::/root:/bin/sh\n")
        .link("sh", "/bin/busybox")
        .hard("etc/again", "etc/passwd")
        .entry(EntryType::Fifo, b"pipe", b"", b"")
        .entry(EntryType::Char, b"dev/null", b"", b"")
        .end();
    let stats = scratch.unpack(&archive, Limits::default()).unwrap();
    assert_eq!((stats.entries, stats.devices), (7, 1));
    let su = scratch.at(&long).metadata().unwrap();
    assert_eq!((su.uid(), su.gid(), su.mtime()), (33, 34, 1_234_567_890));
    assert_eq!(su.permissions().mode() & 0o7777, 0o4711);
    assert_eq!(
        std::fs::read_link(scratch.at("sh")).unwrap(),
        Path::new("/bin/busybox")
    );
    assert_eq!(scratch.at("etc/passwd").metadata().unwrap().nlink(), 2);
    assert!(scratch.at("pipe").metadata().unwrap().file_type().is_fifo());
    assert!(!scratch.at("dev/null").exists());
    assert_eq!(scratch.at("etc").metadata().unwrap().mtime(), 1_000_000_000);
}

#[test]
fn whiteouts_take_the_form_of_overlayfs() {
    if !is_root() {
        return;
    }
    let scratch = Scratch::new("whiteouts");
    let archive = Maker::default()
        .file("a/.wh.gone", "")
        .file("b/.wh..wh..opq", "")
        .file("b/new", "x")
        .file("c/own", "x")
        .file(".wh.c", "")
        .file(".wh.d", "")
        .dir("d/")
        .file(".wh..wh.plnk", "")
        .file(".wh.e", "")
        .file("e", "x")
        .end();
    scratch.unpack(&archive, Limits::default()).unwrap();
    assert!(is_whiteout(&scratch.at("a/gone")));
    assert!(is_opaque(&scratch.at("b")) && scratch.at("b/new").is_file());
    // Hidden below, but here in the layer itself.
    assert!(is_opaque(&scratch.at("c")) && scratch.at("c/own").is_file());
    assert!(is_opaque(&scratch.at("d")));
    assert!(scratch.at("e").is_file());
    assert!(!scratch.at(".wh..wh.plnk").exists());
}

#[test]
fn attributes_are_kept_that_containers_need() {
    if !is_root() {
        return;
    }
    let scratch = Scratch::new("attributes");
    let capability = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let archive = Maker::default()
        .pax(&[
            ("SCHILY.xattr.security.capability", &capability),
            ("SCHILY.xattr.trusted.overlay.redirect", b"/etc"),
            ("SCHILY.xattr.trusted.overlay.opaque", b"y"),
            ("SCHILY.xattr.security.selinux", b"x"),
            ("SCHILY.xattr.system.posix_acl_access", b"x"),
            ("uid", b"70000"),
            ("mtime", b"5.5"),
            ("path", b"bin/ping"),
        ])
        .file("short", "x")
        .end();
    scratch.unpack(&archive, Limits::default()).unwrap();
    let ping = scratch.at("bin/ping");
    let mut names = vec![0; 4096];
    let read = fs::listxattr(&ping, &mut names).unwrap();
    let names = String::from_utf8_lossy(&names[..read]).into_owned();
    assert_eq!(names.trim_end_matches('\0'), "security.capability");
    let found = ping.metadata().unwrap();
    assert_eq!((found.uid(), found.mtime()), (70000, 5));
}
