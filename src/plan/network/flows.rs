//! Which connections of UDP lead where they should not any more, after a change of what is published.

use crate::model::network::published::{HostPort, Protocol, PublishedService, ServicePort};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

/// Where clients of what was changed may be led to now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stale {
    /// By an address of a service or of the host.
    addresses: BTreeMap<(IpAddr, u16), BTreeSet<SocketAddr>>,
    /// By a port of any address of the host.
    ports: BTreeMap<u16, BTreeSet<SocketAddr>>,
}

impl Stale {
    /// Whether no connection can be stale: what was changed is no UDP, or only has more endpoints than before and had some.
    pub fn is_empty(&self) -> bool {
        self.addresses.is_empty() && self.ports.is_empty()
    }

    /// A service before and after; none is one that is not there.
    pub fn service(&mut self, before: Option<&PublishedService>, now: Option<&PublishedService>) {
        let Some(before) = before else {
            // Who asked before it was there got no answer, and is remembered for that.
            if let Some(now) = now {
                for port in now.ports.iter().filter(is_udp) {
                    self.add(now, port, Some(port));
                }
            }
            return;
        };
        for port in before.ports.iter().filter(is_udp) {
            let mut after = now.into_iter().flat_map(|now| &now.ports);
            let after = after.find(|after| {
                is_udp(after) && (after.port, after.node_port) == (port.port, port.node_port)
            });
            let stays = after.is_some_and(|after| {
                let had = [&*port.endpoints, port.from_outside(), port.at_the_host()];
                let has = [&*after.endpoints, after.from_outside(), after.at_the_host()];
                had.iter().zip(has).all(|(had, has)| {
                    !had.is_empty() && had.iter().all(|endpoint| has.contains(endpoint))
                })
            });
            let same = now.is_some_and(|now| {
                now.cluster_ips == before.cluster_ips && now.external_ips == before.external_ips
            });
            if !same || !stays {
                self.add(before, port, after);
            }
        }
    }

    fn add(&mut self, service: &PublishedService, port: &ServicePort, now: Option<&ServicePort>) {
        let sockets = |of: fn(&ServicePort) -> &[(IpAddr, u16)]| -> BTreeSet<SocketAddr> {
            let endpoints = now.into_iter().flat_map(of);
            endpoints
                .map(|(address, port)| SocketAddr::new(*address, *port))
                .collect()
        };
        let inside = sockets(|port| &port.endpoints);
        // By a port of the host pods ask too, and who asks is not told apart here.
        let mut outside = sockets(ServicePort::from_outside);
        outside.extend(sockets(ServicePort::at_the_host));
        let own = service.cluster_ips.iter().map(|ip| (ip, &inside));
        let others = service.external_ips.iter().map(|ip| (ip, &outside));
        for (address, leads) in own.chain(others) {
            let known = self.addresses.entry((*address, port.port)).or_default();
            known.extend(leads);
        }
        if let Some(node) = port.node_port {
            self.ports.entry(node).or_default().extend(outside);
        }
    }

    /// Ports of the host before and after.
    pub fn host_ports(&mut self, before: &[HostPort], now: &[HostPort]) {
        let udp = |port: &&HostPort| port.protocol == Protocol::Udp;
        let changed: BTreeSet<(Option<IpAddr>, u16)> = before
            .iter()
            .filter(|port| !now.contains(port))
            .chain(now.iter().filter(|port| !before.contains(port)))
            .filter(udp)
            .map(|port| (port.host, port.port))
            .collect();
        for (host, number) in changed {
            let same = |port: &&HostPort| (port.host, port.port) == (host, number);
            let leads = now.iter().filter(udp).filter(same);
            let leads = leads.map(|port| SocketAddr::new(port.address, port.to));
            match host {
                Some(host) => self
                    .addresses
                    .entry((host, number))
                    .or_default()
                    .extend(leads),
                None => self.ports.entry(number).or_default().extend(leads),
            }
        }
    }

    /// Whether a connection is to be forgotten: the client asked what has changed (`asked`), and who answers is none of
    /// those who should. `pods` tells addresses of pods: of a port of the host, only what was led to one is ours.
    pub fn has(
        &self,
        asked: SocketAddr,
        answers: SocketAddr,
        pods: impl Fn(IpAddr) -> bool,
    ) -> bool {
        let by_address = self.addresses.get(&(asked.ip(), asked.port()));
        let led = asked != answers && pods(answers.ip());
        let by_port = || self.ports.get(&asked.port()).filter(|_| led);
        by_address
            .or_else(by_port)
            .is_some_and(|leads| !leads.contains(&answers))
    }
}

fn is_udp(port: &&ServicePort) -> bool {
    port.protocol == Protocol::Udp
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::network::published::Protocol;
    use crate::plan::network::tests::udp_service;

    fn socket(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn stale(before: Option<&[&str]>, now: Option<&[&str]>) -> Stale {
        let made = |endpoints: &[&str]| {
            let sockets = endpoints.iter().map(|text| socket(text));
            udp_service(sockets.map(|socket| (socket.ip(), socket.port())).collect())
        };
        let mut stale = Stale::default();
        stale.service(before.map(made).as_ref(), now.map(made).as_ref());
        stale
    }

    #[test]
    fn only_what_has_lost_its_endpoint_is_stale() {
        let (one, two) = ("10.1.0.2:53", "10.1.0.3:53");
        let pods = |ip: IpAddr| ip.to_string().starts_with("10.1.");
        let asked = |stale: &Stale, asked: &str, answers: &str| {
            stale.has(socket(asked), socket(answers), pods)
        };
        assert!(stale(Some(&[one]), Some(&[one, two])).is_empty());
        let lost = stale(Some(&[one, two]), Some(&[two]));
        assert!(asked(&lost, "10.96.0.9:80", one));
        assert!(!asked(&lost, "10.96.0.9:80", two));
        assert!(!asked(&lost, "10.96.0.8:80", one));
        assert!(asked(&lost, "192.0.2.1:30080", one));
        assert!(!asked(&lost, "192.0.2.1:30080", two));
        assert!(!asked(&lost, "192.0.2.9:30080", "192.0.2.9:30080"));
        // Refused so far, and remembered for it.
        assert!(asked(
            &stale(Some(&[]), Some(&[one])),
            "10.96.0.9:80",
            "10.96.0.9:80"
        ));
        assert!(asked(
            &stale(None, Some(&[one])),
            "10.96.0.9:80",
            "10.96.0.9:80"
        ));
        assert!(asked(&stale(Some(&[one]), None), "10.96.0.9:80", one));
        assert!(stale(None, None).is_empty());
    }

    #[test]
    fn ports_of_the_host_that_lead_elsewhere_are_stale() {
        let port = |to: &str| HostPort {
            protocol: Protocol::Udp,
            port: 5353,
            host: None,
            address: to.parse().unwrap(),
            to: 53,
        };
        let mut stale = Stale::default();
        stale.host_ports(&[port("10.1.0.2")], &[port("10.1.0.2")]);
        assert!(stale.is_empty());
        stale.host_ports(&[port("10.1.0.2")], &[port("10.1.0.3")]);
        let pods = |_: IpAddr| true;
        assert!(stale.has(socket("192.0.2.1:5353"), socket("10.1.0.2:53"), pods));
        assert!(!stale.has(socket("192.0.2.1:5353"), socket("10.1.0.3:53"), pods));
    }
}
