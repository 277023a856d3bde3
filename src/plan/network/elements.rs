//! Elements of sets and maps as the kernel has them, bytes: a change of a few needs no program to understand it.
//!
//! Keys are the parts one after the other, each padded to four bytes. What is not understood here (intervals, names of
//! interfaces, chains, rules) is left to `nft`.

use super::table::{Change, Set, Table};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

/// What an element leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Nothing: it is in a set.
    None,
    /// Bytes, in the same form as a key.
    Bytes(Vec<u8>),
    /// A chain (`goto`).
    Goto(String),
}

/// Elements that go into a set or out of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elements {
    /// The set's name.
    pub set: String,
    /// They go into it.
    pub add: bool,
    /// Keys and values.
    pub elements: Vec<(Vec<u8>, Value)>,
}

/// A part of a key or value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Ipv4,
    Ipv6,
    Protocol,
    Port,
    Number,
    Verdict,
}

/// The same changes in bytes; `None` if there is one that only `nft` understands. `table` has their sets.
pub fn of(changes: &[Change], table: &Table) -> Option<Vec<Elements>> {
    changes.iter().map(|change| one(change, table)).collect()
}

/// A table without the elements that need no program, and those: they can be put in once the rest is there.
pub fn split(table: &Table) -> (Table, Vec<Elements>) {
    let mut out = Vec::new();
    let mut frame = Table {
        chains: table.chains.clone(),
        ..Table::default()
    };
    for (name, set) in &table.sets {
        let elements = set.elements.iter();
        let elements = elements.map(|(key, value)| (key.as_str(), value.as_str()));
        let change = Change::AddElements(name, elements.collect());
        let quick = Some(&set.elements).filter(|elements| !elements.is_empty());
        let kept = match quick.and_then(|_| one(&change, table)) {
            Some(made) => {
                out.push(made);
                BTreeMap::new()
            }
            None => set.elements.clone(),
        };
        let empty = Set {
            map: set.map,
            declaration: set.declaration.clone(),
            elements: kept,
            dynamic: set.dynamic,
        };
        frame.sets.insert(name.clone(), empty);
    }
    (frame, out)
}

fn one(change: &Change, table: &Table) -> Option<Elements> {
    let (name, add, elements): (&str, bool, Vec<(&str, &str)>) = match change {
        Change::AddElements(name, elements) => (name, true, elements.clone()),
        Change::DeleteElements(name, keys) => {
            let keys = keys.iter().map(|key| (*key, ""));
            (name, false, keys.collect())
        }
        _ => return None,
    };
    let (key, value) = types(&table.sets.get(name)?.declaration)?;
    let mut made = Vec::with_capacity(elements.len());
    for (text, leads) in elements {
        let value = match (leads, value.as_slice()) {
            ("", _) => Value::None,
            (leads, [Part::Verdict]) => Value::Goto(leads.strip_prefix("goto ")?.to_owned()),
            (leads, parts) => Value::Bytes(bytes(leads, parts)?),
        };
        made.push((bytes(text, &key)?, value));
    }
    Some(Elements {
        set: name.to_owned(),
        add,
        elements: made,
    })
}

/// The parts of key and value that a declaration names; `None` for intervals and types of other sets.
fn types(declaration: &str) -> Option<(Vec<Part>, Vec<Part>)> {
    let mut statements = declaration.split(';').map(str::trim);
    let typed = statements.next()?;
    if statements.any(|rest| rest.contains("interval")) {
        return None;
    }
    let typed = typed
        .strip_prefix("typeof ")
        .or(typed.strip_prefix("type "))?;
    let (key, value) = typed.split_once(" : ").unwrap_or((typed, ""));
    Some((parts(key)?, parts(value)?))
}

fn parts(text: &str) -> Option<Vec<Part>> {
    let texts = text.split(" . ").filter(|text| !text.is_empty());
    texts
        .map(|text| match text {
            "ipv4_addr" | "ip daddr" => Some(Part::Ipv4),
            "ipv6_addr" | "ip6 daddr" => Some(Part::Ipv6),
            "inet_proto" | "meta l4proto" => Some(Part::Protocol),
            "inet_service" | "th dport" => Some(Part::Port),
            "mark" | "meta mark" => Some(Part::Number),
            "verdict" => Some(Part::Verdict),
            text if text.starts_with("numgen ") => Some(Part::Number),
            _ => None,
        })
        .collect()
}

fn bytes(text: &str, parts: &[Part]) -> Option<Vec<u8>> {
    let mut made = Vec::with_capacity(parts.len() * 4);
    let mut texts = text.split(" . ");
    for part in parts {
        let text = texts.next()?;
        match part {
            Part::Ipv4 => made.extend(text.parse::<Ipv4Addr>().ok()?.octets()),
            Part::Ipv6 => made.extend(text.parse::<Ipv6Addr>().ok()?.octets()),
            Part::Protocol => made.push(match text {
                "tcp" => 6,
                "udp" => 17,
                "sctp" => 132,
                _ => return None,
            }),
            Part::Port => made.extend(text.parse::<u16>().ok()?.to_be_bytes()),
            // As in a register of the kernel, which it is compared with.
            Part::Number => made.extend(number(text)?.to_ne_bytes()),
            Part::Verdict => return None,
        }
        made.resize(made.len().next_multiple_of(4), 0);
    }
    texts.next().is_none().then_some(made)
}

fn number(text: &str) -> Option<u32> {
    match text.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::network::table::Set;

    fn table(declaration: &str) -> Table {
        let set = Set {
            declaration: declaration.to_owned(),
            ..Set::default()
        };
        Table {
            sets: [("s".to_owned(), set)].into(),
            ..Table::default()
        }
    }

    #[test]
    fn elements_become_bytes() {
        let maps = "type ipv4_addr . inet_proto . inet_service : verdict;";
        let change = [Change::AddElements(
            "s",
            vec![("10.96.0.1 . udp . 53", "goto to_ep4_2")],
        )];
        let made = of(&change, &table(maps)).unwrap();
        let key = vec![10, 96, 0, 1, 17, 0, 0, 0, 0, 53, 0, 0];
        let value = Value::Goto("to_ep4_2".to_owned());
        assert_eq!(made[0].elements, [(key, value)]);
        let numbered = "typeof ip daddr . meta l4proto . th dport . numgen random mod 2 : ip daddr . th dport;";
        let change = [Change::AddElements(
            "s",
            vec![("10.96.0.1 . tcp . 80 . 1", "10.1.0.2 . 7000")],
        )];
        let made = of(&change, &table(numbered)).unwrap();
        let (key, value) = &made[0].elements[0];
        assert_eq!(key[..12], [10, 96, 0, 1, 6, 0, 0, 0, 0, 80, 0, 0]);
        assert_eq!(key[12..], 1u32.to_ne_bytes());
        assert_eq!(*value, Value::Bytes(vec![10, 1, 0, 2, 0x1b, 0x58, 0, 0]));
        let change = [Change::DeleteElements("s", vec!["fd00::1 . fd00::1"])];
        let made = of(&change, &table("type ipv6_addr . ipv6_addr;")).unwrap();
        assert_eq!((made[0].add, made[0].elements[0].0.len()), (false, 32));
    }

    #[test]
    fn what_needs_a_program_stays_in_the_table() {
        let mut whole = table("type ipv4_addr . ipv4_addr;");
        let intervals = Set {
            declaration: "type ipv4_addr; flags interval; auto-merge;".to_owned(),
            elements: [("10.0.0.0/8".to_owned(), String::new())].into(),
            ..Set::default()
        };
        whole.sets.insert("i".to_owned(), intervals);
        let pair = ("10.0.0.1 . 10.0.0.1".to_owned(), String::new());
        whole.sets.get_mut("s").unwrap().elements = [pair].into();
        let (rest, elements) = split(&whole);
        assert_eq!(rest.sets["i"].elements.len(), 1);
        assert!(rest.sets["s"].elements.is_empty());
        assert_eq!((elements.len(), elements[0].add), (1, true));
        assert_eq!(elements[0].set, "s");
    }

    #[test]
    fn what_is_not_understood_is_left_to_nft() {
        let change = [Change::AddElements("s", vec![("10.0.0.0/8", "")])];
        assert_eq!(
            of(
                &change,
                &table("type ipv4_addr; flags interval; auto-merge;")
            ),
            None
        );
        let change = [Change::AddElements("s", vec![("\"eth0\"", "")])];
        assert_eq!(of(&change, &table("type ifname;")), None);
        assert_eq!(of(&[Change::FlushChain("s")], &table("type ifname;")), None);
        let change = [Change::AddElements("s", vec![("10.0.0.1 . 5", "")])];
        assert_eq!(of(&change, &table("type ipv4_addr;")), None);
    }
}
