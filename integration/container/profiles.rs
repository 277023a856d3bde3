//! The three profiles: what each lets a program of the host see and do, which holds when nothing is said, and how
//! systemd itself judges them.

use super::host::{Host, own};
use super::security::ready_in;
use super::space::{Pod, Space, sh, sleeper, with};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Says `<name> yes` or `<name> no` of each thing tried, as one line each.
const LOOK: &str = r#"
try() { name=$1; shift; if ( eval "$*" ) >/dev/null 2>&1; then echo "$name yes"; else echo "$name no"; fi; }
try write-etc 'touch /etc/tried'
try write-var 'touch /var/tried'
try write-tmp 'touch /tmp/tried'
try write-run 'touch /run/tried'
try see-host-tmp 'test -e /tmp/of-the-host'
try see-host-run 'test -S /run/systemd/private -o -S /run/dbus/system_bus_socket'
try see-home 'test -e /root/of-the-host'
try see-vks 'ls /var/lib/vks/pods'
try see-manifests 'ls /etc/vks/pods.d'
try see-others 'test -e /proc/1/comm'
try resolve 'cat /etc/resolv.conf'
try kill-init 'kill -0 1'
try raw-socket 'python3 -c "import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW)"'
echo tried; exec sleep 1d
"#;

/// The answers, in the order of the tries: a letter each.
fn answers(pod: &Pod<'_>) -> String {
    let argv = format!("vks logs {} -n {}", pod.name, pod.space.name);
    pod.host().wait(&format!("{argv} | grep -qx tried"));
    let log = pod.host().ok(&argv);
    let lines = log.lines().filter_map(|line| line.split_once(' '));
    lines
        .map(|(name, answer)| format!("{name}={answer}\n"))
        .collect()
}

fn wanted(yes: &[&str]) -> String {
    let names = LOOK
        .lines()
        .filter_map(|line| line.strip_prefix("try "))
        .filter_map(|line| line.split(' ').next())
        .filter(|name| !name.ends_with("()"));
    names
        .map(|name| {
            let answer = if yes.contains(&name) { "yes" } else { "no" };
            format!("{name}={answer}\n")
        })
        .collect()
}

fn uid(pod: &Pod<'_>, container: &str) -> u32 {
    let pid = pod.pid(container);
    let text = pod.host().ok(&format!("stat -c %u /proc/{pid}"));
    text.trim().parse().unwrap()
}

const DYNAMIC: std::ops::RangeInclusive<u32> = 61184..=65519;

#[test]
fn without_a_word_a_pod_is_shut_in_strictly() {
    let Some(host) = own("profiles") else { return };
    host.ok("rm /etc/vks/vks.toml; systemctl reload vks; touch /tmp/of-the-host /root/of-the-host; mkdir -p /etc/vks/pods.d");
    let space = Space::new(&host, "silent");
    let two = json!({ "containers": [sh("main", LOOK), sleeper("other")] });
    let pod = space.ready("two", &two);
    let look = format!("vks logs two -c main -n {}", space.name);
    host.wait(&format!("{look} | grep -qx tried"));
    let log = host.ok(&look);
    for line in [
        "write-tmp yes",
        "resolve yes",
        "write-etc no",
        "see-host-run no",
        "see-vks no",
        "see-others no",
    ] {
        assert!(log.lines().any(|said| said == line), "{line}: {log}");
    }
    let first = uid(&pod, "main");
    assert!(DYNAMIC.contains(&first), "{first}");
    assert_eq!(uid(&pod, "other"), first, "one user for the pod");
    let another = space.ready("another", &json!({ "containers": [sleeper("c")] }));
    assert_ne!(uid(&another, "c"), first, "another for another pod");
    // Named, it is what it would be elsewhere.
    let named = with(
        sleeper("c"),
        &json!({ "securityContext": { "runAsUser": 0 } }),
    );
    let root = space.ready("named", &json!({ "containers": [named] }));
    assert_eq!(uid(&root, "c"), 0);
    let status = host.ok(&format!("cat /proc/{}/status", root.pid("c")));
    assert!(status.contains("CapEff:\t00000000a00425fb"), "{status}");

    the_node_chooses(&space, &another, &root);
    seccomp_files(&space);
}

/// `pods.profile` in vks.toml.
fn the_node_chooses(space: &Space<'_>, silent: &Pod<'_>, named: &Pod<'_>) {
    let host = space.host;
    let before = silent.pid("c");
    host.machine
        .write("/etc/vks/vks.toml", "[pods]\nprofile = 'trusted'\n", "0644");
    host.ok("systemctl reload vks");
    silent.wait_until("it runs as root", |pod| {
        let pid = pod.pid("c");
        pid != before && pid != "0" && uid(pod, "c") == 0
    });
    let effective = |pid: &str| {
        let out = host.machine.sh(&format!("grep CapEff /proc/{pid}/status"));
        out.stdout
    };
    named.wait_until("all capabilities of the host", |pod| {
        effective(&pod.pid("c")) == effective("1")
    });
    host.ok("rm /etc/vks/vks.toml; systemctl reload vks");
    silent.wait_until("it is shut in again", |pod| {
        pod.pid("c") != "0" && DYNAMIC.contains(&uid(pod, "c"))
    });
}

/// seccompProfile of type Localhost: a file of the node.
fn seccomp_files(space: &Space<'_>) {
    let host = space.host;
    host.machine.write(
        "/etc/vks/seccomp/web/no-mkdir.json",
        &json!({ "defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
            "syscalls": [{ "names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38 }] })
        .to_string(),
        "0644",
    );
    host.machine.write(
        "/etc/vks/seccomp/args.json",
        &json!({ "defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{ "names": ["personality"], "action": "SCMP_ACT_ALLOW",
            "args": [{ "index": 0, "value": 8, "op": "SCMP_CMP_EQ" }] }] })
        .to_string(),
        "0644",
    );
    host.ok("systemctl reload vks");
    let of = |file: &str, script: &str| {
        with(
            sh("c", script),
            &json!({ "securityContext": { "seccompProfile": { "type": "Localhost", "localhostProfile": file } } }),
        )
    };
    let script = "mkdir /tmp/x 2>&1; touch /tmp/y && echo touched; exec sleep 1d";
    let pod = space.ready(
        "localhost",
        &json!({ "containers": [of("web/no-mkdir.json", script)] }),
    );
    let log = format!("vks logs localhost -n {}", space.name);
    host.wait(&format!("{log} | grep -qx touched"));
    let said = host.ok(&log);
    assert!(said.contains("Function not implemented"), "{said}");
    assert!(
        host.ok(&format!("cat /proc/{}/status", pod.pid("c")))
            .contains("Seccomp:\t2")
    );
    let refused = space.pod(
        "arguments",
        &json!({ "containers": [of("args.json", "true")] }),
    );
    refused.wait_until("the reason", |pod| {
        let message = pod.container("c")["state"]["waiting"]["message"].clone();
        message
            .as_str()
            .is_some_and(|text| text.contains("/etc/vks/seccomp/args.json: args of personality"))
    });
}

#[test]
fn what_each_profile_lets_a_program_do() {
    let Some(host) = super::host::shared() else {
        return;
    };
    host.ok("touch /tmp/of-the-host /root/of-the-host; mkdir -p /etc/vks/pods.d");
    let space = Space::new(&host, "profiles");
    let everything = [
        "write-etc",
        "write-var",
        "write-tmp",
        "write-run",
        "see-host-tmp",
        "see-host-run",
        "see-home",
        "see-vks",
        "see-manifests",
        "see-others",
        "resolve",
        "kill-init",
        "raw-socket",
    ];
    let cases: [(&'static str, &[&str]); 3] = [
        ("trusted", &everything),
        (
            "default",
            &[
                "write-var",
                "write-tmp",
                "write-run",
                "see-others",
                "resolve",
                "kill-init",
                "raw-socket",
            ],
        ),
        ("strict", &["write-tmp", "resolve"]),
    ];
    for (profile, yes) in cases {
        let pod = ready_in(
            &space,
            profile,
            profile,
            &json!({ "containers": [sh("main", LOOK)] }),
        );
        assert_eq!(answers(&pod), wanted(yes), "{profile}");
    }
    for path in ["/etc/tried", "/var/tried", "/tmp/tried", "/run/tried"] {
        host.ok(&format!("rm -f {path}"));
    }
}

/// What `systemd-analyze security` says of the unit of a container.
fn exposure(pod: &Pod<'_>) -> f64 {
    let unit = pod.unit("c");
    let text = pod.host().ok(&format!(
        "d=$(mktemp -d); cp '/etc/systemd/system.attached/{unit}' $d/profile.service; \
         systemd-analyze security --offline=yes --no-pager $d/profile.service; rm -r $d"
    ));
    let line = text
        .lines()
        .find(|line| line.contains("Overall exposure level"));
    let line = line.unwrap_or_else(|| panic!("{text}"));
    let words = line.split_whitespace();
    words.filter_map(|word| word.parse().ok()).next().unwrap()
}

#[test]
fn systemd_judges_the_profiles() {
    let Some(host) = super::host::shared() else {
        return;
    };
    let space = Space::new(&host, "judged");
    // The other has the same image, so that there is a colon in the name of its unit, and is no worse.
    let spec = json!({ "containers": [sleeper("c"), sleeper("d")] });
    let judged = |name: &'static str, spec: &Value| exposure(&ready_in(&space, name, name, spec));
    let (strict, default, trusted) = (
        judged("strict", &spec),
        judged("default", &spec),
        judged("trusted", &spec),
    );
    assert!(strict <= 2.0, "strict: {strict}");
    assert!(default <= 4.0, "default: {default}");
    assert!(
        strict < default && default < trusted,
        "{strict} {default} {trusted}"
    );
    shown(&host, [strict, default, trusted]);
}

/// The list shows the same, also of what people have changed, and says so where it cannot know.
fn shown(host: &Host, [strict, default, trusted]: [f64; 3]) {
    let column = |command: &str| -> BTreeMap<String, String> {
        let text = host.ok(&format!("{command} get pods -n judged -o wide"));
        let mut lines = text.lines();
        assert!(
            lines.next().unwrap().ends_with("PROFILE   EXPOSURE"),
            "{text}"
        );
        let cells = lines.map(|line| {
            let cells: Vec<&str> = line.split_whitespace().collect();
            (cells[0].to_owned(), (*cells.last().unwrap()).to_owned())
        });
        cells.collect()
    };
    let wanted = |strict: f64, default: f64, trusted: f64| {
        let pods = [
            ("default", default),
            ("strict", strict),
            ("trusted", trusted),
        ];
        BTreeMap::from(pods.map(|(name, level)| (name.to_owned(), format!("{level:.1}"))))
    };
    assert_eq!(column("vks"), wanted(strict, default, trusted));
    // A drop-in of systemctl edit takes something away.
    host.ok(
        "cd /etc/systemd/system.attached; for unit in vks.judged.default.*.service; do \
           mkdir -p \"/etc/systemd/system/$unit.d\"; \
           printf '[Service]\\nPrivateTmp=no\\nProtectHome=no\\n' > \"/etc/systemd/system/$unit.d/own.conf\"; done",
    );
    let worse = column("vks");
    host.ok("rm -r /etc/systemd/system/vks.judged.default.*.d");
    let level = |of: &BTreeMap<String, String>, name: &str| of[name].parse::<f64>().unwrap();
    assert!(level(&worse, "default") > default, "{worse:?} {default}");
    assert_eq!(level(&worse, "strict"), strict);
    assert_eq!(column("vks"), wanted(strict, default, trusted));
    let unknown = column("env PATH=/nowhere $(command -v vks)");
    assert!(
        unknown.values().all(|level| level == "<unknown>"),
        "{unknown:?}"
    );
    assert_eq!(host.ok("find /tmp -maxdepth 1 -name 'vks-exposure-*'"), "");
}
