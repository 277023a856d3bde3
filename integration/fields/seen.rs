//! Which test sees what each field does (`seen.txt`): none is left out, and what is named is there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{fs, ptr};
use vks::source::fields::{KINDS, Table};

/// Fields to what stands behind them: tests, or why there is none.
type Seen = BTreeMap<(String, String), Behind>;

enum Behind {
    Tests(Vec<String>),
    Nothing,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("integration")
}

/// The file; what is wrong in it goes to `wrong`.
fn read(wrong: &mut BTreeSet<String>) -> Seen {
    let text = fs::read_to_string(root().join("fields/seen.txt")).unwrap();
    let (mut table, mut seen) = (String::new(), Seen::new());
    for line in text.lines() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            name.clone_into(&mut table);
            continue;
        }
        let behind = match (line.split_once(" = "), line.split_once(" ! ")) {
            (Some((field, tests)), _) => {
                let tests = tests.split_whitespace().map(str::to_owned).collect();
                Some((field, Behind::Tests(tests)))
            }
            (None, Some((field, _why))) => Some((field, Behind::Nothing)),
            (None, None) => None,
        };
        let Some((field, behind)) = behind else {
            wrong.insert(format!("{line:?}: neither tests nor a reason"));
            continue;
        };
        if seen
            .insert((table.clone(), field.to_owned()), behind)
            .is_some()
        {
            wrong.insert(format!("{table}.{field} stands twice"));
        }
    }
    seen
}

/// The functions that are tests, by module, of the files below a directory.
fn tests_in(directory: &str) -> BTreeSet<String> {
    let (mut found, mut open) = (
        BTreeSet::new(),
        vec![(root().join(directory), String::new())],
    );
    while let Some((place, module)) = open.pop() {
        for entry in fs::read_dir(place).unwrap() {
            let path = entry.unwrap().path();
            let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
            let within = match module.as_str() {
                "" => stem,
                above => format!("{above}::{stem}"),
            };
            if path.is_dir() {
                open.push((path, within));
            } else if path.extension().is_some_and(|kind| kind == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.extend(functions(&text).map(|name| format!("{within}::{name}")));
            }
        }
    }
    found
}

fn functions(text: &str) -> impl Iterator<Item = &str> {
    let after = text.split("#[test]\n").skip(1);
    after.filter_map(|rest| {
        let mut lines = rest.lines().skip_while(|line| line.starts_with("#["));
        lines.next()?.strip_prefix("fn ")?.split('(').next()
    })
}

/// All types of the API that vks reads.
fn tables() -> Vec<&'static Table> {
    let mut found: Vec<&'static Table> = KINDS.iter().map(|(_, _, table)| *table).collect();
    let mut index = 0;
    while let Some(table) = found.get(index) {
        for table in table.given.iter().filter_map(|field| field.shape.table()) {
            if !found.iter().any(|known| ptr::eq(*known, table)) {
                found.push(table);
            }
        }
        index += 1;
    }
    found
}

#[test]
fn each_field_is_seen_by_a_test_or_it_is_said_why_not() {
    let mut wrong = BTreeSet::new();
    let seen = read(&mut wrong);
    let (containers, clusters) = (tests_in("container"), tests_in("cluster"));
    let stories = fs::read_dir(root().join("vm")).unwrap();
    let stories: BTreeSet<String> = stories
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    for ((table, field), behind) in &seen {
        let Behind::Tests(tests) = behind else {
            continue;
        };
        for test in tests {
            let there = match test.split_once(':') {
                Some(("cluster", test)) => clusters.contains(test),
                Some(("vm", story)) => stories.contains(&format!("{story}.sh")),
                _ => containers.contains(test),
            };
            if !there {
                wrong.insert(format!("{table}.{field}: there is no test {test}"));
            }
        }
    }
    let everywhere: Vec<String> = seen
        .keys()
        .filter(|(table, _)| table == "*")
        .map(|(_, field)| field.clone())
        .collect();
    let (mut fields, mut unseen) = (0, 0);
    let mut used = BTreeSet::new();
    for table in tables() {
        let object = KINDS.iter().any(|(_, _, kind)| kind.name == table.name);
        for field in table.given {
            let key = (table.name.to_owned(), field.name.to_owned());
            // Init containers and containers have a table each of the same name.
            let first = used.insert(key.clone());
            fields += usize::from(first);
            match seen.get(&key) {
                Some(Behind::Nothing) if first => unseen += 1,
                Some(_) => {}
                None if object && everywhere.iter().any(|name| name == field.name) => {}
                None => drop(wrong.insert(format!(
                    "{}.{}: stands not in integration/fields/seen.txt",
                    table.name, field.name
                ))),
            }
        }
    }
    let left = seen
        .keys()
        .filter(|key| key.0 != "*" && !used.contains(*key));
    wrong.extend(left.map(|(table, field)| format!("{table}.{field} is no field with an effect")));
    println!("{fields} fields, {unseen} of them seen by nobody");
    assert!(
        wrong.is_empty(),
        "{}",
        wrong.into_iter().collect::<Vec<_>>().join("\n")
    );
}
