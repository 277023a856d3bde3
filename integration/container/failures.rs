//! What somebody takes away by hand comes back, is told, and no container is restarted for it.

use super::host::{Host, own};
use super::network::{From, addresses, answers, ask, links};
use super::space::{Space, sleeper};
use serde_json::json;

const SERVER: &str = "169.254.77.1";

fn reached(host: &Host, ips: &[String]) {
    for ip in ips {
        let mut tries = 0;
        while ask(host, From::Host, "TCP", ip, 7000).0 != "a" {
            tries += 1;
            assert!(tries < 40, "{ip} is not reached");
            host.machine.sh("sleep 0.25");
        }
        assert_eq!(ask(host, From::Pod("fail", "b"), "TCP", ip, 7000).0, "a");
    }
}

#[test]
fn what_is_removed_by_hand_comes_back_under_running_containers() {
    let Some(host) = own("failures") else { return };
    let host = &host;
    let space = Space::new(host, "fail");
    let a = space.ready(
        "a",
        &json!({ "hostNetwork": false, "containers": [answers("c", "TCP", 7000)] }),
    );
    let b = space.ready(
        "b",
        &json!({ "hostNetwork": false, "containers": [sleeper("c")] }),
    );
    let (ips, lives) = (addresses(&a), (a.life("c"), b.life("c")));
    reached(host, &ips);
    host.vks_ok(&["network", "check"]);
    let uid = a.json()["metadata"]["uid"].as_str().unwrap().to_owned();

    // The interfaces of all pods, and of the name server.
    for link in links(host) {
        host.ok(&format!("ip link del {link}"));
    }
    host.ok("ip link del vkspdns");
    reached(host, &ips);
    host.wait("vks network check");
    host.wait(&format!(
        "dig +time=1 +tries=1 @{SERVER} TXT dns-version.cluster.local | grep -q 1.1.0"
    ));

    // The name of the namespace, with the interface and without.
    host.ok(&format!("ip netns del vks-{uid}"));
    host.wait(&format!("test -e /run/netns/vks-{uid}"));
    let inside = |pid: &str| host.ok(&format!("readlink /proc/{pid}/ns/net"));
    let name = host.ok(&format!("stat -L -c 'net:[%i]' /run/netns/vks-{uid}"));
    assert_eq!(
        name,
        inside(&a.pid("c")),
        "the same namespace has its name again"
    );
    let link = host.ok(&format!(
        "ip -n vks-{uid} -j link show eth0 | jq -r '.[0].link_index'"
    ));
    let link = host.ok(&format!(
        "ip -j link | jq -r '.[]|select(.ifindex=={})|.ifname'",
        link.trim()
    ));
    host.ok(&format!(
        "ip netns del vks-{uid}; ip link del {}",
        link.trim()
    ));
    reached(host, &ips);

    // Routes, also inside.
    host.ok(&format!(
        "ip route del {}; ip -6 route del {}",
        ips[0], ips[1]
    ));
    reached(host, &ips);
    let prefix = host.ok("vks get networks --no-headers | awk '$1==\"pods\"{print $2}' | head -1");
    host.ok(&format!("ip route del unreachable {}", prefix.trim()));
    host.wait(&format!(
        "ip route show {} | grep -q unreachable",
        prefix.trim()
    ));

    // Forwarding and the table.
    host.ok("ip link add w0 type veth peer name w1");
    for setting in ["ipv4/conf/w0/forwarding", "ipv6/conf/all/forwarding"] {
        host.wait(&format!("test $(cat /proc/sys/net/{setting}) = 1"));
        host.ok(&format!("echo 0 >/proc/sys/net/{setting}"));
        host.wait(&format!("test $(cat /proc/sys/net/{setting}) = 1"));
    }
    host.ok("nft delete table inet vks");
    host.wait("nft list table inet vks >/dev/null");
    reached(host, &ips);
    host.wait("vks network check");

    assert_eq!((a.life("c"), b.life("c")), lives, "nothing was restarted");
    let events = host.vks_ok(&["events", "-n", "fail"]);
    assert!(events.contains("NetworkNotReady"), "{events}");
    let said = host.ok("journalctl -u vks -o cat");
    for what in [
        "the pod's interface",
        "network namespace was removed",
        "is not forwarded",
        "set up again",
    ] {
        assert!(said.contains(what), "{what}: {said}");
    }
}

/// Without the agent, `vks network check` says what is wrong and what to do, and that helps.
#[test]
fn check_names_what_is_wrong() {
    let Some(host) = own("netcheck") else { return };
    let host = &host;
    let space = Space::new(host, "chk");
    let a = space.ready(
        "a",
        &json!({ "hostNetwork": false, "containers": [answers("c", "TCP", 7000)] }),
    );
    let ips = addresses(&a);
    host.ok("systemctl stop vks.service; ip link add w0 type veth peer name w1");
    let check = || {
        let out = host.vks(&["network", "check"]);
        (out.code, out.stdout)
    };
    assert_eq!(check().0, 0, "{check:?}", check = check());
    let cases = [
        (
            "echo 0 >/proc/sys/net/ipv4/conf/w0/forwarding",
            "IPv4 is not forwarded from w0",
        ),
        ("nft flush ruleset", "the table inet vks was removed"),
        (
            "nft 'add table ip other; add chain ip other FORWARD { type filter hook forward priority 0; policy drop; }'",
            "the chain ip other FORWARD drops",
        ),
        (
            "ip link del vkspdns",
            "the way to the pods' name server was removed",
        ),
    ];
    for (act, finding) in cases {
        host.ok(act);
        let (code, text) = check();
        assert_eq!(code, 1, "{act}: {text}");
        assert!(
            text.contains(finding) && text.contains("vks network up"),
            "{act}: {text}"
        );
        host.vks_ok(&["network", "up"]);
        assert_eq!(
            check(),
            (0, "The network of pods is in order.\n".to_owned()),
            "{act}"
        );
    }
    host.ok("systemctl stop vks-dns.socket vks-dns6.socket vks-dns.service");
    let (code, text) = check();
    assert!(
        code == 1 && text.contains("name server 169.254.77.1 does not answer"),
        "{text}"
    );
    host.ok("systemctl start vks-dns.socket");
    host.ok(&format!("ip route del {}", ips[0]));
    let (code, text) = check();
    assert!(
        code == 1 && text.contains(&format!("pod chk/a: no route to {}", ips[0])),
        "{text}"
    );
    // A program that is not there.
    host.ok("systemctl reload vks-chk-a-sandbox.service; mv /usr/sbin/nft /usr/sbin/nft.away");
    let (code, text) = check();
    assert!(
        code == 1 && text.contains("install the package nftables"),
        "{text}"
    );
    host.ok("mv /usr/sbin/nft.away /usr/sbin/nft");
    assert_eq!(check().0, 0);
}
