//! Where on disk a path is decided: the names that, when they change, make it lead elsewhere.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

/// A name in a directory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Point {
    /// The directory, as it was reached.
    pub dir: PathBuf,
    /// The name in it.
    pub name: OsString,
    /// It is the file itself, whose content matters too.
    pub content: bool,
}

/// As many links as the kernel follows.
const MAX_LINKS: usize = 40;

/// Walks an absolute path as the kernel does. Gives each name of the path itself, each link met on the way,
/// the first name that is missing, and the file at the end unless nobody may write to it (as in a store of
/// files that never change).
pub fn points(path: &Path) -> Vec<Point> {
    let mut rest: VecDeque<(OsString, bool)> = names(path, true).collect();
    let mut at = PathBuf::from("/");
    let mut out = Vec::new();
    let mut links = 0;
    while let Some((name, own)) = rest.pop_front() {
        if name == ".." {
            at.pop();
            continue;
        }
        let here = at.join(&name);
        let mut add = |content| {
            let (dir, name) = (at.clone(), name.clone());
            out.push(Point { dir, name, content });
        };
        let Ok(meta) = here.symlink_metadata() else {
            add(false);
            break;
        };
        if meta.is_symlink() {
            add(false);
            links += 1;
            let Ok(target) = here.read_link() else { break };
            if links > MAX_LINKS {
                break;
            }
            if target.is_absolute() {
                at = PathBuf::from("/");
            }
            for step in names(&target, false).rev() {
                rest.push_front(step);
            }
            continue;
        }
        let writable = meta.permissions().mode() & 0o222 != 0;
        let file = rest.is_empty() && meta.is_file() && writable;
        if own || file {
            add(file);
        }
        at = here;
    }
    out
}

fn names(path: &Path, own: bool) -> impl DoubleEndedIterator<Item = (OsString, bool)> {
    let name = move |component| match component {
        Component::Normal(name) => Some((name.to_owned(), own)),
        Component::ParentDir => Some((OsStr::new("..").to_owned(), own)),
        _ => None,
    };
    path.components().filter_map(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::scratch::Scratch;
    use std::os::unix::fs::symlink;

    fn show(scratch: &Scratch, path: &str) -> Vec<String> {
        let root = scratch.root();
        let inside = |point: &Point| {
            let path = point.dir.join(&point.name);
            let path = path.strip_prefix(root).ok()?.display().to_string();
            let mark = if point.content { "!" } else { "" };
            (!path.is_empty()).then(|| format!("{path}{mark}"))
        };
        points(&scratch.path(path))
            .iter()
            .filter_map(inside)
            .collect()
    }

    #[test]
    fn links_are_walked() {
        let scratch = Scratch::new("points");
        scratch.put("store/one/x.yaml", "");
        symlink("store/one", scratch.path("current")).unwrap();
        std::fs::create_dir(scratch.path("d")).unwrap();
        symlink("../current/x.yaml", scratch.path("d/x.yaml")).unwrap();
        symlink("loop", scratch.path("loop")).unwrap();
        assert_eq!(
            show(&scratch, "d/x.yaml"),
            ["d", "d/x.yaml", "current", "store/one/x.yaml!"]
        );
        assert_eq!(show(&scratch, "a/b"), ["a"]);
        assert_eq!(show(&scratch, "loop").len(), 41);
    }
}
