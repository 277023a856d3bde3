//! The host against what is wanted of it. Nothing here asks vks: only systemd, the kernel and the file system.

use super::{Wanted, is_rich, sleeps};
use crate::inside::{main_pid, run, unit};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

const UNITS: &str = "/etc/systemd/system.attached";

/// The main process and the run of each pod's container.
pub fn running(wanted: &Wanted) -> BTreeMap<String, (u32, String)> {
    let of = |pod: &String| {
        let unit = unit(pod);
        let run = run("systemctl", &["show", "-P", "InvocationID", &unit]);
        (pod.clone(), (main_pid(&unit), run.trim().to_owned()))
    };
    wanted.keys().map(of).collect()
}

/// Everything that is not as it should be.
pub fn all(wanted: &Wanted) -> Vec<String> {
    let mut found = Vec::new();
    processes(wanted, &mut found);
    let uids = files(wanted, &mut found);
    loaded(wanted, &mut found);
    directories(&uids, &mut found);
    namespaces(wanted, &uids, &mut found);
    mounts(&uids, &mut found);
    found
}

/// Each pod runs one process, of the version that is wanted, and there are no others.
fn processes(wanted: &Wanted, found: &mut Vec<String>) {
    for (pod, version) in wanted {
        let pid = main_pid(&unit(pod));
        let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let runs = line.trim_end_matches('\0').rsplit('\0').next();
        if runs != Some(&sleeps(*version)) {
            found.push(format!("{pod}: runs {line:?}, not version {version}"));
        }
    }
    let all = run("ps", &["-e", "-o", "comm="]);
    let count = all.lines().filter(|line| line.trim() == "sleep").count();
    if count != wanted.len() {
        found.push(format!("{count} processes for {} pods", wanted.len()));
    }
}

/// The unit files and links are those of the wanted pods; their uids.
fn files(wanted: &Wanted, found: &mut Vec<String>) -> BTreeSet<String> {
    let mut uids = BTreeMap::new();
    for name in entries(UNITS) {
        let path = Path::new(UNITS).join(&name);
        if path.is_dir() {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let value = |key: &str| {
            let value = text.lines().find_map(|line| line.strip_prefix(key));
            value.unwrap_or_default().to_owned()
        };
        let (pod, uid) = (value("Pod="), value("UID="));
        if !wanted.contains_key(&pod) {
            found.push(format!("{name} is left over (pod {pod:?})"));
        } else if uids.entry(pod.clone()).or_insert_with(|| uid.clone()) != &uid {
            found.push(format!("{name}: {pod} has two uids"));
        }
    }
    let links = entries(&format!("{UNITS}/vks-pods.target.wants"));
    let target = |pod: &String| format!("vks-default-{pod}.target");
    if links != wanted.keys().map(target).collect() {
        found.push(format!("links for the boot: {links:?}"));
    }
    uids.into_values().collect()
}

/// systemd knows units of wanted pods only, and none has failed.
fn loaded(wanted: &Wanted, found: &mut Vec<String>) {
    let known = [
        "vks.service",
        "vks.slice",
        "vks-default.slice",
        "vks-pods.target",
    ];
    let arguments = ["list-units", "--all", "--plain", "--no-legend", "vks*"];
    for line in run("systemctl", &arguments).lines() {
        let name = line.split_whitespace().next().unwrap_or_default();
        let of_pod = |pod: &String| {
            let rest = name.strip_prefix(&format!("vks-default-{pod}"));
            name == unit(pod) || rest.is_some_and(|rest| rest.starts_with(['.', '-']))
        };
        if !known.contains(&name) && !wanted.keys().any(of_pod) {
            found.push(format!("systemd still knows {line}"));
        }
        if line.contains(" failed ") {
            found.push(format!("failed: {line}"));
        }
    }
}

/// Directories on disk and on tmpfs are those of the wanted pods.
fn directories(uids: &BTreeSet<String>, found: &mut Vec<String>) {
    let kept = entries("/var/lib/vks/pods");
    if kept != *uids {
        let left: Vec<_> = kept.difference(uids).collect();
        let lost: Vec<_> = uids.difference(&kept).collect();
        found.push(format!(
            "/var/lib/vks/pods: left over {left:?}, missing {lost:?}"
        ));
    }
    for folder in ["/run/vks/pods", "/var/lib/vks/mountpoints"] {
        for name in entries(folder).difference(uids) {
            found.push(format!("{folder}/{name} is left over"));
        }
    }
    for name in entries("/run/vks/reload-needed") {
        found.push(format!("{name} still waits for a reload"));
    }
}

/// One network namespace for each pod that has its own, and no others.
fn namespaces(wanted: &Wanted, uids: &BTreeSet<String>, found: &mut Vec<String>) {
    let there = entries("/run/netns");
    for name in &there {
        if name
            .strip_prefix("vks-")
            .is_none_or(|uid| !uids.contains(uid))
        {
            found.push(format!("network namespace {name} is left over"));
        }
    }
    let count = wanted.keys().filter(|pod| is_rich(pod)).count();
    if there.len() != count {
        let there = there.len();
        found.push(format!(
            "{there} network namespaces for {count} pods that have one"
        ));
    }
}

/// Mounts of vks are those of wanted pods.
fn mounts(uids: &BTreeSet<String>, found: &mut Vec<String>) {
    let table = std::fs::read_to_string("/proc/1/mountinfo").unwrap_or_default();
    for line in table.lines() {
        let place = line.split(' ').nth(4).unwrap_or_default();
        let ours = place.contains("/vks/pods/") || place.contains("/netns/vks-");
        if ours && !uids.iter().any(|uid| place.contains(uid.as_str())) {
            found.push(format!("mount {place} is left over"));
        }
    }
}

/// The names in a folder; none when it is not there.
fn entries(folder: &str) -> BTreeSet<String> {
    let found = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let name = |entry: std::fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
    found.map(name).collect()
}
