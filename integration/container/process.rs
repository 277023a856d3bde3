//! What a container's process is given: arguments, directory, user, network.

use super::host::shared;
use super::space::{Space, sh, sleeper, with};
use serde_json::json;

/// Words that systemd, a shell or a unit file could read something into.
const WORDS: [&str; 23] = [
    "",
    " ",
    "two words",
    " at both ends ",
    "tab\there",
    "line\nbreak",
    "trailing newline\n",
    "\r\n",
    "\"double\"",
    "'single'",
    "back\\slash",
    "end\\",
    "\\n",
    "%n",
    "100%",
    "%%",
    "$HOME",
    "${HOME}",
    "$$",
    ";",
    "; rm -rf /",
    "#",
    "grüße \u{1f980} \u{202e}",
];

#[test]
fn arguments_arrive_letter_by_letter() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "argv");
    let program = ["/usr/bin/python3", "-c", "import signal; signal.pause()"];
    // `$$` is Kubernetes' way to write one `$`.
    let args: Vec<String> = WORDS
        .iter()
        .map(|word| word.replace("$$", "$$$$"))
        .collect();
    let pod = space.ready(
        "words",
        &json!({ "containers": [{ "name": "c", "image": "host:/usr/bin/python3", "command": program, "args": args }] }),
    );
    let wanted: Vec<&str> = program.iter().chain(&WORDS).copied().collect();
    assert_eq!(
        host.words(&format!("/proc/{}/cmdline", pod.pid("c"))),
        wanted
    );
}

#[test]
fn the_image_is_the_program_when_there_is_no_command() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "image");
    let pod = space.ready(
        "image",
        &json!({ "containers": [
            { "name": "path", "image": "host:/usr/bin/sleep", "args": ["1000001"] },
            { "name": "found", "image": "host:sleep", "args": ["1000002"] },
            { "name": "replaced", "image": "host:/bin/false", "command": ["sleep"], "args": ["1000003"] },
        ] }),
    );
    for (container, seconds) in [
        ("path", "1000001"),
        ("found", "1000002"),
        ("replaced", "1000003"),
    ] {
        let pid = pod.pid(container);
        let words = host.words(&format!("/proc/{pid}/cmdline"));
        assert_eq!(
            words.last().map(String::as_str),
            Some(seconds),
            "{container}"
        );
        assert_eq!(
            host.ok(&format!("readlink /proc/{pid}/exe")).trim_end(),
            "/usr/bin/sleep",
            "{container}"
        );
    }
}

#[test]
fn unit_names_are_as_documented() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "names");
    let pod = space.ready(
        "two.dots-and-dash",
        &json!({ "containers": [sleeper("a"), sleeper("b"), { "name": "c", "image": "host:python3",
            "args": ["-c", "import signal; signal.pause()"] }] }),
    );
    let start = r"vks.names.two\x2edots\x2dand\x2ddash";
    assert_eq!(pod.unit("a"), format!("{start}.sleep:a.service"));
    assert_eq!(pod.unit("b"), format!("{start}.sleep:b.service"));
    assert_eq!(pod.unit("c"), format!("{start}.python3.service"));
    let group = host.ok(&format!("cat /proc/{}/cgroup", pod.pid("c")));
    let slices =
        r"/vks.slice/vks-names.slice/vks-names-two\x2edots\x2dand\x2ddash.slice/vks.names.";
    assert!(group.contains(slices), "{group}");
}

#[test]
fn a_variable_in_arguments_is_expanded_as_kubernetes_does() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "argvars");
    let program = ["/usr/bin/python3", "-c", "import signal; signal.pause()"];
    let pod = space.ready(
        "vars",
        &json!({ "containers": [{
            "name": "c", "image": "host:/usr/bin/python3", "command": program,
            "args": ["$(A)", "x$(A)y$(B)", "$$(A)", "$(NONE)", "$A", "$(A"],
            "env": [{ "name": "A", "value": "one $x %i" }, { "name": "B", "value": "[$(A)]" }],
        }] }),
    );
    let words = host.words(&format!("/proc/{}/cmdline", pod.pid("c")));
    let a = "one $x %i";
    let wanted = [a, &format!("x{a}y[{a}]"), "$(A)", "$(NONE)", "$A", "$(A"];
    assert_eq!(words[3..], wanted.map(str::to_owned));
}

#[test]
fn working_directory() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "workdir");
    let odd = space.path("with space %n");
    host.ok(&format!("mkdir -p '{odd}'"));
    let pod = space.ready(
        "dirs",
        &json!({ "containers": [
            with(sleeper("none"), &json!({})),
            with(sleeper("etc"), &json!({ "workingDir": "/etc" })),
            with(sleeper("odd"), &json!({ "workingDir": odd })),
        ] }),
    );
    for (container, wanted) in [("none", "/"), ("etc", "/etc"), ("odd", odd.as_str())] {
        let got = host.ok(&format!("readlink /proc/{}/cwd", pod.pid(container)));
        assert_eq!(got.trim_end_matches('\n'), wanted, "{container}");
    }
}

#[test]
fn user_and_group() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "users");
    let user = |user: u32, group: u32| json!({ "securityContext": { "runAsUser": user, "runAsGroup": group } });
    let pod = space.ready(
        "users",
        &json!({
            "securityContext": { "runAsUser": 4711 },
            "containers": [
                sleeper("pod"),
                with(sleeper("own"), &user(4712, 4713)),
                with(sleeper("root"), &user(0, 0)),
            ],
        }),
    );
    for (container, uid, gid) in [
        ("pod", "4711", "0"),
        ("own", "4712", "4713"),
        ("root", "0", "0"),
    ] {
        let status = host.ok(&format!(
            "grep -E '^(Uid|Gid):' /proc/{}/status",
            pod.pid(container)
        ));
        let words: Vec<&str> = status.split_whitespace().collect();
        assert_eq!(
            words,
            ["Uid:", uid, uid, uid, uid, "Gid:", gid, gid, gid, gid],
            "{container}"
        );
    }
}

#[test]
fn the_hosts_network_or_one_of_the_pods_own() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "network");
    let of_host = space.ready("host", &json!({ "containers": [sleeper("c")] }));
    let own = space.ready(
        "own",
        &json!({ "hostNetwork": false, "containers": [sleeper("a"), sleeper("b")] }),
    );
    let namespace = |pid: &str| host.ok(&format!("readlink /proc/{pid}/ns/net"));
    assert_eq!(namespace(&of_host.pid("c")), namespace("1"));
    assert_eq!(namespace(&own.pid("a")), namespace(&own.pid("b")));
    assert_ne!(namespace(&own.pid("a")), namespace("1"));
    let links = host.ok(&format!("nsenter -t {} -n ip -o link", own.pid("a")));
    assert_eq!(links.lines().count(), 2, "loopback and its own: {links}");
    assert!(links.contains("eth0"), "its own link: {links}");
    assert!(
        links.contains("lo: <LOOPBACK,UP"),
        "loopback is up: {links}"
    );
    let uid = own.json()["metadata"]["uid"].as_str().unwrap().to_owned();
    assert!(
        host.ok("ip netns list").contains(&uid),
        "ip netns knows it by the pod's uid"
    );
    own.delete();
    assert!(
        !host
            .ok("ip netns list; ls /run/netns 2>/dev/null || true")
            .contains(&uid)
    );
}

#[test]
fn output_goes_to_the_journal_under_the_pods_name() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "fields");
    let pod = space.ready(
        "talker",
        &json!({ "containers": [sh("c", "echo said-once; echo wrong >&2; exec sleep 1d")] }),
    );
    let uid = pod.json()["metadata"]["uid"].as_str().unwrap().to_owned();
    let query = format!(
        "journalctl -o cat KUBERNETES_NAMESPACE=fields KUBERNETES_POD=talker KUBERNETES_POD_UID={uid} \
         KUBERNETES_CONTAINER=c SYSLOG_IDENTIFIER=c _TRANSPORT=stdout"
    );
    host.wait(&format!("{query} | grep -q wrong"));
    assert_eq!(host.ok(&query), "said-once\nwrong\n");
}
