//! The table in the namespace of a tunnel that several pods share: they ask through the tunnel, as its address; nobody in the
//! tunnel asks them, and they do not ask each other.

use crate::model::network::attach::Address;
use crate::plan::network::table::TABLE;
use std::net::IpAddr;

/// A script that puts it in place of whatever is there of it: `device` is the tunnel's interface, `own` its addresses, of which
/// the first of each family is used.
pub fn script(device: &str, own: &[Address]) -> String {
    let of = |ipv4: bool| {
        let mut all = own.iter().map(|address| address.ip);
        all.find(|ip| ip.is_ipv4() == ipv4)
    };
    let as_own = [of(true), of(false)].into_iter().flatten().map(|ip| {
        let (nfproto, family) = match ip {
            IpAddr::V4(_) => ("ipv4", "ip"),
            IpAddr::V6(_) => ("ipv6", "ip6"),
        };
        format!(
            "add rule {TABLE} out oifname \"{device}\" meta nfproto {nfproto} snat {family} to {ip}\n"
        )
    });
    let as_own: String = as_own.collect();
    format!(
        "add table {TABLE}\ndelete table {TABLE}\nadd table {TABLE}\n\
         add chain {TABLE} raw {{ type filter hook prerouting priority raw; policy accept; }}\n\
         add chain {TABLE} in {{ type filter hook input priority filter; policy drop; }}\n\
         add chain {TABLE} through {{ type filter hook forward priority filter; policy drop; }}\n\
         add chain {TABLE} out {{ type nat hook postrouting priority srcnat; }}\n\
         add rule {TABLE} raw iifname != {{ \"{device}\", \"lo\" }} fib saddr . iif oif missing drop\n\
         add rule {TABLE} in ct state established,related accept\n\
         add rule {TABLE} through iifname != \"{device}\" oifname \"{device}\" accept\n\
         add rule {TABLE} through iifname \"{device}\" ct state established,related accept\n\
         {as_own}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_go_by_the_tunnels_own_addresses() {
        let own: Vec<Address> = ["10.6.0.2/32", "10.6.0.3/32", "fd66::2/64"]
            .iter()
            .map(|text| text.parse().unwrap())
            .collect();
        let text = script("vksw1", &own);
        assert!(text.contains("meta nfproto ipv4 snat ip to 10.6.0.2\n"));
        assert!(text.contains("meta nfproto ipv6 snat ip6 to fd66::2\n"));
        assert!(!text.contains("10.6.0.3"));
        let only_v4 = script("vksw1", own.get(..1).unwrap());
        assert!(!only_v4.contains("ip6"), "{only_v4}");
    }
}
