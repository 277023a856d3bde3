//! The table after a change of a few services: what differs, without making all of it.
//!
//! Services share chains, maps and hairpin elements. Which of those the kernel has is remembered; chains and maps that no
//! service uses any more stay until the table is made anew.

use super::super::publish::Changes;
use super::super::table::{Set, Table};
use super::{families, host_port, services, set, sets};
use crate::model::network::NetworkSettings;
use crate::model::network::published::{HostPort, PublishedService};
use std::collections::{BTreeMap, BTreeSet};

/// What is to be remembered of a table that the kernel has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shared {
    /// Sets and chains.
    names: BTreeSet<String>,
    /// How many lead to an address that may ask itself: set and element.
    hairpins: BTreeMap<(String, String), u32>,
}

impl Shared {
    /// Of a table that was made of these.
    pub fn new<'a>(
        network: &NetworkSettings,
        table: &Table,
        published: impl Iterator<Item = &'a PublishedService>,
        ports: &[HostPort],
    ) -> Self {
        let names = table.sets.keys().chain(table.chains.keys());
        let mut shared = Self {
            names: names.cloned().collect(),
            ..Self::default()
        };
        for service in published {
            for hairpin in services::hairpins(service, network) {
                *shared.hairpins.entry(hairpin).or_default() += 1;
            }
        }
        for hairpin in take_hairpins(&mut of_ports(network, ports)) {
            *shared.hairpins.entry(hairpin).or_default() += 1;
        }
        shared
    }

    /// Two tables whose difference is what the kernel has to change, and which are small.
    pub fn change(
        &mut self,
        network: &NetworkSettings,
        changes: &Changes,
        ports: &[HostPort],
    ) -> (Table, Table) {
        let (mut from, mut to) = (base(network), base(network));
        let mut counts: BTreeMap<(String, String), i64> = BTreeMap::new();
        let mut put = |whole: &mut Table, mut part: Table, by: i64| {
            for hairpin in take_hairpins(&mut part) {
                *counts.entry(hairpin).or_default() += by;
            }
            merge(whole, part);
        };
        for (old, new) in &changes.services {
            if let Some(old) = old {
                put(&mut from, of_service(network, old), -1);
            }
            if let Some(new) = new {
                put(&mut to, of_service(network, new), 1);
            }
        }
        if let Some(old) = &changes.host_ports {
            put(&mut from, of_ports(network, old), -1);
            put(&mut to, of_ports(network, ports), 1);
        }
        for (hairpin, by) in counts {
            self.count([&mut from, &mut to], hairpin, by);
        }
        self.equalise(&mut from, &mut to);
        (from, to)
    }

    /// An element goes with the last that leads there.
    fn count(&mut self, tables: [&mut Table; 2], hairpin: (String, String), by: i64) {
        let (name, key) = hairpin.clone();
        let before = self.hairpins.remove(&hairpin).unwrap_or_default();
        let after = u32::try_from(i64::from(before) + by).unwrap_or(0);
        if after > 0 {
            self.hairpins.insert(hairpin, after);
        }
        for (table, count) in tables.into_iter().zip([before, after]) {
            if let (true, Some(set)) = (count > 0, table.sets.get_mut(&name)) {
                set.elements.insert(key.clone(), String::new());
            }
        }
    }

    /// What the kernel has already is not made, and nothing is taken away but elements.
    fn equalise(&mut self, from: &mut Table, to: &mut Table) {
        for (name, set) in &from.sets {
            to.sets.entry(name.clone()).or_insert_with(|| empty(set));
        }
        for (name, chain) in &from.chains {
            let place = to.chains.entry(name.clone());
            place.or_insert_with(|| chain.clone());
        }
        for (name, set) in &to.sets {
            if self.names.contains(name) {
                from.sets.entry(name.clone()).or_insert_with(|| empty(set));
            }
        }
        for (name, chain) in &to.chains {
            if self.names.contains(name) {
                let place = from.chains.entry(name.clone());
                place.or_insert_with(|| chain.clone());
            }
        }
        let names = to.sets.keys().chain(to.chains.keys());
        self.names.extend(names.cloned());
    }
}

fn empty(set: &Set) -> Set {
    Set {
        map: set.map,
        declaration: set.declaration.clone(),
        elements: BTreeMap::new(),
        dynamic: set.dynamic,
    }
}

/// The sets that are always there.
fn base(network: &NetworkSettings) -> Table {
    let mut table = Table::default();
    set(&mut table, "deadport", super::PORT, false);
    for family in families(network) {
        sets(&mut table, network, family);
    }
    table
}

fn of_service(network: &NetworkSettings, service: &PublishedService) -> Table {
    let mut table = base(network);
    super::add_service(&mut table, network, service);
    table
}

fn of_ports(network: &NetworkSettings, ports: &[HostPort]) -> Table {
    let mut table = base(network);
    for port in ports {
        host_port(&mut table, port);
    }
    table
}

/// Takes the elements that are shared out of a table.
fn take_hairpins(table: &mut Table) -> Vec<(String, String)> {
    let sets = table.sets.iter_mut();
    sets.filter(|(name, _)| name.starts_with("hairpin"))
        .flat_map(|(name, set)| {
            let elements = std::mem::take(&mut set.elements);
            elements.into_keys().map(|key| (name.clone(), key))
        })
        .collect()
}

fn merge(whole: &mut Table, part: Table) {
    for (name, set) in part.sets {
        let place = whole.sets.entry(name).or_insert_with(|| empty(&set));
        place.elements.extend(set.elements);
    }
    for (name, chain) in part.chains {
        whole.chains.entry(name).or_insert(chain);
    }
}
