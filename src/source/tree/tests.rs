use super::*;
use proptest::prelude::*;

fn one(format: Format, text: &str) -> Node {
    let forest = read(format, text.as_bytes());
    assert_eq!(forest.faults, [], "{text}");
    assert_eq!(forest.documents.len(), 1, "{text}");
    forest.documents.into_iter().next().unwrap()
}

fn faults(format: Format, text: &str) -> Vec<(usize, String)> {
    let forest = read(format, text.as_bytes());
    forest
        .faults
        .into_iter()
        .map(|fault| (fault.line, fault.message))
        .collect()
}

#[test]
fn three_formats_one_tree() {
    let yaml = "a: 1\nb:\n  - x\n  - true\n  - 1.5\nc:\n  d: \"\"\n";
    let json = "{\"a\": 1,\n\t\"b\": [\"x\", true, 1.5],\r\n \"c\": {\"d\": \"\"}}";
    let toml = "a = 1\nb = [\"x\", true, 1.5]\n[c]\nd = \"\"\n";
    let line = r#"{"a":1,"b":["x",true,1.5],"c":{"d":""}}"#;
    for (format, text) in [
        (Format::Yaml, yaml),
        (Format::Json, json),
        (Format::Toml, toml),
    ] {
        assert_eq!(json_line(&one(format, text)), line, "{format:?}");
    }
}

#[test]
fn lines_are_those_of_the_keys() {
    let yaml = one(
        Format::Yaml,
        "a:\n  b:\n    - c: 1\n      d: |\n        x\n",
    );
    let item = match &yaml.get("a").unwrap().get("b").unwrap().value {
        Value::Seq(items) => items[0].clone(),
        _ => panic!(),
    };
    assert_eq!(item.line, 3);
    let Value::Map(entries) = item.value else {
        panic!()
    };
    assert_eq!((entries[0].line, entries[1].line), (3, 4));
    let toml = one(Format::Toml, "x = 1\n\n[a]\nb = 2\n[[a.c]]\nd = 3\n");
    assert_eq!(toml.get("a").unwrap().line, 3);
    let Value::Map(entries) = &toml.get("a").unwrap().value else {
        panic!()
    };
    assert_eq!((entries[0].line, entries[1].line), (4, 5));
    let json = one(Format::Json, "{\n\"a\": {\n\"b\": [\n1]}}");
    assert_eq!(json.get("a").unwrap().get("b").unwrap().line, 3);
}

#[test]
fn yaml_scalars_follow_the_core_schema() {
    let cases = [
        ("null", "null"),
        ("~", "null"),
        ("True", "true"),
        ("yes", "\"yes\""),
        ("0o644", "420"),
        ("0x1F", "31"),
        ("-12", "-12"),
        ("+3", "3"),
        (".5", "0.5"),
        ("1.", "1.0"),
        ("1e3", "1000.0"),
        ("1e400", "\"1e400\""),
        ("1_000", "\"1_000\""),
        ("12:30", "\"12:30\""),
        ("2001-01-01", "\"2001-01-01\""),
        ("'1'", "\"1\""),
        ("!!str 1", "\"1\""),
        ("!!int 1", "1"),
        ("! 1", "\"1\""),
    ];
    for (text, json) in cases {
        let node = one(Format::Yaml, &format!("[{text}]"));
        assert_eq!(json_line(&node), format!("[{json}]"), "{text}");
    }
}

#[test]
fn faults_have_a_line_and_say_what_to_do() {
    let cases = [
        (Format::Yaml, "a: 1\na: 2\n", 2, "is there twice"),
        (Format::Yaml, "a: &x 1\nb:\n  <<: *x\n", 3, "merge keys"),
        (Format::Yaml, "a: 0644\n", 1, "0o644"),
        (Format::Yaml, "a: .inf\n", 1, "finite"),
        (Format::Yaml, "a: !x 1\n", 1, "tags"),
        (Format::Yaml, "a: !!binary aa\n", 1, "tag"),
        (Format::Yaml, "[a]: 1\n", 1, "key"),
        (Format::Yaml, "~: 1\n", 1, "key is empty"),
        (Format::Yaml, "a: *nope\n", 1, "not YAML"),
        (Format::Yaml, "a: [\n", 2, "not YAML"),
        (Format::Yaml, "a: &x [*x]\n", 1, "alias"),
        (Format::Yaml, "a: \"\\0\"\n", 1, "NUL"),
        (Format::Yaml, "a: 99999999999999999999\n", 1, "too large"),
        (Format::Json, "{\n\"a\": 1,\n\"a\": 2}", 3, "is there twice"),
        (Format::Json, "{\"a\": 01}", 1, "begins with 0"),
        (Format::Json, "{\"a\": 1,}", 1, "expected a key"),
        (Format::Json, "[1 2]", 1, "expected ','"),
        (Format::Json, "{} {}", 1, "after the end"),
        (Format::Json, "{\"a\": yes}", 1, "unknown word"),
        (Format::Json, "{\"a\": \"\\u0000\"}", 1, "NUL"),
        (Format::Json, "{\"a\": \"\\ud800\"}", 1, "half"),
        (Format::Json, "{\"a\": \"x\ny\"}", 1, "control character"),
        (Format::Json, "", 1, "empty"),
        (Format::Toml, "a = 1\nb = 1979-05-27\n", 2, "no dates"),
        (Format::Toml, "a = 1\na = 2\n", 2, "not TOML"),
        (Format::Toml, "a = \"\\u0000\"", 1, "NUL"),
        (Format::Toml, "\nx = nan", 2, "finite"),
    ];
    for (format, text, line, part) in cases {
        let found = faults(format, text);
        assert!(
            found
                .iter()
                .any(|(at, message)| *at == line && message.contains(part)),
            "{format:?} {text:?}: {found:?}"
        );
    }
}

#[test]
fn several_faults_are_found_at_once() {
    let found = faults(Format::Yaml, "a: 01\nb: 02\nb: 1\n");
    assert_eq!(found.len(), 3, "{found:?}");
    let found = faults(Format::Toml, "a = x\nb = 1\nc = y\n");
    assert_eq!(found.len(), 2, "{found:?}");
}

#[test]
fn alias_bombs_do_not_grow() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for level in 1..40 {
        let alias = vec![format!("*a{}", level - 1); 9].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{alias}]\n"));
    }
    assert!(faults(Format::Yaml, &text)[0].1.contains("200000"));
    let long = "x".repeat(1 << 20);
    let wide = format!("a: &a {long}\nb: [{}]\n", vec!["*a"; 1000].join(", "));
    assert!(faults(Format::Yaml, &wide)[0].1.contains("8 MiB"));
    let mut deep = String::from("a0: &a0 [x]\n");
    for level in 1..100 {
        deep.push_str(&format!("a{level}: &a{level} [*a{}]\n", level - 1));
    }
    assert!(faults(Format::Yaml, &deep)[0].1.contains("64 levels"));
}

#[test]
fn depth_is_bounded_in_all_formats() {
    for open in ["[", "{\"a\":"] {
        let found = faults(Format::Json, &open.repeat(100_000));
        assert!(found[0].1.contains("64 levels"), "{found:?}");
    }
    let found = faults(Format::Yaml, &"- ".repeat(100_000));
    assert!(found[0].1.contains("64 levels"), "{found:?}");
    assert!(!faults(Format::Yaml, &"[".repeat(100_000)).is_empty());
    assert!(!faults(Format::Yaml, &"? ".repeat(100_000)).is_empty());
    assert!(!faults(Format::Toml, &format!("a = {}", "[".repeat(100_000))).is_empty());
    let dotted = vec!["a"; 79].join(".");
    let found = faults(Format::Toml, &format!("{dotted} = 1"));
    assert!(found[0].1.contains("64 levels"), "{found:?}");
}

#[test]
fn documents_without_content_do_not_count() {
    let forest = read(Format::Yaml, b"---\n---\n# nothing\n---\na: 1\n---\n");
    assert_eq!((forest.documents.len(), forest.faults.len()), (1, 0));
    assert_eq!(read(Format::Yaml, b"").documents, []);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_panics(text in "[-a:{}\\[\\],\"'\n \t&*!|>%@?#0-9.e\\\\u=]{0,60}") {
        for format in [Format::Yaml, Format::Json, Format::Toml] {
            read(format, text.as_bytes());
        }
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        for format in [Format::Yaml, Format::Json, Format::Toml] {
            read(format, &bytes);
        }
    }

    #[test]
    fn json_round_trips(text in "\\PC{0,20}", number in any::<i64>(), float in -1e300..1e300f64) {
        let node = |value| Node { line: 1, value };
        let list = node(Value::Seq(vec![
            node(Value::Text(text)), node(Value::Int(number)), node(Value::Float(float)),
        ]));
        let again = one(Format::Json, &json_line(&list));
        prop_assert_eq!(again, list);
    }

    #[test]
    fn json_is_also_what_serde_reads(text in "[-{}\\[\\],:\"a1 .e+0]{0,12}") {
        let ours = read(Format::Json, text.as_bytes());
        // serde_json takes what we refuse on purpose: keys that are there twice, numbers beyond 64 bits.
        if ours.faults.is_empty() {
            prop_assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{}", text);
        } else if !ours.faults.iter().any(|fault| fault.message.contains("twice") || fault.message.contains("large")) {
            prop_assert!(serde_json::from_str::<serde_json::Value>(&text).is_err(), "{}", text);
        }
    }
}
