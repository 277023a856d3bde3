//! Addresses: never twice, kept, and an end that is told. The table: what changes leads from one to the other.

use super::addresses::{Others, Promised, choose};
use super::table::{self, Change, Table};
use super::*;
use crate::model::network::Prefix;
use crate::model::network::published::{
    HostPort, Protocol, Published, PublishedService, ServicePort,
};
use crate::plan::tests::pod;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::net::Ipv4Addr;

fn network(pods: &[&str]) -> NetworkSettings {
    NetworkSettings {
        pods: pods.iter().map(|prefix| prefix.parse().unwrap()).collect(),
        ..NetworkSettings::default()
    }
}

/// A service of UDP port 80 and node port 30080.
pub(super) fn udp_service(endpoints: Vec<(IpAddr, u16)>) -> PublishedService {
    PublishedService {
        key: own("s").key,
        source: own("s").source,
        kind: "NodePort".into(),
        cluster_ips: vec!["10.96.0.9".parse().unwrap()],
        external_ips: vec![],
        external_name: None,
        affinity: None,
        hosts: vec![],
        ports: vec![ServicePort {
            name: String::new(),
            protocol: Protocol::Udp,
            port: 80,
            node_port: Some(30080),
            endpoints,
            outside: None,
        }],
    }
}

fn own(name: &str) -> Pod {
    let mut pod = pod(name);
    pod.spec.host_network = false;
    pod
}

fn fill(network: &NetworkSettings, names: impl Iterator<Item = String>) -> (Promised, usize) {
    let mut given = Promised::new();
    let mut refused = 0;
    for name in names {
        let pod = own(&name);
        let others = Others {
            observed: None,
            promised: Some(&given),
        };
        match choose(&pod, &[], others, network) {
            Ok(addresses) => drop(given.insert(pod.key.clone(), addresses)),
            Err(_) => refused += 1,
        }
    }
    (given, refused)
}

#[test]
fn a_prefix_is_given_away_to_its_last_address_and_no_further() {
    let network = network(&["10.1.0.0/28", "fd00::/64"]);
    let (given, refused) = fill(&network, (0..20).map(|index| format!("p{index}")));
    let all: BTreeSet<IpAddr> = given.values().flatten().copied().collect();
    assert_eq!((given.len(), refused), (13, 7));
    assert_eq!(all.len(), 26, "no address twice");
    for reserved in ["10.1.0.0", "10.1.0.1", "10.1.0.15", "fd00::", "fd00::1"] {
        assert!(!all.contains(&reserved.parse().unwrap()), "{reserved}");
    }
    let others = Others {
        observed: None,
        promised: Some(&given),
    };
    let error = choose(&own("late"), &[], others, &network).unwrap_err();
    assert!(
        error.message.contains("all 13 of 10.1.0.0/28 are taken")
            && error.message.contains("network.ipv4"),
        "{}",
        error.message
    );
}

#[test]
fn addresses_are_kept_as_long_as_they_are_of_the_nodes_prefixes() {
    let network = network(&["10.1.0.0/24", "fd00::/64"]);
    let kept = ["10.1.0.77".parse().unwrap(), "fd00::77".parse().unwrap()];
    let chosen = |kept: &[IpAddr]| choose(&own("a"), kept, Others::default(), &network).unwrap();
    assert_eq!(chosen(&kept), kept);
    assert_eq!(chosen(&[]), chosen(&[]), "the same name, the same address");
    let other = ["10.9.0.77".parse().unwrap(), kept[1]];
    let moved = chosen(&other);
    assert!(
        moved[0].to_string().starts_with("10.1.0.") && moved[1] == kept[1],
        "{moved:?}"
    );
}

#[test]
fn where_pods_cannot_have_addresses_the_reason_is_told_and_what_runs_is_kept() {
    let mut network = network(&["10.1.0.0/24"]);
    network.problem = Some("a route is in the way".to_owned());
    let error = choose(&own("a"), &[], Others::default(), &network).unwrap_err();
    assert!(
        error.message.ends_with("a route is in the way"),
        "{error:?}"
    );
    let kept = ["10.1.0.77".parse().unwrap()];
    assert_eq!(
        choose(&own("a"), &kept, Others::default(), &network).unwrap(),
        kept
    );
    network.mode = Mode::Host;
    assert!(
        choose(&own("a"), &[], Others::default(), &network)
            .unwrap()
            .is_empty()
    );
    assert!(in_mode(&own("a"), Mode::Host).unwrap().spec.host_network);
}

/// What a table becomes by changes, as the kernel sees them.
#[expect(clippy::too_many_lines, reason = "one arm for each change")]
pub(super) fn apply(mut table: Table, changes: &[Change]) -> Table {
    for change in changes {
        match change {
            Change::AddChain(name, chain) => {
                let made = table::Chain {
                    declaration: chain.declaration.clone(),
                    rules: Vec::new(),
                };
                assert!(
                    table.chains.insert((*name).to_owned(), made).is_none(),
                    "{name} twice"
                );
            }
            Change::AddSet(name, set) => {
                let mut made = (*set).clone();
                made.elements.clear();
                assert!(
                    table.sets.insert((*name).to_owned(), made).is_none(),
                    "{name} twice"
                );
            }
            Change::FlushChain(name) => table.chains.get_mut(*name).unwrap().rules.clear(),
            Change::AddRules(name, rules) => {
                for rule in *rules {
                    for set in rule
                        .split_whitespace()
                        .filter_map(|word| word.strip_prefix('@'))
                    {
                        assert!(table.sets.contains_key(set), "{rule}: {set} is not there");
                    }
                    table
                        .chains
                        .get_mut(*name)
                        .unwrap()
                        .rules
                        .push(rule.clone());
                }
            }
            Change::DeleteElements(name, keys) => {
                for key in keys {
                    assert!(
                        table
                            .sets
                            .get_mut(*name)
                            .unwrap()
                            .elements
                            .remove(*key)
                            .is_some()
                    );
                }
            }
            Change::AddElements(name, elements) => {
                for (key, value) in elements {
                    if let Some(chain) = value.strip_prefix("goto ") {
                        assert!(table.chains.contains_key(chain), "{chain} is not there");
                    }
                    let set = table.sets.get_mut(*name).unwrap();
                    assert!(
                        set.elements
                            .insert((*key).to_owned(), (*value).to_owned())
                            .is_none()
                    );
                }
            }
            Change::DeleteChain(name) => {
                assert!(
                    table.chains.remove(*name).unwrap().rules.is_empty(),
                    "{name} is in use"
                );
                let goto = format!("goto {name}");
                let mut values = table.sets.values().flat_map(|set| set.elements.values());
                assert!(!values.any(|value| *value == goto), "{name} is in use");
            }
            Change::DeleteSet(name) => {
                assert!(table.sets.remove(*name).unwrap().elements.is_empty());
                let at = format!("@{name}");
                let mut rules = table.chains.values().flat_map(|chain| &chain.rules);
                assert!(!rules.any(|rule| rule.split_whitespace().any(|word| word == at)));
            }
        }
    }
    table
}

/// Endpoints for who is inside, for who comes from outside if others, and what is in the sets.
type Case = (&'static [u8], Option<&'static [u8]>, [&'static str; 3]);

#[test]
fn who_comes_from_outside_may_be_led_to_fewer() {
    let network = network(&["10.1.0.0/24"]);
    let socket = |last: u8| (IpAddr::from([10, 1, 0, last]), 53);
    let elements = |inside: &[u8], outside: Option<&[u8]>| {
        let sockets = |all: &[u8]| all.iter().map(|last| socket(*last)).collect();
        let mut service = udp_service(sockets(inside));
        service.ports[0].outside = outside.map(sockets);
        let table = ruleset::table(&network, [service].iter(), &[], &[]);
        let names = ["node4", "onode4", "deadport"];
        names.map(|name| {
            let all = table.sets[name].elements.iter();
            let all: Vec<String> = all.map(|(key, to)| format!("{key} {to}")).collect();
            all.join(";").replace("udp . 30080", "port")
        })
    };
    let cases: [Case; 6] = [
        (&[2, 3], None, ["port goto to_nep4_2", "", ""]),
        // externalTrafficPolicy: Local
        (
            &[2, 3],
            Some(&[2]),
            ["port goto to_nep4_2", "port goto to_onep4_1", ""],
        ),
        (
            &[2, 3],
            Some(&[]),
            ["port goto to_nep4_2", "port goto nobody", ""],
        ),
        // internalTrafficPolicy: Local is not about ports of the host.
        (&[2], Some(&[2, 3]), ["port goto to_nep4_2", "", ""]),
        (&[], Some(&[3]), ["port goto to_nep4_1", "", ""]),
        (&[], None, ["", "", "port "]),
    ];
    for (inside, outside, wanted) in cases {
        assert_eq!(elements(inside, outside), wanted, "{inside:?} {outside:?}");
    }
}

prop_compose! {
    fn any_address()(v6 in any::<bool>(), last in 2..6u8) -> IpAddr {
        if v6 { format!("fd00::{last}").parse().unwrap() } else { Ipv4Addr::new(10, 1, 0, last).into() }
    }
}
prop_compose! {
    fn any_protocol()(index in 0..3usize) -> Protocol { [Protocol::Tcp, Protocol::Udp, Protocol::Sctp][index] }
}
prop_compose! {
    fn any_service()(protocol in any_protocol(), port in 1..4u16, cluster_ips in prop::collection::vec(any_address(), 0..3),
        node_port in prop::option::of(30000..30003u16), affinity in prop::option::of(10..12u32),
        endpoints in prop::collection::vec((any_address(), 80..82u16), 0..4),
        outside in prop::option::of(prop::collection::vec((any_address(), 80..82u16), 0..4)),
        external_ips in prop::collection::vec(any_address(), 0..2)) -> PublishedService {
        let ports = vec![ServicePort { name: String::new(), protocol, port, node_port, endpoints, outside }];
        PublishedService { key: own("s").key, source: own("s").source, kind: "ClusterIP".into(), cluster_ips, external_ips,
            external_name: None, affinity, ports, hosts: vec![] }
    }
}
prop_compose! {
    fn any_host_port()(protocol in any_protocol(), port in 1..4u16, host in prop::option::of(any_address()), address in any_address(), to in 1..3u16) -> HostPort {
        HostPort { protocol, port, host: host.filter(|host| host.is_ipv4() == address.is_ipv4()), address, to }
    }
}
prop_compose! {
    fn any_published()(host_ports in prop::collection::vec(any_host_port(), 0..3), services in prop::collection::vec(any_service(), 0..4)) -> Published {
        Published { host_ports, services }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn changes_lead_from_any_table_to_any_other(first in any_published(), second in any_published()) {
        let network = network(&["10.1.0.0/24", "fd00::/64"]);
        let whole = |published: &Published, opened: &[String]| ruleset::table(&network, published.services.iter(), &published.host_ports, opened);
        let (first, second) = (whole(&first, &[]), whole(&second, &["eth0".into()]));
        let clean = |mut table: Table| {
            // What packets put in is not ours to compare.
            table.sets.values_mut().filter(|set| set.dynamic).for_each(|set| set.elements.clear());
            table
        };
        let made = apply(Table::default(), &table::changes(&Table::default(), &first));
        prop_assert_eq!(&made, &clean(first.clone()));
        let made = apply(made, &table::changes(&first, &second));
        prop_assert_eq!(&made, &clean(second.clone()));
        prop_assert!(table::changes(&second, &second).is_empty());
    }

    #[test]
    fn no_two_pods_ever_share_an_address(names in prop::collection::btree_set("[a-z]{1,3}", 0..40), prefix in 26..30u8) {
        let network = NetworkSettings { pods: vec![Prefix::new(Ipv4Addr::new(10, 1, 0, 0).into(), prefix)], ..network(&[]) };
        let count = names.len();
        let (given, refused) = fill(&network, names.into_iter());
        let all: BTreeSet<IpAddr> = given.values().flatten().copied().collect();
        prop_assert_eq!(all.len(), given.len());
        prop_assert_eq!(given.len() + refused, count);
        prop_assert_eq!(given.len(), count.min(usize::try_from(network.pods[0].size()).unwrap() - 3));
        prop_assert!(all.iter().all(|address| network.pods[0].contains(*address)));
    }
}
