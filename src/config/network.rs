//! `[network]`: checks, what follows from the machine-id, and whether a route is in the way.

use super::Wrong;
use super::detect::Facts;
use super::fragment::{Family, Network};
use crate::model::network::{
    Mode, NetworkSettings, OURS, Prefix, default_services, derived_ipv4, derived_ipv6,
};
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

/// Where the /24 of a host is taken from: far from what Docker, Kubernetes distributions and homes use.
const IPV4_RANGE: (Ipv4Addr, u8) = (Ipv4Addr::new(10, 192, 0, 0), 10);
/// IPv6 works from here on (RFC 8200).
const SMALLEST_MTU: u32 = 1280;

/// Checks the values one file gives.
pub(super) fn check(network: &Network) -> Result<(), Wrong> {
    let families = [
        ("network.ipv4", network.ipv4, true, 30),
        ("network.ipv4_range", network.ipv4_range, true, 24),
        ("network.ipv6", network.ipv6, false, 120),
    ];
    for (field, prefix, ipv4, longest) in families {
        let Some(prefix) = prefix else { continue };
        if prefix.is_ipv4() != ipv4 {
            let message = format!("{prefix} is of the other family: write it in the other field");
            return Err((field, message));
        }
        if prefix.length() > longest {
            let message = format!("{prefix} is too small: write a prefix of /{longest} or shorter");
            return Err((field, message));
        }
    }
    if network.families.as_ref().is_some_and(Vec::is_empty) {
        let message =
            "names no family: write [\"ipv4\"], [\"ipv6\"] or both, or mode = \"host\"".to_owned();
        return Err(("network.families", message));
    }
    let services = network.services.iter().flatten();
    if services.clone().filter(|prefix| prefix.is_ipv4()).count() > 1
        || services.filter(|prefix| !prefix.is_ipv4()).count() > 1
    {
        let message = "more than one prefix of a family: leave one".to_owned();
        return Err(("network.services", message));
    }
    if let Some((first, last)) = network.node_ports
        && (first == 0 || first > last)
    {
        let message =
            format!("[{first}, {last}] is no range of ports: write one such as [30000, 32767]");
        return Err(("network.node_ports", message));
    }
    if let Some(mtu) = network.mtu
        && !(SMALLEST_MTU..=65535).contains(&mtu)
    {
        let message = format!("{mtu} is not between {SMALLEST_MTU} and 65535: correct it");
        return Err(("network.mtu", message));
    }
    Ok(())
}

/// Fills the gaps: prefixes follow from the machine-id.
pub(super) fn settings(network: Network, facts: Option<&Facts>) -> NetworkSettings {
    let id = match facts {
        Some(facts) => facts.machine_id.clone(),
        None => fs::read_to_string("/etc/machine-id").unwrap_or_default(),
    };
    let has_ipv6 = || facts.map_or_else(has_ipv6, |facts| facts.ipv6);
    let (base, length) = IPV4_RANGE;
    let range = network
        .ipv4_range
        .unwrap_or_else(|| Prefix::new(base.into(), length));
    let wants = |family| match &network.families {
        Some(families) => families.contains(&family),
        None => family == Family::Ipv4 || network.ipv6.is_some() || has_ipv6(),
    };
    let derived = network.ipv4.is_none() && network.ipv6.is_none();
    let mut pods = Vec::new();
    if wants(Family::Ipv4) {
        pods.push(network.ipv4.unwrap_or_else(|| derived_ipv4(&id, range)));
    }
    if wants(Family::Ipv6) {
        pods.push(network.ipv6.unwrap_or_else(|| derived_ipv6(&id)));
    }
    let mut services = network.services.unwrap_or_else(default_services);
    services.retain(|service| pods.iter().any(|pod| pod.is_ipv4() == service.is_ipv4()));
    services.sort();
    NetworkSettings {
        mode: network.mode.unwrap_or_default(),
        pods,
        services,
        node_ports: network
            .node_ports
            .unwrap_or(NetworkSettings::default().node_ports),
        mtu: network.mtu,
        no_masquerade: network.no_masquerade.unwrap_or_default(),
        derived,
        problem: None,
        mesh: Vec::new(),
    }
}

fn has_ipv6() -> bool {
    Path::new("/proc/sys/net/ipv6/conf/all").exists()
}

/// Why pods cannot have addresses on this host; reads the routing tables, which may be long. None in mode `host`.
pub fn problem(network: &NetworkSettings) -> Option<String> {
    if network.mode == Mode::Host {
        return None;
    }
    let ipv4 = fs::read_to_string("/proc/net/route").unwrap_or_default();
    let ipv6 = fs::read_to_string("/proc/net/ipv6_route").unwrap_or_default();
    let mut all = routes(&ipv4, &ipv6);
    all.retain(|(route, link)| foreign(*route, link));
    conflict(network, &all)
}

/// The routes in the kernel's tables, with their interfaces.
pub fn routes<'a>(ipv4: &'a str, ipv6: &'a str) -> Vec<(Prefix, &'a str)> {
    let ipv4 = ipv4.lines().filter_map(ipv4_route);
    ipv4.chain(ipv6.lines().filter_map(ipv6_route)).collect()
}

/// A route that is not ours, and its interface.
type Route<'a> = (Prefix, &'a str);

fn conflict(network: &NetworkSettings, routes: &[Route]) -> Option<String> {
    let fields = network
        .pods
        .iter()
        .map(|prefix| {
            (
                prefix,
                "pods",
                if prefix.is_ipv4() { "ipv4" } else { "ipv6" },
            )
        })
        .chain(
            network
                .services
                .iter()
                .map(|prefix| (prefix, "services", "services")),
        );
    for (prefix, whose, field) in fields {
        for (route, link) in routes.iter().filter(|(route, _)| route.overlaps(*prefix)) {
            // A wider route is in the way of a prefix that nobody chose; one that somebody wrote down is meant.
            let wider = route.length() < prefix.length();
            if wider && !(network.derived && whose == "pods") {
                continue;
            }
            return Some(format!(
                "the prefix of {whose} {prefix} is in the way of the route to {route} on {link}: \
                 set network.{field} in vks.toml to one that is free"
            ));
        }
    }
    None
}

/// Routes of our own, and default routes, are in nobody's way.
fn foreign(route: Prefix, link: &str) -> bool {
    let ours = link.starts_with(OURS) || matches!(link, "lo" | "*");
    !ours && route.length() > 0
}

/// A line of /proc/net/route: `Iface Destination Gateway Flags RefCnt Use Metric Mask ...`, numbers as in memory.
fn ipv4_route(line: &str) -> Option<Route<'_>> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let number = |field: usize| {
        let hex = fields.get(field)?;
        let value = u32::from_str_radix(hex, 16).ok()?;
        Some(u32::from_be_bytes(value.to_ne_bytes()))
    };
    let length = number(7)?.count_ones();
    let address = IpAddr::from(Ipv4Addr::from(number(1)?));
    Some((
        Prefix::new(address, u8::try_from(length).ok()?),
        fields.first()?,
    ))
}

/// A line of /proc/net/ipv6_route: destination, length, and at the end the interface.
fn ipv6_route(line: &str) -> Option<Route<'_>> {
    let mut fields = line.split_whitespace();
    let address = u128::from_str_radix(fields.next()?, 16).ok()?;
    let length = u8::from_str_radix(fields.next()?, 16).ok()?;
    Some((
        Prefix::new(Ipv6Addr::from(address).into(), length),
        fields.last()?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings_of(text: &str) -> Result<NetworkSettings, Wrong> {
        let network: Network = toml::from_str(text).unwrap();
        check(&network)?;
        Ok(settings(network, None))
    }

    #[test]
    fn prefixes_are_what_was_written_or_follow_from_the_machine() {
        let made = settings_of("ipv4 = '10.1.0.0/22'\nipv6 = 'fd00:1::/64'\n").unwrap();
        let texts: Vec<String> = made.pods.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["10.1.0.0/22", "fd00:1::/64"]);
        assert!(!made.derived);
        let made = settings_of("families = ['ipv4']\nipv4_range = '172.16.0.0/16'\n").unwrap();
        assert!(made.pods[0].to_string().starts_with("172.16."), "{made:?}");
        assert_eq!((made.pods.len(), made.services.len()), (1, 1));
    }

    #[test]
    fn wrong_values_are_told() {
        let cases = [
            ("ipv4 = 'fd00::/64'", "network.ipv4"),
            ("ipv4 = '10.0.0.0/31'", "network.ipv4"),
            ("ipv6 = '10.0.0.0/24'", "network.ipv6"),
            ("families = []", "network.families"),
            (
                "services = ['10.1.0.0/16', '10.2.0.0/16']",
                "network.services",
            ),
            ("node_ports = [5, 4]", "network.node_ports"),
            ("mtu = 500", "network.mtu"),
        ];
        for (text, field) in cases {
            assert_eq!(settings_of(text).unwrap_err().0, field, "{text}");
        }
    }

    #[test]
    fn routes_are_read_from_the_kernels_tables() {
        let lines = [
            "eth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0",
            "eth0\t0002A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0",
            "*\t0000C00A\t00000000\t0201\t0\t0\t0\t00FFFFFF\t0\t0\t0",
            "vksp0102030405\t0500C00A\t00000000\t0005\t0\t0\t0\tFFFFFFFF\t0\t0\t0",
            "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT",
        ];
        let found: Vec<_> = lines
            .iter()
            .filter_map(|line| ipv4_route(line))
            .filter(|(route, link)| foreign(*route, link))
            .collect();
        assert_eq!(found, [("192.168.2.0/24".parse().unwrap(), "eth0")]);
        let line = "fd000000000000000000000000000000 40 00000000000000000000000000000000 00 \
                    00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0";
        assert_eq!(
            ipv6_route(line),
            Some(("fd00::/64".parse().unwrap(), "eth0"))
        );
    }

    #[test]
    fn a_route_in_the_way_is_named() {
        let mut network = settings_of("ipv4 = '10.1.0.0/22'\nipv6 = 'fd00:1::/64'\n").unwrap();
        let route = |text: &str| vec![(text.parse().unwrap(), "eth7")];
        assert_eq!(conflict(&network, &route("192.168.0.0/16")), None);
        assert_eq!(conflict(&network, &route("10.0.0.0/8")), None);
        for near in ["10.1.2.0/24", "10.1.0.0/22", "fd00:1::/64"] {
            let text = conflict(&network, &route(near)).unwrap();
            assert!(text.contains(near) && text.contains("eth7"), "{text}");
        }
        assert!(conflict(&network, &route("10.96.7.0/24")).is_some());
        network.derived = true;
        assert!(conflict(&network, &route("10.0.0.0/8")).is_some());
    }
}
