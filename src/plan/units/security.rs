//! A container's confinement as settings of its unit.

use super::super::env::Environment;
use super::super::security::{Calls, Confinement, Who};
use super::Room;
use crate::model::capability::Capabilities;
use crate::model::pod::Container;
use crate::model::security::Profile;
use crate::unit::UnitFile;
use crate::unit::escape::{bind_path, word};
use crate::unit::{digest, hex};

/// What `vks as` needs until it is somebody else.
const TO_CHANGE: [&str; 3] = ["SETUID", "SETGID", "SETPCAP"];

/// What `vks launch` needs to join the pod's host name, and `vks as` to give that up again.
const TO_JOIN: [&str; 2] = ["SETPCAP", "SYS_ADMIN"];

/// What the host keeps below `/run` that programs need: where names are looked up, and on NixOS the programs themselves.
const OF_RUN: [&str; 5] = [
    "/run/systemd/resolve/stub-resolv.conf",
    "/run/systemd/resolve/resolv.conf",
    "/run/resolvconf/resolv.conf",
    "/run/NetworkManager/resolv.conf",
    "/run/current-system",
];

/// Settings of the profiles default and strict that a capability stands against: it would be taken away, or
/// be of no use.
const UNLESS: [(&str, &str, &[&str]); 7] = [
    ("PrivateDevices", "yes", &["MKNOD", "SYS_RAWIO"]),
    ("ProtectKernelModules", "yes", &["SYS_MODULE"]),
    ("ProtectKernelLogs", "yes", &["SYSLOG"]),
    ("ProtectClock", "yes", &["SYS_TIME", "WAKE_ALARM"]),
    ("ProtectProc", "invisible", &["SYS_PTRACE"]),
    ("RestrictRealtime", "yes", &["SYS_NICE"]),
    ("ProtectControlGroups", "yes", &[]),
];

/// System calls that a capability is for, beyond those that services need (as in the runtimes' default profile).
const CALLS_OF: [(&str, &str); 17] = [
    ("BPF", "bpf"),
    ("CHOWN", "@chown"),
    ("DAC_READ_SEARCH", "open_by_handle_at"),
    ("PERFMON", "perf_event_open"),
    ("SETGID", "@setuid"),
    ("SETPCAP", "capset"),
    ("SETUID", "@setuid"),
    (
        "SYS_ADMIN",
        "@mount bpf fanotify_init perf_event_open quotactl quotactl_fd setdomainname sethostname syslog",
    ),
    ("SYS_BOOT", "@reboot"),
    ("SYS_CHROOT", "chroot"),
    ("SYS_MODULE", "@module"),
    ("SYS_PACCT", "acct"),
    (
        "SYS_PTRACE",
        "ptrace process_vm_readv process_vm_writev kcmp",
    ),
    ("SYS_RAWIO", "@raw-io"),
    ("SYS_TIME", "@clock"),
    ("SYS_TTY_CONFIG", "vhangup"),
    ("SYSLOG", "syslog"),
];

impl Room<'_> {
    /// The words before the program that make it another user.
    pub(super) fn identity_change(&self, confinement: &Confinement) -> Vec<String> {
        if !confinement.starts_by_as() {
            return Vec::new();
        }
        let number =
            |of: Option<u32>| of.map_or_else(|| "-".to_owned(), |number| number.to_string());
        let (user, group) = match confinement.who {
            Who::User(user) => (Some(user), Some(confinement.group.unwrap_or(0))),
            Who::Root | Who::Dynamic => (None, confinement.group),
        };
        let mut words = vec![
            self.settings.program.clone(),
            "as".to_owned(),
            format!("{}:{}", number(user), number(group)),
        ];
        if !confinement.groups.is_empty() {
            let groups: Vec<String> = confinement.groups.iter().map(u32::to_string).collect();
            words.extend(["--groups".to_owned(), groups.join(",")]);
        }
        if confinement.merge && user.is_some() {
            words.push("--merge".to_owned());
        }
        if confinement.capabilities != Capabilities::ALL {
            let set = format!("{:x}", confinement.capabilities.0);
            words.extend(["--capabilities".to_owned(), set]);
        }
        words.push("--".to_owned());
        words
    }

    /// All that shuts the container in.
    pub(super) fn shut_in(
        &self,
        file: &mut UnitFile,
        confinement: &Confinement,
        spec: &Container,
        env: &Environment,
    ) {
        let mut put = |key: &str, value: &str| file.push("Service", key, value);
        if confinement.who == Who::Dynamic {
            // One for the whole pod: its containers share volumes.
            let name = hex(&digest(self.uid.as_str().as_bytes())[..8]);
            put("User", &format!("vks-{name}"));
            put("DynamicUser", "yes");
        }
        capabilities(&mut put, confinement);
        if confinement.no_new_privileges {
            put("NoNewPrivileges", "yes");
        }
        if confinement.profile != Profile::Trusted {
            self.surroundings(&mut put, confinement, spec);
            let home = if confinement.who == Who::Root {
                "/root"
            } else {
                "/"
            };
            if !env.contains_key("HOME") && !confinement.changes_identity() {
                put("Environment", &format!("HOME={home}"));
            }
        }
        if confinement.read_only_root && confinement.profile != Profile::Strict {
            put("ProtectSystem", "strict");
        }
        system_calls(&mut put, confinement);
        if let Some(name) = &confinement.app_armor {
            put("AppArmorProfile", &word(name));
        }
        if let Some(context) = &confinement.se_linux {
            put("SELinuxContext", &word(context));
        }
    }

    /// What it sees of the host.
    fn surroundings(
        &self,
        put: &mut impl FnMut(&str, &str),
        confinement: &Confinement,
        spec: &Container,
    ) {
        let strict = confinement.profile == Profile::Strict;
        if strict {
            put("ProtectSystem", "strict");
            put("RestrictSUIDSGID", "yes");
            put(
                "RestrictAddressFamilies",
                "AF_INET AF_INET6 AF_UNIX AF_NETLINK",
            );
        } else if !confinement.read_only_root {
            put("ProtectSystem", "full");
        }
        put("ProtectHome", "tmpfs");
        put("ProtectKernelTunables", "yes");
        for (key, value, against) in UNLESS {
            if !against
                .iter()
                .any(|name| confinement.capabilities.has(name))
            {
                put(key, value);
            }
        }
        if confinement.read_only_root {
            put("TemporaryFileSystem", "/tmp:ro /var/tmp:ro /run:ro");
        } else {
            put("PrivateTmp", "yes");
            put("TemporaryFileSystem", "/run");
        }
        let own_resolver = self.pod_names.resolver.is_some();
        for path in OF_RUN {
            // What a link in place of the pod's own file may lead to.
            if own_resolver && path.ends_with("resolv.conf") {
                continue;
            }
            put("BindReadOnlyPaths", &format!("-{path}"));
        }
        let program = spec.command.first().map(String::as_str);
        let program = program.or(spec.image.host_program()).unwrap_or_default();
        let hidden = ["/home/", "/root/", "/run/", "/tmp/", "/var/tmp/"];
        if hidden.iter().any(|hidden| program.starts_with(hidden)) {
            put("BindReadOnlyPaths", &format!("-{}", bind_path(program)));
        }
        let layout = &self.settings.layout;
        let mut hidden = vec![layout.state.clone(), layout.run.clone(), "/etc/vks".into()];
        let elsewhere = self.settings.pod_dirs.iter();
        hidden.extend(
            elsewhere
                .filter(|dir| !dir.starts_with("/etc/vks"))
                .cloned(),
        );
        for path in hidden {
            let path = path.display().to_string();
            put("InaccessiblePaths", &format!("-{}", bind_path(&path)));
        }
    }
}

fn capabilities(put: &mut impl FnMut(&str, &str), confinement: &Confinement) {
    let wanted = confinement.capabilities;
    let needed = match confinement.changes_identity() {
        true => Capabilities::of(&TO_CHANGE),
        false => Capabilities::NONE,
    };
    let joining = match confinement.joins_host_name {
        true => Capabilities::of(&TO_JOIN),
        false => Capabilities::NONE,
    };
    let set = wanted.and(needed).and(joining);
    if set != Capabilities::ALL {
        put("CapabilityBoundingSet", &set.to_string());
    }
    if confinement.who == Who::Dynamic && !set.is_empty() {
        put("AmbientCapabilities", &set.to_string());
    }
}

/// Which system calls a container may make whose root `vks launch` makes: also those that it needs for that, and that
/// are of no use without a capability which it gives up.
pub(super) fn rooted_calls(file: &mut UnitFile, confinement: &Confinement, own_users: bool) {
    let mut put = |key: &str, value: &str| match key {
        // The pod's users, with the mounts that are theirs; there it may make none of its own (`vks users`).
        "RestrictNamespaces" if own_users => file.push("Service", key, "cgroup mnt user uts"),
        // A control group namespace, the pod's host name.
        "RestrictNamespaces" => file.push("Service", key, "cgroup uts"),
        _ => file.push("Service", key, value),
    };
    system_calls(&mut put, confinement);
    if confinement.calls != Calls::Any {
        let more = "@mount @setuid capset chroot mknod mknodat setns unshare";
        file.push("Service", "SystemCallFilter", more);
    }
}

fn system_calls(put: &mut impl FnMut(&str, &str), confinement: &Confinement) {
    let strict = confinement.profile == Profile::Strict;
    if strict || confinement.calls == Calls::Usual {
        put("LockPersonality", "yes");
        if !confinement.capabilities.has("SYS_ADMIN") {
            let kinds = match confinement.joins_host_name {
                true => "uts",
                false => "yes",
            };
            put("RestrictNamespaces", kinds);
        }
    }
    match &confinement.calls {
        Calls::Any => {}
        Calls::Profile(keys) => keys.iter().for_each(|(key, value)| put(key, value)),
        Calls::Usual => {
            put("SystemCallArchitectures", "native");
            put("SystemCallFilter", "@system-service");
            put(
                "SystemCallFilter",
                if strict {
                    "~@privileged @keyring"
                } else {
                    "~@keyring"
                },
            );
            let mut more: Vec<&str> = CALLS_OF
                .iter()
                .filter(|(name, _)| confinement.capabilities.has(name))
                .map(|(_, calls)| *calls)
                .collect();
            if strict && confinement.changes_identity() {
                more.push("@setuid capset");
            } else if strict && confinement.starts_by_as() {
                more.push("capset");
            }
            more.sort_unstable();
            more.dedup();
            if !more.is_empty() {
                put("SystemCallFilter", &more.join(" "));
            }
            put("SystemCallErrorNumber", "EPERM");
        }
    }
}
