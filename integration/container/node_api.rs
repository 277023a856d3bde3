//! The node's HTTPS API: with curl as whoever has a certificate, and with the real kubectl through a real API server.

use super::host::{Host, LONG};
use super::lab::plane::Plane;
use super::lab::{self, Machine, Output, Tier};
use std::io::Write as _;
use std::process::{Child, Stdio};

#[path = "node_api/many.rs"]
mod many;
#[path = "node_api/sockets.rs"]
mod sockets;
#[path = "node_api/streams.rs"]
mod streams;
#[path = "node_api/tokens.rs"]
mod tokens;

const ADDRESS: &str = "10.200.0.2";
const API: &str = "https://10.200.0.2:10250";

/// A machine that is a node of a control plane.
struct Node {
    plane: Plane,
    host: Host,
}

impl Node {
    /// Both, with a certificate of the cluster's CA for the API; `None` where they cannot be.
    fn new(name: &str) -> Option<Self> {
        if !lab::require(Tier::Container) {
            return None;
        }
        let plane = Plane::up(name);
        let host = Host {
            machine: Machine::boot("trixie", name),
        };
        host.install();
        plane.join(&host.machine, ADDRESS);
        let file = plane.home.join("serving");
        let file = file.to_str().unwrap();
        let sans = format!("IP:{ADDRESS}");
        plane.ok("cert", &[file, "system:node:n1", "system:nodes", &sans]);
        let read = |path: &str| std::fs::read_to_string(path).unwrap();
        let put = |name: &str, text: &str| {
            host.machine
                .write(&format!("/var/lib/vks/node/{name}"), text, "0600")
        };
        put("serving.crt", &read(&format!("{file}.crt")));
        put("serving.key", &read(&format!("{file}.key")));
        put(
            "ca.crt",
            &read(&format!("{}/pki/ca.crt", plane.home.display())),
        );
        put(
            "kubeconfig",
            &plane.ok("kubeconfig", &["system:node:n1", "system:nodes"]),
        );
        let settings = format!(
            "[node]\nname = 'n1'\nip = '{ADDRESS}'\n[pods]\nprofile = 'trusted'\n[kubernetes]\n\
             eviction = {{ storage = 0, inodes = 0 }}\n"
        );
        host.machine.write("/etc/vks/vks.toml", &settings, "0644");
        host.ok("systemctl enable --now vks-pods.target vks.service");
        let node = Self { plane, host };
        node.plane
            .wait_for("the node is ready", LONG, &["get", "nodes"], |text| {
                text.contains(" Ready")
            });
        Some(node)
    }

    /// Makes a pod and waits until it is ready.
    fn pod(&self, name: &str, spec: &serde_json::Value) {
        let mut pod = serde_json::json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name }, "spec": spec,
        });
        let spec = pod["spec"].as_object_mut().unwrap();
        spec.entry("terminationGracePeriodSeconds")
            .or_insert_with(|| 1.into());
        // The machine that runs the tests may be short of space.
        spec.entry("tolerations")
            .or_insert_with(|| serde_json::json!([{ "operator": "Exists" }]));
        self.plane.apply(&pod.to_string());
        let ready = [
            "get",
            "pod",
            name,
            "-o",
            "jsonpath={.status.conditions[?(@.type==\"Ready\")].status}",
        ];
        self.plane
            .wait_for(&format!("{name} is ready"), LONG, &ready, |text| {
                text == "True"
            });
    }

    /// kubectl with input; bounded in time.
    fn kubectl_with(&self, args: &[&str], input: &[u8]) -> Output {
        let mut child = self.start(args);
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        let feeding = std::thread::spawn(move || {
            let _ = stdin.write_all(&input);
        });
        let output = child.wait_with_output().unwrap();
        feeding.join().unwrap();
        Output {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// A kubectl that runs.
    fn start(&self, args: &[&str]) -> Child {
        let mut command = self.plane.command("kubectl", args);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    /// curl to the node, as a user of the cluster's CA (`name`, `group`), or as nobody.
    fn curl(&self, user: Option<(&str, &str)>, more: &[&str], path: &str) -> (String, String) {
        let home = self.plane.home.display();
        let mut args = vec!["curl".to_owned(), "-s".into(), "-m".into(), "20".into()];
        args.extend(["--cacert".into(), format!("{home}/pki/ca.crt")]);
        if let Some((name, group)) = user {
            let file = format!("{home}/pki/curl-{name}");
            if !std::path::Path::new(&format!("{file}.crt")).exists() {
                self.plane.ok("cert", &[&file, name, group]);
            }
            args.extend([
                "--cert".into(),
                format!("{file}.crt"),
                "--key".into(),
                format!("{file}.key"),
            ]);
        }
        args.extend(more.iter().map(|text| (*text).to_owned()));
        args.extend(["-w".into(), "\n%{http_code}".into(), format!("{API}{path}")]);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let text = Output::of_command(self.plane.command("exec", &args)).stdout;
        let (body, code) = text.rsplit_once('\n').unwrap();
        (code.to_owned(), body.to_owned())
    }
}

const MASTER: Option<(&str, &str)> = Some(("master", "system:masters"));
const BOB: Option<(&str, &str)> = Some(("bob", "people"));

#[test]
fn nobody_does_anything_without_a_name_and_a_right() {
    let Some(node) = Node::new("access") else {
        return;
    };
    let code = |user, more: &[&str], path: &str| node.curl(user, more, path).0;
    for path in [
        "/healthz",
        "/pods",
        "/metrics",
        "/stats/summary",
        "/logs/",
        "/configz",
        "/statusz",
        "/flagz",
        "/nothing",
    ] {
        assert_eq!(code(None, &[], path), "401", "{path}");
        assert_eq!(
            code(None, &["-H", "Authorization: Bearer wrong"], path),
            "401",
            "{path}"
        );
        assert_eq!(code(BOB, &[], path), "403", "{path}");
        assert_eq!(
            code(None, &["-H", "Authorization: Bearer reader-token"], path),
            "403",
            "{path}"
        );
        let wanted = if path == "/nothing" { "404" } else { "200" };
        assert_eq!(code(MASTER, &[], path), wanted, "{path}");
        assert_eq!(
            code(None, &["-H", "Authorization: Bearer admin-token"], path),
            wanted,
            "{path}"
        );
    }
    // A right to one thing is not one to another.
    node.plane.kubectl_ok(&[
        "create",
        "clusterrole",
        "m",
        "--verb=get",
        "--resource=nodes/metrics,nodes/healthz",
    ]);
    node.plane.kubectl_ok(&[
        "create",
        "clusterrolebinding",
        "m",
        "--clusterrole=m",
        "--user=alice",
    ]);
    let alice = Some(("alice", "people"));
    assert_eq!(code(alice, &[], "/metrics/resource"), "200");
    assert_eq!(code(alice, &[], "/healthz"), "200");
    assert_eq!(code(alice, &[], "/pods"), "403");
    assert_eq!(
        code(alice, &["-X", "POST"], "/run/default/a/b?cmd=id"),
        "403"
    );
    tokens::only_those_for_the_cluster(&node);
    let (_, text) = node.curl(BOB, &[], "/exec/default/a/b");
    assert!(
        text.starts_with("Forbidden (user=bob, verb=get, resource=nodes, subresource(s)=[proxy])"),
        "{text}"
    );
    // A certificate of somebody else's CA is none.
    let (_, text) = node.curl(MASTER, &[], "/configz");
    assert!(text.contains("KubeletConfiguration"), "{text}");
    // Another certificate is taken on without a restart.
    let serial = "echo | openssl s_client -connect 127.0.0.1:10250 2>/dev/null | openssl x509 -noout -serial";
    let before = node.host.ok(serial);
    let file = node.plane.home.join("again");
    node.plane.ok(
        "cert",
        &[
            file.to_str().unwrap(),
            "system:node:n1",
            "system:nodes",
            &format!("IP:{ADDRESS}"),
        ],
    );
    for (kind, name) in [("crt", "serving.crt"), ("key", "serving.key")] {
        let text = std::fs::read_to_string(file.with_extension(kind)).unwrap();
        node.host
            .machine
            .write(&format!("/var/lib/vks/node/{name}"), &text, "0600");
    }
    let pid = node.host.property("vks.service", "MainPID");
    node.host.ok("systemctl reload vks.service");
    node.host
        .wait(&format!("test \"$({serial})\" != '{}'", before.trim()));
    assert_eq!(node.host.property("vks.service", "MainPID"), pid);
    assert_eq!(code(MASTER, &[], "/healthz"), "200");
}

#[test]
fn logs_with_every_option() {
    let Some(node) = Node::new("apilogs") else {
        return;
    };
    let script = "for i in $(seq 1 100); do echo line $i; done; echo err >&2; sleep 3; echo late; exec sleep 1d";
    node.pod(
        "l",
        &serde_json::json!({ "hostNetwork": true, "containers": [
        super::space::sh("c", script), super::space::sh("d", "echo other; exec sleep 1d"),
    ] }),
    );
    let logs = |args: &[&str]| node.plane.kubectl_ok(&[&["logs", "l"], args].concat());
    node.plane
        .wait_for("all of it", LONG, &["logs", "l", "-c", "c"], |text| {
            text.ends_with("late\n")
        });
    let numbers: String = (1..=100).map(|n| format!("line {n}\n")).collect();
    assert_eq!(logs(&["-c", "c"]), format!("{numbers}err\nlate\n"));
    assert_eq!(logs(&["-c", "d"]), "other\n");
    assert_eq!(logs(&["-c", "c", "--tail=2"]), "err\nlate\n");
    assert_eq!(logs(&["-c", "c", "--tail=0"]), "");
    assert_eq!(logs(&["-c", "c", "--limit-bytes=10"]), "line 1\nlin");
    assert_eq!(logs(&["-c", "c", "--since=1h", "--tail=1"]), "late\n");
    let stamped = logs(&["-c", "c", "--timestamps", "--tail=1"]);
    assert!(
        stamped.starts_with("20") && stamped.ends_with("Z late\n"),
        "{stamped}"
    );
    let time = stamped.split_once(' ').unwrap().0;
    assert_eq!(logs(&["-c", "c", "--since-time", time]), "late\n");
    assert_eq!(
        logs(&["--all-containers", "--prefix", "--tail=1"])
            .lines()
            .count(),
        2
    );
    let refused = |args: &[&str]| node.plane.kubectl(&[&["logs", "l"], args].concat()).stderr;
    let text = refused(&["-c", "c", "--previous"]);
    assert!(
        text.contains("previous terminated container \"c\" in pod \"l\" not found"),
        "{text}"
    );
    let (code, text) = node.curl(MASTER, &[], "/containerLogs/default/l/zzz");
    assert_eq!(
        (code.as_str(), text.trim()),
        ("404", "container \"zzz\" not found in pod \"l\"")
    );
    assert_eq!(
        node.curl(MASTER, &[], "/containerLogs/default/nobody/c").0,
        "404"
    );
    assert_eq!(
        node.curl(MASTER, &[], "/containerLogs/default/l/c?tailLines=-1")
            .0,
        "422"
    );
    // A run that ends ends what follows it, with all that it wrote; the run before is still there.
    node.pod("r", &serde_json::json!({ "hostNetwork": true, "containers": [
        super::space::sh("c", "echo first; test -e /t/go || { while ! test -e /t/go; do sleep 0.1; done; echo last; exit 1; }; echo second; exec sleep 1d"),
    ] }));
    let following = node.start(&["logs", "-f", "r"]);
    node.plane
        .wait_for("its beginning", LONG, &["logs", "r"], |text| {
            text == "first\n"
        });
    node.host.ok("touch /t/go");
    let output = following.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "first\nlast\n");
    node.plane
        .wait_for("its second run", LONG, &["logs", "r"], |text| {
            text.ends_with("second\n")
        });
    assert_eq!(
        node.plane.kubectl_ok(&["logs", "r", "--previous"]),
        "first\nlast\n"
    );
}

#[test]
fn figures_and_what_the_host_says() {
    let Some(node) = Node::new("figures") else {
        return;
    };
    node.pod(
        "f",
        &serde_json::json!({ "hostNetwork": true, "containers": [super::space::sleeper("c")] }),
    );
    let raw = |path: &str| {
        let path = format!("/api/v1/nodes/n1/proxy{path}");
        node.plane.kubectl_ok(&["get", "--raw", &path])
    };
    let json = |path: &str| serde_json::from_str::<serde_json::Value>(&raw(path)).unwrap();
    let summary = json("/stats/summary");
    assert_eq!(summary["node"]["nodeName"], "n1");
    assert!(
        summary["node"]["cpu"]["usageCoreNanoSeconds"]
            .as_u64()
            .unwrap()
            > 0,
        "{summary}"
    );
    assert_eq!(summary["pods"][0]["podRef"]["name"], "f");
    assert_eq!(summary["pods"][0]["containers"][0]["name"], "c");
    let pods = json("/pods");
    assert_eq!(
        (&pods["kind"], &pods["items"][0]["metadata"]["name"]),
        (&"PodList".into(), &"f".into())
    );
    assert_eq!(
        json("/runningpods/")["items"][0]["status"]["phase"],
        "Running"
    );
    assert_eq!(json("/configz")["kubeletconfig"]["port"], 10250);
    assert_eq!(raw("/healthz"), "ok");
    assert!(raw("/statusz").contains("\nUp: 0 hr "));
    assert!(raw("/flagz").contains("\nport=10250\n"));
    for (path, name) in [
        ("/metrics", "kubelet_running_pods 1"),
        ("/metrics/resource", "node_memory_working_set_bytes "),
        (
            "/metrics/resource",
            "container_start_time_seconds{container=\"c\",namespace=\"default\",pod=\"f\"}",
        ),
        ("/metrics/cadvisor", "machine_cpu_cores "),
        (
            "/metrics/probes",
            "vks_container_ready{container=\"c\",namespace=\"default\",pod=\"f\"} 1",
        ),
    ] {
        let text = raw(path);
        assert!(text.contains(name), "{path}: {text}");
    }
    let journal = raw("/logs/?query=vks.service&tailLines=3");
    assert_eq!(journal.lines().count(), 3, "{journal}");
    node.host.ok(
        "echo hello >/var/log/h; ln -s /etc/shadow /var/log/s; ln -s ../../etc/passwd /var/log/p",
    );
    assert_eq!(raw("/logs/h"), "hello\n");
    assert!(raw("/logs/").contains("<a href=\"h\">"));
    for path in [
        "/logs/s",
        "/logs/p",
        "/logs/nothing",
        "/logs/%2e%2e/%2e%2e/etc/passwd",
    ] {
        assert_eq!(
            node.curl(MASTER, &["--path-as-is"], path).0,
            "404",
            "{path}"
        );
    }
}

/// Reads until this text has come.
fn read_until(from: &mut impl std::io::Read, text: &str) -> String {
    let mut found = Vec::new();
    let mut byte = [0];
    while !String::from_utf8_lossy(&found).contains(text) {
        assert_eq!(
            from.read(&mut byte).unwrap(),
            1,
            "{}",
            String::from_utf8_lossy(&found)
        );
        found.push(byte[0]);
    }
    String::from_utf8_lossy(&found).into_owned()
}

/// All that comes.
fn read_all(from: &mut impl std::io::Read) -> String {
    let mut text = String::new();
    from.read_to_string(&mut text).unwrap();
    text
}
