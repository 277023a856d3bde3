//! Changes of a pod, and what is to come of them.

use super::become_units::{Became, Refused, become_units};
use super::make::{Maker, Step, at, positions, tables, text};
use super::{meaning, rules, values};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use vks::source::fields::{Effect, Given, Standing, Table};

/// One change of a manifest.
#[derive(Debug)]
pub struct Change {
    pub table: &'static str,
    pub field: String,
    path: Vec<Step>,
    /// What is written there; nothing when it is removed.
    to: Option<Value>,
    expected: Expected,
    told: bool,
}

/// What is to come of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    /// An effect, or a refusal.
    Effect,
    /// A refusal that names the field.
    RefusedByName,
    /// Nothing at all.
    Nothing,
}

/// What came of a change.
pub enum Verdict {
    /// It was refused.
    Refused,
    /// It is accepted, and these keys change.
    Changed(BTreeSet<String>),
    /// It is accepted, changes nothing, and that is right.
    Same,
    /// It should have been another.
    Wrong(String),
}

/// A random change.
pub fn random(maker: &mut Maker, pod: &Value) -> Change {
    loop {
        let change = match maker.below(10) {
            0..=2 => set(maker, pod, None),
            3 | 4 => remove(maker, pod),
            5 | 6 => add(maker, pod, None),
            7 => without_effect(maker, pod),
            8 => misspelt(maker, pod),
            _ => nonsense(maker, pod),
        };
        if let Some(change) = change {
            return change;
        }
    }
}

type Wanted<'a> = Option<(&'a Table, &'a str)>;

fn is_wanted(wanted: Wanted<'_>, table: &Table, field: &str) -> bool {
    wanted.is_none_or(|(one, name)| std::ptr::eq(one, table) && name == field)
}

/// Another value for a plain field.
fn set(maker: &mut Maker, pod: &Value, wanted: Wanted<'_>) -> Option<Change> {
    let mut places = positions(pod);
    places.retain(|place| {
        place.given.shape.table().is_none() && is_wanted(wanted, place.table, place.field)
    });
    if places.is_empty() {
        return None;
    }
    let place = maker.pick(&places).clone();
    let now = at(pod, &place.path)?;
    let mut others = values::values(place.table.name, place.given);
    others.retain(|value| value != now);
    let to = if others.is_empty() {
        return None;
    } else {
        maker.pick(&others).clone()
    };
    Some(Change {
        table: place.table.name,
        field: place.field.to_owned(),
        path: place.path,
        to: Some(to),
        expected: Expected::Effect,
        told: place.told,
    })
}

fn remove(maker: &mut Maker, pod: &Value) -> Option<Change> {
    let places = positions(pod);
    let place = maker.pick(&places).clone();
    Some(Change {
        table: place.table.name,
        field: place.field.to_owned(),
        path: place.path,
        to: None,
        expected: Expected::Effect,
        told: place.told,
    })
}

/// A field that is not there yet.
fn add(maker: &mut Maker, pod: &Value, wanted: Wanted<'_>) -> Option<Change> {
    let mut choices = Vec::new();
    for (path, table, told) in tables(pod) {
        let value = at(pod, &path)?;
        for given in table
            .given
            .iter()
            .filter(|given| value.get(given.name).is_none())
            .filter(|given| !rules::elsewhere(table.name, given.name))
        {
            if is_wanted(wanted, table, given.name) && !rules::chosen(table.name, given.name) {
                choices.push((path.clone(), table, given, told));
            }
        }
    }
    if choices.is_empty() {
        return None;
    }
    let (path, table, given, told) = maker.pick(&choices).clone();
    Some(Change {
        table: table.name,
        field: given.name.to_owned(),
        path: [path.as_slice(), &[Step::Key(given.name.to_owned())]].concat(),
        to: Some(maker.value(table, given)),
        expected: Expected::Effect,
        told: told || given.effect == Effect::Told,
    })
}

/// A field that the table calls advisory or refused.
fn without_effect(maker: &mut Maker, pod: &Value) -> Option<Change> {
    let all = tables(pod);
    let (path, table, _) = maker.pick(&all).clone();
    let mut fields = table.fields();
    fields.retain(|(_, standing)| !matches!(standing, Standing::Given(_)));
    if fields.is_empty() {
        return None;
    }
    let (field, standing) = *maker.pick(&fields);
    Some(with(path, table, field, standing))
}

fn with(path: Vec<Step>, table: &'static Table, field: &str, standing: Standing) -> Change {
    let advisory = matches!(standing, Standing::Advisory(_));
    let to = match table.shape_of_advisory(field) {
        Some("string") => json!("x"),
        Some("boolean") => json!(true),
        Some("integer") => json!(5),
        Some("Object") => json!({"x": 1}),
        _ => json!([{"x": 1}]),
    };
    Change {
        table: table.name,
        field: field.to_owned(),
        path: [path.as_slice(), &[Step::Key(field.to_owned())]].concat(),
        to: Some(to),
        expected: if advisory {
            Expected::Nothing
        } else {
            Expected::RefusedByName
        },
        told: false,
    }
}

fn misspelt(maker: &mut Maker, pod: &Value) -> Option<Change> {
    let places = positions(pod);
    let place = maker.pick(&places).clone();
    let mut path = place.path;
    let wrong = format!("{}x", place.field);
    path.pop();
    path.push(Step::Key(wrong));
    Some(Change {
        table: place.table.name,
        field: place.field.to_owned(),
        path,
        to: Some(json!(1)),
        expected: Expected::RefusedByName,
        told: false,
    })
}

/// A value of a kind that the field never has.
fn nonsense(maker: &mut Maker, pod: &Value) -> Option<Change> {
    let places = positions(pod);
    let place = maker.pick(&places).clone();
    let now = at(pod, &place.path)?;
    let to = if now.is_object() || now.is_array() {
        json!("x")
    } else {
        json!([[1]])
    };
    Some(Change {
        table: place.table.name,
        field: place.field.to_owned(),
        path: place.path,
        to: Some(to),
        expected: Expected::RefusedByName,
        told: false,
    })
}

fn changed(pod: &Value, change: &Change) -> Value {
    let mut pod = pod.clone();
    let (last, above) = change.path.split_last().unwrap();
    let within = above.iter().fold(&mut pod, |value, step| match step {
        Step::Key(key) => &mut value[key],
        Step::Index(index) => &mut value[index],
    });
    match (last, &change.to) {
        (Step::Key(key), Some(to)) => within[key] = to.clone(),
        (Step::Key(key), None) => drop(within.as_object_mut().unwrap().remove(key)),
        (Step::Index(index), Some(to)) => within[index] = to.clone(),
        (Step::Index(index), None) => drop(within.as_array_mut().unwrap().remove(*index)),
    }
    pod
}

/// What comes of a change.
pub fn judge(pod: &Value, before: &Became, change: &Change) -> Verdict {
    let after = changed(pod, change);
    let here = text(&change.path);
    let keys = match become_units(&after) {
        Err(Refused::Problems(problems)) => {
            let nameless = problems
                .iter()
                .any(|problem| problem.field.is_empty() || problem.message.is_empty());
            let named = problems.iter().any(|problem| problem.field == here);
            return match change.expected {
                Expected::Nothing => Verdict::Wrong(format!(
                    "called advisory, is refused: {}",
                    Refused::Problems(problems)
                )),
                Expected::RefusedByName if !named => Verdict::Wrong(format!(
                    "refused, but not as {here}: {}",
                    Refused::Problems(problems)
                )),
                _ if nameless => Verdict::Wrong("refused without a name".to_owned()),
                _ => Verdict::Refused,
            };
        }
        Err(Refused::Blocked(_)) if change.expected == Expected::Effect => {
            return Verdict::Changed(BTreeSet::from(["(blocked)".to_owned()]));
        }
        Err(Refused::Blocked(message)) => return Verdict::Wrong(format!("blocked: {message}")),
        Ok(after) => before.differences(&after),
    };
    match change.expected {
        Expected::RefusedByName => Verdict::Wrong("accepted".to_owned()),
        Expected::Nothing if keys.is_empty() => Verdict::Same,
        Expected::Nothing => Verdict::Wrong(format!("called advisory, changes {keys:?}")),
        Expected::Effect if !keys.is_empty() => Verdict::Changed(keys),
        Expected::Effect if change.told || meaning::is_the_same(pod, &after, &change.path) => {
            Verdict::Same
        }
        Expected::Effect => Verdict::Wrong("accepted, and nothing changes".to_owned()),
    }
}

/// The keys that change with a field, in these pods; no more is looked at when all that are wanted have been seen.
pub fn keys_changed_by(
    maker: &mut Maker,
    pods: &[(Value, Became)],
    (table, given): (&'static Table, &'static Given),
) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    let wanted = Some((table, given.name));
    for (pod, before) in pods {
        for change in [set(maker, pod, wanted), add(maker, pod, wanted)]
            .into_iter()
            .flatten()
        {
            if let Verdict::Changed(more) = judge(pod, before, &change) {
                keys.extend(more);
            }
        }
        let seen = |key: &&str| keys.contains(key.trim_end_matches('='));
        if !keys.is_empty() && given.keys.iter().all(seen) {
            break;
        }
    }
    keys
}

/// A pod with a table of a type, and the change that a field which has no effect is added to it.
pub fn addition<'a>(
    pods: &'a [(Value, Became)],
    table: &'static Table,
    field: &str,
) -> Option<(&'a (Value, Became), Change)> {
    let standing = table.field(field)?;
    pods.iter().find_map(|pod| {
        let found = tables(&pod.0)
            .into_iter()
            .find(|(_, one, _)| std::ptr::eq(*one, table));
        found.map(|(path, table, _)| (pod, with(path, table, field, standing)))
    })
}
