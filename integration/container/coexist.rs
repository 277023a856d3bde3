//! Others that write rules for the packet filter: pods keep their network beside them, whoever comes first and however
//! often they load theirs anew; and theirs stay what they were.

use super::host::{Host, own};
use super::network::{From, HOST, WORLD, addresses, answers, ask, wait_endpoints, world};
use super::space::{Space, sleeper};
use serde_json::json;

struct Scene<'a> {
    host: &'a Host,
    pod: String,
}

/// A server and a client among the pods, a service, and a server in the world.
fn scene<'a>(host: &'a Host, space: &Space) -> Scene<'a> {
    world(host);
    host.ok("systemd-run -q --unit far ip netns exec world socat TCP6-LISTEN:9000,fork,reuseaddr,ipv6only=0 'SYSTEM:echo far $SOCAT_PEERADDR'");
    let mut server = space.manifest(
        "one",
        &json!({ "hostNetwork": false, "containers": [answers("c", "TCP", 7000)] }),
    );
    server["metadata"]["labels"] = json!({ "app": "web" });
    let spec = json!({ "type": "NodePort", "selector": { "app": "web" }, "clusterIP": "10.96.8.8",
        "ports": [{ "port": 80, "targetPort": 7000, "nodePort": 30080 }] });
    space.apply_ok("objects", &[
        json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "web", "namespace": space.name }, "spec": spec }),
        server,
    ]);
    let one = space.known("one");
    one.wait_for("condition=Ready");
    space.ready(
        "client",
        &json!({ "hostNetwork": false, "containers": [sleeper("c")] }),
    );
    wait_endpoints(host, "co", "web", 2);
    Scene {
        host,
        pod: addresses(&one)[0].clone(),
    }
}

impl Scene<'_> {
    /// All ways that packets of pods take. What somebody has just loaded is answered by event: a moment later.
    fn works(&self, when: &str) {
        let client = From::Pod("co", "client");
        let ways = [
            (client, self.pod.as_str(), 7000, "one"),
            (client, "10.96.8.8", 80, "one"),
            (From::World, HOST[0], 30080, "one"),
            (client, WORLD[0], 9000, "far"),
            (client, WORLD[1], 9000, "far"),
        ];
        for (from, address, port, wanted) in ways {
            let mut tries = 0;
            loop {
                let (who, seen) = ask(self.host, from, "TCP", address, port);
                if who == wanted {
                    if wanted == "far" {
                        assert!(
                            HOST.contains(&seen.as_str()),
                            "{when}: masqueraded, not {seen}"
                        );
                    }
                    break;
                }
                tries += 1;
                assert!(
                    tries < 10,
                    "{when}: {address} {port}: {}",
                    self.host.ok("nft list ruleset")
                );
                self.host.machine.sh("sleep 0.3");
            }
        }
        let name =
            "vks exec client -n co -- dig +short +time=2 +tries=3 A web.co.svc.cluster.local";
        assert_eq!(self.host.ok(name), "10.96.8.8\n", "{when}");
    }
}

#[test]
fn pods_have_their_network_beside_firewalld() {
    let Some(host) = own("firewalld") else { return };
    let space = Space::new(&host, "co");
    let scene = scene(&host, &space);
    scene.works("before");
    host.ok("systemctl unmask firewalld.service; systemctl start firewalld.service && firewall-cmd --state");
    scene.works("firewalld started");
    host.ok("firewall-cmd --reload");
    scene.works("firewalld loaded its rules anew");
    host.ok("firewall-cmd --complete-reload");
    scene.works("firewalld loaded all anew");
    // What is the host's own is still closed to the world.
    host.ok("systemd-run -q --unit near socat TCP-LISTEN:9001,fork,reuseaddr SYSTEM:'echo open'");
    assert_eq!(ask(&host, From::World, "TCP", HOST[0], 9001).0, "");
    host.ok("systemctl stop firewalld.service");
    scene.works("firewalld stopped");
}

#[test]
fn pods_have_their_network_beside_ufw() {
    let Some(host) = own("ufw") else { return };
    let space = Space::new(&host, "co");
    let scene = scene(&host, &space);
    host.ok("ufw --force enable");
    scene.works("ufw enabled");
    host.ok("ufw reload");
    scene.works("ufw reloaded");
    host.ok("systemd-run -q --unit near socat TCP-LISTEN:9001,fork,reuseaddr SYSTEM:'echo open'");
    assert_eq!(ask(&host, From::World, "TCP", HOST[0], 9001).0, "");
    host.ok("ufw disable");
    scene.works("ufw disabled");
}

/// Docker's rules as dockerd 28 makes them, and what it does with the policy of FORWARD.
const DOCKER: &str = "
iptables -P FORWARD DROP; ip6tables -P FORWARD DROP
for t in iptables ip6tables; do
  $t -N DOCKER; $t -N DOCKER-FORWARD; $t -N DOCKER-USER; $t -N DOCKER-CT; $t -N DOCKER-BRIDGE
  $t -A FORWARD -j DOCKER-USER; $t -A FORWARD -j DOCKER-FORWARD
  $t -A DOCKER-FORWARD -j DOCKER-CT; $t -A DOCKER-FORWARD -j DOCKER-BRIDGE; $t -A DOCKER-FORWARD -i docker0 -j ACCEPT
  $t -A DOCKER-CT -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
  $t -A DOCKER-BRIDGE -o docker0 -j DOCKER; $t -A DOCKER ! -i docker0 -o docker0 -j DROP
  $t -t nat -N DOCKER; $t -t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
done
iptables -t nat -A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
iptables -t nat -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
";

#[test]
fn pods_have_their_network_beside_dockers_rules_and_reloads_of_nftables() {
    let Some(host) = own("docker") else { return };
    let space = Space::new(&host, "co");
    let scene = scene(&host, &space);
    host.ok(DOCKER);
    scene.works("docker's rules came");
    // Somebody takes out all rules of the chain, ours too.
    host.ok("iptables -F FORWARD; ip6tables -F FORWARD; iptables -A FORWARD -j DOCKER-FORWARD");
    scene.works("FORWARD was flushed");
    let theirs = host.ok("iptables -S DOCKER; iptables -t nat -S");
    host.ok("systemctl restart vks-network.service");
    scene.works("the host's part came anew");
    assert_eq!(host.ok("iptables -S DOCKER; iptables -t nat -S"), theirs);
    host.machine.write(
        "/etc/nftables.conf",
        "flush ruleset\ntable inet filter {\n chain forward { type filter hook forward priority 0; policy drop; }\n}\n",
        "0755",
    );
    host.ok("systemctl start nftables.service");
    scene.works("nftables.service started");
    host.ok("systemctl reload nftables.service");
    scene.works("nftables.service reloaded");
    host.ok("nft flush ruleset");
    scene.works("the rules were flushed");
}

/// Both come up in one boot, and no agent is there to repair what one of them came too early for.
#[test]
fn firewalld_is_told_at_a_boot_without_the_agent() {
    let Some(mut host) = own("fwboot") else {
        return;
    };
    {
        let space = Space::new_kept(&host, "co");
        space.ready(
            "client",
            &json!({ "hostNetwork": false, "containers": [sleeper("c")] }),
        );
    }
    host.ok("systemctl unmask firewalld.service; systemctl enable firewalld.service; systemctl mask vks.service; sync");
    host.machine.reboot();
    let space = Space::new_kept(&host, "co");
    space.known("client").wait_for("condition=Ready");
    host.wait("firewall-cmd --state");
    let trusted = host.ok("firewall-cmd --zone=trusted --list-interfaces");
    let trusted: Vec<&str> = trusted.split_whitespace().collect();
    assert!(
        ["vksp+", "vks-wg0"]
            .iter()
            .all(|link| trusted.contains(link)),
        "{trusted:?}"
    );
    let cycles = host.ok("journalctl -b --no-pager | grep -i 'ordering cycle' || true");
    assert_eq!(cycles, "");
}
