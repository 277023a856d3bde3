//! Pods on a bridge and on the wire of an interface, beside their own network. Judged by `ip -j` and ping.

use super::host::{self, Host};
use serde_json::{Value, json};

fn definition(name: &str, config: &Value) -> Value {
    json!({
        "apiVersion": "k8s.cni.cncf.io/v1", "kind": "NetworkAttachmentDefinition",
        "metadata": { "name": name, "namespace": "a" }, "spec": { "config": config.to_string() },
    })
}

fn pod(name: &str, networks: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": name, "namespace": "a", "annotations": { "k8s.v1.cni.cncf.io/networks": networks } },
        "spec": { "terminationGracePeriodSeconds": 1,
            "containers": [{ "name": "c", "image": "host:/bin/sleep", "args": ["infinity"] }] },
    })
}

fn put(host: &Host, file: &str, manifest: &Value) {
    let path = format!("/etc/vks/pods.d/{file}.json");
    host.machine.write(&path, &manifest.to_string(), "0644");
}

fn address(host: &Host, pod: &str, link: &str) -> String {
    host.ok(&format!(
        "vks exec {pod} -n a -- ip -j addr show {link} | jq -r '.[0].addr_info[0].local'"
    ))
    .trim()
    .to_owned()
}

#[test]
fn pods_are_on_a_bridge_and_on_a_wire() {
    let Some(mut host) = host::own("attach") else {
        return;
    };
    let ipam = json!({ "type": "host-local", "subnet": "10.77.0.0/24", "gateway": "10.77.0.1",
        "routes": [{ "dst": "10.99.0.0/16" }] });
    put(
        &host,
        "br",
        &definition(
            "lan",
            &json!({ "type": "bridge", "bridge": "br77", "ipam": ipam }),
        ),
    );
    put(&host, "p1", &pod("p1", "lan@lan0"));
    put(
        &host,
        "p2",
        &pod(
            "p2",
            r#"[{"name":"lan","interface":"lan0","mac":"02:00:00:00:00:07"}]"#,
        ),
    );
    for name in ["p1", "p2"] {
        host.vks_ok(&[
            "wait",
            "--for=condition=Ready",
            &format!("pod/{name}"),
            "-n",
            "a",
            "--timeout=60s",
        ]);
    }
    let (one, two) = (address(&host, "p1", "lan0"), address(&host, "p2", "lan0"));
    assert_ne!(one, two);
    assert!(one.starts_with("10.77.0.") && one != "10.77.0.1", "{one}");
    host.ok(&format!("vks exec p1 -n a -- ping -c1 -W2 {two}"));
    let mac = host.ok("vks exec p2 -n a -- ip -j link show lan0 | jq -r '.[0].address'");
    assert_eq!(mac.trim(), "02:00:00:00:00:07");
    let status = r#"vks get pod p2 -n a -o json | jq -c '.metadata.annotations["k8s.v1.cni.cncf.io/network-status"]|fromjson|map([.name,.interface,.ips[0],.mac,.default])'"#;
    let own = host.get("a", "p2")["status"]["podIP"].clone();
    let status: Value = serde_json::from_str(&host.ok(status)).unwrap();
    assert_eq!(status[0][2], own);
    assert_eq!(
        status[1],
        json!(["a/lan", "lan0", two, "02:00:00:00:00:07", false])
    );
    let route = host.ok("vks exec p1 -n a -- ip route get 10.99.1.1");
    assert!(route.contains("via 10.77.0.1 dev lan0"), "{route}");
    // Its own network is what it was.
    assert!(
        host.ok("vks exec p1 -n a -- ip route show default")
            .contains("dev eth0")
    );

    host.ok("systemctl mask vks.service");
    host.machine.reboot();
    for name in ["p1", "p2"] {
        host.vks_ok(&[
            "wait",
            "--for=condition=Ready",
            &format!("pod/{name}"),
            "-n",
            "a",
            "--timeout=60s",
        ]);
    }
    assert_eq!(
        (address(&host, "p1", "lan0"), address(&host, "p2", "lan0")),
        (one, two.clone())
    );
    host.ok(&format!("vks exec p1 -n a -- ping -c1 -W2 {two}"));
    host.ok("systemctl unmask vks.service && systemctl start vks.service");

    // A network that is not there is waited for, with the reason.
    put(&host, "p3", &pod("p3", "nowhere"));
    host.wait(
        "vks describe pod p3 -n a | grep -q 'networkattachmentdefinition \"a/nowhere\" not found'",
    );
    on_a_wire(&host);
    host.ok("rm /etc/vks/pods.d/p*.json");
    for name in ["p1", "p2", "p3"] {
        host.vks_ok(&[
            "wait",
            "--for=delete",
            &format!("pod/{name}"),
            "-n",
            "a",
            "--timeout=60s",
        ]);
    }
    host.wait("! ip link show br77");
}

fn on_a_wire(host: &Host) {
    if host
        .machine
        .sh("ip link add d0 type dummy && ip link add m0 link d0 type macvlan && ip link del m0")
        .code
        != 0
    {
        // The kernel of this machine has no macvlan: the VM's has.
        assert!(
            host.machine
                .sh("ip link add v0 type veth peer name v1")
                .code
                == 0
        );
        if host
            .machine
            .sh("ip link add m0 link v0 type macvlan && ip link del m0")
            .code
            != 0
        {
            eprintln!("SKIP attachments: this kernel has no macvlan");
            return;
        }
    } else {
        host.ok("ip link add v0 type veth peer name v1");
    }
    host.ok("ip link set v0 up; ip link set v1 up; ip addr add 10.78.0.1/24 dev v1");
    let ipam = json!({ "type": "static", "addresses": [{ "address": "10.78.0.9/24" }] });
    put(
        host,
        "nowhere",
        &definition(
            "nowhere",
            &json!({ "type": "macvlan", "master": "v0", "ipam": ipam }),
        ),
    );
    host.vks_ok(&[
        "wait",
        "--for=condition=Ready",
        "pod/p3",
        "-n",
        "a",
        "--timeout=60s",
    ]);
    host.ok("vks exec p3 -n a -- ping -c1 -W2 10.78.0.1");
    let kind =
        host.ok("vks exec p3 -n a -- ip -d -j link show net1 | jq -r '.[0].linkinfo.info_kind'");
    assert_eq!(kind.trim(), "macvlan");
    host.ok("rm /etc/vks/pods.d/nowhere.json");
}
