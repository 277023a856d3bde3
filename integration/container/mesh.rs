//! Three hosts on one wire, joined by WireGuard: pods reach pods, services and names of all of them, and the wire sees nothing
//! but UDP of one port. Judged by ping, socat, dig, `wg show`, `ip -j` and tcpdump.

use super::host::{self, Host};
use super::lab;
use super::network::wait_endpoints;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::process::Command;

const WIRE: &str = "meshwire";

/// A wire between machines; gone with this.
struct Wire;

impl Drop for Wire {
    fn drop(&mut self) {
        lab_verb(&["part", WIRE]);
    }
}

fn lab_verb(args: &[&str]) {
    let lab = lab::repository().join("integration/lab.sh");
    let output = Command::new(lab).args(args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {output:?}");
}

fn plug(host: &Host, index: usize) {
    let addresses = [
        format!("192.0.2.{index}/24"),
        format!("2001:db8::{index}/64"),
    ];
    let name = host.machine.name.as_str();
    lab_verb(&["join", WIRE, name, "eth1", &addresses[0], &addresses[1]]);
}

const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: p, labels: {app: p}}\nspec:\n  containers:\n  - name: c\n    image: \
                   host:/usr/bin/socat\n    args: ['TCP6-LISTEN:80,fork,reuseaddr,ipv6only=0', 'SYSTEM:hostname; echo $SOCAT_PEERADDR; echo at $SOCAT_SOCKADDR']\n";

/// Three hosts, each with a pod, and the drop-ins that make them peers.
fn three(names: [&str; 3]) -> Option<(Vec<Host>, Wire)> {
    let hosts: Vec<Host> = names.iter().map_while(|name| host::own(name)).collect();
    let hosts: Vec<Host> = (hosts.len() == 3).then_some(hosts)?;
    let wire = Wire;
    for (index, host) in (1..).zip(&hosts) {
        plug(host, index);
        let settings = format!(
            "[pods]\nprofile = 'trusted'\n[network]\nipv4 = '10.192.{index}.0/24'\nipv6 = 'fd00:{index}::/64'\n\
             [wireguard]\nendpoint = '192.0.2.{index}:51820'\n"
        );
        host.machine.write("/etc/vks/vks.toml", &settings, "0644");
        host.ok(&format!("hostnamectl hostname h{index}"));
    }
    let parts: Vec<String> = hosts
        .iter()
        .map(|host| host.vks_ok(&["wireguard", "export"]))
        .collect();
    for (index, host) in hosts.iter().enumerate() {
        for (other, part) in parts
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != index)
        {
            host.machine
                .write(&format!("/etc/vks/vks.toml.d/h{other}.toml"), part, "0644");
        }
        host.ok("systemctl reload vks.service");
        host.machine.write("/etc/vks/pods.d/p.yaml", POD, "0644");
        host.vks_ok(&["wait", "--for=condition=Ready", "pod/p", "--timeout=60s"]);
    }
    let all: Vec<Vec<String>> = hosts.iter().map(addresses).collect();
    for (index, host) in hosts.iter().enumerate() {
        let text = services(index, &all).to_string();
        host.machine
            .write("/etc/vks/pods.d/services.json", &text, "0644");
        wait_endpoints(host, "default", "all", 6);
    }
    Some((hosts, wire))
}

/// The same services on each host: its own pod is selected, those of the others are named by slices.
fn services(own: usize, pods: &[Vec<String>]) -> Value {
    let port = json!([{ "port": 80 }]);
    let service = |name: &str, more: Value| {
        let mut spec = json!({ "selector": { "app": "p" }, "ports": port, "ipFamilyPolicy": "PreferDualStack" });
        spec.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": name }, "spec": spec })
    };
    let slice = |service: &str, (family, kind): (usize, &str)| {
        let others = (0..pods.len()).filter(|index| *index != own);
        let endpoints = others.map(|index| json!({ "addresses": [pods[index][family]], "hostname": format!("h{}", index + 1) }));
        json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": kind, "ports": port,
            "metadata": {
                "name": format!("{service}-{}", kind.to_lowercase()), "labels": { "kubernetes.io/service-name": service },
            },
            "endpoints": endpoints.collect::<Vec<_>>(),
        })
    };
    let families = [(0, "IPv4"), (1, "IPv6")];
    let slices = ["all", "bare"].map(|name| families.map(|family| slice(name, family)));
    let mut items = vec![
        service("all", json!({})),
        service("bare", json!({ "clusterIP": "None" })),
    ];
    items.extend(slices.into_iter().flatten());
    json!({ "kind": "List", "apiVersion": "v1", "items": items })
}

/// The addresses of the pod, IPv4 first.
fn addresses(host: &Host) -> Vec<String> {
    let pod = host.get("default", "p");
    let list = pod["status"]["podIPs"].as_array().unwrap().iter();
    list.map(|ip| ip["ip"].as_str().unwrap().to_owned())
        .collect()
}

fn bracketed(address: &str) -> String {
    match address.contains(':') {
        true => format!("[{address}]"),
        false => address.to_owned(),
    }
}

/// Each pod asks each other pod, by both families: the answer is the other's, and it sees the asker's own address.
fn all_reach_all(hosts: &[Host]) {
    let all: Vec<Vec<String>> = hosts.iter().map(addresses).collect();
    for (from, host) in hosts.iter().enumerate() {
        for (to, targets) in all.iter().enumerate().filter(|(to, _)| *to != from) {
            for (own, target) in all[from].iter().zip(targets) {
                let target = bracketed(target);
                let ask = format!(
                    "vks exec p -- sh -c 'timeout 8 socat -t 3 TCP:{target}:80,connect-timeout=6 - </dev/null'"
                );
                let said = host.ok(&ask);
                let seen = bracketed(own);
                assert!(
                    said.contains(&seen) || said.contains(own) || expanded(&said).contains(own),
                    "{from} -> {to} {target}: {said}"
                );
            }
        }
    }
}

/// Each pod and each host finds the pods of all three behind a service, by its addresses; each pod also by its name, and by
/// those of pods.
fn all_reach_services(hosts: &[Host]) {
    let all: Vec<Vec<String>> = hosts.iter().map(addresses).collect();
    let of_family = |family: usize| {
        all.iter()
            .map(|pod| pod[family].clone())
            .collect::<BTreeSet<_>>()
    };
    for host in hosts {
        let service = host.vks_ok(&["get", "service", "all", "-o", "json"]);
        let service: Value = serde_json::from_str(&service).unwrap();
        let ips = service["spec"]["clusterIPs"].as_array().unwrap();
        for (family, ip) in ips.iter().enumerate() {
            let ip = bracketed(ip.as_str().unwrap());
            let name = format!("TCP{}:all", ["4", "6"][family]);
            let (pod, by_ip) = ("vks exec p -- ", format!("TCP:{ip}"));
            for (from, to) in [(pod, &by_ip), ("", &by_ip), (pod, &name)] {
                // Each connection goes to one of three by chance: until all have answered, or so often that they will not.
                let ask = format!(
                    "{from}sh -c 'f=$(mktemp); for i in $(seq 48); do \
                     timeout 8 socat -t 3 {to}:80,connect-timeout=6 - </dev/null >>$f; \
                     test $(grep ^at $f | sort -u | wc -l) = 3 && break; done; cat $f; rm $f'"
                );
                let said = host.ok(&ask);
                let seen = said.lines().filter_map(|line| line.strip_prefix("at "));
                let seen: BTreeSet<String> = seen.map(expanded).collect();
                assert_eq!(seen, of_family(family), "{} {from}{to}", host.machine.name);
            }
            let kind = ["A", "AAAA"][family];
            let dig = |name: &str| -> BTreeSet<String> {
                let said = host.ok(&format!(
                    "vks exec p -- dig +short +time=3 +tries=3 {kind} {name}.default.svc.cluster.local"
                ));
                said.lines().map(str::to_owned).collect()
            };
            assert_eq!(dig("bare"), of_family(family));
            for (index, pod) in all.iter().enumerate() {
                let others = addresses(host) != *pod;
                if others {
                    let name = format!("h{}.bare", index + 1);
                    assert_eq!(dig(&name), [pod[family].clone()].into(), "{name}");
                }
            }
        }
    }
}

/// socat writes IPv6 addresses in full.
fn expanded(text: &str) -> String {
    let words = text.split_whitespace().map(|word| {
        let bare = word.trim_matches(['[', ']']);
        match bare.parse::<std::net::Ipv6Addr>() {
            Ok(address) => address
                .to_ipv4_mapped()
                .map_or(address.to_string(), |v4| v4.to_string()),
            Err(_) => word.to_owned(),
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Everything that `meshwire` carries, seen from one host, from now on.
fn capture(host: &Host) {
    host.ok("systemd-run -q --unit=capture tcpdump --immediate-mode -i eth1 -U -w /t/wire.pcap");
    host.wait("journalctl -u capture | grep -q 'listening on'");
}

/// WireGuard, and who looks for whom on the wire: ARP, neighbours and routers of IPv6, groups that are listened to.
const EXPECTED: &str =
    "udp port 51820 or arp or (ip6[6] = 58 and ip6[40] >= 133 and ip6[40] <= 137) or ip6 proto 0";

/// That nobody is there for WireGuard yet, which a host says that comes up: the port that was asked for is in it.
const NOT_YET: &str = "(icmp[0] = 3 and icmp[1] = 3 and icmp[30:2] = 51820) \
     or (ip6[6] = 58 and ip6[40] = 1 and ip6[41] = 4 and ip6[90:2] = 51820)";

/// What was captured but for this.
fn others(host: &Host, expected: &str) -> String {
    host.ok(&format!(
        "systemctl stop capture; tcpdump -n -r /t/wire.pcap 'not ({expected})' 2>/t/tcpdump || {{ cat /t/tcpdump; false; }}"
    ))
}

#[test]
fn pods_of_three_hosts_reach_each_other_and_the_wire_sees_nothing() {
    let Some((mut hosts, _wire)) = three(["mesh1", "mesh2", "mesh3"]) else {
        return;
    };
    hosts.iter().for_each(capture);
    all_reach_all(&hosts);
    all_reach_services(&hosts);
    for host in &hosts {
        assert_eq!(others(host, EXPECTED), "");
        let count = host.ok("tcpdump -n -r /t/wire.pcap 'udp port 51820' 2>/dev/null | wc -l");
        assert!(count.trim().parse::<u32>().unwrap() > 20, "{count}");
        let peers = host.vks_ok(&["get", "peers"]);
        assert_eq!(peers.matches(" up").count(), 2, "{peers}");
    }

    // The plug of one is pulled; it returns, without its agent, and nobody does anything. All the while the wire is watched.
    hosts[..2].iter().for_each(capture);
    let last = hosts.last_mut().unwrap();
    last.ok("systemctl mask vks.service");
    last.machine.reboot();
    last.ok("test $(systemctl is-active vks.service) = inactive && systemctl is-active vks-wireguard vks-network");
    plug(last, 3);
    last.ok("hostnamectl hostname h3");
    let target = addresses(&hosts[2]);
    for host in &hosts[..2] {
        for address in &target {
            host.wait(&format!("vks exec p -- ping -c1 -W1 {address}"));
        }
    }
    all_reach_all(&hosts);
    all_reach_services(&hosts);
    for host in &hosts[..2] {
        assert_eq!(others(host, &format!("{EXPECTED} or {NOT_YET}")), "");
    }

    a_change_of_one_peer_leaves_the_other_alone(&hosts);
    beside_firewalld(&hosts);
    the_device_comes_back(&hosts);
}

/// firewalld lets through what it is told to trust: pods, and the mesh.
fn beside_firewalld(hosts: &[Host]) {
    let host = &hosts[1];
    host.ok("systemctl unmask firewalld.service; systemctl start firewalld.service");
    // Who comes from elsewhere is let in by its owner.
    host.ok("firewall-cmd --permanent --add-port=51820/udp && firewall-cmd --reload");
    // Each is added by itself, and one of them may have been before the reload.
    for link in ["vks-wg0", "vksp+"] {
        host.wait(&format!(
            "firewall-cmd --zone=trusted --query-interface={link}"
        ));
    }
    all_reach_all(hosts);
    host.ok("systemctl stop firewalld.service");
}

fn a_change_of_one_peer_leaves_the_other_alone(hosts: &[Host]) {
    let host = &hosts[0];
    let interface = || host.ok("ip -j link show vks-wg0 | jq '.[0].ifindex'");
    let handshake = |peer: &str| {
        host.ok(&format!(
            "vks get peers -o json | jq -r '.items[]|select(.name==\"{peer}\")|.publicKey' | \
             xargs -I K sh -c 'wg show vks-wg0 latest-handshakes | grep -F K'"
        ))
    };
    let (index, before) = (interface(), handshake("h3"));
    let key = host.ok("wg genkey | wg pubkey");
    let add = [
        "wireguard",
        "peer",
        "add",
        "d",
        "--public-key",
        key.trim(),
        "--prefix",
        "10.192.9.0/24",
    ];
    host.vks_ok(&add);
    assert!(host.ok("wg show vks-wg0").contains("10.192.9.0/24"));
    host.ok("ip route get 10.192.9.1 | grep -q vks-wg0");
    host.ok("nft list set inet vks keep4 | grep -q 10.192.9.0/24");
    // h2 gets something new, h3 nothing.
    host.ok("sed -i 's/^prefixes.*/&\\nkeepalive = 7/' /etc/vks/vks.toml.d/h1.toml && systemctl reload vks-wireguard");
    assert!(
        host.ok("wg show vks-wg0 persistent-keepalive")
            .contains("\t7")
    );
    assert_eq!((interface(), handshake("h3")), (index, before));
    host.vks_ok(&["wireguard", "peer", "rm", "d"]);
    assert!(!host.ok("wg show vks-wg0").contains("10.192.9.0/24"));
    assert!(!host.ok("ip route").contains("10.192.9.0/24"));
    assert_eq!(host.vks(&["wireguard", "peer", "rm", "d"]).code, 1);
    all_reach_all(hosts);
}

fn the_device_comes_back(hosts: &[Host]) {
    let host = &hosts[0];
    let pid = host.property("vks-wireguard-device@vks-wg0.service", "MainPID");
    host.ok(&format!("kill -9 {pid}"));
    let target = &addresses(&hosts[1])[0];
    host.wait(&format!("vks exec p -- ping -c1 -W1 {target}"));
    // Nothing is left of it.
    host.ok("rm /etc/vks/pods.d/*");
    host.vks_ok(&["wait", "--for=delete", "pod/p", "--timeout=60s"]);
    host.ok("systemctl stop vks-network vks-wireguard");
    host.wait("! ip link show vks-wg0");
}
