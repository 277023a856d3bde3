//! Where pods are seen by their own addresses: their own prefixes, those of other hosts of the mesh, what settings name, and
//! the name server.

use super::{Family, families};
use crate::model::network::{DNS_ADDRESSES, NetworkSettings, Prefix};
use crate::plan::network::table::TABLE;
use std::fmt::Write as _;

/// All of a family, as elements of a set.
pub fn entries(network: &NetworkSettings, ipv4: bool) -> impl Iterator<Item = String> {
    let names = DNS_ADDRESSES
        .into_iter()
        .filter(move |ip| ip.is_ipv4() == ipv4);
    let all = network.pods.iter().chain(&network.mesh);
    let prefixes = all.chain(&network.no_masquerade);
    let prefixes = prefixes.filter(move |prefix| prefix.is_ipv4() == ipv4);
    names
        .map(|ip| ip.to_string())
        .chain(prefixes.map(Prefix::to_string))
}

/// A script that puts them into a table that is there, in one transaction and without touching anything else of it.
pub fn script(network: &NetworkSettings) -> String {
    let mut out = String::new();
    for Family { digit, ipv4, .. } in families(network) {
        let list: Vec<String> = entries(network, ipv4).collect();
        // Writing to a String cannot fail.
        let _ = writeln!(out, "flush set {TABLE} keep{digit}");
        if !list.is_empty() {
            let list = list.join(", ");
            let _ = writeln!(out, "add element {TABLE} keep{digit} {{ {list} }}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mesh_sees_pods_as_they_are() {
        let network = NetworkSettings {
            mesh: vec![
                "10.192.7.0/24".parse().unwrap(),
                "fd00:7::/64".parse().unwrap(),
            ],
            no_masquerade: vec!["192.0.2.0/24".parse().unwrap()],
            ..NetworkSettings::default()
        };
        let wanted = "flush set inet vks keep4\n\
            add element inet vks keep4 { 169.254.77.1, 10.192.0.0/24, 10.192.7.0/24, 192.0.2.0/24 }\n\
            flush set inet vks keep6\n\
            add element inet vks keep6 { fd76:6b73:53::53, fd76:6b73::/64, fd00:7::/64 }\n";
        assert_eq!(script(&network), wanted);
    }
}
