//! `docs/fields.md`: the table as a page.

use std::collections::BTreeSet;
use std::fmt::Write;
use vks::source::fields::{Given, KINDS, Standing, Table};

const HEAD: &str = "\
# Fields

Made from `src/source/fields/` by `VKS_BLESS=1 cargo test --test fields`; changes here are lost. The same for one field:
`vks explain pod.spec.containers`.

Every field that the API of Kubernetes 1.36 has for these objects is in one of three columns:

- **given**: has its effect here. The keys are those of the units that the pod becomes (vks-units(7)); keys in italics
  are in the section `[X-kubernetes]`. vks needs systemd 255; a field that needs a newer one says which, and is refused
  on an older one.
- *advisory*: accepted, changes nothing.
- *refused*: an error with file, line and field. \"Unless unset\" means that a value that says what its absence says
  (`false`, 0, empty) is accepted. What lies within a refused field is refused with it.
";

/// Keys of `[X-kubernetes]`.
const OWN: &[&str] = &[
    "Container=",
    "Manifest=",
    "Namespace=",
    "Pod=",
    "Policy=",
    "Probes=",
    "Root=",
    "Setup=",
    "UID=",
];

/// The whole page.
pub fn page() -> String {
    let mut out = HEAD.to_owned();
    let mut seen = BTreeSet::new();
    for (kind, version, table) in KINDS {
        let _ = writeln!(out, "\n## {kind} ({version})");
        let mut first = true;
        section(&mut out, kind, table, &mut seen, &mut first);
    }
    out
}

fn section(
    out: &mut String,
    path: &str,
    table: &'static Table,
    seen: &mut BTreeSet<*const Table>,
    first: &mut bool,
) {
    if !seen.insert(table) {
        return;
    }
    if !*first {
        let _ = writeln!(out, "\n### {path}");
    }
    *first = false;
    let _ = writeln!(
        out,
        "\n{} ({})",
        table.about.trim_end_matches('.'),
        table.name
    );
    let _ = writeln!(
        out,
        "\n| field | | meaning, or why not | in the units |\n|---|---|---|---|"
    );
    let fields = table.fields();
    for (name, standing) in &fields {
        let (word, text, becomes) = match standing {
            Standing::Given(given) => (
                needs(given),
                given.about.trim_end_matches('.').to_owned(),
                becomes(given),
            ),
            Standing::Advisory(why) => ("*advisory*".to_owned(), (*why).to_owned(), String::new()),
            Standing::Refused(why, unset) => {
                let word = if *unset {
                    "*refused* unless unset"
                } else {
                    "*refused*"
                };
                (word.to_owned(), (*why).to_owned(), String::new())
            }
        };
        let _ = writeln!(out, "| {name} | {word} | {text} | {becomes} |");
    }
    for (name, standing) in fields {
        if let Standing::Given(given) = standing
            && let Some(within) = given.shape.table()
        {
            section(out, &format!("{path}.{name}"), within, seen, first);
        }
    }
}

fn needs(given: &Given) -> String {
    match given.since {
        None => "**given**".to_owned(),
        Some(version) => format!("**given**, systemd {version}"),
    }
}

fn becomes(given: &Given) -> String {
    let keys: Vec<String> = given
        .keys
        .iter()
        .map(|key| match OWN.contains(key) {
            true => format!("*{key}*"),
            false => format!("`{key}`"),
        })
        .collect();
    let mut parts = Vec::new();
    if !keys.is_empty() {
        parts.push(keys.join(" "));
    }
    if !given.note.is_empty() {
        parts.push(given.note.to_owned());
    }
    parts.join("; ")
}
