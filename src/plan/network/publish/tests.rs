//! Whatever changes, step by step: what is published is what it would be from the beginning, and the table, the file and the
//! bytes for the kernel follow.

use super::*;
use crate::model::network::published::Protocol;
use crate::model::network::service::{Port, Target};
use crate::model::network::slice::{SliceEndpoint, SlicePort};
use crate::model::pod::Pod;
use crate::plan::network::table::{self, Change, Table};
use crate::plan::network::tests::apply;
use crate::plan::network::{elements, ruleset, store};
use proptest::prelude::*;

/// A step, by small numbers.
#[derive(Debug, Clone)]
enum Step {
    Service {
        name: u8,
        selects: u8,
        kind: u8,
        affinity: bool,
        asks: Option<u8>,
    },
    NoService(u8),
    Pod {
        name: u8,
        label: u8,
        ready: bool,
        host_port: Option<u16>,
    },
    NoPod(u8),
    Slice {
        name: u8,
        of: u8,
        address: u8,
    },
    NoSlice(u8),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (
            0..4u8,
            0..3u8,
            0..4u8,
            any::<bool>(),
            prop::option::of(0..2u8)
        )
            .prop_map(|(name, selects, kind, affinity, asks)| Step::Service {
                name,
                selects,
                kind,
                affinity,
                asks
            }),
        (0..4u8).prop_map(Step::NoService),
        (0..5u8, 0..2u8, any::<bool>(), prop::option::of(80..82u16)).prop_map(
            |(name, label, ready, host_port)| Step::Pod {
                name,
                label,
                ready,
                host_port
            }
        ),
        (0..5u8).prop_map(Step::NoPod),
        (0..3u8, 0..4u8, 0..3u8).prop_map(|(name, of, address)| Step::Slice { name, of, address }),
        (0..3u8).prop_map(Step::NoSlice),
    ]
}

fn service(name: u8, selects: u8, kind: u8, affinity: bool, asks: Option<u8>) -> Service {
    let kind = match kind {
        0 | 1 => ServiceKind::ClusterIp,
        2 => ServiceKind::NodePort,
        _ => ServiceKind::Headless,
    };
    let selector = match selects {
        2 => BTreeMap::new(),
        label => [("app".to_owned(), label.to_string())].into(),
    };
    let asks = asks.filter(|_| kind != ServiceKind::Headless);
    Service {
        key: pod("x").key,
        source: pod("x").source,
        selector: selector.into_iter().collect(),
        ports: vec![Port {
            name: String::new(),
            protocol: Protocol::Udp,
            port: 80,
            target: Target::Name("talk".to_owned()),
            node_port: None,
        }],
        cluster_ips: asks
            .map(|last| format!("10.96.0.{}", 7 + last).parse().unwrap())
            .into_iter()
            .collect(),
        dual_stack: name == 1,
        prefers_ipv6: name == 2 && asks.is_none(),
        external_ips: Vec::new(),
        affinity: affinity.then_some(10),
        publish_not_ready: name == 3,
        subsets: None,
        subsets_outside: None,
        local_inside: false,
        local_outside: false,
        kind,
    }
}

/// Two endpoints, one of which may be a pod's too.
fn slice(name: u8, of: u8, address: u8) -> Slice {
    let addresses = [
        format!("10.1.0.{}", 9 + address),
        format!("fd00:2::{address}"),
    ];
    Slice {
        key: key("e", name),
        service: key("s", of),
        ports: vec![SlicePort {
            name: String::new(),
            protocol: Protocol::Udp,
            port: 7000,
        }],
        endpoints: vec![SliceEndpoint {
            addresses: addresses.map(|ip| ip.parse().unwrap()).into(),
            hostname: Some("far".to_owned()),
        }],
        source: pod("x").source,
    }
}

fn pod(name: &str) -> Pod {
    crate::plan::tests::pod(name)
}

fn backend(name: u8, label: u8, ready: bool, host_port: Option<u16>) -> Backend {
    let mut pod = pod("p");
    pod.labels = [("app".to_owned(), label.to_string())].into();
    let addresses = [
        format!("10.1.0.{}", 10 + name),
        format!("fd00::{}", 10 + name),
    ];
    let addresses: Vec<std::net::IpAddr> = addresses.map(|ip| ip.parse().unwrap()).into();
    let mut made = Backend::new(&pod, addresses.clone(), ready);
    made.ports = vec![(Some("talk".to_owned()), Protocol::Udp, 7000)];
    made.host_ports = host_port
        .map(|port| HostPort {
            protocol: Protocol::Udp,
            port: port + u16::from(name) * 10,
            host: None,
            address: addresses[0],
            to: 7000,
        })
        .into_iter()
        .collect();
    made
}

#[derive(Default)]
struct World {
    services: BTreeMap<ObjectKey, Arc<Service>>,
    slices: BTreeMap<ObjectKey, Arc<Slice>>,
    pods: BTreeMap<PodKey, Backend>,
    publication: Publication,
    table: Table,
    shared: ruleset::Shared,
    text: String,
}

fn key(kind: &str, name: u8) -> PodKey {
    pod(&format!("{kind}{name}")).key
}

impl World {
    fn step(&mut self, step: &Step, network: &NetworkSettings) -> Changes {
        let mut told = Vec::new();
        match step.clone() {
            Step::Service {
                name,
                selects,
                kind,
                affinity,
                asks,
            } => {
                let key = key("s", name);
                let mut made = service(name, selects, kind, affinity, asks);
                made.key = key.clone();
                self.services.insert(key, Arc::new(made));
            }
            Step::NoService(name) => drop(self.services.remove(&key("s", name))),
            Step::Pod {
                name,
                label,
                ready,
                host_port,
            } => {
                let made = backend(name, label, ready, host_port);
                self.pods.insert(key("p", name), made.clone());
                told.push((key("p", name), Some(made)));
            }
            Step::Slice { name, of, address } => {
                let made = Arc::new(slice(name, of, address));
                self.slices.insert(made.key.clone(), made);
            }
            Step::NoSlice(name) => drop(self.slices.remove(&key("e", name))),
            Step::NoPod(name) => {
                self.pods.remove(&key("p", name));
                told.push((key("p", name), None));
            }
        }
        self.publication.slices(&self.slices, |_| false);
        self.publication
            .update(&self.services, |_| false, told, network)
    }

    fn whole(&self, network: &NetworkSettings) -> Table {
        let services = self.publication.services().map(|service| &**service);
        ruleset::table(network, services, self.publication.host_ports(), &[])
    }

    fn published(&self) -> Published {
        Published {
            host_ports: self.publication.host_ports().to_vec(),
            services: self
                .publication
                .services()
                .map(|service| (**service).clone())
                .collect(),
        }
    }

    fn make_anew(&mut self, network: &NetworkSettings) {
        self.table = self.whole(network);
        let services = self.publication.services().map(|service| &**service);
        let ports = self.publication.host_ports();
        self.shared = ruleset::Shared::new(network, &self.table, services, ports);
    }

    fn follow(&mut self, changes: &Changes, network: &NetworkSettings) {
        for (old, new) in &changes.services {
            self.text.push_str(&match (old, new) {
                (_, Some(new)) => store::service(new),
                (Some(old), None) => store::gone(&old.key),
                (None, None) => String::new(),
            });
        }
        if changes.host_ports.is_some() {
            self.text
                .push_str(&store::host_ports(self.publication.host_ports()));
        }
        if changes.shared {
            return self.make_anew(network);
        }
        let ports = self.publication.host_ports().to_vec();
        let (from, to) = self.shared.change(network, changes, &ports);
        let steps = table::changes(&from, &to);
        let quick =
            |step: &Change| matches!(step, Change::AddElements(..) | Change::DeleteElements(..));
        assert_eq!(elements::of(&steps, &to).is_some(), steps.iter().all(quick));
        self.table = apply(std::mem::take(&mut self.table), &steps);
    }
}

/// What matters of a table: elements, and the rules of chains that something leads to.
fn elements_of(table: &Table) -> BTreeMap<&str, &BTreeMap<String, String>> {
    let sets = table
        .sets
        .iter()
        .filter(|(_, set)| !set.dynamic && !set.elements.is_empty());
    sets.map(|(name, set)| (name.as_str(), &set.elements))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn step_by_step_is_as_from_the_beginning(steps in prop::collection::vec(any_step(), 1..24)) {
        let network = NetworkSettings {
            pods: vec!["10.1.0.0/24".parse().unwrap(), "fd00::/64".parse().unwrap()],
            ..NetworkSettings::default()
        };
        let mut world = World::default();
        world.make_anew(&network);
        for step in &steps {
            let changes = world.step(step, &network);
            world.follow(&changes, &network);
            let whole = world.whole(&network);
            prop_assert_eq!(elements_of(&world.table), elements_of(&whole), "{:?}", step);
            for (name, chain) in &whole.chains {
                prop_assert_eq!(world.table.chains.get(name), Some(chain));
            }
            let published = world.published();
            prop_assert_eq!(&store::read(&world.text).unwrap(), &published);
            // An agent that starts now finds nothing to change.
            let mut fresh = Publication::new(published);
            let pods = world.pods.iter().map(|(key, pod)| (key.clone(), Some(pod.clone())));
            fresh.slices(&world.slices, |_| false);
            let changes = fresh.update(&world.services, |_| false, pods, &network);
            prop_assert!(changes.is_empty(), "{:?}", changes);
        }
    }
}

#[test]
fn slices_count_beside_pods() {
    let network = NetworkSettings {
        pods: vec!["10.1.0.0/24".parse().unwrap()],
        ..NetworkSettings::default()
    };
    let mut publication = Publication::default();
    let endpoints = |publication: &Publication| -> Vec<String> {
        let service = publication.services().next().unwrap();
        let all = service.ports[0].endpoints.iter();
        all.map(|(address, _)| address.to_string()).collect()
    };
    let mut wanted = service(0, 0, 0, false, None);
    wanted.key = key("s", 0);
    let mut services: BTreeMap<_, _> = [(wanted.key.clone(), Arc::new(wanted.clone()))].into();
    let mut slices: BTreeMap<_, _> = [(key("e", 0), Arc::new(slice(0, 0, 9)))].into();
    let pods = [(key("p", 0), Some(backend(0, 0, true, None)))];
    publication.slices(&slices, |_| false);
    publication.update(&services, |_| false, pods, &network);
    let both = ["10.1.0.10", "10.1.0.18", "fd00::10", "fd00:2::9"];
    assert_eq!(endpoints(&publication), both);

    // Its file cannot be read: it stays.
    let slice = slices.pop_first().unwrap();
    publication.slices(&slices, |_| true);
    assert!(
        publication
            .update(&services, |_| false, [], &network)
            .is_empty()
    );
    publication.slices(&slices, |_| false);
    assert!(
        !publication
            .update(&services, |_| false, [], &network)
            .is_empty()
    );
    assert_eq!(endpoints(&publication), ["10.1.0.10", "fd00::10"]);

    // What is to stay on this host does, of each side.
    slices.insert(slice.0, slice.1);
    publication.slices(&slices, |_| false);
    for (inside, outside, own, others) in
        [(true, true, 2, 2), (true, false, 2, 4), (false, true, 4, 2)]
    {
        wanted.local_inside = inside;
        wanted.local_outside = outside;
        services.insert(wanted.key.clone(), Arc::new(wanted.clone()));
        publication.update(&services, |_| false, [], &network);
        let port = &publication.services().next().unwrap().ports[0];
        assert_eq!(
            (port.endpoints.len(), port.from_outside().len()),
            (own, others)
        );
    }
}
