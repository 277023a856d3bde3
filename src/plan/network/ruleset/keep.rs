//! Where pods are seen by their own addresses: their own prefixes, those of other hosts of the mesh, and what settings name.

use super::{Family, families};
use crate::model::network::{NetworkSettings, Prefix};
use crate::plan::network::table::TABLE;
use std::fmt::Write as _;

/// All of them.
pub fn prefixes(network: &NetworkSettings) -> impl Iterator<Item = &Prefix> {
    let all = network.pods.iter().chain(&network.mesh);
    all.chain(&network.no_masquerade)
}

/// A script that puts them into a table that is there, in one transaction and without touching anything else of it.
pub fn script(network: &NetworkSettings) -> String {
    let mut out = String::new();
    for Family { digit, ipv4, .. } in families(network) {
        let of_family = prefixes(network).filter(|prefix| prefix.is_ipv4() == ipv4);
        let list: Vec<String> = of_family.map(ToString::to_string).collect();
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
            add element inet vks keep4 { 10.192.0.0/24, 10.192.7.0/24, 192.0.2.0/24 }\n\
            flush set inet vks keep6\n\
            add element inet vks keep6 { fd76:6b73::/64, fd00:7::/64 }\n";
        assert_eq!(script(&network), wanted);
    }
}
