//! Pods that share a tunnel: one interface, one key, all of them behind it. Judged by socat, ping, `ip -j`, `wg` and tcpdump.

use super::host::{self, Host};
use super::network::{From, answers, ask, world};
use super::tunnels::{
    BEYOND, INSIDE, addresses, all_goes_through, far_end, network, pod, put, ready,
};
use serde_json::{Value, json};

/// The definition, and two pods that want it.
fn set_up(host: &Host, key: &str, far: &str) {
    let made = network("t", "vpn", key, far, "192.0.2.2:51820", true);
    put(host, "vpn", &made);
    for name in ["a", "b"] {
        let servers = json!([answers("open", "TCP", 8080)]);
        put(host, name, &pod("t", name, "vpn@tun0", servers));
    }
    for name in ["a", "b"] {
        ready(host, "t", name);
    }
}

fn tunnel_namespace(host: &Host) -> String {
    let names = host.ok("ip -j netns | jq -r '.[].name' | grep '^vksw'");
    assert_eq!(names.lines().count(), 1, "{names}");
    names.trim().to_owned()
}

#[test]
fn one_tunnel_serves_several_pods() {
    let Some(mut host) = host::own("sharedtunnel") else {
        return;
    };
    let key = host.ok("wg genkey").trim().to_owned();
    let public = host.ok(&format!("echo {key} | wg pubkey"));
    world(&host);
    let far = far_end(&host, public.trim());
    let filter = format!("host {} or host {}", BEYOND[0], BEYOND[1]);
    host.ok(&format!(
        "systemd-run -q --unit=capture tcpdump --immediate-mode -Z root -i any -U -w /t/all.pcap '{filter}'"
    ));
    host.wait("journalctl -u capture | grep -q 'listening on'");
    set_up(&host, &key, &far);
    all_goes_through(&host, "a");
    all_goes_through(&host, "b");

    // One device, in a namespace that has nothing of the host; its peer is the far end.
    let namespace = tunnel_namespace(&host);
    let links = host.ok(&format!("ip -n {namespace} -j link"));
    let links: Value = serde_json::from_str(&links).unwrap();
    let mut names: Vec<&str> = links
        .as_array()
        .unwrap()
        .iter()
        .map(|link| link["ifname"].as_str().unwrap())
        .filter(|name| !name.starts_with("vksb"))
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["lo", namespace.as_str()]);
    assert_eq!(links.as_array().unwrap().len(), 4);
    assert_eq!(
        host.ok("ls /run/wireguard | grep -vc wgfar").trim(),
        "1",
        "one device for both"
    );
    they_are_apart(&host);
    one_ends_and_comes_back(&host, &namespace);

    // The device dies, and comes back for both.
    let unit = host.ok(
        "systemctl list-units --plain --no-legend 'vks-wireguard-device@vksw*' | cut -d' ' -f1",
    );
    let pid = host.property(unit.trim(), "MainPID");
    host.ok(&format!("kill -9 {pid}"));
    all_goes_through(&host, "a");
    all_goes_through(&host, "b");
    // Nothing of all that was on an interface of the host but within WireGuard.
    host.ok("systemctl stop capture");
    let seen = host.ok("tcpdump -n -r /t/all.pcap 2>/dev/null | head");
    assert_eq!(seen, "");

    host.ok("systemctl mask vks.service");
    host.machine.reboot();
    world(&host);
    far_end(&host, public.trim());
    for name in ["a", "b"] {
        ready(&host, "t", name);
        all_goes_through(&host, name);
    }
    host.ok(
        "systemctl unmask vks.service && systemctl start vks.service && rm /etc/vks/pods.d/*.json",
    );
    for name in ["pod/a", "pod/b"] {
        host.vks_ok(&["wait", "--for=delete", name, "-n", "t", "--timeout=60s"]);
    }
    host.wait(
        "! ls /run/wireguard | grep -v wgfar && ! ls /run/netns /run/vks/tunnels | grep vksw",
    );
    host.wait("! ip link | grep -E 'vks(w|t|b)'");
}

/// Neither the far end nor the other pod asks them by the tunnel, and the host only where it may.
fn they_are_apart(host: &Host) {
    for address in INSIDE {
        assert_eq!(ask(host, From::World, "TCP", address, 8080).0, "");
    }
    let ip = |pod: &str, family: &str| {
        let script = format!("vks exec {pod} -n t -- ip -j {family} addr show tun0");
        let of: Value = serde_json::from_str(&host.ok(&script)).unwrap();
        of[0]["addr_info"][0]["local"].as_str().unwrap().to_owned()
    };
    for family in ["-4", "-6"] {
        let (a, b) = (ip("a", family), ip("b", family));
        assert_ne!(a, b);
        assert_eq!(ask(host, From::Pod("t", "a"), "TCP", &b, 8080).0, "");
    }
    for address in &addresses(host, "t", "a") {
        assert_eq!(ask(host, From::Host, "TCP", address, 8080).0, "a");
        assert_eq!(ask(host, From::Pod("t", "b"), "TCP", address, 8080).0, "");
    }
}

/// The other one loses no packet meanwhile.
fn one_ends_and_comes_back(host: &Host, namespace: &str) {
    let index = || {
        host.ok(&format!(
            "ip -n {namespace} -j link show {namespace} | jq '.[0].ifindex'"
        ))
    };
    let before = index();
    host.ok(&format!(
        "systemd-run -q --unit=pings -p StandardOutput=file:/t/pings vks exec b -n t -- ping -i 0.2 {}",
        BEYOND[0]
    ));
    host.wait("grep -q icmp_seq=2 /t/pings");
    host.ok("mv /etc/vks/pods.d/a.json /t/a.json");
    host.vks_ok(&["wait", "--for=delete", "pod/a", "-n", "t", "--timeout=60s"]);
    host.wait(&format!(
        "test $(ip -n {namespace} -j link | jq length) = 3"
    ));
    host.ok("mv /t/a.json /etc/vks/pods.d/a.json");
    host.wait("vks get pod a -n t");
    ready(host, "t", "a");
    all_goes_through(host, "a");
    host.ok("pkill -INT -x ping");
    host.wait("grep -q transmitted /t/pings");
    // The last one may be on its way.
    host.ok("cat /t/pings; awk '/transmitted/ { exit $1 - $4 > 1 }' /t/pings");
    assert_eq!(index(), before);
}
