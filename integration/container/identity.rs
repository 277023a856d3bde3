//! What a pod is called and shares with the host, and how its processes are wired: host name, IPC and pid namespaces,
//! standard input, terminal, stop signal.

use super::host::shared;
use super::space::{Space, sh, sleeper, with};
use serde_json::json;

/// A network namespace of its own makes a pod what it is in a cluster: a host with a name.
#[test]
fn a_pod_with_its_own_network_has_a_host_name() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "hostname");
    let before = host.ok("hostname");
    let look = |name: &str, file: &str| {
        let path = space.path(file);
        sh(
            name,
            &format!(
                "{{ hostname; cat /etc/hostname; echo $HOSTNAME; }} >{path}; exec sleep infinity"
            ),
        )
    };
    space.ready("plain", &json!({ "hostNetwork": false, "containers": [look("a", "plain.a"), look("b", "plain.b")] }));
    space.ready(
        "named",
        &json!({ "hostNetwork": false, "hostname": "front", "subdomain": "sub",
        "containers": [look("a", "named")] }),
    );
    space.ready("fqdn", &json!({ "hostNetwork": false, "hostname": "front", "subdomain": "sub", "setHostnameAsFQDN": true,
        "containers": [look("a", "fqdn")] }));
    space.ready(
        "over",
        &json!({ "hostNetwork": false, "hostnameOverride": "some.other.name",
        "containers": [look("a", "over")] }),
    );
    space.ready(
        "of-host",
        &json!({ "hostname": "ignored", "containers": [look("a", "host")] }),
    );
    for (file, wanted) in [
        ("plain.a", "plain"),
        ("plain.b", "plain"),
        ("named", "front"),
        ("fqdn", "front.sub.hostname.svc.cluster.local"),
        ("over", "some.other.name"),
    ] {
        assert_eq!(space.wait_lines(file, 3), [wanted; 3], "{file}");
    }
    let of_host = space.wait_lines("host", 3);
    assert_eq!(
        of_host[..2],
        [before.trim_end(), host.ok("cat /etc/hostname").trim_end()]
    );
    assert_eq!(host.ok("hostname"), before, "the host keeps its name");
}

/// What joining the host name takes is given up before the program starts, in each profile.
#[test]
fn a_host_name_costs_no_rights() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "hostrights");
    for (profile, bounding) in [
        ("strict", "0000000000000000"),
        ("default", "00000000a00425fb"),
    ] {
        let mut manifest = space.manifest(
            "p",
            &json!({ "hostNetwork": false, "containers": [sleeper("c")] }),
        );
        manifest["metadata"]["annotations"] = json!({ "vks.io/profile": profile });
        space.apply_ok("p", &[manifest]);
        let pod = space.known("p");
        pod.wait_until("it runs", |pod| pod.is_ready());
        let pid = pod.pid("c");
        let of = |key: &str| {
            host.ok(&format!(
                "awk '$1 == \"{key}:\" {{ print $2 }}' /proc/{pid}/status"
            ))
        };
        for key in ["CapBnd", "CapPrm", "CapEff"] {
            assert_eq!(of(key).trim(), bounding, "{profile} {key}");
        }
        for key in ["CapInh", "CapAmb"] {
            assert_eq!(of(key).trim(), "0000000000000000", "{profile} {key}");
        }
        let open = host.ok(&format!("ls /proc/{pid}/fd"));
        assert_eq!(
            open.split_whitespace().collect::<Vec<_>>(),
            ["0", "1", "2"],
            "{profile}"
        );
        let environment = host.words(&format!("/proc/{pid}/environ"));
        assert!(
            !environment.iter().any(|word| word.starts_with("LISTEN_")),
            "{environment:?}"
        );
        pod.delete();
    }
}

#[test]
fn a_host_name_that_is_too_long_is_said() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "toolong");
    let pod = space.pod(
        "long",
        &json!({ "hostNetwork": false, "hostname": "h".repeat(40), "subdomain": "s".repeat(40),
        "setHostnameAsFQDN": true, "containers": [sleeper("c")] }),
    );
    let shown = host.vks(&["describe", "pod", "long", "-n", "toolong"]);
    assert!(
        shown.stdout.contains("is longer than the 64 bytes"),
        "{}{}",
        shown.stdout,
        shown.stderr
    );
    assert_eq!(pod.phase(), "Pending");
}

#[test]
fn containers_share_the_pods_ipc_and_not_the_hosts() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "ipc");
    let own = space.ready(
        "own",
        &json!({ "hostNetwork": false, "containers": [
        sh("a", "echo shared >/dev/shm/word; exec sleep infinity"), sleeper("b")] }),
    );
    let of_host = space.ready("host", &json!({ "containers": [sleeper("a")] }));
    let both = space.ready(
        "both",
        &json!({ "hostNetwork": false, "hostIPC": true, "containers": [sleeper("a")] }),
    );
    let only = space.ready(
        "only",
        &json!({ "hostIPC": false, "containers": [sleeper("a")] }),
    );
    let ipc = |pid: &str| host.ok(&format!("readlink /proc/{pid}/ns/ipc"));
    let (a, b, init) = (ipc(&own.pid("a")), ipc(&own.pid("b")), ipc("1"));
    assert_eq!(a, b);
    assert_ne!(a, init);
    assert_eq!(ipc(&of_host.pid("a")), init);
    assert_eq!(ipc(&both.pid("a")), init);
    assert_ne!(ipc(&only.pid("a")), init);
    host.wait(&format!(
        "grep -q shared /proc/{}/root/dev/shm/word",
        own.pid("b")
    ));
    assert_eq!(
        host.machine.sh("ls /dev/shm/word").code,
        2,
        "the host's /dev/shm is another one"
    );
    // A queue of the pod is seen in the pod.
    let queue = |pid: &str| host.ok(&format!("nsenter -t {pid} -i ipcs -q | grep -c 0x || true"));
    host.ok(&format!("nsenter -t {} -i ipcmk -Q", own.pid("a")));
    assert_eq!(queue(&own.pid("b")).trim(), "1");
    assert_eq!(queue("1").trim(), "0");
}

#[test]
fn a_pid_namespace_when_asked_for() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "pids");
    let path = space.path("own");
    let pod = space.ready("own", &json!({ "hostPID": false, "containers": [
        with(sh("a", &format!("echo $$ $(ls -d /proc/[0-9]* | wc -l) >{path}; exec sleep infinity")), &json!({
            "readinessProbe": { "exec": { "command": ["/bin/sh", "-c", "test $(cat /proc/1/comm) = sleep"] }, "periodSeconds": 1 } })),
        sleeper("b")] }));
    let words = space.wait_lines("own", 1);
    assert!(words[0].starts_with("1 "), "it is process 1: {words:?}");
    let seen: u32 = words[0][2..].parse().unwrap();
    assert!(seen < 6, "and sees nobody else: {words:?}");
    let ns = |pid: &str| host.ok(&format!("readlink /proc/{pid}/ns/pid"));
    assert_ne!(ns(&pod.pid("a")), ns(&pod.pid("b")));
    let shared_with_host = space.ready(
        "host",
        &json!({ "hostPID": true, "containers": [sleeper("a")] }),
    );
    assert_eq!(ns(&shared_with_host.pid("a")), ns("1"));
    pod.delete();
}

#[test]
fn standard_input_is_at_its_end_unless_asked_for() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "stdin");
    let read = |name: &str, file: &str| {
        let path = space.path(file);
        sh(
            name,
            &format!(
                "while read -r line; do echo \"$line\" >>{path}; done; echo end >>{path}; exec sleep infinity"
            ),
        )
    };
    let pod = space.ready(
        "reads",
        &json!({ "containers": [
        read("closed", "closed"),
        with(read("open", "open"), &json!({ "stdin": true })),
        with(read("once", "once"), &json!({ "stdin": true, "stdinOnce": true })),
    ] }),
    );
    assert_eq!(space.wait_lines("closed", 1), ["end"]);
    let uid = pod.json()["metadata"]["uid"].as_str().unwrap().to_owned();
    let write = |container: &str, text: &str| {
        let path = format!("/run/vks/pods/{uid}/stdin/{container}");
        host.wait(&format!("test -p {path}"));
        host.ok(&format!("printf '{text}' >{path}"));
    };
    for container in ["open", "once"] {
        write(container, "one\\ntwo\\n");
    }
    assert_eq!(space.wait_lines("once", 3), ["one", "two", "end"]);
    assert_eq!(space.wait_lines("open", 2), ["one", "two"]);
    write("open", "three\\n");
    assert_eq!(
        space.wait_lines("open", 3),
        ["one", "two", "three"],
        "it stays open"
    );
}

#[test]
fn a_terminal_of_its_own() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "tty");
    let pod = space.ready("tty", &json!({ "containers": [
        with(sh("t", "tty; ps -o tty= -p $$; echo $TERM; test -t 0 && test -t 1 && test -t 2 && echo all; \
            stat -c %u $(tty); read -r line; echo got $line; exec sleep infinity"),
            &json!({ "tty": true, "stdin": true, "securityContext": { "runAsUser": 4711 } })),
        sh("none", "tty; exec sleep infinity"),
    ] }));
    let uid = pod.json()["metadata"]["uid"].as_str().unwrap().to_owned();
    let lines = || -> Vec<String> {
        let text = host.vks_ok(&["logs", "tty", "-n", "tty", "-c", "t"]);
        text.lines()
            .map(|line| line.trim_end().to_owned())
            .collect()
    };
    pod.wait_until("its words are in the log", |_| lines().len() >= 5);
    let terminal = lines()[0].clone();
    assert!(terminal.starts_with("/dev/pts/"), "{terminal}");
    let short = terminal.trim_start_matches("/dev/");
    assert_eq!(lines()[1..5], [short, "xterm", "all", "4711"]);
    host.ok(&format!("echo hello >/run/vks/pods/{uid}/stdin/t"));
    // The terminal echoes what is typed.
    pod.wait_until("what is typed arrives", |_| lines().len() >= 7);
    assert_eq!(lines()[5..], ["hello", "got hello"]);
    host.wait("vks logs tty -n tty -c none | grep -q 'not a tty'");
    // The helper that holds the other end goes with the container.
    let helpers = || host.ok(&format!("ps -eo args | grep -c '{uid}/stdin/[t]' || true"));
    assert_eq!(helpers().trim(), "1");
    pod.delete();
    assert_eq!(helpers().trim(), "0");
}

/// An init container with a terminal ends, and its helper with it.
#[test]
fn a_terminal_of_an_init_container() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "ttyinit");
    let pod = space.ready("init", &json!({
        "initContainers": [with(sh("i", "echo from $(tty)"), &json!({ "tty": true, "stdin": true }))],
        "containers": [sleeper("c")],
    }));
    let log = || host.vks_ok(&["logs", "init", "-n", "ttyinit", "-c", "i"]);
    pod.wait_until("its last words are in the log", |_| {
        log().contains("from /dev/pts/")
    });
    let unit = pod.unit("i");
    host.wait(&format!(
        "test \"$(systemctl show -P TasksCurrent '{unit}')\" != 1"
    ));
    assert_eq!(pod.container("i")["state"]["terminated"]["exitCode"], 0);
}

#[test]
fn the_stop_signal() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "stopsig");
    let trap = |name: &str, signal: &str| {
        let path = space.path(name);
        let script = format!(
            "for s in TERM USR1 RTMIN+3; do trap \"echo $s >>{path}; exit 0\" $s; done; echo up >>{path}; while :; do sleep 0.1; done"
        );
        let shell = json!({ "name": name, "image": "host:/bin/bash", "args": ["-c", script] });
        with(shell, &json!({ "lifecycle": { "stopSignal": signal } }))
    };
    let mut hook = trap("hook", "SIGUSR1");
    hook["lifecycle"]["preStop"] = json!({ "exec": { "command": ["/bin/sh", "-c", format!("echo hook >>{}", space.path("hook"))] } });
    let pod = space.ready(
        "signals",
        &json!({ "containers": [trap("plain", "SIGTERM"), trap("usr1", "SIGUSR1"),
        trap("rt", "SIGRTMIN+3"), hook] }),
    );
    for container in ["plain", "usr1", "rt", "hook"] {
        space.wait_lines(container, 1);
    }
    pod.delete();
    assert_eq!(space.lines("plain"), ["up", "TERM"]);
    assert_eq!(space.lines("usr1"), ["up", "USR1"]);
    assert_eq!(space.lines("rt"), ["up", "RTMIN+3"]);
    assert_eq!(space.lines("hook"), ["up", "hook", "USR1"]);
}

#[test]
fn what_cannot_be_given_is_refused() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "refused");
    for (spec, reason) in [
        (
            json!({ "shareProcessNamespace": true }),
            "cannot give several services one pid namespace",
        ),
        (
            json!({ "hostUsers": false, "hostNetwork": true }),
            "false cannot be together with hostNetwork: true",
        ),
        (
            json!({ "resources": { "limits": { "hugepages-2Mi": "2Mi" } } }),
            "hugetlb",
        ),
    ] {
        let manifest = space.manifest("r", &with(json!({ "containers": [sleeper("c")] }), &spec));
        let path = space.path("r.json");
        host.machine.write(&path, &manifest.to_string(), "0600");
        let out = host.vks(&["verify", &path]);
        assert_ne!(out.code, 0);
        let said = out.stdout + &out.stderr;
        assert!(said.contains(reason), "{said}");
    }
}
