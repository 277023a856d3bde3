//! The table of fields (`vks::source::fields`) against the rest of the world: the published schema of the API, the
//! page made from it, and what manifests with those fields become.

#![expect(clippy::unwrap_used, reason = "a test: what cannot be read fails it")]
#![expect(
    clippy::disallowed_methods,
    reason = "writes into the source tree, when asked to"
)]

#[path = "fields/page.rs"]
mod page;
#[path = "fields/schema.rs"]
mod schema;
#[path = "fields/seen.rs"]
mod seen;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use vks::source::fields::{KINDS, Standing, Table};

/// Fields that vks knows by name though the published schema does not have them there: those of other versions, and
/// `status`, which is the same for all objects; and where a service of the cluster leads, which vks writes down beside it.
const OTHERS: &[(&str, &str)] = &[
    ("PodSpec", "evictionInterceptors"),
    ("PodSpec", "workloadRef"),
    ("ConfigMap", "status"),
    ("Secret", "status"),
    ("Service", "subsets"),
    ("Service", "subsetsOutside"),
    ("EndpointSlice", "status"),
    ("Container", "targetContainerName"),
];

#[test]
fn the_table_has_every_field_of_the_schema_and_no_other() {
    let schema = schema::Schema::published();
    let mut wrong = BTreeSet::new();
    let mut open: Vec<(String, &Table)> = KINDS
        .iter()
        .map(|(kind, version, table)| (schema.object(kind, version), *table))
        .collect();
    let mut seen = BTreeSet::new();
    while let Some((definition, table)) = open.pop() {
        if !seen.insert((definition.clone(), table as *const Table)) {
            continue;
        }
        let published = schema.fields(&definition);
        let short = definition.rsplit('.').next().unwrap();
        if short != table.name {
            wrong.insert(format!("{}: is {short} in the schema", table.name));
        }
        for (name, standing) in table.fields() {
            let Some(within) = published.get(name) else {
                if !OTHERS.contains(&(table.name, name)) {
                    wrong.insert(format!("{}.{name}: is not in the schema", table.name));
                }
                continue;
            };
            if let Standing::Given(given) = standing {
                match (given.shape.table(), within) {
                    (Some(table), Some(within)) => open.push((within.clone(), table)),
                    (None, None) => {}
                    _ => drop(wrong.insert(format!(
                        "{}.{name}: is {within:?} in the schema",
                        table.name
                    ))),
                }
            }
        }
        for name in published.keys() {
            if table.field(name).is_none() {
                wrong.insert(format!(
                    "{}.{name}: is in the schema and not in the table",
                    table.name
                ));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{}",
        wrong.into_iter().collect::<Vec<_>>().join("\n")
    );
}

#[test]
fn the_page_is_made_from_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/fields.md");
    let made = page::page();
    if std::env::var_os("VKS_BLESS").is_some() {
        assert!(
            std::env::var_os("CI").is_none(),
            "VKS_BLESS is for people: CI compares, it does not rewrite"
        );
        fs::write(&path, &made).unwrap();
    }
    let stands = fs::read_to_string(&path).unwrap_or_default();
    let differs = stands
        .lines()
        .zip(made.lines())
        .find(|(old, new)| old != new);
    assert!(
        stands == made,
        "docs/fields.md is out of date: VKS_BLESS=1 cargo test --test fields\nfirst difference: {differs:#?}"
    );
}
