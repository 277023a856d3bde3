//! Services: spread over the pods that are ready, at all their addresses, also after a reboot without an agent.

use super::host::own;
use super::network::{From, HOST, WORLD, addresses, answers, ask, service, wait_endpoints, world};
use super::space::{Space, pause, sleeper, with};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

fn object(space: &Space, name: &str, spec: &Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": name, "namespace": space.name }, "spec": spec })
}

/// A pod that is ready as long as a file is there.
fn backend(space: &Space, name: &str) -> Value {
    let ready = json!({ "exec": { "command": ["test", "-e", space.path(&format!("{name}-ready"))] }, "periodSeconds": 1, "failureThreshold": 1 });
    let tcp = with(
        answers("tcp", "TCP", 7000),
        &json!({ "ports": [{ "name": "talk", "containerPort": 7000 }], "readinessProbe": ready }),
    );
    let mut pod = space.manifest(
        name,
        &json!({ "hostNetwork": false, "containers": [tcp, answers("udp", "UDP", 7001)] }),
    );
    pod["metadata"]["labels"] = json!({ "app": "web" });
    pod
}

fn cluster_ips(service: &Value) -> Vec<String> {
    let list = service["spec"]["clusterIPs"].as_array().unwrap();
    list.iter()
        .map(|ip| ip.as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn services_lead_to_the_pods_that_are_ready() {
    let Some(host) = own("services") else { return };
    world(&host);
    let space = Space::new(&host, "svc");
    host.ok("touch /t/svc/one-ready /t/svc/two-ready");
    let both = json!({
        "type": "NodePort", "selector": { "app": "web" }, "ipFamilyPolicy": "PreferDualStack", "externalIPs": ["203.0.113.9"],
        "ports": [
            { "name": "talk", "port": 80, "targetPort": "talk", "nodePort": 30080 },
            { "name": "udp", "port": 80, "protocol": "UDP", "targetPort": 7001, "nodePort": 30080 },
        ],
    });
    let sticky = json!({ "selector": { "app": "web" }, "sessionAffinity": "ClientIP", "ports": [{ "port": 80, "targetPort": 7000 }] });
    // Forgets its clients at once, and has an address of the other family.
    let brief = with(
        sticky.clone(),
        &json!({ "ipFamilies": ["IPv6"], "sessionAffinityConfig": { "clientIP": { "timeoutSeconds": 1 } } }),
    );
    space.apply_ok("objects", &[
        object(&space, "both", &both),
        object(&space, "sticky", &sticky),
        object(&space, "brief", &brief),
        object(&space, "early", &json!({ "selector": { "app": "web" }, "publishNotReadyAddresses": true, "ports": [{ "port": 7000 }] })),
        object(&space, "none", &json!({ "selector": { "app": "nobody" }, "ports": [{ "port": 80 }] })),
        object(&space, "bare", &json!({ "clusterIP": "None", "selector": { "app": "web" }, "ports": [{ "port": 7000 }] })),
        object(&space, "fixed", &json!({ "clusterIP": "10.96.7.7", "selector": { "app": "web" }, "ports": [{ "port": 7000 }] })),
        backend(&space, "one"), backend(&space, "two"),
    ]);
    let (one, two) = (space.known("one"), space.known("two"));
    space.ready(
        "client",
        &json!({ "hostNetwork": false, "containers": [sleeper("c")] }),
    );
    for pod in [&one, &two] {
        pod.wait_for("condition=Ready");
    }
    wait_endpoints(&host, "svc", "both", 8);

    let ips = cluster_ips(&service(&host, "svc", "both"));
    assert_eq!(ips.len(), 2);
    let client = From::Pod("svc", "client");
    let who = |from, protocol: &str, address: &str, port, times: usize| -> BTreeSet<String> {
        (0..times)
            .map(|_| ask(&host, from, protocol, address, port).0)
            .collect()
    };
    let all: BTreeSet<String> = ["one".to_owned(), "two".to_owned()].into();
    for (family, ip) in ips.iter().enumerate() {
        for protocol in ["TCP", "UDP"] {
            // By chance one of two: both within so many with a probability that nobody will see fail.
            assert_eq!(
                who(client, protocol, ip, 80, 12),
                all,
                "{protocol} {ip} from a pod"
            );
            assert_eq!(
                who(From::Host, protocol, ip, 80, 12),
                all,
                "{protocol} {ip} from the host"
            );
            assert_eq!(
                who(From::World, protocol, HOST[family], 30080, 12),
                all,
                "node port from outside"
            );
        }
        // Who is behind the service may ask it too, and gets itself.
        assert_eq!(
            who(From::Pod("svc", "one -c tcp"), "TCP", ip, 80, 12),
            all,
            "hairpin {ip}"
        );
        let (_, seen) = ask(&host, From::World, "TCP", HOST[family], 30080);
        assert_eq!(seen, WORLD[family], "the client is seen");
    }
    host.ok("ip -n world route add 203.0.113.9 via 192.0.2.1");
    assert_eq!(
        who(From::World, "TCP", "203.0.113.9", 80, 12),
        all,
        "an address from elsewhere"
    );
    assert_eq!(
        who(client, "TCP", "10.96.7.7", 7000, 12),
        all,
        "the address asked for"
    );

    // A client that comes again.
    let sticky = cluster_ips(&service(&host, "svc", "sticky")).remove(0);
    let first = who(client, "TCP", &sticky, 80, 12);
    assert_eq!(first.len(), 1, "{first:?}");

    let brief = cluster_ips(&service(&host, "svc", "brief"));
    assert!(brief.len() == 1 && brief[0].contains(':'), "{brief:?}");
    let mut seen = BTreeSet::new();
    for _ in 0..30 {
        if seen != all {
            pause(Duration::from_millis(1300));
            seen.extend(who(client, "TCP", &brief[0], 80, 1));
        }
    }
    assert_eq!(seen, all, "a client that comes again later");

    // Nobody there: told at once.
    let none = cluster_ips(&service(&host, "svc", "none")).remove(0);
    let refused = host.vks(&[
        "exec",
        "client",
        "-n",
        "svc",
        "--",
        "curl",
        "-sS",
        "-m",
        "9",
        &format!("http://{none}/"),
    ]);
    assert_eq!(refused.code, 7, "refused, not timed out: {refused:?}");
    assert_eq!(
        host.machine
            .exec(&["curl", "-sS", "-m", "9", &format!("http://{none}/")])
            .code,
        7
    );

    // Readiness is followed, for one that sticks too.
    let (gone, left) = match first.contains("one") {
        true => ("one", "two"),
        false => ("two", "one"),
    };
    host.ok(&format!("rm /t/svc/{gone}-ready"));
    wait_endpoints(&host, "svc", "both", 4);
    let only: BTreeSet<String> = [left.to_owned()].into();
    assert_eq!(who(client, "TCP", &ips[0], 80, 12), only);
    assert_eq!(who(client, "TCP", &sticky, 80, 6), only);
    assert_eq!(who(client, "UDP", &ips[0], 80, 12), only);
    let early = cluster_ips(&service(&host, "svc", "early")).remove(0);
    assert_eq!(
        who(client, "TCP", &early, 7000, 12),
        all,
        "one that is not ready is published"
    );

    let table = host.vks_ok(&["get", "svc", "-n", "svc", "--no-headers"]);
    let line = table.lines().find(|line| line.starts_with("both")).unwrap();
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(
        words,
        [
            "both",
            "NodePort",
            &ips.join(","),
            "203.0.113.9",
            "80:30080/TCP,80:30080/UDP"
        ]
    );
    let bare = service(&host, "svc", "bare");
    assert_eq!(bare["spec"]["clusterIP"], "None");
    let text = host.vks_ok(&["get", "endpoints", "bare", "-n", "svc", "--no-headers"]);
    assert!(
        text.contains(&format!("{}:7000", addresses(&space.known(left))[0])),
        "{text}"
    );
    assert!(
        host.vks_ok(&["get", "networks"]).contains("pods"),
        "prefixes are shown"
    );

    // A manifest that is broken does not take the service away.
    host.vks_ok(&["delete", "service", "both", "-n", "svc"]);
    host.wait("test $(vks get svc -n svc -o name | grep -c both) = 0");
    host.machine.sh("sleep 0.3");
    assert_ne!(
        host.machine
            .exec(&["curl", "-sS", "-m", "3", &format!("http://{}/", ips[0])])
            .code,
        0
    );
}

#[test]
fn a_reboot_without_the_agent_brings_all_of_it_back() {
    let Some(mut host) = own("svcboot") else {
        return;
    };
    let (ips, pods) = {
        let space = Space::new_kept(&host, "svc");
        host.ok("touch /t/svc/one-ready");
        let spec = json!({ "selector": { "app": "web" }, "ipFamilyPolicy": "PreferDualStack", "ports": [{ "port": 80, "targetPort": 7000 }] });
        space.apply_ok(
            "objects",
            &[object(&space, "web", &spec), backend(&space, "one")],
        );
        let one = space.known("one");
        one.wait_for("condition=Ready");
        wait_endpoints(&host, "svc", "web", 2);
        (cluster_ips(&service(&host, "svc", "web")), addresses(&one))
    };
    host.ok("systemctl mask vks.service; sync");
    host.machine.reboot();
    let space = Space::new_kept(&host, "svc");
    let one = space.known("one");
    one.wait_for("condition=Ready");
    assert_eq!(addresses(&one), pods);
    for (ip, pod) in ips.iter().zip(&pods) {
        assert_eq!(ask(&host, From::Host, "TCP", pod, 7000).0, "one");
        assert_eq!(ask(&host, From::Host, "TCP", ip, 80).0, "one");
    }
    assert_ne!(
        host.ok("systemctl is-active vks.service || true").trim(),
        "active"
    );
}
