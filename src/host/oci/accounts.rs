//! Users and groups of an image, from its own files: those of the host mean nothing in it.

use crate::model::oci::{Accounts, Group, User};
use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, ResolveFlags};
use std::fs::File;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// More of such a file is not read.
const MOST_BYTES: u64 = 1 << 20;
/// More lines of it are not kept.
const MOST_ENTRIES: usize = 4096;
const INSIDE: ResolveFlags = ResolveFlags::IN_ROOT.union(ResolveFlags::NO_MAGICLINKS);

/// Of layers, lowest first; of a root directory that lies somewhere on the host, that alone. What cannot be read has no
/// users.
pub fn of(layers: &[PathBuf]) -> Accounts {
    let text = |name| find(layers, name).unwrap_or_default();
    let users = text("passwd");
    let groups = text("group");
    Accounts {
        users: users.lines().filter_map(user).take(MOST_ENTRIES).collect(),
        groups: groups
            .lines()
            .filter_map(group)
            .take(MOST_ENTRIES)
            .collect(),
    }
}

fn user(line: &str) -> Option<User> {
    let mut parts = line.split(':');
    let name = parts.next().filter(|name| !name.is_empty())?;
    let (uid, gid) = (parts.nth(1)?.parse().ok()?, parts.next()?.parse().ok()?);
    let home = parts.nth(1).filter(|home| home.starts_with('/'));
    Some(User {
        name: name.to_owned(),
        uid,
        gid,
        home: home.unwrap_or("/").to_owned(),
    })
}

fn group(line: &str) -> Option<Group> {
    let mut parts = line.split(':');
    let name = parts.next().filter(|name| !name.is_empty())?;
    let gid = parts.nth(1)?.parse().ok()?;
    let members = parts.next().unwrap_or_default().split(',').map(str::trim);
    Some(Group {
        name: name.to_owned(),
        gid,
        members: members
            .filter(|member| !member.is_empty())
            .map(str::to_owned)
            .collect(),
    })
}

/// The text of a file of `/etc` in the highest layer that has it.
fn find(layers: &[PathBuf], name: &str) -> Option<String> {
    for layer in layers.iter().rev() {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = fs::open(layer, flags, Mode::empty()).ok()?;
        let path = Path::new("etc").join(name);
        match kind(&root, &path) {
            Some(FileType::RegularFile | FileType::Symlink) => return read(&root, &path),
            // A whiteout.
            Some(_) => return None,
            None => {}
        }
        match kind(&root, Path::new("etc")) {
            Some(FileType::Directory) if !is_opaque(&root) => {}
            None => {}
            _ => return None,
        }
    }
    None
}

fn kind(root: &OwnedFd, path: &Path) -> Option<FileType> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let found = fs::openat2(root, path, flags, Mode::empty(), INSIDE).ok()?;
    let stat = fs::statat(&found, "", AtFlags::EMPTY_PATH).ok()?;
    Some(FileType::from_raw_mode(stat.st_mode))
}

fn is_opaque(root: &OwnedFd) -> bool {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let Ok(etc) = fs::openat2(root, "etc", flags, Mode::empty(), INSIDE) else {
        return false;
    };
    let mut value = [0; 1];
    fs::fgetxattr(&etc, c"trusted.overlay.opaque", &mut value).is_ok_and(|_| value == *b"y")
}

fn read(root: &OwnedFd, path: &Path) -> Option<String> {
    // A pipe would wait for somebody to write.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = fs::openat2(root, path, flags, Mode::empty(), INSIDE).ok()?;
    let mut bytes = Vec::new();
    let file = File::from(file);
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    file.take(MOST_BYTES).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_passwd_and_group() {
        let www = user("www-data:x:33:34:www-data:/var/www:/usr/sbin/nologin").unwrap();
        assert_eq!((www.uid, www.gid, &*www.home), (33, 34, "/var/www"));
        assert_eq!(user("a:x:1:2").unwrap().home, "/");
        assert_eq!(group("adm:x:4:a,b, ").unwrap().members, ["a", "b"]);
        for bad in ["", "#x", "a:x:y:2::/", ":x:1:2::/", "+:::::", "a:x:-1:0::/"] {
            assert_eq!(user(bad), None, "{bad}");
        }
    }
}
