//! The service of a Debian package as the base of a container's.
//!
//! What the package says about how its program runs is taken; what the pod says comes after it and wins. Left out is
//! what is the pod's part: when it runs again, what it may use, where its output goes.

use super::Room;
use crate::model::image::resolved::{Content, PackageUnit, Resolved};
use crate::model::pod::{Container, ContainerRole, RestartPolicy};
use crate::model::status::Blocked;
use crate::unit::UnitFile;
use crate::unit::escape::word;

/// Keys that are taken.
const TAKEN: [&str; 45] = [
    "AmbientCapabilities",
    "AppArmorProfile",
    "BindPaths",
    "BindReadOnlyPaths",
    "BusName",
    "CapabilityBoundingSet",
    "CoredumpFilter",
    "DeviceAllow",
    "DevicePolicy",
    "DynamicUser",
    "Environment",
    "EnvironmentFile",
    "ExecCondition",
    "ExecPaths",
    "ExecReload",
    "ExecSearchPath",
    "ExecStartPost",
    "ExecStartPre",
    "ExecStop",
    "ExecStopPost",
    "FinalKillSignal",
    "Group",
    "GuessMainPID",
    "IgnoreSIGPIPE",
    "ImportCredential",
    "InaccessiblePaths",
    "KeyringMode",
    "KillSignal",
    "LockPersonality",
    "MemoryDenyWriteExecute",
    "NoExecPaths",
    "NoNewPrivileges",
    "NotifyAccess",
    "OpenFile",
    "PIDFile",
    "PassEnvironment",
    "Personality",
    "ReadOnlyPaths",
    "ReadWritePaths",
    "RemoveIPC",
    "SecureBits",
    "SuccessExitStatus",
    "SupplementaryGroups",
    "TemporaryFileSystem",
    "UMask",
];

/// Beginnings of keys that are taken.
const FAMILIES: [&str; 17] = [
    "CPUScheduling",
    "CacheDirectory",
    "ConfigurationDirectory",
    "IOScheduling",
    "Limit",
    "LoadCredential",
    "LogsDirectory",
    "Nice",
    "Private",
    "Protect",
    "Restrict",
    "RuntimeDirectory",
    "SetCredential",
    "StateDirectory",
    "SystemCall",
    "UnsetEnvironment",
    "User",
];

/// Further keys, with the same letters as those that are not taken.
const MORE: [&str; 3] = ["WatchdogSec", "WorkingDirectory", "SELinuxContext"];

/// Keys that begin like those that are taken and are not: `Restart=` and its kin are the pod's.
fn is_taken(key: &str) -> bool {
    let family = |start: &&str| key.starts_with(*start);
    let of_restarts = key == "Restart"
        || [
            "RestartSec",
            "RestartSteps",
            "RestartM",
            "RestartP",
            "RestartF",
            "RestartK",
        ]
        .iter()
        .any(|start| key.starts_with(start));
    TAKEN.contains(&key) || MORE.contains(&key) || (FAMILIES.iter().any(family) && !of_restarts)
}

/// The service that a container runs as: that of its package, if it names no command.
pub(super) fn service<'a>(spec: &Container, image: &'a Resolved) -> Option<&'a PackageUnit> {
    match &image.content {
        Content::Deb(deb) if spec.command.is_empty() => deb.unit.as_ref(),
        _ => None,
    }
}

impl Room<'_> {
    /// `Type=` and `ExecStart=` of a container that is the service of a package.
    pub(super) fn packaged_start(
        &self,
        file: &mut UnitFile,
        role: ContainerRole,
        spec: &Container,
        unit: &PackageUnit,
        before: &[String],
    ) -> Result<(), Blocked> {
        let blocked = |why: &str| Blocked {
            container: Some(spec.name.clone()),
            reason: "CreateContainerConfigError",
            message: format!("{} of the package {why}", unit.name),
        };
        if !spec.stdio.is_default() {
            return Err(blocked("takes neither stdin nor tty: name a command"));
        }
        let kind = last(unit, "Type").unwrap_or("simple");
        let policy = self.pod.spec.restart_policy_of(role, spec);
        let kind = match (role, kind) {
            (ContainerRole::Init, "oneshot") => "oneshot",
            (ContainerRole::Init, _) => {
                return Err(blocked(
                    "does not end by itself, as an init container must: name a command",
                ));
            }
            (_, "oneshot") if policy == RestartPolicy::Always => {
                return Err(blocked(
                    "runs to its end (Type=oneshot), which does not go with restartPolicy Always: choose another one, \
                     or name a command",
                ));
            }
            (_, "simple" | "idle") => "exec",
            (_, kind) => kind,
        };
        file.push("Service", "Type", kind);
        let starts = effective(unit, "ExecStart");
        let start = match starts[..] {
            [start] => start,
            [] => return Err(blocked("starts nothing: name a command")),
            [..] => return Err(blocked("starts several programs: name a command")),
        };
        let mut start = start.to_owned();
        if !spec.args.is_empty() {
            // A prefix with @ means that the second word is the name the program gets.
            let words = 1 + usize::from(
                start
                    .split('/')
                    .next()
                    .is_some_and(|prefix| prefix.contains('@')),
            );
            let kept: Vec<&str> = start.split_ascii_whitespace().take(words).collect();
            let args = spec.args.iter().map(|arg| word(arg).replace('$', "$$"));
            start = kept
                .into_iter()
                .map(str::to_owned)
                .chain(args)
                .collect::<Vec<_>>()
                .join(" ");
        }
        let mut start = own_names(&start, unit);
        if !before.is_empty() {
            // Whoever changes the user takes no prefixes on.
            let words: Vec<String> = before.iter().map(|text| word(text)).collect();
            let program = start.trim_start_matches(|c| "@-:+!|".contains(c));
            start = format!("{} {program}", words.join(" "));
        }
        file.push("Service", "ExecStart", start);
        Ok(())
    }

    /// All else that the package says of how its program runs.
    pub(super) fn packaged_settings(
        &self,
        file: &mut UnitFile,
        spec: &Container,
        unit: &PackageUnit,
    ) {
        let who = self.pod.spec.run_as_of(spec);
        let said = spec.stop_signal.is_some();
        for (key, value) in &unit.settings {
            let pods = match key.as_str() {
                "User" | "Group" | "DynamicUser" | "SupplementaryGroups" => who.user.is_some(),
                "KillSignal" => said,
                "WorkingDirectory" => spec.working_dir.is_some(),
                _ => false,
            };
            if is_taken(key) && !pods {
                file.push("Service", key, own_names(value, unit));
            }
        }
    }
}

fn last<'a>(unit: &'a PackageUnit, key: &str) -> Option<&'a str> {
    let mut values = unit.settings.iter().rev().filter(|(found, _)| found == key);
    values.next().map(|(_, value)| value.as_str())
}

/// The values of a key since it was last emptied.
fn effective<'a>(unit: &'a PackageUnit, key: &str) -> Vec<&'a str> {
    let mut values = Vec::new();
    for (found, value) in &unit.settings {
        match (found == key, value.is_empty()) {
            (true, true) => values.clear(),
            (true, false) => values.push(value.as_str()),
            (false, _) => {}
        }
    }
    values
}

/// Specifiers for the unit's own name mean the package's, not the pod's.
fn own_names(value: &str, unit: &PackageUnit) -> String {
    let stem = unit.name.strip_suffix(".service").unwrap_or(&unit.name);
    let mut out = String::new();
    let mut rest = value;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let (what, then) = match after.as_bytes().first() {
            Some(b'n') => (unit.name.as_str(), 1),
            Some(b'N' | b'p') => (stem, 1),
            Some(b'%') => ("%%", 1),
            _ => ("%", 0),
        };
        out.push_str(what);
        rest = &after[then..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restarts_are_the_pods_and_confinement_is_the_packages() {
        for key in [
            "User",
            "ProtectHome",
            "RestrictAddressFamilies",
            "LimitNOFILE",
            "StateDirectoryMode",
            "WatchdogSec",
        ] {
            assert!(is_taken(key), "{key}");
        }
        for key in [
            "Restart",
            "RestartSec",
            "RestartSteps",
            "RestartMaxDelaySec",
            "RestartMode",
            "RestartPreventExitStatus",
            "RestartForceExitStatus",
            "Type",
            "ExecStart",
            "Slice",
            "StandardOutput",
            "MemoryMax",
            "TimeoutStopSec",
        ] {
            assert!(!is_taken(key), "{key}");
        }
    }

    #[test]
    fn names_in_values_are_the_packages() {
        let unit = PackageUnit {
            name: "a-b.service".to_owned(),
            settings: Vec::new(),
        };
        assert_eq!(
            own_names("%n %N %p 100%% %t/%p%", &unit),
            "a-b.service a-b a-b 100%% %t/a-b%"
        );
    }
}
