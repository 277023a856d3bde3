//! Addresses of pods: given once, kept, told, refused with a reason.

use super::host::{own, shared};
use super::network::{From, addresses, answers, ask, links};
use super::space::{Space, sh, sleeper};
use serde_json::{Value, json};

#[test]
fn pods_have_addresses_of_their_own_and_reach_each_other() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "addr");
    let spec = |name: &str| {
        json!({ "hostNetwork": false, "containers": [answers("c", "TCP", 7000), sh("e",
            &format!("echo $ONE $ALL >{}; exec sleep 1d", space.path(name)))] })
    };
    let mut a = spec("env-a");
    a["containers"][1]["env"] = json!([
        { "name": "ONE", "valueFrom": { "fieldRef": { "fieldPath": "status.podIP" } } },
        { "name": "ALL", "valueFrom": { "fieldRef": { "fieldPath": "status.podIPs" } } },
    ]);
    let (a, b) = (space.ready("a", &a), space.ready("b", &spec("env-b")));
    let (of_a, of_b) = (addresses(&a), addresses(&b));
    assert_eq!((of_a.len(), of_b.len()), (2, 2), "{of_a:?}");
    assert_ne!(of_a, of_b);
    assert_eq!(a.status()["podIP"], of_a[0].as_str());
    assert_eq!(
        space.wait_lines("env-a", 1),
        [format!("{} {},{}", of_a[0], of_a[0], of_a[1])]
    );

    // As the kernel has it, and nothing besides.
    let text = host.ok(&format!(
        "nsenter -t {} -n ip -j addr show eth0",
        a.pid("c")
    ));
    let link: Value = serde_json::from_str(&text).unwrap();
    let has: Vec<&str> = link[0]["addr_info"]
        .as_array()
        .unwrap()
        .iter()
        .map(|info| info["local"].as_str().unwrap())
        .collect();
    assert_eq!(has, of_a);
    assert_eq!(link[0]["mtu"], 1500);

    for (one, other) in of_a.iter().zip(&of_b) {
        host.vks_ok(&[
            "exec", "a", "-c", "e", "-n", "addr", "--", "ping", "-c1", "-W3", other,
        ]);
        host.ok(&format!("ping -c1 -W3 {other}"));
        let (name, seen) = ask(&host, From::Pod("addr", "a -c e"), "TCP", other, 7000);
        assert_eq!((name.as_str(), seen.as_str()), ("b", one.as_str()));
        assert_eq!(ask(&host, From::Host, "TCP", one, 7000).0, "a");
    }
    // Kept over a restart of the pod, and of its sandbox.
    host.vks_ok(&["restart", "pod", "a", "-n", "addr"]);
    a.wait_for("condition=Ready");
    host.ok("systemctl restart vks-addr-a-sandbox.service");
    a.wait_for("condition=Ready");
    assert_eq!(addresses(&a), of_a);
    assert_eq!(ask(&host, From::Host, "TCP", &of_a[0], 7000).0, "a");

    a.delete();
    let routes = host.ok("ip route; ip -6 route");
    assert!(!routes.contains(&format!("{} ", of_a[0])), "{routes}");
    assert!(!routes.contains(&format!("{} ", of_a[1])), "{routes}");
    host.ok(&format!("ping -c1 -W3 {}", of_b[0]));
}

/// A prefix of one address: the second pod waits, is told why, and comes when the first has gone.
#[test]
fn when_all_addresses_are_taken_the_reason_is_told() {
    let Some(host) = own("exhausted") else { return };
    host.machine.write(
        "/etc/vks/vks.toml",
        "[network]\nfamilies = ['ipv4']\nipv4 = '10.1.0.0/30'\nmtu = 1400\n",
        "0644",
    );
    host.ok("systemctl reload vks");
    let space = Space::new(&host, "full");
    let spec = json!({ "hostNetwork": false, "containers": [sleeper("c")] });
    let a = space.ready("a", &spec);
    assert_eq!(addresses(&a), ["10.1.0.2"]);
    let mtu = host.ok(&format!(
        "nsenter -t {} -n ip -j link show eth0 | jq .[0].mtu",
        a.pid("c")
    ));
    assert_eq!(mtu, "1400\n");
    let b = space.pod("b", &spec);
    b.wait_until("told", |pod| {
        pod.status()
            .to_string()
            .contains("all 1 of 10.1.0.0/30 are taken")
    });
    assert_eq!(b.phase(), "Pending");
    a.delete();
    b.wait_for("condition=Ready");
    assert_eq!(addresses(&b), ["10.1.0.2"]);
}

#[test]
fn a_route_in_the_way_is_found_and_named() {
    let Some(host) = own("conflict") else { return };
    host.ok("ip link add x0 type veth peer name x1 && ip addr add 10.1.2.1/24 dev x0 && ip link set x0 up && ip link set x1 up");
    let toml = |prefix: &str| format!("[network]\nfamilies = ['ipv4']\nipv4 = '{prefix}'\n");
    host.machine
        .write("/etc/vks/vks.toml", &toml("10.1.0.0/16"), "0644");
    host.ok("systemctl reload vks");
    let space = Space::new(&host, "way");
    let pod = space.pod(
        "p",
        &json!({ "hostNetwork": false, "containers": [sleeper("c")] }),
    );
    host.wait("journalctl -u vks -o cat | grep -q 'in the way of the route to 10.1.2.0/24 on x0.*network.ipv4'");
    assert_eq!(pod.phase(), "Pending");
    assert_eq!(host.vks(&["network", "check"]).code, 1);
    host.machine
        .write("/etc/vks/vks.toml", &toml("10.5.0.0/24"), "0644");
    host.ok("systemctl reload vks");
    pod.wait_for("condition=Ready");
    assert!(addresses(&pod)[0].starts_with("10.5.0."));
}

#[test]
fn in_mode_host_every_pod_is_on_the_hosts_network() {
    let Some(host) = own("modehost") else { return };
    host.machine
        .write("/etc/vks/vks.toml", "[network]\nmode = 'host'\n", "0644");
    host.ok("systemctl reload vks");
    let space = Space::new(&host, "mode");
    let pod = space.ready(
        "p",
        &json!({ "hostNetwork": false, "containers": [sleeper("c")] }),
    );
    let namespace = |pid: &str| host.ok(&format!("readlink /proc/{pid}/ns/net"));
    assert_eq!(namespace(&pod.pid("c")), namespace("1"));
    assert_eq!(links(&host), Vec::<String>::new());
    assert_eq!(host.ok("nft list tables"), "");
}
