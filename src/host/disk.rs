//! What lies on a disk, and what is free there.

use crate::model::node::Space;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// What a directory takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Used {
    /// Bytes on disk.
    pub bytes: u64,
    /// Files and directories.
    pub files: u64,
}

/// What a directory takes with all below it on the same file system. What cannot be read, or goes meanwhile, counts
/// nothing; a file that has several names there counts once.
pub fn used(top: &Path) -> Used {
    let Ok(found) = fs::symlink_metadata(top) else {
        return Used::default();
    };
    let device = found.dev();
    let mut sum = Used::default();
    let mut linked = BTreeSet::new();
    let mut left = vec![top.to_owned()];
    while let Some(dir) = left.pop() {
        let Ok(entries) = fs::read_dir(&dir) else {
            continue;
        };
        for entry in entries.flatten() {
            let Ok(found) = entry.metadata() else {
                continue;
            };
            if found.dev() != device
                || (found.nlink() > 1 && !found.is_dir() && !linked.insert(found.ino()))
            {
                continue;
            }
            sum.bytes += found.blocks() * 512;
            sum.files += 1;
            if found.is_dir() {
                left.push(entry.path());
            }
        }
    }
    sum
}

/// The file system of a path, where it can be told.
pub fn space(path: &Path) -> Option<Space> {
    let found = nix::sys::statvfs::statvfs(path).ok()?;
    let size = found.fragment_size();
    Some(Space {
        bytes: (found.blocks_available() * size, found.blocks() * size),
        inodes: (found.files_available(), found.files()),
    })
}

/// Bytes free on the file system of a path, to those who are not root; 0 when it cannot be told.
pub fn free(path: &Path) -> u64 {
    space(path).map_or(0, |found| found.bytes.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::scratch::Scratch;

    #[test]
    fn what_has_two_names_counts_once() {
        let dir = Scratch::new("disk");
        let top = dir.root();
        dir.put("a/one", &"1".repeat(100_000));
        fs::hard_link(top.join("a/one"), top.join("two")).unwrap();
        std::os::unix::fs::symlink("/", top.join("root")).unwrap();
        let found = used(top);
        assert_eq!(found.files, 3);
        assert!((100_000..200_000).contains(&found.bytes), "{found:?}");
        assert_eq!(used(&top.join("none")), Used::default());
        assert!(free(top) > 0);
    }
}
