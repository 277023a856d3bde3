//! Random pods out of the table of fields.

use super::become_units::{Refused, become_units};
use super::{rules, values};
use serde_json::{Map, Value, json};
use vks::source::fields::{Effect, Given, Shape, Standing, Table, find};

/// Makes pods. The same seed makes the same ones.
pub struct Maker {
    /// Of xorshift; never 0.
    state: u64,
}

/// A field that a manifest has.
#[derive(Clone)]
pub struct Place {
    pub path: Vec<Step>,
    pub table: &'static Table,
    pub field: &'static str,
    pub given: &'static Given,
    /// The field, or one it lies in, has no effect on the units.
    pub told: bool,
}

/// A step into a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    Key(String),
    Index(usize),
}

impl Maker {
    pub fn new(seed: u64) -> Self {
        Self {
            state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
        }
    }

    /// A number below `limit`, 0 for 0.
    pub fn below(&mut self, limit: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        usize::try_from(self.state >> 16).unwrap() % limit.max(1)
    }

    pub fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }

    /// A valid pod. What the rules make is a right manifest; one in which the profile and the rest contradict, which is
    /// told when it is to start, is made anew.
    pub fn pod(&mut self) -> Value {
        for _ in 0..20 {
            let pod = self.manifest();
            if !matches!(become_units(&pod), Err(Refused::Blocked(_))) {
                return pod;
            }
        }
        panic!("20 pods in a row cannot be started");
    }

    fn manifest(&mut self) -> Value {
        let spec = find("pod.spec").unwrap().table.unwrap();
        let mut pod = json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "p", "namespace": "shop", "labels": {"app": "a"}, "annotations": {"note": "b"}},
            "spec": self.table(spec),
        });
        if self.below(4) == 0 {
            pod["metadata"]["uid"] = format!("0d1f-{}", self.below(9)).into();
        }
        rules::settle(&mut pod, self);
        pod
    }

    /// A table with some of its fields.
    fn table(&mut self, table: &'static Table) -> Value {
        let without = rules::without(table, self);
        let mut map = Map::new();
        for given in table.given {
            let needed =
                rules::needed(table.name, given.name) || rules::chosen(table.name, given.name);
            let likely = self.below(100) < rules::likelihood(table.name, given.name);
            let elsewhere = rules::elsewhere(table.name, given.name);
            if !without.contains(&given.name) && !elsewhere && (needed || likely) {
                map.insert(given.name.to_owned(), self.value(table, given));
            }
        }
        Value::Object(map)
    }

    /// A value of a field.
    pub fn value(&mut self, table: &Table, given: &Given) -> Value {
        match given.shape {
            Shape::One(within) => self.table(within),
            Shape::Many(within) => {
                let count = 1 + self.below(rules::most(table.name, given.name));
                (0..count).map(|_| self.table(within)).collect()
            }
            _ => {
                let values = values::values(table.name, given);
                self.pick(&values).clone()
            }
        }
    }
}

/// Every field with an effect that a pod has.
pub fn positions(pod: &Value) -> Vec<Place> {
    let mut places = Vec::new();
    walk(
        &mut places,
        pod,
        find("pod").unwrap().table.unwrap(),
        &[],
        false,
    );
    places
}

/// Every table of fields in a pod: where it is, and of which type.
pub fn tables(pod: &Value) -> Vec<(Vec<Step>, &'static Table, bool)> {
    let mut found = vec![(Vec::new(), find("pod").unwrap().table.unwrap(), false)];
    for place in positions(pod) {
        let Some(within) = place.given.shape.table() else {
            continue;
        };
        match place.given.shape {
            Shape::Many(_) => {
                let items = at(pod, &place.path)
                    .and_then(Value::as_array)
                    .map_or(0, Vec::len);
                for index in 0..items {
                    let path = [place.path.as_slice(), &[Step::Index(index)]].concat();
                    found.push((path, within, place.told));
                }
            }
            _ => found.push((place.path, within, place.told)),
        }
    }
    found
}

fn walk(places: &mut Vec<Place>, value: &Value, table: &'static Table, path: &[Step], told: bool) {
    for (name, value) in value.as_object().into_iter().flatten() {
        let Some(Standing::Given(given)) = table.field(name) else {
            continue;
        };
        let path = [path, &[Step::Key(name.clone())]].concat();
        let told = told || given.effect == Effect::Told;
        places.push(Place {
            path: path.clone(),
            table,
            field: given.name,
            given,
            told,
        });
        match given.shape {
            Shape::One(within) => walk(places, value, within, &path, told),
            Shape::Many(within) => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    walk(
                        places,
                        item,
                        within,
                        &[path.as_slice(), &[Step::Index(index)]].concat(),
                        told,
                    );
                }
            }
            _ => {}
        }
    }
}

/// What lies at a path.
pub fn at<'a>(value: &'a Value, path: &[Step]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, step| match step {
        Step::Key(key) => value.get(key),
        Step::Index(index) => value.get(index),
    })
}

/// A path as messages write it.
pub fn text(path: &[Step]) -> String {
    let mut out = String::new();
    for step in path {
        match step {
            Step::Key(key) if out.is_empty() => out.push_str(key),
            Step::Key(key) => out.push_str(&format!(".{key}")),
            Step::Index(index) => out.push_str(&format!("[{index}]")),
        }
    }
    out
}
