//! Parts of the tests of pods' networks: servers that say who they are and who asked, and a world outside of the host.
//! Both ends of all traffic are socat, curl and ping.

use super::host::Host;
use super::space::Pod;
use serde_json::{Value, json};

/// A container that answers with its name and the address of who asked.
pub fn answers(name: &str, protocol: &str, port: u16) -> Value {
    let listen = match protocol {
        "UDP" => format!("UDP6-RECVFROM:{port},fork,ipv6only=0"),
        _ => format!("TCP6-LISTEN:{port},fork,reuseaddr,ipv6only=0"),
    };
    // The name of the pod comes by the environment: containers of several pods are told apart.
    json!({
        "name": name, "image": "host:/usr/bin/socat",
        "args": [listen, "SYSTEM:echo $POD_NAME $SOCAT_PEERADDR"],
        "env": [{ "name": "POD_NAME", "valueFrom": { "fieldRef": { "fieldPath": "metadata.name" } } }],
    })
}

/// A pod's addresses, IPv4 first.
pub fn addresses(pod: &Pod) -> Vec<String> {
    let status = pod.status();
    let list = status["podIPs"].as_array().cloned().unwrap_or_default();
    list.iter()
        .map(|ip| ip["ip"].as_str().unwrap().to_owned())
        .collect()
}

/// How socat writes a socket.
pub fn socket(address: &str, port: u16) -> String {
    match address.contains(':') {
        true => format!("[{address}]:{port}"),
        false => format!("{address}:{port}"),
    }
}

/// From where something is asked.
#[derive(Clone, Copy)]
pub enum From<'a> {
    Host,
    /// The namespace `world`.
    World,
    Pod(&'a str, &'a str),
}

/// What a server answers: its name, and as whom it saw the one who asked. Empty when there is no answer.
pub fn ask(host: &Host, from: From, protocol: &str, address: &str, port: u16) -> (String, String) {
    let to = socket(address, port);
    let command = match protocol {
        "UDP" => format!("echo | timeout 5 socat -t 0.3 - UDP:{to}"),
        _ => format!("timeout 5 socat -t 2 TCP:{to},connect-timeout=3 - </dev/null"),
    };
    let command = match from {
        From::Host => command,
        From::World => format!("ip netns exec world sh -c '{command}'"),
        From::Pod(namespace, pod) => format!("vks exec {pod} -n {namespace} -- sh -c '{command}'"),
    };
    // A datagram may be lost: socat, which starts a process for each, loses some.
    let tries = if protocol == "UDP" { 9 } else { 1 };
    let said = (0..tries)
        .map(|_| host.machine.sh(&command).stdout)
        .find(|said| !said.trim().is_empty())
        .unwrap_or_default();
    let mut words = said.split_whitespace().map(plain);
    (
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default(),
    )
}

/// An address without brackets, and IPv4 as it is.
fn plain(word: &str) -> String {
    let word = word.trim_matches(['[', ']']);
    let word = word.strip_prefix("::ffff:").unwrap_or(word);
    match word.parse::<std::net::Ipv6Addr>() {
        Ok(address) => address
            .to_ipv4_mapped()
            .map_or(address.to_string(), |v4| v4.to_string()),
        Err(_) => word.to_owned(),
    }
}

/// The host's and the world's addresses on the wire between them.
pub const HOST: [&str; 2] = ["192.0.2.1", "2001:db8::1"];
pub const WORLD: [&str; 2] = ["192.0.2.2", "2001:db8::2"];

/// Another machine, as far as the host can tell: a namespace on a wire of its own.
pub fn world(host: &Host) {
    host.ok(
        "ip netns add world && ip link add w0 type veth peer name w1 netns world && \
         ip addr add 192.0.2.1/24 dev w0 && ip addr add 2001:db8::1/64 dev w0 nodad && ip link set w0 up && \
         ip -n world addr add 192.0.2.2/24 dev w1 && ip -n world addr add 2001:db8::2/64 dev w1 nodad && \
         ip -n world link set w1 up && ip -n world link set lo up",
    );
    // Their link-local addresses are asked around for first.
    host.wait("test -z \"$(ip -6 addr show tentative; ip -n world -6 addr show tentative)\"");
}

/// The names of the host's ends of pods' networks.
pub fn links(host: &Host) -> Vec<String> {
    let text = host.ok("ip -j link show");
    let links: Value = serde_json::from_str(&text).unwrap();
    let names = links.as_array().unwrap().iter();
    names
        .map(|link| link["ifname"].as_str().unwrap().to_owned())
        .filter(|name| name.starts_with("vksp") && name != "vkspdns")
        .collect()
}

/// What is published of a service.
pub fn service(host: &Host, namespace: &str, name: &str) -> Value {
    let text = host.vks_ok(&["get", "service", name, "-n", namespace, "-o", "json"]);
    serde_json::from_str(&text).unwrap()
}

/// Waits until a service leads to so many endpoints.
pub fn wait_endpoints(host: &Host, namespace: &str, name: &str, count: usize) {
    host.wait(&format!(
        "test $(vks get endpoints {name} -n {namespace} -o json | jq '[.subsets[].addresses[]]|length') = {count}"
    ));
    // What is kept on disk comes first, the packet filter right after it.
    host.machine.sh("sleep 0.3");
}
