//! Peers of the mesh in all the ways they can be told of: by a name that changes, with a preshared key, this host's key in a
//! credential; and what `vks wireguard` prints for others. Judged by `wg`, ping and the kernel.

use super::host::{Host, own};
use super::network::world;

/// A peer in the namespace `world`, which `wg` sets up: with the pods 10.192.2.0/24, of which it has one.
fn peer(host: &Host, own: &str) -> String {
    host.ok("systemd-run -q --unit=far -p NetworkNamespacePath=/run/netns/world -p Type=notify -p NotifyAccess=all vks wireguard-device wgfar");
    host.ok("umask 077; wg genkey >/t/far.key; wg genpsk >/t/psk");
    host.ok(&format!(
        "wg set wgfar private-key /t/far.key listen-port 51820 && \
         wg set wgfar peer {own} preshared-key /t/psk allowed-ips 10.192.1.0/24 && \
         ip -n world addr add 10.192.2.5/32 dev wgfar && ip -n world link set wgfar up && \
         ip -n world route add 10.192.1.0/24 dev wgfar"
    ));
    host.ok("wg pubkey </t/far.key").trim().to_owned()
}

#[test]
fn a_peer_is_found_by_its_name_also_when_that_changes() {
    let Some(host) = own("peers") else { return };
    let host = &host;
    world(host);
    host.ok("umask 077; mkdir -p /etc/credstore; wg genkey >/etc/credstore/vks.mesh");
    let key = host.ok("wg pubkey </etc/credstore/vks.mesh");
    let far = peer(host, key.trim());
    // Nobody is there.
    host.ok("echo 192.0.2.9 far.test >>/etc/hosts");
    let settings = format!(
        "[network]\nipv4 = '10.192.1.0/24'\n[wireguard]\nkey_credential = 'vks.mesh'\n[wireguard.peers.far]\n\
         public_key = '{far}'\nendpoint = 'far.test:51820'\npreshared_key_file = '/t/psk'\nprefixes = ['10.192.2.0/24']\n"
    );
    host.machine
        .write("/etc/vks/vks.toml.d/mesh.toml", &settings, "0644");
    host.ok("systemctl reload vks.service; systemctl start vks-network.service");
    host.wait("wg show vks-wg0 endpoints | grep -q 192.0.2.9:51820");
    assert_eq!(host.ok("wg show vks-wg0 public-key"), key);
    assert_eq!(
        host.ok("wg show vks-wg0 preshared-keys | cut -f2"),
        host.ok("cat /t/psk")
    );
    assert_ne!(host.machine.sh("ls /var/lib/vks/wireguard/key").code, 0);
    assert_ne!(host.machine.sh("ping -c1 -W1 10.192.2.5").code, 0);

    // All of it at the first try.
    let failed = host.ok("journalctl -b -u 'vks-wireguard*' | grep -i failed || true");
    assert_eq!(failed, "");
    // Where its name leads has changed: what the timer calls from time to time finds it.
    host.ok("systemctl is-active vks-wireguard.timer");
    host.ok("sed 's/^192.0.2.9 /192.0.2.2 /' /etc/hosts >/t/hosts && cat /t/hosts >/etc/hosts");
    host.ok("systemctl start vks-wireguard-refresh.service");
    host.wait("ping -c1 -W1 10.192.2.5");
    assert!(
        host.vks_ok(&["get", "peers", "--no-headers"])
            .contains(" up")
    );
    told_to_others(host, key.trim());
}

/// What another host, or a phone, needs to know.
fn told_to_others(host: &Host, own: &str) {
    assert_eq!(host.ok("vks wireguard genkey | wg pubkey | wc -c"), "45\n");
    let part = host.vks_ok(&["wireguard", "export", "--endpoint", "192.0.2.1:51820"]);
    assert!(
        part.contains(own) && part.contains("10.192.1.0/24"),
        "{part}"
    );
    let phone = [
        "wireguard",
        "peer",
        "add",
        "phone",
        "--generate",
        "--prefix",
        "10.200.0.7/32",
        "--own-endpoint",
        "192.0.2.1:51820",
    ];
    host.machine
        .write("/t/wg0.conf", &host.vks_ok(&phone), "0600");
    let made = host.ok("sed -n 's/^PrivateKey *= *//p' /t/wg0.conf | wg pubkey");
    host.wait(&format!(
        "wg show vks-wg0 allowed-ips | grep -F '{}' | grep -q 10.200.0.7/32",
        made.trim()
    ));
    // wg-quick reads it, and so does vks: as a tunnel for pods.
    assert!(host.ok("wg-quick strip /t/wg0.conf").contains(own));
    host.ok("vks wireguard import /t/wg0.conf >/t/tunnel.yaml && vks verify /t/tunnel.yaml");
    let picture = host.vks_ok(&[
        "wireguard",
        "export",
        "--qr",
        "--endpoint",
        "192.0.2.1:51820",
    ]);
    assert!(
        picture.lines().count() > 15 && picture.contains('█'),
        "{picture}"
    );
    host.vks_ok(&["wireguard", "peer", "rm", "phone"]);
    assert!(
        !host
            .ok("wg show vks-wg0 allowed-ips")
            .contains("10.200.0.7")
    );
}
