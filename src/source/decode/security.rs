//! `securityContext` of pods and containers, and the annotation that names the profile.

use super::field::{Field, Fields, collect};
use super::known;
use crate::model::capability::{Capabilities, Capability};
use crate::model::pod::RunAs;
use crate::model::security::{
    AppArmor, CapabilityChange, PodSecurity, Profile, SeLinux, Seccomp, Security,
};
use std::collections::BTreeSet;

/// The sysctls a pod may set (kubelet: pkg/kubelet/sysctl/safe_sysctls.go): those that a network namespace keeps to itself.
const SAFE_SYSCTLS: [&str; 11] = [
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_wmem",
];

/// The longest profile name or path.
const MAX_NAME: usize = 255;

/// The value of the annotation `vks.io/profile`.
pub fn profile(field: &Field<'_>) -> Option<Profile> {
    field.one_of(&Profile::WORDS)
}

/// `securityContext` of a container.
///
/// `own_users`: of a pod with `hostUsers: false`.
pub fn of_container(field: &Field<'_>, own_users: bool) -> Option<(RunAs, Security)> {
    let mut f = field.fields(known::SECURITY)?;
    let run_as = run_as(&mut f);
    let common = common(&mut f);
    let capabilities = f.optional("capabilities", |x| capabilities(&x));
    let privileged = f.optional("privileged", |x| x.boolean());
    let escalation = f.optional("allowPrivilegeEscalation", |x| x.boolean());
    let read_only_root = f.optional("readOnlyRootFilesystem", |x| x.boolean());
    let proc_mount = f.optional("procMount", |x| match x.text()? {
        "" => Some(false),
        // As the API server has it.
        "Unmasked" if !own_users => {
            x.problem("only pods with users of their own may see all of /proc: add hostUsers: false, or remove it");
            None
        }
        _ => x.one_of(&[("Default", false), ("Unmasked", true)]),
    });
    f.finish();
    let security = Security {
        capabilities: capabilities?,
        privileged: privileged?,
        escalation: escalation?,
        read_only_root: read_only_root?,
        proc_unmasked: proc_mount?.unwrap_or_default(),
        ..common?
    };
    let contradiction = if security.escalation != Some(false) {
        None
    } else if security.privileged == Some(true) {
        Some("privileged: true and allowPrivilegeEscalation: false contradict: remove one")
    } else if security
        .capabilities
        .is_some_and(|change| change.add.has("SYS_ADMIN"))
    {
        Some("SYS_ADMIN and allowPrivilegeEscalation: false contradict: remove one")
    } else {
        None
    };
    if let Some(message) = contradiction {
        field.problem(message);
        return None;
    }
    Some((run_as?, security))
}

/// `securityContext` of a pod.
pub fn of_pod(field: &Field<'_>, host_network: bool) -> Option<(RunAs, PodSecurity)> {
    let mut f = field.fields(known::POD_SECURITY)?;
    let run_as = run_as(&mut f);
    let containers = common(&mut f);
    let fs_group = f.optional("fsGroup", |x| x.count(0));
    let policy = f.optional("fsGroupChangePolicy", |x| {
        x.one_of(&[("Always", false), ("OnRootMismatch", true)])
    });
    let groups = f.list("supplementalGroups", |x| x.count(0));
    let groups_policy = f.optional("supplementalGroupsPolicy", |x| {
        x.one_of(&[("Merge", false), ("Strict", true)])
    });
    let relabel = f.optional("seLinuxChangePolicy", |x| {
        let known = x.one_of(&[("MountOption", ()), ("Recursive", ())]);
        if known.is_some() && field.node.get("seLinuxOptions").is_some() {
            x.problem("vks does not change the labels of volumes: remove it and label them");
            return None;
        }
        known
    });
    let sysctls = sysctls(&mut f, host_network);
    f.finish();
    relabel?;
    let security = PodSecurity {
        containers: containers?,
        fs_group: fs_group?,
        only_on_mismatch: policy?.unwrap_or_default(),
        groups: groups?,
        only_these_groups: groups_policy?.unwrap_or_default(),
        sysctls: sysctls?,
    };
    Some((run_as?, security))
}

fn run_as(f: &mut Fields<'_>) -> Option<RunAs> {
    let user = f.optional("runAsUser", |x| x.count(0));
    let group = f.optional("runAsGroup", |x| x.count(0));
    Some(RunAs {
        user: user?,
        group: group?,
    })
}

/// What pods and containers both have.
fn common(f: &mut Fields<'_>) -> Option<Security> {
    let non_root = f.optional("runAsNonRoot", |x| x.boolean());
    let seccomp = f.optional("seccompProfile", |x| seccomp(&x));
    let app_armor = f.optional("appArmorProfile", |x| app_armor(&x));
    let se_linux = f.optional("seLinuxOptions", |x| se_linux(&x));
    Some(Security {
        non_root: non_root?,
        seccomp: seccomp?,
        app_armor: app_armor?,
        se_linux: se_linux?,
        ..Security::default()
    })
}

fn capabilities(field: &Field<'_>) -> Option<CapabilityChange> {
    let mut f = field.fields(known::NONE)?;
    let mut all = |key| {
        let names = f.list(key, |x| capability(&x))?;
        let set = names
            .iter()
            .flatten()
            .fold(Capabilities::NONE, |set, one| set.with(*one));
        Some((set, names.contains(&None)))
    };
    let (add, drop) = (all("add"), all("drop"));
    f.finish();
    let ((add, add_all), (drop, drop_all)) = (add?, drop?);
    Some(CapabilityChange {
        add,
        drop,
        add_all,
        drop_all,
    })
}

/// A capability; `Some(None)` for `ALL`.
fn capability(field: &Field<'_>) -> Option<Option<Capability>> {
    let name = field.text()?;
    if name.eq_ignore_ascii_case("ALL") {
        return Some(None);
    }
    let found = Capability::named(name);
    if found.is_none() {
        let hint = match name.strip_prefix("CAP_") {
            Some(rest) if Capability::named(rest).is_some() => format!("write {rest}"),
            _ => "write a name of capabilities(7) without CAP_, or ALL".to_owned(),
        };
        field.problem(format!("unknown capability: {hint}"));
    }
    found.map(Some)
}

/// The type of a seccomp or AppArmor profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    RuntimeDefault,
    Unconfined,
    Localhost,
}

/// Type and `localhostProfile` of a profile.
fn profile_parts<'a>(field: &Field<'a>) -> Option<(Field<'a>, Kind, Option<Field<'a>>)> {
    let mut f = field.fields(known::NONE)?;
    let kind = f.require("type");
    let local = f.take("localhostProfile");
    f.finish();
    let at = kind?;
    let kind = at.one_of(&[
        ("RuntimeDefault", Kind::RuntimeDefault),
        ("Unconfined", Kind::Unconfined),
        ("Localhost", Kind::Localhost),
    ])?;
    match (&local, kind == Kind::Localhost) {
        (None, true) => {
            field.problem("type Localhost needs localhostProfile: add it");
            None
        }
        (Some(local), false) => {
            local.problem("only type Localhost has a profile: remove it");
            None
        }
        _ => Some((at, kind, local)),
    }
}

fn seccomp(field: &Field<'_>) -> Option<Seccomp> {
    let (_, kind, local) = profile_parts(field)?;
    match (kind, local) {
        (Kind::Localhost, Some(local)) => {
            let path = local.line()?;
            let plain = |part: &str| !matches!(part, "" | "." | "..");
            if path.len() > MAX_NAME || !path.split('/').all(plain) {
                local.problem(
                    "must be the path of a file below /etc/vks/seccomp, without '..' and a '/' in front: correct it",
                );
                return None;
            }
            Some(Seccomp::Localhost(path.to_owned()))
        }
        (Kind::Unconfined, _) => Some(Seccomp::Unconfined),
        _ => Some(Seccomp::RuntimeDefault),
    }
}

fn app_armor(field: &Field<'_>) -> Option<AppArmor> {
    let (at, kind, local) = profile_parts(field)?;
    match (kind, local) {
        (Kind::Localhost, Some(local)) => {
            word(&local, |c| !c.is_whitespace()).map(AppArmor::Localhost)
        }
        (Kind::Unconfined, _) => Some(AppArmor::Unconfined),
        _ => {
            at.problem(
                "vks brings no AppArmor profile of its own: load one and name it with type Localhost, or remove the field",
            );
            None
        }
    }
}

fn se_linux(field: &Field<'_>) -> Option<SeLinux> {
    let mut f = field.fields(known::NONE)?;
    let mut part = |key, colons: bool| {
        let letters = move |c: char| {
            c.is_ascii_alphanumeric()
                || matches!(c, '_' | '.' | '-')
                || (colons && matches!(c, ':' | ','))
        };
        f.optional(key, |x| word(&x, letters))
    };
    let (user, role, kind) = (
        part("user", false),
        part("role", false),
        part("type", false),
    );
    let level = part("level", true);
    f.finish();
    Some(SeLinux {
        user: user?,
        role: role?,
        kind: kind?,
        level: level?,
    })
}

/// A short text of certain letters.
fn word(field: &Field<'_>, letter: impl Fn(char) -> bool) -> Option<String> {
    let text = field.line()?;
    if text.is_empty() || text.len() > MAX_NAME || !text.chars().all(letter) {
        field.problem("is empty, too long or has a character that cannot be here: correct it");
        return None;
    }
    Some(text.to_owned())
}

fn sysctls(f: &mut Fields<'_>, host_network: bool) -> Option<Vec<(String, String)>> {
    let mut seen = BTreeSet::new();
    let Some(list) = f.take("sysctls") else {
        return Some(Vec::new());
    };
    let items = list.items()?;
    if host_network && !items.is_empty() {
        list.problem(
            "a pod on the host's network has no sysctls of its own: remove them, or hostNetwork",
        );
        return None;
    }
    collect(items.into_iter().map(|item| {
        let (name, value) = sysctl(&item)?;
        if !seen.insert(name.clone()) {
            item.problem(format!("the sysctl {name} is there twice: remove one"));
            return None;
        }
        Some((name, value))
    }))
}

fn sysctl(field: &Field<'_>) -> Option<(String, String)> {
    let mut f = field.fields(known::NONE)?;
    let name = f.require("name");
    let value = f.require("value").and_then(|x| x.line().map(str::to_owned));
    f.finish();
    let at = name?;
    // Both separators are the API's.
    let name = at.line()?.replace('/', ".");
    if !SAFE_SYSCTLS.contains(&name.as_str()) {
        let why = match name.as_str() {
            "kernel.shm_rmid_forced" => "vks gives a pod no IPC namespace to set it in: remove it",
            _ => {
                "not one of the sysctls that a pod may set, it would reach beyond the pod: remove it"
            }
        };
        at.problem(why);
        return None;
    }
    Some((name, value?))
}
