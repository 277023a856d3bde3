//! What is told of the networks of a pod: interfaces with their addresses as they are in its namespace, in the form of the
//! annotation `network-status` (Multi-Network specification, 5.2).

use super::{Attachment, Place, Why};
use crate::host::files::Dir;
use crate::host::namespace;
use crate::model::network::POD_LINK;
use crate::model::network::attach::Network;
use nix::ifaddrs::{InterfaceAddress, getifaddrs};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;

/// What an interface has.
#[derive(Debug, Default)]
struct Link {
    addresses: Vec<IpAddr>,
    mac: Option<String>,
}

/// Writes it down in the pod's directory.
pub(super) fn tell(place: Place, attachments: &[Attachment]) -> Result<(), Why> {
    let path = place.layout.network_status(place.uid);
    let (Some(dir), Some(name)) = (
        path.parent(),
        path.file_name().and_then(|name| name.to_str()),
    ) else {
        return Ok(());
    };
    let links = namespace::visit_network(&place.namespace(), links)?.map_err(Why::Look)?;
    let text = entries(&links, attachments).to_string();
    let dir = Dir::create(dir).map_err(Why::Record)?;
    dir.write(name, text.as_bytes(), 0o644).map_err(Why::Record)
}

/// All interfaces of the thread's network namespace.
fn links() -> io::Result<BTreeMap<String, Link>> {
    let mut found: BTreeMap<String, Link> = BTreeMap::new();
    for InterfaceAddress {
        interface_name,
        address,
        ..
    } in getifaddrs()?
    {
        let link = found.entry(interface_name).or_default();
        let Some(address) = address else { continue };
        if let Some(of) = address.as_sockaddr_in() {
            link.addresses.push(of.ip().into());
        } else if let Some(of) = address.as_sockaddr_in6() {
            let ip = of.ip();
            // The kernel gives itself one on every link.
            if !ip.is_unicast_link_local() {
                link.addresses.push(ip.into());
            }
        } else if let Some(of) = address.as_link_addr() {
            let mac = of.addr().filter(|mac| mac.iter().any(|byte| *byte != 0));
            link.mac = mac.map(|mac| mac.map(|byte| format!("{byte:02x}")).join(":"));
        }
    }
    Ok(found)
}

fn entries(links: &BTreeMap<String, Link>, attachments: &[Attachment]) -> Value {
    let entry = |name: String, interface: &str, default: bool, dns: Vec<IpAddr>| {
        let mut made =
            json!({ "name": name, "interface": interface, "default": default, "dns": {} });
        if let Some(link) = links.get(interface) {
            made["ips"] = json!(link.addresses);
            if let Some(mac) = &link.mac {
                made["mac"] = json!(mac);
            }
        }
        if !dns.is_empty() {
            made["dns"] = json!({ "nameservers": dns });
        }
        made
    };
    let own = !attachments.iter().any(|of| of.only_way);
    let mut list = vec![entry("vks".to_owned(), POD_LINK, own, Vec::new())];
    list.extend(attachments.iter().map(|of| {
        let dns = match &of.network {
            Network::Wireguard(tunnel) => tunnel.dns.clone(),
            Network::Bridge(_) | Network::Macvlan(_) => Vec::new(),
        };
        entry(of.of.to_string(), &of.link, of.only_way, dns)
    }));
    list.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pods_own_comes_first() {
        let link = |ip: &str, mac: Option<&str>| Link {
            addresses: vec![ip.parse().unwrap()],
            mac: mac.map(str::to_owned),
        };
        let links = [
            (
                POD_LINK.to_owned(),
                link("10.1.0.2", Some("02:00:00:00:00:01")),
            ),
            ("net1".to_owned(), link("10.7.0.2", None)),
        ];
        let bridge = json!({
            "of": { "namespace": "default", "name": "lan" }, "link": "net1", "network": { "type": "bridge" },
        });
        let bridge = serde_json::from_value(bridge).unwrap();
        let wanted = json!([
            { "name": "vks", "interface": "eth0", "default": true, "dns": {}, "ips": ["10.1.0.2"], "mac": "02:00:00:00:00:01" },
            { "name": "default/lan", "interface": "net1", "default": false, "dns": {}, "ips": ["10.7.0.2"] },
        ]);
        assert_eq!(entries(&links.into(), &[bridge]), wanted);
    }
}
