//! A table of nftables as a value, and the way from one to another.
//!
//! The kernel is never asked for its rules: what it has is what was put there last. A change is a list of [`Change`]s that
//! `nft` runs as one transaction, all or nothing.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The table's family and name: the only one that vks touches.
pub const TABLE: &str = "inet vks";

/// A set or map.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Set {
    /// It is a map: elements have values.
    pub map: bool,
    /// Type, flags and the like, each ended by a semicolon.
    pub declaration: String,
    /// Key to value; without value in a set. In the form of nft.
    pub elements: BTreeMap<String, String>,
    /// Its elements come from packets: they are left alone.
    pub dynamic: bool,
}

/// A chain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chain {
    /// Hook, priority and policy of a base chain, each ended by a semicolon; empty for others.
    pub declaration: String,
    /// Its rules, in order.
    pub rules: Vec<String>,
}

/// A whole table. Names are nft's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    /// Sets and maps.
    pub sets: BTreeMap<String, Set>,
    /// Chains.
    pub chains: BTreeMap<String, Chain>,
}

/// One step from a table to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change<'a> {
    /// Make a chain.
    AddChain(&'a str, &'a Chain),
    /// Make a set.
    AddSet(&'a str, &'a Set),
    /// Take all rules out of a chain.
    FlushChain(&'a str),
    /// Add rules to a chain.
    AddRules(&'a str, &'a [String]),
    /// Take elements out of a set.
    DeleteElements(&'a str, Vec<&'a str>),
    /// Put elements into a set.
    AddElements(&'a str, Vec<(&'a str, &'a str)>),
    /// Remove a chain.
    DeleteChain(&'a str),
    /// Remove a set.
    DeleteSet(&'a str),
}

/// The changes from one table to another, in an order that the kernel takes: what is referred to comes first and
/// goes last.
pub fn changes<'a>(from: &'a Table, to: &'a Table) -> Vec<Change<'a>> {
    let mut out = Vec::new();
    let renewed = |name: &str| {
        // What cannot be changed in place is made anew, with all that is in it.
        let pair = from.sets.get(name).zip(to.sets.get(name));
        pair.is_some_and(|(old, new)| old.declaration != new.declaration)
    };
    for (name, chain) in &to.chains {
        match from.chains.get(name) {
            Some(old) if old.declaration == chain.declaration => {}
            _ => out.push(Change::AddChain(name, chain)),
        }
    }
    for (name, set) in &to.sets {
        if !from.sets.contains_key(name) {
            out.push(Change::AddSet(name, set));
        }
    }
    debug_assert!(
        !to.sets.keys().any(|name| renewed(name)),
        "sets keep their declaration"
    );
    let gone = from
        .chains
        .keys()
        .filter(|name| !to.chains.contains_key(*name));
    // Before elements go: a rule may refer to a set that goes, an element to a chain that goes.
    out.extend(gone.clone().map(|name| Change::FlushChain(name)));
    for (name, chain) in &to.chains {
        let old = from.chains.get(name);
        if old.is_some_and(|old| old.rules == chain.rules) {
            continue;
        }
        if old.is_some_and(|old| !old.rules.is_empty()) {
            out.push(Change::FlushChain(name));
        }
        if !chain.rules.is_empty() {
            out.push(Change::AddRules(name, &chain.rules));
        }
    }
    elements(from, to, &mut out);
    out.extend(gone.map(|name| Change::DeleteChain(name)));
    let gone = from.sets.keys().filter(|name| !to.sets.contains_key(*name));
    out.extend(gone.map(|name| Change::DeleteSet(name)));
    out
}

fn elements<'a>(from: &'a Table, to: &'a Table, out: &mut Vec<Change<'a>>) {
    // All that goes, before anything comes: an interval that grows must not meet its old self.
    let mut added = Vec::new();
    for (name, set) in to.sets.iter().filter(|(_, set)| !set.dynamic) {
        let old = from.sets.get(name).map(|old| &old.elements);
        let stale = |(key, value): &(&String, &String)| set.elements.get(*key) != Some(*value);
        let deleted: Vec<&str> = old
            .into_iter()
            .flatten()
            .filter(stale)
            .map(|(key, _)| key.as_str())
            .collect();
        if !deleted.is_empty() {
            out.push(Change::DeleteElements(name, deleted));
        }
        let new =
            |(key, value): &(&String, &String)| old.and_then(|old| old.get(*key)) != Some(*value);
        let new: Vec<(&str, &str)> = set
            .elements
            .iter()
            .filter(new)
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect();
        if !new.is_empty() {
            added.push(Change::AddElements(name, new));
        }
    }
    // A set that goes may still lead to a chain that goes.
    for (name, set) in &from.sets {
        if !to.sets.contains_key(name) && !set.elements.is_empty() {
            let keys = set.elements.keys().map(String::as_str).collect();
            out.push(Change::DeleteElements(name, keys));
        }
    }
    out.append(&mut added);
}

/// Changes as `nft -f` reads them.
pub fn script(changes: &[Change]) -> String {
    let mut out = String::new();
    for change in changes {
        write(change, &mut out);
    }
    out
}

/// A script that puts a table in place of whatever is there of it, in one transaction.
pub fn whole(table: &Table) -> String {
    let empty = Table::default();
    let rest = script(&changes(&empty, table));
    // Adding what may be there makes deleting it safe.
    format!("add table {TABLE}\ndelete table {TABLE}\nadd table {TABLE}\n{rest}")
}

fn write(change: &Change, out: &mut String) {
    let line = |out: &mut String, text: std::fmt::Arguments| {
        // Writing to a String cannot fail.
        let _ = out.write_fmt(text);
        out.push('\n');
    };
    match change {
        Change::AddChain(name, chain) if chain.declaration.is_empty() => {
            line(out, format_args!("add chain {TABLE} {name}"));
        }
        Change::AddChain(name, chain) => {
            line(
                out,
                format_args!("add chain {TABLE} {name} {{ {} }}", chain.declaration),
            );
        }
        Change::AddSet(name, set) => {
            let kind = if set.map { "map" } else { "set" };
            line(
                out,
                format_args!("add {kind} {TABLE} {name} {{ {} }}", set.declaration),
            );
        }
        Change::FlushChain(name) => line(out, format_args!("flush chain {TABLE} {name}")),
        Change::AddRules(name, rules) => {
            for rule in *rules {
                line(out, format_args!("add rule {TABLE} {name} {rule}"));
            }
        }
        Change::DeleteElements(name, keys) => {
            line(
                out,
                format_args!("delete element {TABLE} {name} {{ {} }}", keys.join(", ")),
            );
        }
        Change::AddElements(name, elements) => {
            let element = |(key, value): &(&str, &str)| match value.is_empty() {
                true => (*key).to_owned(),
                false => format!("{key} : {value}"),
            };
            let list: Vec<String> = elements.iter().map(element).collect();
            line(
                out,
                format_args!("add element {TABLE} {name} {{ {} }}", list.join(", ")),
            );
        }
        Change::DeleteChain(name) => line(out, format_args!("delete chain {TABLE} {name}")),
        Change::DeleteSet(name) => line(out, format_args!("delete set {TABLE} {name}")),
    }
}
