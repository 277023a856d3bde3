//! The fields of the pod that became keys of its units.

use super::Text;
use crate::cli::view::PodView;
use crate::source::fields::{Given, Standing, Table, find};
use serde_json::Value;

/// Each field of the spec with the unit keys it becomes.
pub fn section(text: &mut Text, pod: &PodView) {
    let table = find("pod.spec").ok().and_then(|found| found.table);
    let mut lines = Vec::new();
    if let Some(table) = table {
        walk(&mut lines, "", &pod.manifest["spec"], table);
    }
    if lines.is_empty() {
        return;
    }
    text.line(0, "Fields:");
    text.line(1, "Field\tUnit keys");
    for (path, keys) in lines {
        text.line(1, &format!("{path}\t{keys}"));
    }
}

/// What has keys is not looked into any further, but for lists of containers.
fn walk(lines: &mut Vec<(String, String)>, path: &str, value: &Value, table: &Table) {
    for (name, value) in value.as_object().into_iter().flatten() {
        let Some(Standing::Given(given)) = table.field(name) else {
            continue;
        };
        // It is part of every path below.
        if name == "name" {
            continue;
        }
        let dot = if path.is_empty() { "" } else { "." };
        let path = format!("{path}{dot}{name}");
        if !given.keys.is_empty() && !is_containers(given) {
            lines.push((path, given.keys.join(" ")));
        } else if let Some(table) = given.shape.table() {
            within(lines, &path, value, table);
        }
    }
}

fn is_containers(given: &Given) -> bool {
    given
        .shape
        .table()
        .is_some_and(|table| table.name == "Container")
}

fn within(lines: &mut Vec<(String, String)>, path: &str, value: &Value, table: &Table) {
    let Some(items) = value.as_array() else {
        return walk(lines, path, value, table);
    };
    for (index, item) in items.iter().enumerate() {
        let name = item["name"].as_str();
        let name = name.map_or_else(|| index.to_string(), str::to_owned);
        walk(lines, &format!("{path}[{name}]"), item, table);
    }
}
