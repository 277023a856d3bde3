//! The processes of a slice, in whatever hierarchy of control groups this host has.

use super::process::{Process, ProcessError};
use crate::model::name::UnitName;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Where the hierarchies are mounted.
const MOUNT: &str = "/sys/fs/cgroup";
/// The slice that all pods are below.
const ROOT: &str = "vks.slice";

/// Blocks the thread until no process is left in a slice of vks (`true`), or the time has come (`false`). Must be called
/// from within the slice of a pod, by which it finds where systemd keeps its groups.
///
/// # Errors
/// When the processes cannot be found or waited for.
pub fn wait_empty(slice: &UnitName, until: Instant) -> Result<bool, ProcessError> {
    let groups: Vec<PathBuf> = roots()?.iter().map(|root| path(root, slice)).collect();
    loop {
        let mut pids = Vec::new();
        groups
            .iter()
            .for_each(|group| add_processes(group, &mut pids));
        let Some(pid) = pids.first() else {
            return Ok(true);
        };
        // One after the other: all of them must go, in whatever order.
        let left = until.saturating_duration_since(Instant::now());
        if let Some(process) = Process::open(*pid)?
            && !process.wait_exit(left)?
        {
            return Ok(false);
        }
        if Instant::now() >= until {
            return Ok(false);
        }
    }
}

/// The processes in a slice of vks, by their numbers; those that this can be told of. Must be called from within the slice of
/// a pod.
///
/// # Errors
/// When the groups of this process cannot be read.
pub fn processes(slice: &UnitName) -> Result<Vec<u32>, ProcessError> {
    let mut pids = Vec::new();
    for root in roots()? {
        add_processes(&path(&root, slice), &mut pids);
    }
    pids.sort_unstable();
    pids.dedup();
    Ok(pids)
}

/// The directories that [`ROOT`] is in, by the groups that this process is in.
fn roots() -> Result<Vec<PathBuf>, ProcessError> {
    let Some(own) = Process::open(std::process::id())? else {
        return Ok(Vec::new());
    };
    let groups = own.cgroups()?;
    let files = groups
        .iter()
        .flat_map(|group| group.procs_files(Path::new(MOUNT)));
    let mut roots: Vec<PathBuf> = files.filter_map(|file| above_root(&file)).collect();
    roots.sort();
    roots.dedup();
    Ok(roots)
}

fn above_root(file: &Path) -> Option<PathBuf> {
    let root = file
        .ancestors()
        .filter(|path| path.ends_with(ROOT))
        .last()?;
    root.parent().map(Path::to_owned)
}

/// The group of a slice of vks in the one hierarchy.
pub fn of_slice(slice: &UnitName) -> PathBuf {
    path(Path::new(crate::host::usage::HIERARCHY), slice)
}

/// `vks-a-b.slice` lies in `vks-a.slice`, and that in `vks.slice` (systemd.slice(5)).
fn path(root: &Path, slice: &UnitName) -> PathBuf {
    let name = slice.as_str().trim_end_matches(".slice");
    let ends = name.match_indices('-').map(|(at, _)| at);
    let mut path = root.to_owned();
    for end in ends.chain([name.len()]) {
        path.push(format!("{}.slice", &name[..end]));
    }
    path
}

/// What is gone meanwhile has no processes.
fn add_processes(group: &Path, pids: &mut Vec<u32>) {
    let text = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    // In another pid namespace a process is 0: nothing can be known of it.
    let found = text.lines().filter_map(|line| line.parse::<u32>().ok());
    pids.extend(found.filter(|pid| *pid != 0));
    for entry in fs::read_dir(group).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            add_processes(&entry.path(), pids);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_lie_in_each_other() {
        let slice = "vks-a\\x2db-c.slice".parse().unwrap();
        assert_eq!(
            path(Path::new("/x"), &slice),
            Path::new("/x/vks.slice/vks-a\\x2db.slice/vks-a\\x2db-c.slice")
        );
        let file = Path::new("/m/vks.slice/vks-a.slice/u.service/cgroup.procs");
        assert_eq!(above_root(file), Some("/m".into()));
        assert_eq!(above_root(Path::new("/m/init.scope/cgroup.procs")), None);
    }
}
