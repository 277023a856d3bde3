//! The tables against the decoders. A field that a decoder takes and no table gives fails here, and the other way
//! round; so does a table that no sample leads to: add a field of its type to a sample then.

use super::*;
use crate::source::decode::asked;
use crate::source::parse;
use std::collections::BTreeSet;
use std::path::Path;

/// For each kind manifests that, together, have every table of fields in them.
const SAMPLES: &[(&str, &str)] = &[
    ("Pod", include_str!("../tests/full.yaml")),
    ("Pod", include_str!("samples/pod.yaml")),
    ("Deployment", include_str!("samples/deployment.yaml")),
    ("StatefulSet", include_str!("samples/statefulset.yaml")),
    ("DaemonSet", include_str!("samples/daemonset.yaml")),
    ("Job", include_str!("samples/job.yaml")),
    ("CronJob", include_str!("samples/cronjob.yaml")),
    ("ConfigMap", include_str!("samples/configmap.yaml")),
    ("Secret", include_str!("samples/secret.yaml")),
    (
        "PersistentVolumeClaim",
        include_str!("samples/persistentvolumeclaim.yaml"),
    ),
    (
        "PersistentVolume",
        include_str!("samples/persistentvolume.yaml"),
    ),
    ("Service", include_str!("samples/service.yaml")),
    ("EndpointSlice", include_str!("samples/endpointslice.yaml")),
    ("PriorityClass", include_str!("samples/priorityclass.yaml")),
];

fn key(table: &Table) -> *const Table {
    table
}

#[test]
fn what_the_decoders_take_is_what_the_tables_give() {
    let mut seen = BTreeSet::new();
    let mut wrong = BTreeSet::new();
    for (kind, text) in SAMPLES {
        asked::taken();
        let parsed = parse(Path::new("/x.yaml"), text.as_bytes());
        assert_eq!(parsed.problems, [], "sample of {kind}");
        for (path, fields) in asked::taken() {
            let whole = format!("{kind}.{path}");
            let found = match find(&whole) {
                Ok(found) => found,
                Err(error) => {
                    wrong.insert(error.to_string());
                    continue;
                }
            };
            let Some(table) = found.table else {
                wrong.insert(format!(
                    "{whole}: the decoder looks into it, the table has no fields there"
                ));
                continue;
            };
            seen.insert(key(table));
            let given: BTreeSet<&str> = table.given.iter().map(|field| field.name).collect();
            let taken: BTreeSet<&str> = fields.into_iter().collect();
            for name in taken.difference(&given) {
                wrong.insert(format!(
                    "{}.{name}: taken by the decoder: give it in src/source/fields/",
                    table.name
                ));
            }
            for name in given.difference(&taken) {
                wrong.insert(format!(
                    "{}.{name}: given in src/source/fields/, not taken by the decoder",
                    table.name
                ));
            }
        }
    }
    for table in all() {
        if !seen.contains(&key(table)) {
            wrong.insert(format!(
                "{}: no sample in src/source/fields/samples/ has one",
                table.name
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{}",
        wrong.into_iter().collect::<Vec<_>>().join("\n")
    );
}

#[test]
fn no_field_is_in_two_places() {
    for table in all() {
        let names: Vec<&str> = table.fields().iter().map(|(name, _)| *name).collect();
        let distinct: BTreeSet<&&str> = names.iter().collect();
        assert_eq!(names.len(), distinct.len(), "{}: {names:?}", table.name);
    }
}

#[test]
fn reasons_are_of_fields_without_an_effect() {
    let tables = all();
    for (table, field) in why::entries() {
        let mut of = tables
            .iter()
            .filter(|one| table.is_empty() || one.name == table);
        assert!(
            of.any(|one| one.rest.iter().any(|(name, _)| *name == field)),
            "{table}.{field} is not refused or advisory: remove it from why.rs"
        );
    }
}

#[test]
fn keys_look_like_keys() {
    for field in all().iter().flat_map(|table| table.given) {
        for key in field.keys {
            let name = key.strip_suffix('=').unwrap_or_default();
            assert!(
                !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric()),
                "{}: {key}",
                field.name
            );
        }
        assert!(
            field.about.ends_with('.'),
            "{}: {}",
            field.name,
            field.about
        );
        assert!(
            field.effect == Effect::Units || field.keys.is_empty(),
            "{}: told, and has keys",
            field.name
        );
    }
}

/// All tables, each once.
fn all() -> Vec<&'static Table> {
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    let mut open: Vec<&Table> = KINDS.iter().map(|(_, _, table)| *table).collect();
    while let Some(table) = open.pop() {
        if seen.insert(key(table)) {
            found.push(table);
            open.extend(table.given.iter().filter_map(|field| field.shape.table()));
        }
    }
    found
}
