//! Security contexts: each field as the process itself sees it, as others see it, and by what it tries.

use super::host::{Host, shared};
use super::space::{Pod, Space, sh, sleeper, with};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What containerd gives root, but MKNOD.
const USUAL: &str = "00000000a00425fb";
const NONE: &str = "0000000000000000";

/// A pod in a profile that runs and is ready.
pub fn ready_in<'a>(
    space: &'a Space<'_>,
    name: &'static str,
    profile: &str,
    spec: &Value,
) -> Pod<'a> {
    let mut manifest = space.manifest(name, spec);
    manifest["metadata"]["annotations"] = json!({ "vks.io/profile": profile });
    let out = space.apply(name, &[manifest], &["--wait", "--timeout", "90s"]);
    assert_eq!(out.code, 0, "apply --wait: {}{}", out.stdout, out.stderr);
    space.known(name)
}

/// A container of a security context that shows its status and stays.
fn shows(name: &str, security: &Value) -> Value {
    with(
        sh(name, "cat /proc/self/status; exec sleep 1d"),
        &json!({ "securityContext": security }),
    )
}

/// How many filters of system calls a process has: the machine itself may be in some.
fn filters(host: &Host, pid: &str) -> i64 {
    let text = host.ok(&format!(
        "sed -n 's/^Seccomp_filters:[^0-9]*//p' /proc/{pid}/status"
    ));
    text.trim().parse().unwrap()
}

/// The lines of `/proc/PID/status` that are about rights.
fn rights(status: &str) -> BTreeMap<String, String> {
    const LINES: [&str; 10] = [
        "Uid",
        "Gid",
        "Groups",
        "CapInh",
        "CapPrm",
        "CapEff",
        "CapBnd",
        "CapAmb",
        "NoNewPrivs",
        "Seccomp",
    ];
    let lines = status.lines().filter_map(|line| line.split_once(':'));
    lines
        .filter(|(name, _)| LINES.contains(name))
        .map(|(name, value)| {
            let words: Vec<&str> = value.split_whitespace().collect();
            (name.to_owned(), words.join(" "))
        })
        .collect()
}

/// From outside, from inside, and by `vks exec`, which must all say the same.
fn seen(pod: &Pod<'_>, container: &str) -> BTreeMap<String, String> {
    let host = pod.host();
    let outside = rights(&host.ok(&format!("cat /proc/{}/status", pod.pid(container))));
    let asked = ["logs", pod.name, "-c", container, "-n", pod.space.name];
    let inside = rights(&host.vks_ok(&asked));
    assert_eq!(inside, outside, "{container}: inside and outside");
    let mut by_exec = rights(&host.vks_ok(&[
        "exec",
        pod.name,
        "-c",
        container,
        "-n",
        pod.space.name,
        "--",
        "cat",
        "/proc/self/status",
    ]));
    let mut wanted = outside.clone();
    // A filter of system calls cannot be copied from another process; nothing inherits what is inheritable.
    for line in ["Seccomp", "CapInh"] {
        by_exec.remove(line);
        wanted.remove(line);
    }
    assert_eq!(by_exec, wanted, "{container}: by exec");
    outside
}

fn expect(pod: &Pod<'_>, container: &str, wanted: &[(&str, &str)]) {
    let seen = seen(pod, container);
    for (line, value) in wanted {
        assert_eq!(
            seen.get(*line).map(String::as_str),
            Some(*value),
            "{container}: {line} of {seen:?}"
        );
    }
}

/// Runs a command in a container; whether it succeeded.
fn can(pod: &Pod<'_>, container: &str, script: &str) -> bool {
    // As the container's own child, so that its filter of system calls holds too.
    let host = pod.host();
    let (name, space) = (pod.name, pod.space.name);
    let out = host.vks(&[
        "exec", name, "-c", container, "-n", space, "--", "sh", "-c", script,
    ]);
    out.code == 0
}

/// A container that tries scripts and says `<name> yes` or `<name> no` of each.
fn tries(name: &str, what: &[(&str, &str)], more: &Value) -> Value {
    let mut script = String::new();
    for (try_name, attempt) in what {
        script.push_str(&format!(
            "if ( {attempt} ) >/dev/null 2>&1; then echo {try_name} yes; else echo {try_name} no; fi\n"
        ));
    }
    script.push_str("echo tried; exec sleep 1d");
    with(sh(name, &script), more)
}

/// What the tries of a container came to.
fn tried(pod: &Pod<'_>, container: &str) -> BTreeMap<String, bool> {
    let host = pod.host();
    let argv = format!("vks logs {} -c {container} -n {}", pod.name, pod.space.name);
    host.wait(&format!("{argv} | grep -qx tried"));
    let log = host.ok(&argv);
    log.lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(name, answer)| (name.to_owned(), answer == "yes"))
        .collect()
}

fn all(of: &BTreeMap<String, bool>, wanted: &[(&str, bool)], container: &str) {
    for (name, answer) in wanted {
        assert_eq!(of.get(*name), Some(answer), "{container}: {name}: {of:?}");
    }
}

#[test]
fn users_groups_and_capabilities() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "sec-ids");
    let pod = ready_in(
        &space,
        "ids",
        "default",
        &json!({
            "securityContext": { "runAsUser": 4711, "supplementalGroups": [4801, 4802], "fsGroup": 4803 },
            "containers": [
                shows("pods", &json!({})),
                shows("own", &json!({ "runAsUser": 4712, "runAsGroup": 4713, "runAsNonRoot": true,
                    "capabilities": { "drop": ["ALL"] }, "allowPrivilegeEscalation": false })),
                shows("root", &json!({ "runAsUser": 0 })),
                shows("few", &json!({ "runAsUser": 0, "capabilities": { "drop": ["ALL"], "add": ["KILL", "NET_ADMIN"] } })),
                shows("more", &json!({ "runAsUser": 0, "capabilities": { "add": ["SYS_TIME"], "drop": ["NET_RAW"] } })),
                shows("bounded", &json!({ "capabilities": { "add": ["NET_ADMIN"] } })),
            ],
        }),
    );
    let groups = "0 4801 4802 4803";
    let four = |id: &str| format!("{id} {id} {id} {id}");
    expect(
        &pod,
        "pods",
        &[
            ("Uid", &four("4711")),
            ("Gid", &four("0")),
            ("Groups", groups),
            ("CapBnd", USUAL),
            ("CapEff", NONE),
            ("CapPrm", NONE),
            ("NoNewPrivs", "0"),
            ("Seccomp", "2"),
        ],
    );
    expect(
        &pod,
        "own",
        &[
            ("Uid", &four("4712")),
            ("Gid", &four("4713")),
            ("Groups", "4713 4801 4802 4803"),
            ("CapBnd", NONE),
            ("CapEff", NONE),
            ("NoNewPrivs", "1"),
        ],
    );
    expect(
        &pod,
        "root",
        &[("Uid", &four("0")), ("CapEff", USUAL), ("CapBnd", USUAL)],
    );
    // KILL is 5, NET_ADMIN 12, SYS_TIME 25, NET_RAW 13.
    let few = "0000000000001020";
    expect(&pod, "few", &[("CapEff", few), ("CapBnd", few)]);
    let more = "00000000a20405fb";
    expect(&pod, "more", &[("CapEff", more), ("CapBnd", more)]);
    // As for container runtimes: what is added to another user is only bounded by it.
    let bounded = "00000000a00435fb";
    expect(&pod, "bounded", &[("CapEff", NONE), ("CapBnd", bounded)]);
}

#[test]
fn groups_of_the_host_are_merged_unless_told_otherwise() {
    let Some(host) = shared() else { return };
    host.ok("getent passwd secuser || { groupadd -g 5006 secgroup; useradd -M -u 5005 -G secgroup secuser; }");
    let space = Space::new(&host, "sec-merge");
    for (name, policy, groups) in [
        ("merge", "Merge", "0 4801 5005 5006"),
        ("strict", "Strict", "0 4801"),
    ] {
        let pod = ready_in(
            &space,
            name,
            "default",
            &json!({
                "securityContext": { "runAsUser": 5005, "supplementalGroups": [4801], "supplementalGroupsPolicy": policy },
                "containers": [shows("c", &json!({}))],
            }),
        );
        let seen = seen(&pod, "c");
        let got = seen["Groups"].replace("5005 ", "");
        assert_eq!(got, groups.replace("5005 ", ""), "{name}");
    }
}

#[test]
fn a_dynamic_user_can_have_groups_and_capabilities() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "sec-dynamic");
    let pod = ready_in(
        &space,
        "dynamic",
        "strict",
        &json!({
            "securityContext": { "supplementalGroups": [4801], "runAsNonRoot": true },
            "containers": [
                shows("plain", &json!({})),
                shows("group", &json!({ "runAsGroup": 4900 })),
                shows("able", &json!({ "capabilities": { "add": ["NET_BIND_SERVICE"] } })),
            ],
        }),
    );
    let plain = seen(&pod, "plain");
    let uid = plain["Uid"].split(' ').next().unwrap().to_owned();
    assert!(
        (61184..=65519).contains(&uid.parse::<u32>().unwrap()),
        "{uid}"
    );
    assert_eq!(plain["Gid"].split(' ').next(), Some(uid.as_str()));
    assert_eq!(plain["Groups"], format!("4801 {uid}"));
    for line in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(plain[line], NONE, "{line}");
    }
    assert_eq!((&*plain["NoNewPrivs"], &*plain["Seccomp"]), ("1", "2"));
    expect(
        &pod,
        "group",
        &[
            ("Gid", "4900 4900 4900 4900"),
            ("Groups", "4801 4900"),
            ("CapBnd", NONE),
        ],
    );
    let bind = "0000000000000400";
    let able = seen(&pod, "able");
    assert_eq!(able["Uid"], plain["Uid"], "one user for the pod");
    for line in ["CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(able[line], bind, "{line}");
    }
}

#[test]
fn privileged_is_without_limits_and_default_is_not() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "sec-priv");
    let what = [
        ("mount", "mount -t tmpfs none /mnt && umount /mnt"),
        ("hostname", "unshare -u hostname odd"),
        ("sysctl", "echo 5 >/proc/sys/vm/dirty_background_ratio"),
        ("kmsg", "head -c0 </dev/kmsg"),
        (
            "chown",
            "touch /dev/shm/x && chown 5:5 /dev/shm/x && rm /dev/shm/x",
        ),
    ];
    let pod = space.ready(
        "privileged",
        &json!({ "containers": [tries("c", &what, &json!({ "securityContext": { "privileged": true } }))] }),
    );
    let got = tried(&pod, "c");
    all(
        &got,
        &[("mount", true), ("hostname", true), ("chown", true)],
        "privileged",
    );
    let status = host.ok(&format!("cat /proc/{}/status", pod.pid("c")));
    let rights = rights(&status);
    assert_eq!(rights["CapEff"], rights["CapBnd"]);
    assert_eq!(
        filters(&host, &pod.pid("c")),
        filters(&host, "1"),
        "none of its own"
    );
    let pod = ready_in(
        &space,
        "usual",
        "default",
        &json!({ "containers": [tries("c", &what, &json!({}))] }),
    );
    all(
        &tried(&pod, "c"),
        &[
            ("mount", false),
            ("hostname", false),
            ("sysctl", false),
            ("kmsg", false),
            ("chown", true),
        ],
        "default",
    );
}

#[test]
fn privilege_escalation_is_allowed_or_not() {
    let Some(host) = shared() else { return };
    host.ok("install -m 4755 /usr/bin/id /usr/local/bin/id-of-root");
    let space = Space::new(&host, "sec-suid");
    let with_escalation = |allowed: bool| {
        let more = json!({ "securityContext": { "runAsUser": 4711, "allowPrivilegeEscalation": allowed } });
        tries(
            if allowed { "may" } else { "may-not" },
            &[("root", "id-of-root | grep -q 'euid=0'")],
            &more,
        )
    };
    let pod = ready_in(
        &space,
        "suid",
        "default",
        &json!({ "containers": [with_escalation(true), with_escalation(false)] }),
    );
    assert!(tried(&pod, "may")["root"]);
    assert!(!tried(&pod, "may-not")["root"]);
}

#[test]
fn a_read_only_root_leaves_volumes_writable() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "sec-ro");
    let what = [
        ("etc", "touch /etc/x"),
        ("usr", "touch /usr/x"),
        ("var", "touch /var/x"),
        ("tmp", "touch /tmp/x"),
        ("run", "touch /run/x"),
        ("root", "touch /x"),
        ("volume", "touch /srv/data/x"),
        ("below", "touch /tmp/data/x"),
        ("message", "echo said >/dev/termination-log"),
    ];
    let mounts = json!([
        { "name": "v", "mountPath": "/srv/data" },
        { "name": "v", "mountPath": "/tmp/data" },
    ]);
    for profile in ["trusted", "default", "strict"] {
        let more = json!({ "securityContext": { "readOnlyRootFilesystem": true }, "volumeMounts": mounts });
        let name: &'static str = match profile {
            "trusted" => "in-trusted",
            "default" => "in-default",
            _ => "in-strict",
        };
        let pod = ready_in(
            &space,
            name,
            profile,
            &json!({ "volumes": [{ "name": "v", "emptyDir": {} }], "containers": [tries("c", &what, &more)] }),
        );
        let got = tried(&pod, "c");
        for (try_name, _) in what {
            let wanted = ["volume", "below", "message"].contains(&try_name);
            assert_eq!(got[try_name], wanted, "{profile}: {try_name}");
        }
    }
}

/// Asks the kernel for a system call by its number; says whether it was refused with EPERM.
fn refused(number: u32, arguments: &str) -> String {
    format!(
        "! python3 -c 'import ctypes as c, sys; l = c.CDLL(None, use_errno=True); \
         r = l.syscall({number}, {arguments}); sys.exit(1 if r < 0 and c.get_errno() == 1 else 0)'"
    )
}

#[test]
fn system_calls_are_filtered_or_not() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "sec-calls");
    // ptrace(PTRACE_TRACEME)
    let ptrace = refused(101, "0, 0, 0, 0");
    let getpid = refused(39, "0");
    let what = [
        ("ptrace-refused", ptrace.as_str()),
        ("getpid-refused", getpid.as_str()),
        ("userns", "unshare -U true"),
    ];
    let of = |name: &str, kind: &str| {
        tries(
            name,
            &what,
            &json!({ "securityContext": { "seccompProfile": { "type": kind } } }),
        )
    };
    let pod = ready_in(
        &space,
        "calls",
        "default",
        &json!({ "containers": [
            of("filtered", "RuntimeDefault"), of("free", "Unconfined"), tries("silent", &what, &json!({})),
        ] }),
    );
    for (container, kept) in [("filtered", true), ("free", false), ("silent", true)] {
        let got = tried(&pod, container);
        assert_eq!(got["ptrace-refused"], kept, "{container}");
        assert_eq!(got["userns"], !kept, "{container}");
        assert!(!got["getpid-refused"], "{container}");
    }
    let count = |container: &str| filters(&host, &pod.pid(container));
    assert!(
        count("free") < count("filtered"),
        "what is left is of other settings"
    );
    let pod = ready_in(
        &space,
        "trusted",
        "trusted",
        &json!({ "containers": [of("filtered", "RuntimeDefault"), tries("silent", &what, &json!({}))] }),
    );
    // What its capabilities are for is let pass, as it is by container runtimes.
    assert!(!tried(&pod, "filtered")["ptrace-refused"]);
    assert!(filters(&host, &pod.pid("filtered")) > filters(&host, "1"));
    assert_eq!(filters(&host, &pod.pid("silent")), filters(&host, "1"));
}

fn gid_and_mode(host: &Host, pid: &str, path: &str) -> String {
    host.ok(&format!("stat -L -c '%g %a' /proc/{pid}/root{path}"))
        .trim()
        .to_owned()
}

#[test]
fn volumes_belong_to_the_group_of_the_pod() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "sec-fsgroup");
    let spec = |policy: &str| {
        json!({
            "securityContext": { "runAsUser": 4711, "runAsGroup": 4712, "fsGroup": 4900, "fsGroupChangePolicy": policy },
            "volumes": [
                { "name": "e", "emptyDir": {} },
                { "name": "c", "configMap": { "name": "words" } },
                { "name": "s", "secret": { "secretName": "hidden" } },
            ],
            "containers": [with(sh("c", "umask 077; touch /srv/e/made; exec sleep 1d"), &json!({ "volumeMounts": [
                { "name": "e", "mountPath": "/srv/e" }, { "name": "c", "mountPath": "/srv/c" },
                { "name": "s", "mountPath": "/srv/s" },
            ] }))],
        })
    };
    let words = |text: &str| space.object("ConfigMap", "words", &json!({ "key": text }));
    space.apply_ok(
        "objects",
        &[
            words("one"),
            space.object("Secret", "hidden", &json!({ "key": "x" })),
        ],
    );
    for (name, policy) in [("always", "Always"), ("mismatch", "OnRootMismatch")] {
        let name: &'static str = name;
        let pod = ready_in(&space, name, "default", &spec(policy));
        let pid = pod.pid("c");
        assert_eq!(gid_and_mode(&host, &pid, "/srv/e"), "4900 2777", "{name}");
        assert_eq!(
            gid_and_mode(&host, &pid, "/srv/e/made"),
            "4900 600",
            "{name}"
        );
        for path in ["/srv/c", "/srv/c/key", "/srv/s", "/srv/s/key"] {
            let got = gid_and_mode(&host, &pid, path);
            assert!(got.starts_with("4900 "), "{name}: {path}: {got}");
        }
        assert!(can(
            &pod,
            "c",
            "grep -qx x /srv/s/key && touch /srv/e/by-exec"
        ));
        // What somebody else's hands made of it, and a new start of the pod.
        host.ok(&format!("chgrp 0 /proc/{pid}/root/srv/e/made"));
        host.vks_ok(&["restart", "pod", name, "-n", space.name]);
        pod.wait_until("the new process", |pod| {
            pod.pid("c") != pid && pod.pid("c") != "0"
        });
        let group = if policy == "Always" {
            "4900 660"
        } else {
            "0 600"
        };
        let sandbox = format!("vks-{}-{name}-sandbox.service", "sec\\x2dfsgroup");
        host.ok(&format!("systemctl restart -- '{sandbox}'"));
        pod.wait_until("it runs again", |pod| {
            pod.container("c")["state"]["running"].is_object() && pod.pid("c") != "0"
        });
        let got = gid_and_mode(&host, &pod.pid("c"), "/srv/e/made");
        assert_eq!(got, group, "{name}");
    }
    // A change reaches the running pod, and is the group's too.
    space.apply_ok(
        "objects",
        &[
            words("two"),
            space.object("Secret", "hidden", &json!({ "key": "x" })),
        ],
    );
    let pod = space.known("always");
    let pid = pod.pid("c");
    host.wait(&format!("grep -qx two /proc/{pid}/root/srv/c/key"));
    assert!(gid_and_mode(&host, &pid, "/srv/c/key").starts_with("4900 "));
}

#[test]
fn sysctls_of_the_pods_own_network() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "sec-sysctl");
    let key = "/proc/sys/net/ipv4/ip_unprivileged_port_start";
    let before = host.ok(&format!("cat {key}"));
    let pod = ready_in(
        &space,
        "sysctl",
        "strict",
        &json!({
            "hostNetwork": false,
            "securityContext": { "sysctls": [{ "name": "net.ipv4.ip_unprivileged_port_start", "value": "70" }] },
            "containers": [tries("c", &[
                ("bind-80", "python3 -c 'import socket; socket.create_server((\"127.0.0.1\", 80))'"),
                ("bind-60", "python3 -c 'import socket; socket.create_server((\"127.0.0.1\", 60))'"),
                ("seen", &format!("grep -qx 70 {key}")),
            ], &json!({}))],
        }),
    );
    all(
        &tried(&pod, "c"),
        &[("bind-80", true), ("bind-60", false), ("seen", true)],
        "sysctl",
    );
    let pid = pod.pid("c");
    assert_eq!(host.ok(&format!("nsenter -t {pid} -n cat {key}")), "70\n");
    assert_eq!(host.ok(&format!("cat {key}")), before, "the host's own");
}

#[test]
fn what_cannot_be_given_is_said_by_name() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "sec-refused");
    let cases: [(&'static str, &str, Value, &str); 6] = [
        (
            "root",
            "trusted",
            json!({ "runAsNonRoot": true }),
            "image will run as root",
        ),
        (
            "zero",
            "default",
            json!({ "runAsNonRoot": true, "runAsUser": 0 }),
            "breaks non-root policy",
        ),
        (
            "armor",
            "strict",
            json!({ "appArmorProfile": { "type": "Localhost", "localhostProfile": "web" } }),
            "AppArmor is not enabled",
        ),
        (
            "linux",
            "strict",
            json!({ "seLinuxOptions": { "type": "web_t" } }),
            "SELinux is not enabled",
        ),
        (
            "gains",
            "strict",
            json!({ "allowPrivilegeEscalation": true }),
            "cannot be had in the profile strict",
        ),
        (
            "local",
            "strict",
            json!({ "seccompProfile": { "type": "Localhost", "localhostProfile": "none.json" } }),
            "there is no /etc/vks/seccomp/none.json",
        ),
    ];
    for (name, profile, security, wanted) in cases {
        let mut manifest = space.manifest(
            name,
            &json!({ "containers": [with(sleeper("c"), &json!({ "securityContext": security }))] }),
        );
        manifest["metadata"]["annotations"] = json!({ "vks.io/profile": profile });
        let out = space.apply(name, &[manifest], &[]);
        assert_eq!(out.code, 0, "{name}: {}{}", out.stdout, out.stderr);
        let pod = space.known(name);
        pod.wait_until("the answer", |pod| {
            let waiting = pod.container("c")["state"]["waiting"].clone();
            let message = waiting["message"].as_str().unwrap_or_default();
            waiting["reason"] == "CreateContainerConfigError" && message.contains(wanted)
        });
    }
}
