//! Pods behind a tunnel: all they send goes through it, or nowhere. The far end is a namespace with a WireGuard device that
//! `wg` sets up; judged by socat, ping, `ip -j` and tcpdump.

use super::host::{self, Host};
use super::network::{From, answers, ask, world};
use serde_json::{Value, json};

/// What is behind the far end: the internet, to the pod.
pub const BEYOND: [&str; 2] = ["203.0.113.7", "2001:db8:7::7"];
/// The pod's addresses in the tunnel.
pub const INSIDE: [&str; 2] = ["10.66.0.2", "fd66::2"];

/// The far end of tunnels in the namespace `world`; gives its public key. `peer` is the pod's.
pub fn far_end(host: &Host, peer: &str) -> String {
    host.ok(
        "umask 077; test -e /t/far.key || wg genkey >/t/far.key; \
         systemd-run -q --unit=far -p NetworkNamespacePath=/run/netns/world -p Type=notify -p NotifyAccess=all \
         vks wireguard-device wgfar",
    );
    host.ok(&format!(
        "wg set wgfar private-key /t/far.key listen-port 51820 && wg set wgfar peer {peer} allowed-ips \
         10.66.0.2/32,fd66::2/128 && ip netns exec world sh -c 'ip addr add 10.66.0.1/24 dev wgfar; \
         ip addr add fd66::1/64 dev wgfar nodad; ip link set wgfar up; \
         ip addr add {}/32 dev lo; ip -6 addr add {}/128 dev lo nodad'",
        BEYOND[0], BEYOND[1]
    ));
    host.ok(
        "systemd-run -q --unit=beyond -p NetworkNamespacePath=/run/netns/world \
         socat TCP6-LISTEN:80,fork,reuseaddr,ipv6only=0 'SYSTEM:echo beyond $SOCAT_PEERADDR'",
    );
    host.wait("ip netns exec world ss -ltn | grep -q ':80'");
    host.ok("wg pubkey </t/far.key").trim().to_owned()
}

/// The definition of a tunnel and the secret with its key.
pub fn network(
    namespace: &str,
    name: &str,
    key: &str,
    far: &str,
    endpoint: &str,
    shared: bool,
) -> Value {
    let meta = |name: &str| json!({ "name": name, "namespace": namespace });
    let config = json!({
        "cniVersion": "1.0.0", "type": "wireguard",
        "privateKey": { "secret": { "name": format!("{name}-keys"), "key": "private" } },
        "address": [format!("{}/32", INSIDE[0]), format!("{}/128", INSIDE[1])],
        "dns": ["10.66.0.1"], "ports": ["8080"], "shared": shared,
        "peers": [{
            "publicKey": far, "endpoint": endpoint, "allowedIPs": ["0.0.0.0/0", "::/0"], "persistentKeepalive": 5,
        }],
    });
    json!({ "kind": "List", "apiVersion": "v1", "items": [
        { "apiVersion": "v1", "kind": "Secret", "metadata": meta(&format!("{name}-keys")), "stringData": { "private": key } },
        { "apiVersion": "k8s.cni.cncf.io/v1", "kind": "NetworkAttachmentDefinition", "metadata": meta(name),
          "spec": { "config": config.to_string() } },
    ] })
}

pub fn pod(namespace: &str, name: &str, networks: &str, containers: Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": name, "namespace": namespace, "annotations": { "k8s.v1.cni.cncf.io/networks": networks } },
        "spec": { "terminationGracePeriodSeconds": 1, "containers": containers },
    })
}

pub fn put(host: &Host, file: &str, manifest: &Value) {
    let path = format!("/etc/vks/pods.d/{file}.json");
    host.machine.write(&path, &manifest.to_string(), "0600");
}

pub fn ready(host: &Host, namespace: &str, pod: &str) {
    let pod = format!("pod/{pod}");
    host.vks_ok(&[
        "wait",
        "--for=condition=Ready",
        &pod,
        "-n",
        namespace,
        "--timeout=60s",
    ]);
}

pub fn addresses(host: &Host, namespace: &str, pod: &str) -> Vec<String> {
    let pod = host.get(namespace, pod);
    let list = pod["status"]["podIPs"].as_array().unwrap().iter();
    list.map(|ip| ip["ip"].as_str().unwrap().to_owned())
        .collect()
}

/// Both families come out at the far end, as the addresses of the tunnel.
pub fn all_goes_through(host: &Host, pod: &str) {
    for (target, own) in BEYOND.iter().zip(INSIDE) {
        host.wait(&format!("vks exec {pod} -n t -- ping -c1 -W1 {target}"));
        let seen = ask(host, From::Pod("t", pod), "TCP", target, 80);
        assert_eq!(seen, ("beyond".to_owned(), own.to_owned()));
    }
}

#[test]
fn a_pod_behind_a_tunnel_has_no_other_way() {
    let Some(mut host) = host::own("tunnels") else {
        return;
    };
    let key = host.ok("wg genkey").trim().to_owned();
    let public = host.ok(&format!("echo {key} | wg pubkey"));
    world(&host);
    let far = far_end(&host, public.trim());
    put(
        &host,
        "vpn",
        &network("t", "vpn", &key, &far, "192.0.2.2:51820", false),
    );
    let servers = json!([answers("open", "TCP", 8080), answers("shut", "TCP", 9090)]);
    put(&host, "pod", &pod("t", "p", "vpn@tun0", servers));
    ready(&host, "t", "p");
    all_goes_through(&host, "p");

    let routes: Value =
        serde_json::from_str(&host.ok("vks exec p -n t -- ip -j route show default")).unwrap();
    assert_eq!(routes.as_array().unwrap().len(), 1, "{routes}");
    assert_eq!(routes[0]["dev"], "tun0");
    assert_eq!(
        host.ok("vks exec p -n t -- cat /etc/resolv.conf"),
        "nameserver 10.66.0.1\n"
    );
    // The key is in no unit, and nobody but root reads it.
    host.machine.write("/t/key", &key, "0600");
    let found = "grep -rlF -f /t/key /etc/systemd /run/systemd/system /proc/[0-9]*/cmdline /proc/[0-9]*/environ";
    assert_eq!(host.machine.sh(found).stdout, "");
    only_the_host_asks(&host);
    one_at_a_time(&host);
    the_interface_comes_back(&host);

    // At boot there is no agent, and the tunnel is up.
    host.ok("systemctl mask vks.service");
    host.machine.reboot();
    world(&host);
    far_end(&host, public.trim());
    ready(&host, "t", "p");
    all_goes_through(&host, "p");
    host.ok(
        "systemctl unmask vks.service && systemctl start vks.service && rm /etc/vks/pods.d/*.json",
    );
    host.vks_ok(&["wait", "--for=delete", "pod/p", "-n", "t", "--timeout=60s"]);
    host.wait("! ls /run/wireguard | grep -v wgfar && ! ip link | grep -E 'vks(w|t)'");
}

fn only_the_host_asks(host: &Host) {
    put(
        host,
        "other",
        &pod("t", "other", "", json!([answers("c", "TCP", 80)])),
    );
    ready(host, "t", "other");
    for address in &addresses(host, "t", "p") {
        assert_eq!(ask(host, From::Host, "TCP", address, 8080).0, "p");
        assert_eq!(ask(host, From::Host, "TCP", address, 9090).0, "");
        assert_eq!(
            ask(host, From::Pod("t", "other"), "TCP", address, 8080).0,
            ""
        );
    }
    for address in &addresses(host, "t", "other") {
        assert_eq!(ask(host, From::Pod("t", "p"), "TCP", address, 80).0, "");
    }
}

fn one_at_a_time(host: &Host) {
    put(
        host,
        "second",
        &pod("t", "second", "vpn", json!([answers("c", "TCP", 80)])),
    );
    host.wait("vks events -n t | grep second | grep -q 'its key can be in one place only'");
    all_goes_through(host, "p");
    host.ok("rm /etc/vks/pods.d/second.json");
    host.vks_ok(&[
        "wait",
        "--for=delete",
        "pod/second",
        "-n",
        "t",
        "--timeout=60s",
    ]);
}

fn the_interface_comes_back(host: &Host) {
    let unit = host.ok(
        "systemctl list-units --plain --no-legend 'vks-wireguard-device@vksw*' | cut -d' ' -f1",
    );
    let pid = host.property(unit.trim(), "MainPID");
    host.ok(&format!("kill -9 {pid}"));
    host.wait("vks exec p -n t -- ip link show tun0");
    all_goes_through(host, "p");
}

/// It looks for a way out from its first instant to its last.
const SEEKER: &str = "while :; do ping -c1 -W1 203.0.113.7 & ping -6 -c1 -W1 2001:db8:7::7 & \
    echo | socat -t0 - UDP:8.8.8.8:53 & echo | socat -t0 - UDP:192.0.2.1:53 & echo | socat -t0 - UDP6:[2001:db8::1]:53 & \
    socat -t0 TCP:169.254.77.1:80,connect-timeout=1 - </dev/null & ip route add default dev eth0; \
    ip route add 8.8.4.4 via 169.254.77.1 dev eth0 onlink; ping -c1 -W1 8.8.4.4; sleep 0.1; done";

#[test]
fn no_packet_of_a_pod_with_a_dead_tunnel_leaves_by_another_interface() {
    let Some(host) = host::own("blackhole") else {
        return;
    };
    world(&host);
    host.ok("ip route add default via 192.0.2.2; ip -6 route add default via 2001:db8::2; ip route add blackhole 198.51.100.9");
    let keys = host.ok("wg genkey; wg genkey | wg pubkey");
    let (key, far) = keys.trim().split_once('\n').unwrap();
    put(
        &host,
        "vpn",
        &network("t", "vpn", key, far, "198.51.100.9:51820", false),
    );
    host.ok("systemd-run -q --unit=capture tcpdump --immediate-mode -i any -U -w /t/all.pcap");
    // A file knows interfaces by number only: what they are called is told while they are there.
    host.ok("systemd-run -q --unit=names -p StandardOutput=file:/t/all.txt -p StandardError=journal tcpdump -l -nn -i any");
    host.wait("journalctl -u capture -u names | grep -c 'listening on' | grep -q 2");
    let seeker = json!([{ "name": "c", "image": "host:/bin/sh", "args": ["-c", SEEKER] }]);
    put(&host, "pod", &pod("t", "p", "vpn", seeker));
    ready(&host, "t", "p");
    let own = addresses(&host, "t", "p");
    // What the capture does see: the host, which asks and gets no answer.
    for address in &own {
        assert_eq!(
            ask(&host, From::Host, "TCP", address, 9),
            Default::default()
        );
    }
    // It has tried for a while.
    host.wait("vks exec p -n t -- ip -s -j link show net1 | jq -e '.[0].stats64.tx.packets + .[0].stats64.tx.dropped > 50'");
    host.ok("rm /etc/vks/pods.d/pod.json");
    host.vks_ok(&["wait", "--for=delete", "pod/p", "-n", "t", "--timeout=60s"]);
    host.ok("systemctl stop capture names");
    let said = |filter: &str| {
        host.ok(&format!(
            "tcpdump -n -r /t/all.pcap '{filter}' 2>/dev/null | head -20"
        ))
    };
    let to_pod = host.ok("grep -cE 'vkst[0-9a-f]+ +Out ' /t/all.txt");
    assert!(to_pod.trim().parse::<u32>().unwrap() > 1, "{to_pod}");
    for address in own.iter().map(String::as_str).chain(INSIDE) {
        assert_eq!(said(&format!("src host {address}")), "");
    }
    for target in ["8.8.8.8", "8.8.4.4", BEYOND[0], BEYOND[1], "169.254.77.1"] {
        assert_eq!(said(&format!("host {target}")), "");
    }
    let from_pod = host.ok("grep -E 'vkst[0-9a-f]+ +(In|M|B|P) ' /t/all.txt | head -20 || true");
    assert_eq!(from_pod, "");
}
