//! What a change of a service costs and does: its own elements and nothing else, and clients of UDP follow.

use super::host::{Host, own};
use super::network::{answers, service, wait_endpoints};
use super::space::{Space, sleeper, with};
use serde_json::{Value, json};

fn object(space: &Space, name: &str, spec: &Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": name, "namespace": space.name }, "spec": spec })
}

/// A pod that answers by UDP, and is ready as long as a file is there.
fn backend(space: &Space, name: &str) -> Value {
    let ready = json!({ "exec": { "command": ["test", "-e", space.path(&format!("{name}-ready"))] }, "periodSeconds": 1, "failureThreshold": 1 });
    let udp = with(
        answers("udp", "UDP", 7001),
        &json!({ "readinessProbe": ready }),
    );
    let mut pod = space.manifest(name, &json!({ "hostNetwork": false, "containers": [udp] }));
    pod["metadata"]["labels"] = json!({ "app": "web" });
    pod
}

/// Who answers a client that always asks from the same port, so that it is one connection to the kernel.
fn same_client(host: &Host, inside: &str, ip: &str, port: u16) -> String {
    let ask = format!(
        "{inside} sh -c 'echo | timeout 5 socat -t 0.5 - UDP:{ip}:{port},sourceport=5555,reuseaddr'"
    );
    let said = (0..9).map(|_| host.machine.sh(&ask).stdout);
    let mut said = said.filter(|said| !said.trim().is_empty());
    let text = said.next().unwrap_or_default();
    text.split_whitespace()
        .next()
        .unwrap_or_default()
        .to_owned()
}

#[test]
fn clients_of_udp_leave_an_endpoint_that_goes() {
    let Some(host) = own("udpleave") else { return };
    let host = &host;
    host.ok("ip addr add 192.0.2.1/32 dev lo");
    let space = Space::new(host, "udp");
    host.ok("touch /t/udp/one-ready /t/udp/two-ready");
    let spec = json!({ "type": "NodePort", "selector": { "app": "web" },
        "ports": [{ "port": 80, "protocol": "UDP", "targetPort": 7001, "nodePort": 30080 }] });
    space.apply_ok(
        "objects",
        &[
            object(&space, "web", &spec),
            backend(&space, "one"),
            backend(&space, "two"),
        ],
    );
    space.ready(
        "client",
        &json!({ "hostNetwork": false, "containers": [sleeper("c")] }),
    );
    for name in ["one", "two"] {
        space.known(name).wait_for("condition=Ready");
    }
    wait_endpoints(host, "udp", "web", 4);
    let ip = service(host, "udp", "web")["spec"]["clusterIP"]
        .as_str()
        .unwrap()
        .to_owned();
    let client = "vks exec client -n udp --";
    let asked = |inside: &str, ip: &str, port: u16| same_client(host, inside, ip, port);
    let first = asked(client, &ip, 80);
    let by_node = asked("", "192.0.2.1", 30080);
    // The kernel remembers: the same one again.
    assert_eq!(asked(client, &ip, 80), first);
    let entries = host.ok("conntrack -L -p udp --orig-port-src 5555 2>/dev/null");
    assert_eq!(entries.lines().count(), 2, "{entries}");
    for gone in [first.as_str(), by_node.as_str()] {
        let left = if gone == "one" { "two" } else { "one" };
        host.ok(&format!("touch /t/udp/{left}-ready"));
        wait_endpoints(host, "udp", "web", 4);
        host.ok(&format!("rm /t/udp/{gone}-ready"));
        wait_endpoints(host, "udp", "web", 2);
        assert_eq!(asked(client, &ip, 80), left);
        assert_eq!(asked("", "192.0.2.1", 30080), left);
        host.ok(&format!("touch /t/udp/{gone}-ready"));
        wait_endpoints(host, "udp", "web", 4);
    }
}

/// Of many services one changes: what the packet filter is told is about that one, and what it has then is what it would
/// have from the beginning.
#[test]
fn one_change_among_many_services_is_one_change() {
    let Some(host) = own("manysvc") else { return };
    let host = &host;
    let space = Space::new(host, "many");
    let spec = |app: &str| json!({ "selector": { "app": app }, "ports": [{ "port": 80, "targetPort": 7001 }] });
    let mut objects: Vec<Value> = (0..2000)
        .map(|number| object(&space, &format!("s{number}"), &spec("web")))
        .collect();
    host.ok("touch /t/many/one-ready");
    objects.push(backend(&space, "one"));
    space.apply_ok("objects", &objects);
    space.apply_ok("extra", &[object(&space, "extra", &spec("none"))]);
    space.known("one").wait_for("condition=Ready");
    let elements = |set: &str| {
        format!("nft -j list map inet vks {set} | jq '[.nftables[].map.elem//empty|.[]]|length'")
    };
    host.wait(&format!("test $({}) = 2000", elements("svc4")));
    host.machine.sh("sleep 1");
    let monitor = |act: &dyn Fn()| {
        host.ok("systemd-run -q --unit monitor sh -c 'exec nft monitor >/t/monitor'; sleep 1");
        act();
        host.ok("sleep 1; systemctl stop monitor.service; systemctl reset-failed monitor.service 2>/dev/null || true");
        let text = host.ok("grep -v '^#' /t/monitor");
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    // From no endpoint to one.
    let seen = monitor(&|| {
        space.apply_ok("extra", &[object(&space, "extra", &spec("web"))]);
        host.wait(&format!("test $({}) = 2001", elements("svc4")));
    });
    assert!((2..12).contains(&seen.len()), "{seen:?}");
    // And gone.
    let seen = monitor(&|| {
        host.vks_ok(&["delete", "service", "extra", "-n", "many"]);
        host.wait(&format!("test $({}) = 2000", elements("svc4")));
    });
    assert!((1..12).contains(&seen.len()), "{seen:?}");
    // Elements are listed in the order of a hash that each map has of its own.
    let table = "nft -s list table inet vks | sed 's/elements = {//; s/[,}]//g; s/^[ \\t]*//; s/[ \\t]*$//' | sort";
    let before = host.ok(table);
    host.ok("systemctl reload vks-network.service");
    assert_eq!(host.ok(table), before, "as it would be from the beginning");
    let file = host.ok("wc -l </var/lib/vks/network.json");
    assert!(file.trim().parse::<usize>().unwrap() >= 2000, "{file}");
}

/// SCTP in the table. No kernel of the lab has SCTP, so its traffic is not seen.
#[test]
fn services_of_sctp_are_in_the_table() {
    let Some(host) = own("sctp") else { return };
    let space = Space::new(&host, "sctp");
    let spec = json!({ "selector": { "app": "web" }, "clusterIP": "10.96.4.4", "ports": [{ "port": 80, "protocol": "SCTP", "targetPort": 7001 }] });
    let mut pod = space.manifest(
        "one",
        &json!({ "hostNetwork": false, "containers": [sleeper("s")] }),
    );
    pod["metadata"]["labels"] = json!({ "app": "web" });
    space.apply_ok("objects", &[object(&space, "web", &spec), pod]);
    host.wait("nft list map inet vks svc4 2>/dev/null | grep -q '10.96.4.4 . sctp . 80'");
}
