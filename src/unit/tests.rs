//! Properties of names, escapes and unit text.

use super::names::PodUnits;
use super::{UnitFile, escape, identity, read};
use crate::model::identity::{Identity, UnitRole};
use crate::model::name::ObjectKey;
use crate::model::pod::SourcePath;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn key(namespace: &str, name: &str) -> ObjectKey {
    ObjectKey {
        namespace: namespace.parse().unwrap(),
        name: name.parse().unwrap(),
    }
}

#[test]
fn names_as_documented() {
    let key = key("kube-system", "web.v2");
    let units = PodUnits::new(&key);
    assert_eq!(
        units.target().as_str(),
        r"vks-kube\x2dsystem-web\x2ev2.target"
    );
    assert_eq!(
        units.slice().as_str(),
        r"vks-kube\x2dsystem-web\x2ev2.slice"
    );
    assert_eq!(
        units.sandbox().as_str(),
        r"vks-kube\x2dsystem-web\x2ev2-sandbox.service"
    );
}

#[test]
fn long_names_are_cut_and_stay_different() {
    let (a, b) = (
        format!("{}a", "x".repeat(252)),
        format!("{}b", "x".repeat(252)),
    );
    let dashes = format!("a{}a", "-".repeat(61));
    let names: Vec<_> = [a, b]
        .iter()
        .map(|name| PodUnits::new(&key(&dashes, name)).sandbox())
        .collect();
    assert_ne!(names[0], names[1]);
    assert!(names.iter().all(|name| name.as_str().len() <= 255));
}

prop_compose! {
    fn label()(text in "[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?") -> String { text }
}
prop_compose! {
    fn any_key()(namespace in label(), name in "[a-z0-9]([a-z0-9.-]{0,300}[a-z0-9])?"
        .prop_filter("a subdomain", |name| name.parse::<crate::model::name::ObjectName>().is_ok())) -> ObjectKey {
        key(&namespace, &name)
    }
}

proptest! {
    #[test]
    fn names_are_injective(a in any_key(), b in any_key()) {
        let (left, right) = (PodUnits::new(&a), PodUnits::new(&b));
        prop_assert_eq!(a == b, left.target() == right.target());
        prop_assert_ne!(left.sandbox(), right.probes());
    }

    #[test]
    fn text_round_trips(values in prop::collection::vec(("[A-Z][A-Za-z]{1,9}", "\\PC{0,40}"), 1..9)) {
        let mut unit = UnitFile { header: vec!["made by a test".into()], ..UnitFile::default() };
        for (index, (key, value)) in values.iter().enumerate() {
            let section = if index % 2 == 0 { "Unit" } else { "Service" };
            unit.push(section, key, escape::quoted(value));
        }
        prop_assert_eq!(read::read(&unit.to_string()).unwrap(), unit);
    }

    #[test]
    fn identities_round_trip(key in any_key(), source in "/[^\\x00]{0,30}", manifest in ".{0,60}") {
        let identity = Identity {
addresses: Vec::new(),
            pod: key, uid: "0-1".parse().unwrap(), role: UnitRole::Pod,
            source: SourcePath(source.into()), spec_hash: "abc".into(), manifest: Some(manifest.into()),
        };
        let mut unit = UnitFile::default();
        identity::write(&mut unit, &identity);
        let again = read::read(&unit.to_string()).unwrap();
        prop_assert_eq!(identity::read(&again).unwrap(), Some(identity));
    }

    #[test]
    fn one_line_is_one_line_and_comes_back(text in "(?s).{0,40}") {
        let line = escape::one_line(&text);
        prop_assert!(!line.contains('\n') && !line.contains('\r'));
        prop_assert_eq!(escape::from_one_line(&line), text);
    }

    #[test]
    fn no_text_breaks_the_reader(text in "(?s)[\\[\\]=#;\\\\a-c \n\t]{0,200}") {
        let _ = read::read(&text);
    }

    #[test]
    fn quoted_words_are_one_line(text in "(?s).{0,40}") {
        prop_assert!(!escape::quoted(&text).contains(['\n', '\r']));
    }
}

#[test]
fn continuation_lines_are_joined_as_systemd_does() {
    let unit = read::read("[Service]\nExecStart=a \\\n# not this\n  b\nUser=x\n").unwrap();
    assert_eq!(unit.value("Service", "ExecStart"), Some("a  b"));
    assert_eq!(unit.value("Service", "User"), Some("x"));
}

#[test]
fn errors_name_the_line() {
    let cases: BTreeMap<&str, &str> = [
        ("a=b", "line 1: an assignment before the first section"),
        ("[Unit]\n\nxyz", "line 3: expected KEY=VALUE"),
        ("[Unit", "line 1: a section header must end with ']'"),
    ]
    .into();
    for (text, message) in cases {
        assert_eq!(read::read(text).unwrap_err().to_string(), message);
    }
}

#[test]
fn the_loaded_digest_sees_what_systemd_sees() {
    let text = |extra: &str| read::read(&format!("# h\n[Unit]\nWants=a.service\n{extra}")).unwrap();
    assert_eq!(
        text("").loaded_digest(),
        text("\n[X-Kubernetes]\nPod=a\n").loaded_digest()
    );
    assert_ne!(
        text("").loaded_digest(),
        text("After=b.service\n").loaded_digest()
    );
}
