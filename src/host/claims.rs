//! Directories of claims, and the marks beside them that they go with their claims.
//!
//! A mark is the file `.<claim>` beside the directory `<claim>`, with the path of the manifest that defined the claim.

use super::files::{Dir, FileError, TEMPORARY};
use crate::model::layout::Layout;
use crate::model::name::{Namespace, ObjectKey};
use crate::model::observed::KeptClaim;
use crate::model::pod::SourcePath;
use rustix::fs::FileType;
use std::path::PathBuf;

/// A path has at most so many bytes.
const LIMIT: usize = 4096;

fn mark(claim: &ObjectKey) -> String {
    format!(".{}", claim.name)
}

fn root(layout: &Layout) -> PathBuf {
    layout.state.join("volumes")
}

/// Every claim that has a mark.
pub fn kept(layout: &Layout) -> Result<Vec<KeptClaim>, FileError> {
    let mut found = Vec::new();
    let Some(root) = Dir::open(&root(layout))? else {
        return Ok(found);
    };
    for (namespace, kind) in root.entries()? {
        if kind != FileType::Directory {
            continue;
        }
        let (Ok(name), Some(dir)) = (namespace.parse(), root.sub(&namespace)?) else {
            continue;
        };
        for (entry, kind) in dir.entries()? {
            if kind != FileType::RegularFile || entry.starts_with(TEMPORARY) {
                continue;
            }
            let claim = entry.strip_prefix('.').and_then(|name| name.parse().ok());
            let Some(claim) = claim else { continue };
            let source = dir.read(&entry, LIMIT)?.map(String::from_utf8);
            if let Some(Ok(source)) = source {
                found.push(KeptClaim {
                    claim: ObjectKey {
                        namespace: Namespace::clone(&name),
                        name: claim,
                    },
                    source: SourcePath(source.into()),
                });
            }
        }
    }
    Ok(found)
}

/// Puts a mark.
pub fn remember(layout: &Layout, kept: &KeptClaim) -> Result<(), FileError> {
    let volumes = Dir::create(&layout.state)?.create_sub("volumes", 0o700)?;
    let dir = volumes.create_sub(kept.claim.namespace.as_str(), 0o700)?;
    let source = kept.source.0.to_string_lossy();
    dir.write(&mark(&kept.claim), source.as_bytes(), 0o600)
}

/// Takes a mark away.
pub fn forget(layout: &Layout, claim: &ObjectKey) -> Result<(), FileError> {
    if let Some(dir) = Dir::open(&root(layout).join(claim.namespace.as_str()))? {
        dir.remove(&mark(claim))?;
    }
    Ok(())
}

/// Removes a directory with all that is in it, then its mark. First it gets another name: a claim of the same name that
/// comes meanwhile has a new one.
pub fn remove(layout: &Layout, claim: &ObjectKey) -> Result<(), FileError> {
    if let Some(dir) = Dir::open(&root(layout).join(claim.namespace.as_str()))? {
        let gone = format!("{TEMPORARY}claim-{}", claim.name);
        dir.remove_tree(&gone)?;
        if dir.has(claim.name.as_str())? {
            dir.rename(claim.name.as_str(), &gone)?;
        }
        dir.remove_tree(&gone)?;
        dir.remove(&mark(claim))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::files::tests::Scratch;

    #[test]
    fn marks_are_found_and_go_with_their_directories() {
        let scratch = Scratch::new();
        let layout = Layout {
            state: scratch.0.clone(),
            ..Layout::default()
        };
        assert_eq!(kept(&layout).unwrap(), []);
        let one = KeptClaim {
            claim: ObjectKey {
                namespace: "n".parse().unwrap(),
                name: "a.b".parse().unwrap(),
            },
            source: SourcePath("/etc/vks/pods.d/c.yaml".into()),
        };
        remember(&layout, &one).unwrap();
        let data = layout.claim(&one.claim);
        std::fs::create_dir_all(data.join("deep")).unwrap();
        assert_eq!(kept(&layout).unwrap(), std::slice::from_ref(&one));
        forget(&layout, &one.claim).unwrap();
        assert_eq!(kept(&layout).unwrap(), []);
        remember(&layout, &one).unwrap();
        remove(&layout, &one.claim).unwrap();
        assert!(!data.exists() && kept(&layout).unwrap().is_empty());
    }
}
