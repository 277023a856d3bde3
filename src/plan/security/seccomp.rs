//! A seccomp profile in the JSON of OCI and Docker, as settings of a unit.
//!
//! systemd has one list of system calls and one answer to the others; what a profile says beyond that (conditions
//! on arguments, tracing, notification) is refused by name. systemd always lets pass what a process needs to be
//! started and to end (`@default` of `systemd-analyze syscall-filter`).

use super::Confinement;
use crate::model::capability::Capabilities;
use serde::Deserialize;
use std::collections::BTreeSet;

/// What `vks as` itself calls to become somebody else.
const TO_CHANGE: [&str; 5] = ["setgroups", "setgid", "setuid", "capset", "prctl"];

/// Architectures: the name in profiles, and systemd's.
const ARCHITECTURES: [(&str, &str); 12] = [
    ("SCMP_ARCH_X86_64", "x86-64"),
    ("SCMP_ARCH_X86", "x86"),
    ("SCMP_ARCH_X32", "x32"),
    ("SCMP_ARCH_AARCH64", "arm64"),
    ("SCMP_ARCH_ARM", "arm"),
    ("SCMP_ARCH_RISCV64", "riscv64"),
    ("SCMP_ARCH_PPC64", "ppc64"),
    ("SCMP_ARCH_PPC64LE", "ppc64-le"),
    ("SCMP_ARCH_PPC", "ppc"),
    ("SCMP_ARCH_S390", "s390"),
    ("SCMP_ARCH_S390X", "s390x"),
    ("SCMP_ARCH_LOONGARCH64", "loongarch64"),
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Profile {
    default_action: String,
    default_errno_ret: Option<u32>,
    #[serde(default)]
    architectures: Vec<String>,
    #[serde(default)]
    arch_map: Vec<ArchMap>,
    #[serde(default)]
    flags: Vec<String>,
    listener_path: Option<String>,
    listener_metadata: Option<String>,
    #[serde(default)]
    syscalls: Vec<Rule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ArchMap {
    architecture: String,
    #[serde(default)]
    sub_architectures: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Rule {
    #[serde(default)]
    names: Vec<String>,
    name: Option<String>,
    action: String,
    errno_ret: Option<u32>,
    args: Option<Vec<serde_json::Value>>,
    #[serde(rename = "comment")]
    _comment: Option<String>,
    includes: Option<When>,
    excludes: Option<When>,
}

/// When Docker takes a rule.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct When {
    #[serde(default)]
    caps: Vec<String>,
    #[serde(default)]
    arches: Vec<String>,
    min_kernel: Option<String>,
}

/// What becomes of a system call.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Action {
    Allow,
    Log,
    Errno(u32),
    Kill,
}

/// The settings that a profile becomes, or what of it cannot be had.
pub(super) fn keys(
    text: &str,
    confinement: &Confinement,
) -> Result<Vec<(&'static str, String)>, String> {
    let profile: Profile =
        serde_json::from_str(text).map_err(|error| format!("{error}: correct it"))?;
    if profile.listener_path.is_some() || profile.listener_metadata.is_some() {
        return Err("listenerPath: systemd notifies nobody of system calls: remove it".to_owned());
    }
    if let Some(flag) = profile
        .flags
        .iter()
        .find(|flag| *flag != "SECCOMP_FILTER_FLAG_TSYNC")
    {
        return Err(format!("flags: systemd does not take {flag}: remove it"));
    }
    let default = action(&profile.default_action, profile.default_errno_ret)?;
    let mut others: Vec<(Action, BTreeSet<&str>)> = Vec::new();
    for rule in &profile.syscalls {
        let names = rule.names()?;
        if !rule.holds(confinement.capabilities)? {
            continue;
        }
        let action = action(&rule.action, rule.errno_ret)?;
        if action == default || names.is_empty() {
            continue;
        }
        match others.iter_mut().find(|(other, _)| *other == action) {
            Some((_, all)) => all.extend(names),
            None => others.push((action, names)),
        }
    }
    let mut keys = filter(&default, &others)?;
    if let Some(list) = architectures(&profile)? {
        keys.push(("SystemCallArchitectures", list));
    }
    may_change(confinement, &default, &others)?;
    Ok(keys)
}

fn action(word: &str, errno: Option<u32>) -> Result<Action, String> {
    Ok(match word {
        "SCMP_ACT_ALLOW" => Action::Allow,
        "SCMP_ACT_LOG" => Action::Log,
        // EPERM, as for runtimes; systemd takes no 0.
        "SCMP_ACT_ERRNO" => match errno.unwrap_or(1) {
            number @ 1..=4095 => Action::Errno(number),
            number => return Err(format!("errnoRet: {number} is no error: write 1 to 4095")),
        },
        "SCMP_ACT_KILL" | "SCMP_ACT_KILL_PROCESS" => Action::Kill,
        _ => {
            return Err(format!(
                "{word} cannot be had of systemd: use SCMP_ACT_ALLOW, SCMP_ACT_ERRNO, SCMP_ACT_LOG or SCMP_ACT_KILL_PROCESS"
            ));
        }
    })
}

impl Rule {
    fn names(&self) -> Result<BTreeSet<&str>, String> {
        let all = self.names.iter().chain(&self.name).map(String::as_str);
        let names: BTreeSet<&str> = all.collect();
        let plain = |name: &&str| {
            !name.is_empty()
                && name
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        };
        if let Some(odd) = names.iter().find(|name| !plain(name)) {
            return Err(format!("{odd:?} is no name of a system call: correct it"));
        }
        let first = names.first().copied().unwrap_or_default();
        if self.args.as_ref().is_some_and(|args| !args.is_empty()) {
            return Err(format!(
                "args of {first}: systemd cannot look at arguments of system calls: remove args or the rule"
            ));
        }
        Ok(names)
    }

    fn holds(&self, has: Capabilities) -> Result<bool, String> {
        let check = |when: &When| match (&when.arches[..], &when.min_kernel) {
            ([], None) => Ok(()),
            _ => Err(
                "includes and excludes: vks takes only caps in them: split the profile".to_owned(),
            ),
        };
        self.includes
            .iter()
            .chain(&self.excludes)
            .try_for_each(check)?;
        let named = |cap: &String| has.has(cap.strip_prefix("CAP_").unwrap_or(cap));
        let included = self.includes.iter().all(|when| when.caps.iter().all(named));
        let excluded = self.excludes.iter().any(|when| when.caps.iter().any(named));
        Ok(included && !excluded)
    }
}

/// One list and one answer to the others.
fn filter(
    default: &Action,
    others: &[(Action, BTreeSet<&str>)],
) -> Result<Vec<(&'static str, String)>, String> {
    let mut keys = Vec::new();
    let join = |names: &BTreeSet<&str>| names.iter().copied().collect::<Vec<_>>().join(" ");
    match default {
        Action::Errno(_) | Action::Kill => {
            // With nothing in it the list would be no list: exit is let pass anyway.
            let mut allowed = BTreeSet::from(["exit"]);
            for (action, names) in others {
                match action {
                    Action::Allow => allowed.extend(names),
                    Action::Log => {
                        allowed.extend(names);
                        keys.push(("SystemCallLog", join(names)));
                    }
                    _ => return Err(two_answers(names)),
                }
            }
            keys.push(("SystemCallFilter", join(&allowed)));
            if let Action::Errno(number) = default {
                keys.push(("SystemCallErrorNumber", number.to_string()));
            }
        }
        Action::Allow | Action::Log => {
            if *default == Action::Log {
                keys.push(("SystemCallLog", "@known".to_owned()));
            }
            for (action, names) in others {
                match action {
                    Action::Allow => keys.push(("SystemCallLog", format!("~{}", join(names)))),
                    Action::Log => keys.push(("SystemCallLog", join(names))),
                    Action::Errno(number) => {
                        let each: Vec<_> = names
                            .iter()
                            .map(|name| format!("{name}:{number}"))
                            .collect();
                        keys.push(("SystemCallFilter", format!("~{}", each.join(" "))));
                    }
                    Action::Kill => {
                        let each: Vec<_> =
                            names.iter().map(|name| format!("{name}:kill")).collect();
                        keys.push(("SystemCallFilter", format!("~{}", each.join(" "))));
                    }
                }
            }
        }
    }
    Ok(keys)
}

fn two_answers(names: &BTreeSet<&str>) -> String {
    let first = names.first().copied().unwrap_or_default();
    format!(
        "{first} is to be refused otherwise than defaultAction does it: systemd has one answer for all: use the same action and errnoRet"
    )
}

fn architectures(profile: &Profile) -> Result<Option<String>, String> {
    let mapped = profile.arch_map.iter().flat_map(|map| {
        let more = map.sub_architectures.iter().flatten();
        std::iter::once(&map.architecture).chain(more)
    });
    let mut names = BTreeSet::new();
    for word in profile.architectures.iter().chain(mapped) {
        match ARCHITECTURES.iter().find(|(known, _)| known == word) {
            Some((_, name)) => names.insert(*name),
            // Docker's table has all there are; what systemd has no name for is then refused on every machine.
            None if !profile.arch_map.is_empty() && profile.architectures.is_empty() => false,
            None => return Err(format!("architectures: {word} is not known: remove it")),
        };
    }
    if names.is_empty() {
        return Ok(None);
    }
    Ok(Some(names.into_iter().collect::<Vec<_>>().join(" ")))
}

/// The filter is in force before `vks as` has made the change.
fn may_change(
    confinement: &Confinement,
    default: &Action,
    others: &[(Action, BTreeSet<&str>)],
) -> Result<(), String> {
    let passes = |action: &Action| matches!(action, Action::Allow | Action::Log);
    let allowed = |call: &str| {
        let rule = others.iter().find(|(_, names)| names.contains(call));
        passes(rule.map_or(default, |(action, _)| action))
    };
    if confinement.joins_host_name && !allowed("setns") {
        return Err(
            "it does not allow setns, by which a container gets the pod's host name before systemd 258: allow it, \
             or set hostNetwork: true"
                .to_owned(),
        );
    }
    let mut needed = TO_CHANGE.iter().filter(|_| confinement.starts_by_as());
    match needed.find(|call| !allowed(call)) {
        Some(call) => Err(format!(
            "it does not allow {call}, which is needed to become the user and groups of the manifest: allow it, \
             or name no user and groups"
        )),
        None => Ok(()),
    }
}
