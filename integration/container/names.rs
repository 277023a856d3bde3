//! Names: what dig and the C library are told in pods, by the server of the cluster and the ones behind it; and that
//! nobody on the host's port 53 is in its way, nor it in theirs.

use super::host::{Host, own};
use super::network::{addresses, service, wait_endpoints};
use super::space::{Space, sh, sleeper, with};
use serde_json::{Value, json};

const SERVER: &str = "169.254.77.1";
const SERVER6: &str = "fd76:6b73:53::53";

fn object(space: &Space, name: &str, spec: &Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": name, "namespace": space.name }, "spec": spec })
}

/// What dig gets, one answer a line, sorted.
fn dig(host: &Host, question: &str) -> Vec<String> {
    dig_by(host, "", question)
}

fn dig_by(host: &Host, prefix: &str, question: &str) -> Vec<String> {
    let out = host.ok(&format!(
        "{prefix} dig +short +time=3 +tries=3 @{SERVER} {question}"
    ));
    let mut lines: Vec<String> = out
        .lines()
        .filter(|line| !line.starts_with(";;"))
        .map(str::to_owned)
        .collect();
    lines.sort();
    lines
}

fn status(host: &Host, question: &str) -> String {
    let out = host.ok(&format!(
        "dig +time=3 +tries=3 @{SERVER} {question} | sed -n 's/.*status: \\([A-Z]*\\),.*flags: .*/\\1/p; s/.*status: \\([A-Z]*\\),.*/\\1/p' | head -1"
    ));
    out.trim().to_owned()
}

/// A server on an address, which knows one name. Answers whatever it is asked with an address of its own.
fn other_server(host: &Host, unit: &str, listen: &str, answer: &str) {
    let script = format!(
        r#"
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("{listen}", 53))
t = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
t.bind(("{listen}", 53))
t.listen()
import os
os.system("systemd-notify --ready")
while True:
    q, who = s.recvfrom(4096)
    end = 12
    while q[end]: end += 1 + q[end]
    end += 5
    kind = q[end-4:end-2]
    a = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04" + socket.inet_aton("{answer}")
    have = kind == b"\x00\x01"
    s.sendto(q[:2] + b"\x81\x80\x00\x01" + (b"\x00\x01" if have else b"\x00\x00") + b"\x00\x00\x00\x00" + q[12:end] + (a if have else b""), who)
"#
    );
    host.machine
        .write(&format!("/t/{unit}.py"), &script, "0644");
    host.ok(&format!(
        "systemd-run -q --unit {unit} -p Type=notify -p NotifyAccess=all python3 /t/{unit}.py"
    ));
}

/// The host's resolv.conf: what is bound into the machine cannot be replaced.
fn resolv_conf(host: &Host, text: &str) {
    host.ok("umount /etc/resolv.conf 2>/dev/null; rm -f /etc/resolv.conf");
    host.machine.write("/etc/resolv.conf", text, "0644");
}

fn pod(space: &Space, name: &str, spec: Value) -> Value {
    let mut pod = space.manifest(name, &with(json!({ "hostNetwork": false }), &spec));
    pod["metadata"]["labels"] = json!({ "app": "web" });
    pod
}

#[test]
fn names_of_services_and_pods_are_answered() {
    let Some(host) = own("names") else { return };
    let host = &host;
    resolv_conf(host, "nameserver 127.0.0.1\n");
    other_server(host, "upstream", "127.0.0.1", "192.0.2.88");
    let space = Space::new(host, "dns1");
    let ports = json!([{ "name": "talk", "containerPort": 7000 }]);
    let c = with(sleeper("c"), &json!({ "ports": ports }));
    let port = json!([{ "name": "talk", "port": 80, "targetPort": "talk" }]);
    let web =
        json!({ "selector": { "app": "web" }, "ipFamilyPolicy": "PreferDualStack", "ports": port });
    let bare = json!({ "clusterIP": "None", "selector": { "app": "web" }, "ports": port });
    space.apply_ok(
        "objects",
        &[
            object(&space, "web", &web),
            object(&space, "bare", &bare),
            object(
                &space,
                "far",
                &json!({ "type": "ExternalName", "externalName": "www.example.org" }),
            ),
            object(
                &space,
                "near",
                &json!({ "type": "ExternalName", "externalName": "web.dns1.svc.cluster.local" }),
            ),
            pod(
                &space,
                "one",
                json!({ "hostname": "one", "subdomain": "bare", "containers": [c] }),
            ),
            pod(&space, "two", json!({ "containers": [c] })),
        ],
    );
    let (one, two) = (space.known("one"), space.known("two"));
    one.wait_for("condition=Ready");
    two.wait_for("condition=Ready");
    wait_endpoints(host, "dns1", "bare", 4);
    let (of_one, of_two) = (addresses(&one), addresses(&two));
    let ips = service(host, "dns1", "web")["spec"]["clusterIPs"].clone();
    let ips: Vec<&str> = ips
        .as_array()
        .unwrap()
        .iter()
        .map(|ip| ip.as_str().unwrap())
        .collect();
    let dashed = of_two[0].replace('.', "-");
    let sorted = |mut list: Vec<String>| {
        list.sort();
        list
    };
    let domain = "dns1.svc.cluster.local";
    assert_eq!(dig(host, &format!("A web.{domain}")), [ips[0]]);
    assert_eq!(dig(host, &format!("AAAA web.{domain}")), [ips[1]]);
    assert_eq!(dig(host, &format!("+tcp A WEB.{domain}")), [ips[0]]);
    assert_eq!(
        dig(host, &format!("A bare.{domain}")),
        sorted(vec![of_one[0].clone(), of_two[0].clone()])
    );
    assert_eq!(
        dig(host, &format!("A one.bare.{domain}")),
        [of_one[0].clone()]
    );
    assert_eq!(
        dig(host, &format!("AAAA one.bare.{domain}")),
        [of_one[1].clone()]
    );
    assert_eq!(
        dig(host, &format!("A {dashed}.bare.{domain}")),
        [of_two[0].clone()]
    );
    assert_eq!(
        dig(host, &format!("A {dashed}.dns1.pod.cluster.local")),
        [of_two[0].clone()]
    );
    assert_eq!(
        dig(host, &format!("SRV _talk._tcp.web.{domain}")),
        [format!("0 100 80 web.{domain}.")]
    );
    let srv = dig(host, &format!("SRV _talk._tcp.bare.{domain}"));
    assert!(
        srv.contains(&format!("0 100 7000 one.bare.{domain}.")),
        "{srv:?}"
    );
    assert_eq!(
        dig(host, &format!("-x {}", ips[0])),
        [format!("web.{domain}.")]
    );
    assert_eq!(
        dig(host, &format!("-x {}", ips[1])),
        [format!("web.{domain}.")]
    );
    assert_eq!(
        dig(host, &format!("-x {}", of_one[0])),
        [format!("one.bare.{domain}.")]
    );
    assert_eq!(dig(host, "TXT dns-version.cluster.local"), ["\"1.1.0\""]);
    assert_eq!(
        dig(host, &format!("CNAME far.{domain}")),
        ["www.example.org."]
    );
    assert_eq!(
        dig(host, &format!("A far.{domain}")),
        ["192.0.2.88", "www.example.org."]
    );
    assert!(dig(host, &format!("A near.{domain}")).contains(&ips[0].to_owned()));
    assert_eq!(status(host, &format!("A none.{domain}")), "NXDOMAIN");
    assert_eq!(status(host, &format!("MX web.{domain}")), "NOERROR");
    // The rest of the world is asked where the host asks.
    assert_eq!(dig(host, "A example.org"), ["192.0.2.88"]);
    // And where it asks from now on.
    // In place: a file that is replaced takes the ones on top of it away from containers that share the host's /etc.
    host.ok(&format!(
        "printf 'nameserver {SERVER}\\nnameserver 127.0.0.9\\n' >/etc/resolv.conf"
    ));
    other_server(host, "later", "127.0.0.9", "192.0.2.99");
    assert_eq!(dig(host, "A example.net"), ["192.0.2.99"]);

    // What pods get by the C library, with the short names.
    let inside =
        |name: &str| host.vks_ok(&["exec", "one", "-n", "dns1", "--", "getent", "ahosts", name]);
    for name in ["web", "web.dns1", &format!("web.{domain}")] {
        let text = inside(name);
        assert!(
            text.contains(ips[0]) && text.contains(ips[1]),
            "{name}: {text}"
        );
    }
    assert!(inside("bare").contains(&of_two[0]));
    assert!(inside("example.com").contains("192.0.2.99"));

    // A pod that goes is not named any more.
    two.delete();
    wait_endpoints(host, "dns1", "bare", 2);
    host.wait(&format!(
        "test \"$(dig +short @{SERVER} A bare.{domain})\" = {}",
        of_one[0]
    ));
}

/// No listener of the host's is in the way, whichever comes first; the server may start again, the agent too, and who
/// asks meanwhile is answered.
#[test]
fn the_server_is_in_nobodys_way_and_outlives_restarts() {
    let Some(host) = own("dnsport") else { return };
    let host = &host;
    resolv_conf(host, "nameserver 127.0.0.1\n");
    // A wildcard listener, before there is a network of pods.
    other_server(host, "wild", "0.0.0.0", "192.0.2.1");
    let space = Space::new(host, "dns2");
    let web = json!({ "selector": { "app": "web" }, "clusterIP": "10.96.3.3", "ports": [{ "port": 80 }] });
    space.apply_ok(
        "objects",
        &[
            object(&space, "web", &web),
            pod(
                &space,
                "asks",
                json!({ "containers": [sh("c", "exec sleep 1d")] }),
            ),
        ],
    );
    space.known("asks").wait_for("condition=Ready");
    let name = "A web.dns2.svc.cluster.local";
    let of_host = || host.ok("dig +short +time=2 @127.0.0.1 A anything.example");
    assert_eq!(dig(host, name), ["10.96.3.3"]);
    assert_eq!(of_host(), "192.0.2.1\n");
    // And one that comes later.
    host.ok("systemctl stop wild.service; systemctl reset-failed wild.service 2>/dev/null || true");
    assert_eq!(dig(host, name), ["10.96.3.3"]);
    other_server(host, "wild2", "0.0.0.0", "192.0.2.1");
    assert_eq!(of_host(), "192.0.2.1\n");
    let inside = "vks exec asks -n dns2 --";
    assert_eq!(dig_by(host, inside, name), ["10.96.3.3"]);
    assert_eq!(
        dig_by(host, inside, "+tcp A web.dns2.svc.cluster.local"),
        ["10.96.3.3"]
    );
    let by_ipv6 = host.ok(&format!("{inside} dig +short @{SERVER6} {name}"));
    assert_eq!(by_ipv6, "10.96.3.3\n");

    // Nobody but pods and the host: a machine beside it that takes the host for a router gets no answer.
    host.ok("ip netns add world && ip link add w0 type veth peer name w1 netns world && \
             ip addr add 192.0.2.1/24 dev w0 && ip link set w0 up && ip -n world addr add 192.0.2.2/24 dev w1 && \
             ip -n world link set w1 up && ip -n world route add default via 192.0.2.1");
    let outside = host.machine.sh(&format!(
        "ip netns exec world dig +short +time=1 +tries=1 @{SERVER} {name}"
    ));
    assert_ne!(outside.code, 0, "{outside:?}");

    // Without the agent, and while the server starts again.
    host.ok("systemctl stop vks.service");
    assert_eq!(dig(host, name), ["10.96.3.3"]);
    let asked = host.ok(&format!(
        "for i in 1 2 3 4 5; do systemctl restart --no-block vks-dns.service; dig +short +time=5 +tries=1 @{SERVER} {name}; done"
    ));
    assert_eq!(asked, "10.96.3.3\n".repeat(5));
    let killed = host.ok(&format!(
        "kill -9 $(systemctl show -p MainPID --value vks-dns.service); dig +short +time=5 +tries=1 @{SERVER} {name}"
    ));
    assert_eq!(killed, "10.96.3.3\n");
    host.ok("systemctl start vks.service");
    // A namespace that somebody removes is made anew.
    host.ok("umount /run/netns/vks-dns; rm /run/netns/vks-dns; ip link del vkspdns; systemctl reload vks-network.service");
    host.wait(&format!(
        "test \"$(dig +short +time=1 +tries=1 @{SERVER} {name})\" = 10.96.3.3"
    ));
}

/// What was known last is answered after a boot without an agent.
#[test]
fn names_are_there_after_a_boot_without_the_agent() {
    let Some(mut host) = own("dnsboot") else {
        return;
    };
    {
        let space = Space::new_kept(&host, "dns3");
        let web = json!({ "selector": { "app": "web" }, "clusterIP": "10.96.3.4", "ports": [{ "port": 80 }] });
        space.apply_ok(
            "objects",
            &[
                object(&space, "web", &web),
                pod(&space, "one", json!({ "containers": [sleeper("c")] })),
            ],
        );
        space.known("one").wait_for("condition=Ready");
        wait_endpoints(&host, "dns3", "web", 2);
    }
    host.ok("systemctl mask vks.service; sync");
    host.machine.reboot();
    let space = Space::new_kept(&host, "dns3");
    space.known("one").wait_for("condition=Ready");
    assert_eq!(dig(&host, "A web.dns3.svc.cluster.local"), ["10.96.3.4"]);
    let inside = host.vks_ok(&["exec", "one", "-n", "dns3", "--", "getent", "hosts", "web"]);
    assert!(inside.starts_with("10.96.3.4"), "{inside}");
}

/// Programs of the host ask systemd-resolved, which asks us for the cluster's domain and nobody else.
#[test]
fn the_host_finds_names_by_resolved() {
    let Some(host) = own("resolved") else { return };
    let host = &host;
    host.ok("systemctl unmask systemd-resolved.service && systemctl start dbus.service && systemctl start systemd-resolved.service");
    let space = Space::new(host, "dns4");
    let web = json!({ "selector": { "app": "web" }, "clusterIP": "10.96.3.5", "ports": [{ "port": 80 }] });
    space.apply_ok(
        "objects",
        &[
            object(&space, "web", &web),
            pod(&space, "one", json!({ "containers": [sleeper("c")] })),
        ],
    );
    space.known("one").wait_for("condition=Ready");
    host.wait("resolvectl domain vkspdns | grep -q cluster.local");
    let found = host.ok("resolvectl query --legend=no web.dns4.svc.cluster.local");
    assert!(found.contains("10.96.3.5"), "{found}");
    // The pod does not come near the host's resolver, nor its cache.
    let pid = space.known("one").pid("c");
    let path = "/run/systemd/resolve/io.systemd.Resolve";
    let mode = host.ok(&format!("stat -c %a /proc/{pid}/root{path}"));
    assert_eq!(mode.trim(), "0", "{path}");
}

/// A client of DHCP, an editor: they write a new file and rename it over the old one. The kernel then takes away what is mounted
/// on the old one, also in containers.
#[test]
fn a_file_of_the_host_that_is_replaced_does_not_show_in_pods() {
    let Some(host) = own("nametc") else { return };
    let space = Space::new(&host, "nametc");
    let aliases = json!({ "hostNetwork": false, "hostname": "here", "containers": [sleeper("c")],
        "hostAliases": [{ "ip": "192.0.2.7", "hostnames": ["seven"] }] });
    let pod = space.ready("p", &aliases);
    let seen = |file: &str| {
        host.vks_ok(&[
            "exec",
            "p",
            "-n",
            "nametc",
            "--",
            "/bin/cat",
            &format!("/etc/{file}"),
        ])
    };
    let files = ["hosts", "hostname", "resolv.conf"];
    let before = files.map(seen);
    assert!(
        before[0].contains("seven") && before[1] == "here\n",
        "{before:?}"
    );
    let life = pod.life("c");
    let replace = "for f in hosts hostname resolv.conf; do cp --remove-destination $(readlink -f /etc/$f) /etc/$f.new; \
                   echo '# of the host' >>/etc/$f.new; mv /etc/$f.new /etc/$f; done";
    let all_back = || {
        let started = std::time::Instant::now();
        while files.map(seen) != before {
            assert!(
                started.elapsed() < super::host::LONG,
                "{:?}",
                files.map(seen)
            );
            super::space::pause(std::time::Duration::from_millis(100));
        }
    };
    host.ok(replace);
    all_back();
    // And while no agent listens: the next one looks.
    host.ok(&format!("systemctl stop vks.service; {replace}"));
    assert_ne!(seen("hosts"), before[0], "the host's: the kernel does that");
    host.ok("systemctl start vks.service");
    all_back();
    assert_eq!(pod.life("c"), life);
    // The host has what it has written.
    assert!(host.ok("cat /etc/hosts").contains("# of the host"));
}
