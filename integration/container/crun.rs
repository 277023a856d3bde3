//! The same container by vks and by `crun`, with the same settings: what each sees of itself is compared, fact by
//! fact. What differs stands in `docs/crun.md` with the reason, and nothing else differs.

use super::host::{Host, shared};
use super::lab;
use super::security::ready_in;
use super::space::{Space, sh, with};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

pub const OBSERVE: &str = include_str!("observe.py");
const PROGRAM: &str = "python3 /usr/local/lib/observe.py >/srv/data/facts; exec sleep 1d";

pub type Facts = BTreeMap<String, String>;

/// What containerd gives root by default, but MKNOD.
pub const USUAL: [&str; 13] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FSETID",
    "CAP_FOWNER",
    "CAP_NET_RAW",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETFCAP",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_SYS_CHROOT",
    "CAP_KILL",
    "CAP_AUDIT_WRITE",
];

/// A container in both languages.
struct Case {
    name: &'static str,
    /// `securityContext` of the pod and of the container.
    vks: (Value, Value),
    /// `process.user`, capabilities, `noNewPrivileges` and `root.readonly` of the OCI configuration.
    crun: (Value, Vec<&'static str>, bool, bool),
}

fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "root",
            vks: (json!({}), json!({ "runAsUser": 0 })),
            crun: (
                json!({ "uid": 0, "gid": 0, "additionalGids": [0] }),
                USUAL.to_vec(),
                false,
                false,
            ),
        },
        Case {
            name: "restricted",
            vks: (
                json!({ "supplementalGroups": [4801], "fsGroup": 4802 }),
                json!({ "runAsUser": 4711, "runAsGroup": 4712, "capabilities": { "drop": ["ALL"] },
                    "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true }),
            ),
            crun: (
                json!({ "uid": 4711, "gid": 4712, "additionalGids": [4712, 4801, 4802] }),
                vec![],
                true,
                true,
            ),
        },
        Case {
            name: "able",
            vks: (
                json!({}),
                json!({ "runAsUser": 0, "capabilities": { "drop": ["ALL"], "add": ["NET_BIND_SERVICE", "KILL"] } }),
            ),
            crun: (
                json!({ "uid": 0, "gid": 0, "additionalGids": [0] }),
                vec!["CAP_NET_BIND_SERVICE", "CAP_KILL"],
                false,
                false,
            ),
        },
    ]
}

/// The facts a container wrote, and those that only others can see.
pub fn facts(host: &Host, data: &str, pid: &str) -> Facts {
    let text = host.ok(&format!("cat {data}/facts"));
    let object: BTreeMap<String, Value> = serde_json::from_str(text.trim()).unwrap();
    let plain = |value: Value| value.as_str().map_or(value.to_string(), str::to_owned);
    let mut facts: Facts = object
        .into_iter()
        .map(|(name, value)| (name, plain(value)))
        .collect();
    for kind in ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"] {
        let own = host.ok(&format!("readlink /proc/{pid}/ns/{kind}"));
        let shared = own == host.ok(&format!("readlink /proc/1/ns/{kind}"));
        let whose = if shared { "the host's" } else { "its own" };
        facts.insert(format!("namespace {kind}"), whose.to_owned());
    }
    facts
}

fn by_vks(space: &Space<'_>, case: &Case) -> Facts {
    let data = space.path(&format!("{}-vks", case.name));
    space
        .host
        .ok(&format!("mkdir -p {data} && chmod 777 {data}"));
    let container = with(
        sh("c", PROGRAM),
        &json!({ "securityContext": case.vks.1, "volumeMounts": [{ "name": "data", "mountPath": "/srv/data" }] }),
    );
    let pod = ready_in(
        space,
        case.name,
        "default",
        &json!({
            "hostNetwork": false, "securityContext": case.vks.0, "containers": [container],
            "volumes": [{ "name": "data", "hostPath": { "path": data } }],
        }),
    );
    space.host.wait(&format!("test -s {data}/facts"));
    facts(space.host, &data, &pod.pid("c"))
}

fn by_crun(space: &Space<'_>, case: &Case) -> Facts {
    let host = space.host;
    let dir = space.path(&format!("{}-crun", case.name));
    host.ok(&format!(
        "mkdir -p {dir}/root {dir}/data && chmod 777 {dir}/data && mount --bind / {dir}/root && cd {dir} && crun spec"
    ));
    let mut config: Value =
        serde_json::from_str(&host.machine.read(&format!("{dir}/config.json"))).unwrap();
    let (user, capabilities, no_new_privileges, read_only) = &case.crun;
    let sets =
        json!({ "bounding": capabilities, "effective": capabilities, "permitted": capabilities });
    config["process"] = json!({
        "user": user, "args": ["/bin/sh", "-c", PROGRAM], "cwd": "/", "capabilities": sets,
        "noNewPrivileges": no_new_privileges,
        "env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", format!("HOSTNAME={}", case.name)],
        // A kubelet gives both to a runtime, by the pod's class and name.
        "oomScoreAdj": 1000,
    });
    config["root"] = json!({ "path": "root", "readonly": read_only });
    let data = json!({ "destination": "/srv/data", "type": "bind", "source": format!("{dir}/data"), "options": ["rbind", "rw"] });
    config["mounts"].as_array_mut().unwrap().push(data);
    config["linux"]["seccomp"] = json!({ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        { "names": ["keyctl", "mount", "ptrace", "unshare"], "action": "SCMP_ACT_ERRNO" }] });
    host.machine
        .write(&format!("{dir}/config.json"), &config.to_string(), "0644");
    // By a service of systemd, as a container runtime would: both begin with the same limits.
    let unit = format!("crun-{}.service", case.name);
    host.ok(&format!(
        "cd {dir} && systemd-run -q --unit={unit} --working-directory={dir} \
         crun --cgroup-manager=disabled run --no-new-keyring --pid-file {dir}/pid vks-{}",
        case.name
    ));
    host.wait(&format!("test -s {dir}/data/facts"));
    let pid = host.ok(&format!("cat {dir}/pid"));
    let facts = facts(host, &format!("{dir}/data"), pid.trim());
    host.ok(&format!(
        "crun delete -f vks-{} ; systemctl stop {unit} 2>/dev/null; umount {dir}/root",
        case.name
    ));
    facts
}

/// What must be the same, whatever a page says.
pub const SAME: [&str; 16] = [
    "Uid",
    "Gid",
    "Groups",
    "CapEff",
    "CapPrm",
    "CapBnd",
    "CapAmb",
    "CapInh",
    "NoNewPrivs",
    "Seccomp",
    "Umask",
    "directory",
    "oom_score_adj",
    "limit nofile",
    "limit nproc",
    "limit core",
];

/// How the containers of vks and of crun differ, all of them together.
#[derive(Default)]
pub struct Comparison {
    table: String,
    different: BTreeSet<String>,
    wrong: Vec<String>,
}

impl Comparison {
    /// Compares two containers; the facts in `same` must not differ.
    pub fn add(&mut self, case: &str, ours: &Facts, theirs: &Facts, same: &[&str]) {
        let of = |facts: &Facts, name: &str| {
            let fact = facts.get(name).map(String::as_str);
            fact.unwrap_or("none").to_owned()
        };
        let names: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
        for name in names {
            let (own, other) = (of(ours, name), of(theirs, name));
            if own != other {
                self.different.insert(name.clone());
                let line = format!("{case}: {name}: crun {other}, vks {own}\n");
                self.table.push_str(&line);
            }
        }
        for name in same {
            if ours[*name] != theirs[*name] {
                self.wrong.push(format!("{case}: {name}"));
            }
        }
    }

    /// The differences must be those that a page of the docs explains, no more and no fewer.
    pub fn judge(self, page: &str) {
        let Self {
            table,
            different,
            wrong,
        } = self;
        assert!(wrong.is_empty(), "not the same: {wrong:?}\n{table}");
        let explained = explained(page);
        let missing: Vec<_> = different.difference(&explained).collect();
        assert!(
            missing.is_empty(),
            "not explained in {page}: {missing:?}\n{table}"
        );
        let stale: Vec<_> = explained.difference(&different).collect();
        assert!(
            stale.is_empty(),
            "explained in {page}, but the same: {stale:?}\n{table}"
        );
    }
}

/// The facts that are in the table of a page: the first column, in backquotes.
fn explained(page: &str) -> BTreeSet<String> {
    let text = std::fs::read_to_string(lab::repository().join(page)).unwrap();
    let text = text.split("\n## ").next().unwrap();
    let rows: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .collect();
    for row in &rows {
        // The fact, crun, vks, why: words in each of them.
        let cells: Vec<&str> = row.trim_end_matches('|').split(" | ").collect();
        let said = cells.iter().all(|cell| !cell.trim().is_empty());
        let why = cells
            .last()
            .is_some_and(|why| why.trim().len() > 12 || *why == "the same ");
        assert!(
            cells.len() == 4 && said && why,
            "{page} does not say why: {row}"
        );
    }
    let first = rows
        .iter()
        .filter_map(|row| row.split(" | ").next().map(str::to_owned));
    let names = first.flat_map(|cell| {
        cell.split(", ")
            .map(|name| name.trim_matches('`').to_owned())
            .collect::<Vec<_>>()
    });
    names.collect()
}

#[test]
fn a_container_is_what_crun_makes_of_it() {
    let Some(host) = shared() else { return };
    host.machine
        .write("/usr/local/lib/observe.py", OBSERVE, "0644");
    let space = Space::new(&host, "crun");
    let mut comparison = Comparison::default();
    for case in cases() {
        let (vks, crun) = (by_vks(&space, &case), by_crun(&space, &case));
        comparison.add(case.name, &vks, &crun, &SAME);
    }
    comparison.judge("docs/crun.md");
}
