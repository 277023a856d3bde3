//! Three hosts on one wire, joined by WireGuard: pods reach pods by their own addresses, and the wire sees nothing but UDP of
//! one port. Judged by ping, curl, `wg show`, `ip -j` and tcpdump.

use super::host::{self, Host};
use super::lab;
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

const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n  - name: c\n    image: \
                   host:/usr/bin/socat\n    args: ['TCP6-LISTEN:80,fork,reuseaddr,ipv6only=0', 'SYSTEM:hostname; echo $SOCAT_PEERADDR']\n";

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
    Some((hosts, wire))
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

/// What was captured but for WireGuard, and who looks for whom on the wire (ARP, neighbours).
fn others(host: &Host) -> String {
    host.ok("systemctl stop capture; tcpdump -n -r /t/wire.pcap 'not (udp port 51820 or arp or icmp6 or ip6 proto 0)' 2>/dev/null")
}

#[test]
fn pods_of_three_hosts_reach_each_other_and_the_wire_sees_nothing() {
    let Some((mut hosts, _wire)) = three(["mesh1", "mesh2", "mesh3"]) else {
        return;
    };
    hosts.iter().for_each(capture);
    all_reach_all(&hosts);
    for host in &hosts {
        assert_eq!(others(host), "");
        let count = host.ok("tcpdump -n -r /t/wire.pcap 'udp port 51820' 2>/dev/null | wc -l");
        assert!(count.trim().parse::<u32>().unwrap() > 20, "{count}");
        let peers = host.vks_ok(&["get", "peers"]);
        assert_eq!(peers.matches(" up").count(), 2, "{peers}");
    }

    // The plug of one is pulled; it returns, without its agent, and nobody does anything.
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

    a_change_of_one_peer_leaves_the_other_alone(&hosts);
    the_device_comes_back(&hosts);
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
    host.ok("rm /etc/vks/pods.d/p.yaml");
    host.vks_ok(&["wait", "--for=delete", "pod/p", "--timeout=60s"]);
    host.ok("systemctl stop vks-network vks-wireguard");
    host.wait("! ip link show vks-wg0");
}
