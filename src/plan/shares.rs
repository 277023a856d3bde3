//! What the slices above pods need so that what pods ask for holds among all of them.
//!
//! cgroups divide from the top: a pod's memory is protected only as far as each slice above it is, and its CPU weight counts
//! only among the slices beside it. So the slices of a namespace and `vks.slice` get the sums of the pods that run, and
//! where some of several slices ask for CPU time, those that ask for none get the lowest weight, as containers in a
//! pod do (the kubelet does the same with the cgroups of its QoS classes: pkg/kubelet/cm/qos_container_manager_linux.go).
//!
//! These are properties of loaded units until the next boot, not files: they change with every pod that starts or ends. A
//! host on which no pod asks for anything has none of them.

use super::resources;
use crate::model::name::UnitName;
use crate::model::pod::{PodSpec, QosClass};
use crate::model::quantity::{Bytes, CpuMillis};
use std::collections::{BTreeMap, BTreeSet};

/// Properties that are set: their names in unit files and on the bus, and what they are when nobody says.
pub const KEYS: [(&str, u64); 3] = [("CPUWeight", u64::MAX), ("MemoryLow", 0), ("MemoryMin", 0)];

/// The slice above all pods.
const ROOT: &str = "vks";
/// The lowest weight.
const LEAST: u64 = 1;

/// What a pod asks for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Asked {
    /// Thousandths of a core; 0 for nothing.
    pub cpu: u64,
    /// Bytes that are never taken away.
    pub memory_min: u64,
    /// Bytes that are taken away last.
    pub memory_low: u64,
}

impl Asked {
    /// Of a pod as a whole.
    pub fn of(spec: &PodSpec) -> Self {
        let all = resources::of_pod(spec);
        let CpuMillis(cpu) = all.cpu_request.or(all.cpu_limit).unwrap_or(CpuMillis(0));
        let Bytes(memory) = all.memory_request.or(all.memory_limit).unwrap_or(Bytes(0));
        let guaranteed = spec.qos_class() == QosClass::Guaranteed;
        Self {
            cpu,
            memory_min: if guaranteed { memory } else { 0 },
            memory_low: if guaranteed { 0 } else { memory },
        }
    }

    fn add(&mut self, other: Self) {
        self.cpu = self.cpu.saturating_add(other.cpu);
        self.memory_min = self.memory_min.saturating_add(other.memory_min);
        self.memory_low = self.memory_low.saturating_add(other.memory_low);
    }
}

/// Properties of slices, by name.
pub type Shares = BTreeMap<UnitName, BTreeMap<&'static str, u64>>;

/// What the slices get, of pods that run and those above them. Slices that need nothing are left out.
pub fn shares(pods: &BTreeMap<UnitName, Asked>) -> Shares {
    if pods.values().all(|asked| *asked == Asked::default()) {
        return Shares::new();
    }
    let mut totals: BTreeMap<&str, Asked> = BTreeMap::new();
    let mut asking = BTreeSet::new();
    for (slice, asked) in pods {
        let mut name = stem(slice);
        loop {
            totals.entry(name).or_default().add(*asked);
            let Some(above) = above(name) else { break };
            if asked.cpu > 0 {
                asking.insert(above);
            }
            name = above;
        }
    }
    let of_pods: BTreeSet<&str> = pods.keys().map(stem).collect();
    let mut out = Shares::new();
    for (name, total) in totals {
        let is_pod = of_pods.contains(name);
        let contested = above(name).is_some_and(|above| asking.contains(above));
        let weight = match total.cpu {
            0 if contested => Some(LEAST),
            // The pod's own file has it.
            cpu if contested && !is_pod => Some(resources::cpu_weight(cpu)),
            _ => None,
        };
        let mut properties: BTreeMap<&'static str, u64> = BTreeMap::new();
        properties.extend(weight.map(|weight| ("CPUWeight", weight)));
        for (key, bytes) in [
            ("MemoryLow", total.memory_low),
            ("MemoryMin", total.memory_min),
        ] {
            if bytes > 0 && !is_pod {
                properties.insert(key, bytes);
            }
        }
        let unit = format!("{name}.slice").parse().ok();
        if let Some(unit) = unit.filter(|_| !properties.is_empty()) {
            out.insert(unit, properties);
        }
    }
    out
}

/// A slice without its suffix.
fn stem(slice: &UnitName) -> &str {
    let name = slice.as_str();
    name.strip_suffix(".slice").unwrap_or(name)
}

/// The slice above (systemd.slice(5)); none above `vks`.
fn above(name: &str) -> Option<&str> {
    match name {
        ROOT => None,
        name => name.rsplit_once('-').map(|(above, _)| above),
    }
}

/// What is to be done with one slice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShareChange {
    /// The slice.
    pub unit: UnitName,
    /// Properties and their values.
    pub set: Vec<(&'static str, u64)>,
    /// Those of them that are as nobody says now.
    pub unset: Vec<&'static str>,
}

/// What was set before. A value that is not known differs from any.
pub type Known = BTreeMap<UnitName, BTreeMap<&'static str, Option<u64>>>;

/// What has to be set and taken back.
pub fn changes(known: &Known, wanted: &Shares) -> Vec<ShareChange> {
    let units: BTreeSet<&UnitName> = known.keys().chain(wanted.keys()).collect();
    let change = |unit: &UnitName| {
        let (was, is) = (known.get(unit), wanted.get(unit));
        let mut change = ShareChange {
            unit: unit.clone(),
            set: Vec::new(),
            unset: Vec::new(),
        };
        for (key, absent) in KEYS {
            let was = was.and_then(|was| was.get(key));
            match (was, is.and_then(|is| is.get(key))) {
                (was, Some(value)) if was != Some(&Some(*value)) => change.set.push((key, *value)),
                (Some(_), None) => {
                    change.set.push((key, absent));
                    change.unset.push(key);
                }
                _ => {}
            }
        }
        (!change.set.is_empty()).then_some(change)
    };
    units.into_iter().filter_map(change).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(cpu: u64, memory_min: u64, memory_low: u64) -> Asked {
        Asked {
            cpu,
            memory_min,
            memory_low,
        }
    }

    fn of(pods: &[(&str, Asked)]) -> Vec<(String, Vec<(&'static str, u64)>)> {
        let pods = pods
            .iter()
            .map(|(name, asked)| (format!("{name}.slice").parse().unwrap(), *asked));
        let shares = shares(&pods.collect());
        let plain = |(unit, properties): (UnitName, BTreeMap<_, _>)| {
            (unit.to_string(), properties.into_iter().collect())
        };
        shares.into_iter().map(plain).collect()
    }

    #[test]
    fn slices_above_have_the_sums() {
        let found = of(&[
            ("vks-a-x", asked(0, 100, 0)),
            ("vks-a-y", asked(0, 0, 20)),
            ("vks-b-x", asked(0, 0, 3)),
            ("vks-c-x", asked(0, 0, 0)),
        ]);
        let wanted = [
            ("vks-a.slice", vec![("MemoryLow", 20), ("MemoryMin", 100)]),
            ("vks-b.slice", vec![("MemoryLow", 3)]),
            ("vks.slice", vec![("MemoryLow", 23), ("MemoryMin", 100)]),
        ];
        assert_eq!(found, wanted.map(|(name, keys)| (name.to_owned(), keys)));
    }

    #[test]
    fn who_asks_for_no_time_is_last_among_those_who_do() {
        let found = of(&[
            ("vks-a-x", asked(1000, 0, 0)),
            ("vks-a-y", asked(0, 0, 0)),
            ("vks-a-z", asked(500, 0, 0)),
            ("vks-b-x", asked(0, 0, 0)),
        ]);
        let wanted = [
            ("vks-a.slice", vec![("CPUWeight", 59)]),
            ("vks-a-y.slice", vec![("CPUWeight", 1)]),
            ("vks-b.slice", vec![("CPUWeight", 1)]),
        ];
        let mut wanted = wanted.map(|(name, keys)| (name.to_owned(), keys)).to_vec();
        wanted.sort();
        assert_eq!(found, wanted);
    }

    #[test]
    fn nobody_who_asks_for_nothing_gets_anything() {
        assert_eq!(
            of(&[("vks-a-x", Asked::default()), ("vks-b-x", Asked::default())]),
            []
        );
    }

    #[test]
    fn only_differences_are_set_and_what_is_over_is_taken_back() {
        let unit = |name: &str| -> UnitName { name.parse().unwrap() };
        let known: Known = [
            (
                unit("vks.slice"),
                [("MemoryLow", Some(5)), ("MemoryMin", Some(2))].into(),
            ),
            (unit("vks-a.slice"), [("CPUWeight", None)].into()),
            (unit("vks-b.slice"), [("CPUWeight", Some(1))].into()),
        ]
        .into();
        let wanted: Shares = [
            (unit("vks.slice"), [("MemoryLow", 6)].into()),
            (unit("vks-a.slice"), [("CPUWeight", 1)].into()),
            (unit("vks-b.slice"), [("CPUWeight", 1)].into()),
        ]
        .into();
        let found = changes(&known, &wanted);
        let wanted = [
            ShareChange {
                unit: unit("vks-a.slice"),
                set: vec![("CPUWeight", 1)],
                unset: vec![],
            },
            ShareChange {
                unit: unit("vks.slice"),
                set: vec![("MemoryLow", 6), ("MemoryMin", 0)],
                unset: vec!["MemoryMin"],
            },
        ];
        assert_eq!(found, wanted);
        assert_eq!(changes(&Known::new(), &Shares::new()), []);
    }
}
