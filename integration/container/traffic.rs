//! What the host does with packets of pods: ways in and out, and no trace of it afterwards.

use super::host::{Host, own};
use super::network::{From, HOST, WORLD, addresses, answers, ask, links, world};
use super::space::{Space, sleeper, with};
use super::tunnels;
use serde_json::{Value, json};

fn ports(container: Value, protocol: &str, port: u16, more: &Value) -> Value {
    let port = with(json!({ "containerPort": port, "protocol": protocol }), more);
    with(container, &json!({ "ports": [port] }))
}

/// The packet filter's table, as nft has it.
fn wait_table(host: &Host) {
    host.wait("nft -j list table inet vks | jq -e '.nftables|length > 10'");
}

#[test]
fn ports_of_the_host_and_the_way_out() {
    let Some(host) = own("traffic") else { return };
    world(&host);
    // The strictest that a host may have.
    host.ok("sysctl -qw net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.default.rp_filter=1 net.ipv4.conf.w0.rp_filter=1");
    host.ok("nft 'table ip filter { chain FORWARD { type filter hook forward priority filter; policy drop; }; }'");
    let space = Space::new(&host, "traffic");
    let tcp = ports(
        answers("tcp", "TCP", 7000),
        "TCP",
        7000,
        &json!({ "hostPort": 8000 }),
    );
    let udp = ports(
        answers("udp", "UDP", 7001),
        "UDP",
        7001,
        &json!({ "hostPort": 8000 }),
    );
    let one = json!({ "hostPort": 8001, "hostIP": HOST[0] });
    let only = ports(answers("only", "TCP", 7002), "TCP", 7002, &one);
    let server = space.ready(
        "server",
        &json!({ "hostNetwork": false, "containers": [tcp, udp, only] }),
    );
    let client = space.ready(
        "client",
        &json!({ "hostNetwork": false, "containers": [sleeper("c")] }),
    );
    wait_table(&host);
    host.wait("nft list map inet vks hostport4 | grep -q 'udp . 8000'");
    host.machine.sh("sleep 0.3");

    let (server_ips, client_ips) = (addresses(&server), addresses(&client));
    let inside = From::Pod("traffic", "client");
    for (family, address) in HOST.iter().enumerate() {
        for protocol in ["TCP", "UDP"] {
            // From outside, with the address of who asks; from the host; from a pod.
            let (name, seen) = ask(&host, From::World, protocol, address, 8000);
            assert_eq!(
                (name.as_str(), seen.as_str()),
                ("server", WORLD[family]),
                "{protocol} {address}"
            );
            assert_eq!(
                ask(&host, From::Host, protocol, address, 8000).0,
                "server",
                "{protocol} {address}"
            );
            let (name, seen) = ask(&host, inside, protocol, address, 8000);
            assert_eq!(
                (name.as_str(), seen.as_str()),
                ("server", client_ips[family].as_str())
            );
        }
    }
    assert_eq!(ask(&host, From::Host, "TCP", "127.0.0.1", 8000).0, "server");
    // The pod itself, by the way round.
    assert_eq!(
        ask(
            &host,
            From::Pod("traffic", "server -c tcp"),
            "TCP",
            HOST[0],
            8000
        )
        .0,
        "server"
    );
    // Only at the address that was named.
    assert_eq!(ask(&host, From::World, "TCP", HOST[0], 8001).0, "server");
    assert_eq!(ask(&host, From::World, "TCP", HOST[1], 8001).0, "");

    // Out: the world sees the host, the other pod sees the pod.
    host.ok("systemd-run --quiet --unit world -p NetworkNamespacePath=/run/netns/world socat TCP6-LISTEN:9000,fork,reuseaddr,ipv6only=0 'SYSTEM:echo world $SOCAT_PEERADDR'");
    host.wait("ip netns exec world ss -Hltn 'sport = 9000' | grep -q .");
    for family in [0, 1] {
        let (name, seen) = ask(&host, inside, "TCP", WORLD[family], 9000);
        assert_eq!((name.as_str(), seen.as_str()), ("world", HOST[family]));
        assert_eq!(
            ask(&host, inside, "TCP", &server_ips[family], 7000).1,
            client_ips[family]
        );
    }
    assert_eq!(
        host.vks_ok(&["network", "check"]),
        "The network of pods is in order.\n"
    );

    // A second pod that wants the port is refused, and gets it when it is free.
    let rival = ports(
        answers("tcp", "TCP", 7000),
        "TCP",
        7000,
        &json!({ "hostPort": 8000 }),
    );
    let rival = space.pod(
        "rival",
        &json!({ "hostNetwork": false, "containers": [rival] }),
    );
    rival.wait_until("told", |pod| {
        pod.status()
            .to_string()
            .contains("hostPort 8000 is taken by pod traffic/server")
    });
    server.delete();
    rival.wait_for("condition=Ready");
    host.wait(&format!(
        "nft list map inet vks hostport4 | grep -q 'tcp . 8000 : {}'",
        addresses(&rival)[0]
    ));
    host.machine.sh("sleep 0.3");
    assert_eq!(ask(&host, From::World, "TCP", HOST[0], 8000).0, "rival");
    host.ok("systemctl stop world.service");
}

/// A pod cannot send as somebody else, and not to what listens on the host's loopback only.
#[test]
fn pods_send_as_themselves_only() {
    let Some(host) = own("spoof") else { return };
    world(&host);
    let space = Space::new(&host, "spoof");
    let pod = space.ready(
        "p",
        &json!({ "hostNetwork": false, "containers": [ports(sleeper("c"), "TCP", 7000, &json!({ "hostPort": 8000 }))] }),
    );
    host.ok(
        "ip -n world route add 198.51.100.9 via 192.0.2.1; systemd-run --quiet --unit heard -p NetworkNamespacePath=/run/netns/world \
         socat -u UDP-RECV:9000 OPEN:/t/heard,creat,append; systemd-run --quiet --unit private socat -u UDP-RECV:9001,bind=127.0.0.1 OPEN:/t/private,creat,append",
    );
    host.wait("ip netns exec world ss -Hlun 'sport = 9000' | grep -q . && ss -Hlun 'sport = 9001' | grep -q .");
    let enter = format!("nsenter -t {} -n", pod.pid("c"));
    let own = addresses(&pod).remove(0);
    host.ok(&format!(
        "{enter} ip addr add 198.51.100.9/32 dev eth0; {enter} ip route add 127.0.0.1 via 169.254.77.1 dev eth0 onlink table 9; \
         {enter} sysctl -qw net.ipv4.conf.all.route_localnet=1; {enter} ip rule add pref 1 from {own} to 127.0.0.1 lookup 9; \
         {enter} ip rule del pref 0; {enter} ip rule add pref 5 lookup local"
    ));
    host.ok(&format!(
        "echo forged | {enter} socat -u - UDP-SENDTO:192.0.2.2:9000,bind=198.51.100.9; \
         echo sly | {enter} socat -u - UDP-SENDTO:127.0.0.1:9001,bind={own} || true; \
         echo good | {enter} socat -u - UDP-SENDTO:192.0.2.2:9000,bind={own}"
    ));
    host.wait("grep -q good /t/heard");
    assert_eq!(host.ok("cat /t/heard"), "good\n");
    assert_eq!(host.ok("cat /t/private"), "");
    host.ok("systemctl stop heard private");
}

#[test]
fn a_flushed_packet_filter_comes_back() {
    let Some(host) = own("flush") else { return };
    let space = Space::new(&host, "flush");
    space.ready(
        "p",
        &json!({ "hostNetwork": false, "containers": [ports(answers("c", "TCP", 7000), "TCP", 7000, &json!({ "hostPort": 8000 }))] }),
    );
    host.wait("nft list map inet vks hostport4 | grep -q 'tcp . 8000'");
    for _ in 0..3 {
        let before = host.ok("nft -s list table inet vks");
        host.ok("nft flush ruleset");
        wait_table(&host);
        assert_eq!(host.ok("nft -s list table inet vks"), before);
    }
    host.ok("ip addr add 192.0.2.1/32 dev lo");
    assert_eq!(ask(&host, From::Host, "TCP", HOST[0], 8000).0, "p");
}

/// Two pods with a tunnel between them, come and gone.
fn tunnelled(host: &Host) {
    let keys = host.ok("wg genkey; wg genkey | wg pubkey");
    let (key, far) = keys.trim().split_once('\n').unwrap();
    let vpn = tunnels::network("down", "vpn", key, far, "192.0.2.2:51820", true);
    tunnels::put(host, "vpn", &vpn);
    for name in ["t1", "t2"] {
        let pod = tunnels::pod("down", name, "vpn", json!([sleeper("c")]));
        tunnels::put(host, name, &pod);
    }
    for name in ["t1", "t2"] {
        tunnels::ready(host, "down", name);
    }
    host.ok("ip netns | grep vksw && rm /etc/vks/pods.d/*.json");
    for name in ["pod/t1", "pod/t2"] {
        host.vks_ok(&["wait", "--for=delete", name, "-n", "down", "--timeout=60s"]);
    }
}

/// What a host has of networks, in the words of those who would know, and all files but systemd's own, those that the test
/// writes, the key of the mesh and what was published last.
const LISTING: &str = "ip -j netns list; ip -j link show | jq -S 'map(del(.ifindex))'; ip -j addr show | jq -S 'map(del(.ifindex))'; \
     ip -j route show table all | jq -S; ip -j -6 route show table all | jq -S; ip -j rule; ip -j -6 rule; nft -j list ruleset | jq '.nftables|map(del(.metainfo))'; \
     sysctl -a 2>/dev/null | grep -E '^net\\.ipv[46]\\.(conf|ip_forward)'; ls /run/netns /run/vks /run/wireguard; \
     find /etc /run /var/lib -xdev ! -type d ! -path '/run/systemd/*' ! -path '/var/lib/systemd/*' ! -path '/run/log/*' ! -path '/etc/vks/*' \
     ! -name .lock ! -path /var/lib/vks/network.json ! -path '/var/lib/vks/wireguard/*' | sort";

#[test]
fn down_leaves_the_host_as_it_was() {
    let Some(host) = own("netdown") else { return };
    world(&host);
    host.ok("mkdir -p /run/vks /run/wireguard; ls /run/vks");
    let before = host.ok(LISTING);
    let key = host.ok("wg genkey | wg pubkey");
    let mesh = format!(
        "[wireguard.peers.far]\npublic_key = '{}'\nprefixes = ['10.192.77.0/24', 'fd00:77::/64']\n",
        key.trim()
    );
    host.machine
        .write("/etc/vks/vks.toml.d/mesh.toml", &mesh, "0644");
    host.ok("systemctl reload vks.service");
    {
        let space = Space::new(&host, "down");
        let pod = space.ready(
            "p",
            &json!({ "hostNetwork": false, "containers": [ports(answers("c", "TCP", 7000), "TCP", 7000, &json!({ "hostPort": 8000 }))] }),
        );
        tunnelled(&host);
        let service = json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "s", "namespace": "down" },
            "spec": { "selector": { "app": "none" }, "type": "NodePort", "ports": [{ "port": 80 }] } });
        space.apply_ok("service", &[service]);
        host.wait("nft list table inet vks | grep -q deadport && ip link show vks-wg0");
        assert_eq!(links(&host).len(), 1);
        assert_ne!(host.ok(LISTING), before);
        let refused = host.vks(&["network", "down"]);
        assert!(
            refused.code == 1 && refused.stderr.contains("down/p"),
            "{refused:?}"
        );
        pod.delete();
        host.vks_ok(&["delete", "service", "s", "-n", "down"]);
    }
    host.wait("test $(nft list map inet vks hostport4 | grep -c elements) = 0");
    host.vks_ok(&["network", "down"]);
    // The kernel takes interfaces away in its own time.
    host.wait("test $(ip -o link | grep -cE 'vks') = 0 && test -z \"$(ls /run/wireguard)\"");
    let after = host.ok(LISTING);
    let lines = |text: &str| -> Vec<String> {
        // Directories of vks stay.
        let lines = text
            .lines()
            .filter(|line| !["pods", "tunnels"].contains(line));
        lines.map(str::to_owned).collect()
    };
    let (before, after) = (lines(&before), lines(&after));
    let not_in = |a: &[String], b: &[String]| -> Vec<String> {
        a.iter().filter(|line| !b.contains(line)).cloned().collect()
    };
    assert_eq!(
        (not_in(&after, &before), not_in(&before, &after)),
        (vec![], vec![]),
        "new, gone"
    );
    assert_eq!(after.len(), before.len());
    host.vks_ok(&["network", "down"]);
}
