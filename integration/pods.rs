//! Random pods and random changes of them: what is accepted has its effect, what has none is refused by name.
//!
//! The pods are made from the table of fields (`vks::source::fields`), so that a field that is new there is in them
//! without a change here, but for its values (`pods/values.rs`). `VKS_PODS` (default 300) is how many, `VKS_PODS_SEED`
//! (default 1) where it begins. The long form: `VKS_PODS=10000 cargo test --test pods`.

#![expect(clippy::unwrap_used, reason = "a test: what cannot be read fails it")]
#![expect(
    clippy::disallowed_methods,
    reason = "writes units for systemd to read"
)]

#[path = "pods/become.rs"]
mod become_units;
#[path = "pods/change.rs"]
mod change;
#[path = "pods/host.rs"]
mod host;
mod lab;
#[path = "pods/make.rs"]
mod make;
#[path = "pods/meaning.rs"]
mod meaning;
#[path = "pods/rules.rs"]
mod rules;
#[path = "pods/storage.rs"]
mod storage;
#[path = "pods/values.rs"]
mod values;

use become_units::{Became, become_units};
use change::Verdict;
use make::Maker;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use vks::source::fields::{Effect, Standing, Table, find};
use vks::unit::read;

fn number(key: &str, default: u64) -> u64 {
    std::env::var(key).map_or(default, |text| text.parse().unwrap())
}

fn maker() -> Maker {
    Maker::new(number("VKS_PODS_SEED", 1))
}

fn render(pod: &Value) -> Became {
    become_units(pod).unwrap_or_else(|refused| panic!("refused: {refused}\n{pod}"))
}

#[test]
fn valid_pods_are_rendered_read_back_and_planned_once() {
    let mut maker = maker();
    let mut fields = BTreeSet::new();
    for _ in 0..number("VKS_PODS", 300) {
        let pod = maker.pod();
        let became = render(&pod);
        for (name, file) in &became.files {
            assert_eq!(
                read::read(&file.to_string()).as_ref(),
                Ok(file),
                "{name} of {pod}"
            );
        }
        host::planned_once(&became, &pod);
        make::positions(&pod).into_iter().for_each(|place| {
            fields.insert((place.table.name, place.field));
        });
    }
    let never: Vec<String> = given()
        .iter()
        .filter(|(table, field, _)| !fields.contains(&(table.name, *field)))
        .map(|(table, field, _)| format!("{}.{field}", table.name))
        .collect();
    assert!(
        never.is_empty(),
        "in no pod: {}: give them values in integration/pods/values.rs",
        never.join(", ")
    );
}

#[test]
fn no_change_is_ignored() {
    let mut maker = maker();
    let (mut ignored, mut counts) = (BTreeMap::new(), [0; 4]);
    let mut effects: BTreeMap<(&str, String), BTreeSet<String>> = BTreeMap::new();
    for _ in 0..number("VKS_PODS", 300) * 3 {
        let pod = maker.pod();
        let before = render(&pod);
        let change = change::random(&mut maker, &pod);
        match change::judge(&pod, &before, &change) {
            Verdict::Refused => counts[0] += 1,
            Verdict::Changed(keys) => {
                counts[1] += 1;
                effects
                    .entry((change.table, change.field.clone()))
                    .or_default()
                    .extend(keys);
            }
            Verdict::Same => counts[2] += 1,
            Verdict::Wrong(why) => {
                counts[3] += 1;
                ignored
                    .entry(format!("{}.{}", change.table, change.field))
                    .or_insert(format!("{why}: {change:?}\n{pod}"));
            }
        }
    }
    let wrong: Vec<String> = ignored
        .into_iter()
        .map(|(field, why)| format!("{field}: {why}"))
        .collect();
    println!(
        "refused {}, with an effect {}, without one {}",
        counts[0], counts[1], counts[2]
    );
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        counts[3],
        wrong.join("\n\n")
    );
}

/// A change of these alone is always refused, since something else goes with them: the mounts of a volume, the name of a
/// profile.
const REFERRED_TO: &[(&str, &str)] = &[
    ("Volume", "name"),
    ("VolumeDevice", "name"),
    ("ConfigMapProjection", "optional"),
    ("SecretProjection", "optional"),
    ("AppArmorProfile", "type"),
];

/// A change of these has an effect only where an image has a root of its own, and these pods are programs of the
/// host: `oci_users::` looks at them.
const OF_ROOTS: &[(&str, &str)] = &[("PodSpec", "hostUsers")];

#[test]
fn each_field_has_the_effect_that_the_table_says() {
    let mut maker = maker();
    let pods = some(&mut maker);
    let mut wrong = Vec::new();
    for (table, field, given) in given() {
        let elsewhere = [REFERRED_TO, OF_ROOTS];
        let elsewhere = elsewhere
            .iter()
            .any(|list| list.contains(&(table.name, field)));
        if given.effect == Effect::Told || given.shape.table().is_some() || elsewhere {
            continue;
        }
        let keys = change::keys_changed_by(&mut maker, &pods, (table, given));
        let right = given
            .keys
            .iter()
            .all(|key| keys.contains(key.trim_end_matches('=')));
        if keys.is_empty() {
            wrong.push(format!("{}.{field}: nothing changes with it", table.name));
        } else if !right {
            wrong.push(format!(
                "{}.{field}: {:?} in the table, changes {keys:?}",
                table.name, given.keys
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn refused_and_advisory_fields_are_what_they_are_called() {
    let pods = some(&mut maker());
    let mut wrong = Vec::new();
    for table in tables() {
        for (field, standing) in table.fields() {
            if matches!(standing, Standing::Given(_)) {
                continue;
            }
            let Some(((pod, before), change)) = change::addition(&pods, table, field) else {
                wrong.push(format!("{}.{field}: no pod has such a table", table.name));
                continue;
            };
            if let Verdict::Wrong(why) = change::judge(pod, before, &change) {
                wrong.push(format!("{}.{field}: {why}", table.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// In so many pods everything comes up.
const MANY: usize = 3000;

/// So many that every field is in some of them.
fn some(maker: &mut Maker) -> Vec<(Value, Became)> {
    let count = usize::try_from(number("VKS_PODS", 300))
        .unwrap()
        .clamp(300, MANY);
    let pods = (0..count).map(|_| maker.pod());
    pods.map(|pod| (pod.clone(), render(&pod))).collect()
}

/// So many pods are looked at by systemd when nobody asks for a number.
const LOOKED_AT: u64 = 200;
/// And so many at a time: the time that systemd-analyze takes grows faster than the number of units it has loaded.
const BATCH: u64 = 25;

#[test]
fn systemd_says_nothing_about_them() {
    if !lab::require(lab::Tier::Container) {
        return;
    }
    let place = lab::state().join("generated-pods");
    let _ = fs::remove_dir_all(&place);
    fs::create_dir_all(&place).unwrap();
    let mut maker = maker();
    let machine = lab::Machine::boot_with(
        "trixie",
        "generated",
        &["--bind-ro", &format!("{}:/opt/made", place.display())],
    );
    let all = number("VKS_PODS", LOOKED_AT);
    let mut units = 0;
    for first in (0..all).step_by(usize::try_from(BATCH).unwrap()) {
        for index in first..all.min(first + BATCH) {
            let mut pod = maker.pod();
            pod["metadata"]["name"] = format!("p{index}").into();
            for (name, file) in render(&pod).files {
                fs::write(place.join(name.as_str()), file.to_string()).unwrap();
                units += 1;
            }
        }
        let said = machine.sh(VERIFY);
        assert_eq!(
            (said.code, said.stdout.as_str()),
            (0, ""),
            "from {first} on: {}",
            said.stderr
        );
        for made in fs::read_dir(&place).unwrap() {
            fs::remove_file(made.unwrap().path()).unwrap();
        }
    }
    println!("{units} units of {all} pods");
}

/// All units at once, each under its own name; what systemd says of them goes to standard output.
const VERIFY: &str = r#"
place=/etc/systemd/system.attached
rm -rf $place /tmp/colons && mkdir -p $place /tmp/colons && cd $place && cp /opt/made/* . || exit
set --
for unit in vks*; do
  # A colon means FILE:NAME here, so names with one are given in that form.
  case $unit in
    *:*) cp "$unit" "/tmp/colons/$#.service"; set -- "$@" "/tmp/colons/$#.service:$unit" ;;
    *) set -- "$@" "$unit" ;;
  esac
done
systemd-analyze verify --man=no "$@" 2>&1
"#;

/// All tables that a pod is made of.
fn tables() -> Vec<&'static Table> {
    let mut found: Vec<&'static Table> = vec![find("pod").unwrap().table.unwrap()];
    let mut index = 0;
    while index < found.len() {
        let within = found[index]
            .given
            .iter()
            .filter(|field| !rules::elsewhere(found[index].name, field.name))
            .filter_map(|field| field.shape.table());
        for table in within.collect::<Vec<_>>() {
            if !found.iter().any(|known| std::ptr::eq(*known, table)) {
                found.push(table);
            }
        }
        index += 1;
    }
    found
}

/// All fields of a pod with an effect.
fn given() -> Vec<(
    &'static Table,
    &'static str,
    &'static vks::source::fields::Given,
)> {
    let fields = tables()
        .into_iter()
        .flat_map(|table| table.given.iter().map(move |field| (table, field)));
    fields
        .filter(|(table, field)| !rules::elsewhere(table.name, field.name))
        .map(|(table, field)| (table, field.name, field))
        .collect()
}
