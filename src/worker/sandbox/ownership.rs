//! Who owns which mount point that was made on the host: pure decisions.
//!
//! Containers that run from the host's root directory have their volumes mounted on paths of the host, in
//! mount namespaces of their own. Where there is nothing at such a path, something has to be made. It must
//! not be removed while another pod mounts on it: the kernel would take that mount away, silently. So each pod
//! remembers what it uses and what it made; whoever goes leaves what others use to one of them.

use crate::model::name::PodUid;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What one pod remembers (`Layout::mountpoints`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Record {
    /// Every path it mounts on, links resolved.
    pub uses: Vec<PathBuf>,
    /// What it is to remove, top down. Written before it is made.
    pub made: Vec<Made>,
}

/// Something made to mount on, or a directory on the way to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Made {
    /// Where.
    pub path: PathBuf,
    /// An empty file instead of a directory.
    pub file: bool,
}

impl Record {
    /// Takes in what another pod, or an earlier time, remembered. Nothing comes twice.
    pub fn take_in(&mut self, uses: impl IntoIterator<Item = PathBuf>, made: Vec<Made>) {
        for path in uses {
            if !self.uses.contains(&path) {
                self.uses.push(path);
            }
        }
        for made in made {
            if !self.made.iter().any(|known| known.path == made.path) {
                self.made.push(made);
            }
        }
        // Top down, also when a directory went missing that was there the first time.
        self.made.sort_by_key(|made| made.path.components().count());
    }

    /// Whether it mounts on this path or on one below.
    fn needs(&self, path: &Path) -> bool {
        self.uses.iter().any(|used| used.starts_with(path))
    }
}

/// What has to be made so that `path` is there: the directories that are missing, top down, then itself.
pub(super) fn missing(path: &Path, file: bool, exists: impl Fn(&Path) -> bool) -> Vec<Made> {
    let mut missing: Vec<Made> = path
        .ancestors()
        .take_while(|ancestor| !exists(ancestor))
        .map(|ancestor| Made {
            path: ancestor.to_owned(),
            file: file && ancestor == path,
        })
        .collect();
    missing.reverse();
    missing
}

/// What becomes of the things a pod made, when it goes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Release {
    /// To be removed, in this order.
    pub remove: Vec<Made>,
    /// To be left to another pod.
    pub hand_over: BTreeMap<PodUid, Vec<Made>>,
}

/// Decides what a pod removes and what it leaves to whom.
pub(super) fn release(own: &Record, others: &BTreeMap<PodUid, Record>) -> Release {
    let mut release = Release::default();
    for made in &own.made {
        match others.iter().find(|(_, other)| other.needs(&made.path)) {
            Some((uid, _)) => {
                let heir = release.hand_over.entry(uid.clone()).or_default();
                heir.push(made.clone());
            }
            None => release.remove.push(made.clone()),
        }
    }
    let deepest_first = |made: &Made| std::cmp::Reverse(made.path.components().count());
    release.remove.sort_by_key(deepest_first);
    release
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(path: &str) -> Made {
        Made {
            path: path.into(),
            file: false,
        }
    }

    fn record(uses: &[&str], made_paths: &[&str]) -> Record {
        Record {
            uses: uses.iter().map(PathBuf::from).collect(),
            made: made_paths.iter().map(|path| made(path)).collect(),
        }
    }

    fn uid(text: &str) -> PodUid {
        text.parse().unwrap()
    }

    #[test]
    fn only_what_is_missing_is_made_top_down() {
        let there = |path: &Path| Path::new("/srv").starts_with(path);
        let all = missing(Path::new("/srv/a/b"), true, there);
        let file = Made {
            path: "/srv/a/b".into(),
            file: true,
        };
        assert_eq!(all, [made("/srv/a"), file]);
        assert_eq!(missing(Path::new("/srv"), false, there), []);
    }

    #[test]
    fn what_nobody_uses_is_removed_bottom_up() {
        let own = record(&["/a/b", "/c"], &["/a", "/a/b", "/c"]);
        let release = release(&own, &BTreeMap::from([(uid("2"), record(&["/d"], &[]))]));
        assert_eq!(release.remove, [made("/a/b"), made("/a"), made("/c")]);
        assert!(release.hand_over.is_empty());
    }

    #[test]
    fn what_another_uses_is_left_to_it() {
        let own = record(&["/a/b", "/a/c"], &["/a", "/a/b", "/a/c"]);
        let others = BTreeMap::from([
            (uid("2"), record(&["/a/c/deep"], &["/a/c/deep"])),
            (uid("3"), record(&["/a"], &[])),
        ]);
        let release = release(&own, &others);
        assert_eq!(release.remove, [made("/a/b")]);
        let heirs = BTreeMap::from([(uid("2"), vec![made("/a"), made("/a/c")])]);
        assert_eq!(release.hand_over, heirs);
    }

    #[test]
    fn similar_names_are_not_below() {
        let own = record(&["/data"], &["/data"]);
        let others = BTreeMap::from([(uid("2"), record(&["/data2"], &[]))]);
        assert_eq!(release(&own, &others).remove, [made("/data")]);
    }

    #[test]
    fn nothing_is_remembered_twice() {
        let mut own = record(&["/a"], &["/a"]);
        own.take_in(["/a".into(), "/b".into()], vec![made("/a"), made("/b")]);
        assert_eq!(own, record(&["/a", "/b"], &["/a", "/b"]));
    }
}
