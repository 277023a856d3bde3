//! JSON values as YAML text in kubectl's layout, for readers of YAML 1.1 and 1.2 alike.
//!
//! A string is left plain only when no reader takes it for anything else: `yes`, `0123`, `1e3`, `12:30`
//! and `2024-01-01` are quoted. Text of several lines becomes a literal block.

use serde_json::Value;
use std::fmt::Write;

/// The value as a YAML document, with a line break at its end.
pub fn to_yaml(value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::Object(map) if !map.is_empty() => mapping(&mut out, map, 0, false),
        Value::Array(items) if !items.is_empty() => sequence(&mut out, items, 0, false),
        other => {
            scalar(&mut out, other, 0);
            out.push('\n');
        }
    }
    out
}

/// A mapping; with `started`, the first key goes on the line that has been begun.
fn mapping(out: &mut String, map: &serde_json::Map<String, Value>, depth: usize, started: bool) {
    for (index, (key, value)) in map.iter().enumerate() {
        if index > 0 || !started {
            indent(out, depth);
        }
        text(out, key, None);
        out.push(':');
        match value {
            Value::Object(inner) if !inner.is_empty() => {
                out.push('\n');
                mapping(out, inner, depth + 1, false);
            }
            // A sequence is not set in below its key: kubectl's way.
            Value::Array(items) if !items.is_empty() => {
                out.push('\n');
                sequence(out, items, depth, false);
            }
            other => {
                out.push(' ');
                scalar(out, other, depth + 1);
                out.push('\n');
            }
        }
    }
}

/// A sequence; `started` as for [`mapping`].
fn sequence(out: &mut String, items: &[Value], depth: usize, started: bool) {
    for (index, item) in items.iter().enumerate() {
        if index > 0 || !started {
            indent(out, depth);
        }
        out.push_str("- ");
        match item {
            Value::Object(map) if !map.is_empty() => mapping(out, map, depth + 1, true),
            Value::Array(inner) if !inner.is_empty() => sequence(out, inner, depth + 1, true),
            other => {
                scalar(out, other, depth + 1);
                out.push('\n');
            }
        }
    }
}

fn indent(out: &mut String, depth: usize) {
    out.extend(std::iter::repeat_n("  ", depth));
}

fn scalar(out: &mut String, value: &Value, depth: usize) {
    match value {
        Value::String(string) => text(out, string, Some(depth)),
        Value::Array(_) => out.push_str("[]"),
        Value::Object(_) => out.push_str("{}"),
        other => {
            let _ = write!(out, "{other}");
        }
    }
}

/// A string: plain, as a literal block set in by `block` levels where that is allowed, or quoted.
fn text(out: &mut String, string: &str, block: Option<usize>) {
    if let Some(depth) = block.filter(|_| fits_block(string)) {
        literal(out, string, depth);
    } else if is_plain(string) {
        out.push_str(string);
    } else {
        quoted(out, string);
    }
}

/// Several lines of printable text whose first line shows the depth of the block.
fn fits_block(string: &str) -> bool {
    let body = string.trim_end_matches('\n');
    body.contains('\n')
        && !body.starts_with([' ', '\t', '\n'])
        && body.chars().all(|c| c == '\n' || c == '\t' || is_printable(c))
        // A line of blanks only would be read as a line break.
        && body.lines().all(|line| line.is_empty() || !line.trim().is_empty())
}

fn literal(out: &mut String, string: &str, depth: usize) {
    let body = string.trim_end_matches('\n');
    let breaks = string.len() - body.len();
    out.push_str(match breaks {
        0 => "|-",
        1 => "|",
        _ => "|+",
    });
    for line in body.split('\n') {
        out.push('\n');
        if !line.is_empty() {
            indent(out, depth);
            out.push_str(line);
        }
    }
    // The caller ends the line, which is the first of the breaks.
    out.extend(std::iter::repeat_n('\n', breaks.saturating_sub(1)));
}

fn quoted(out: &mut String, string: &str) {
    out.push('"');
    for c in string.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if is_printable(c) => out.push(c),
            c => {
                let _ = match u32::from(c) {
                    code @ 0..=0xff => write!(out, "\\x{code:02x}"),
                    code @ 0x100..=0xffff => write!(out, "\\u{code:04x}"),
                    code => write!(out, "\\U{code:08x}"),
                };
            }
        }
    }
    out.push('"');
}

/// YAML's printable characters, without line breaks of any kind and the byte order mark.
fn is_printable(c: char) -> bool {
    !c.is_control()
        && !matches!(
            c,
            '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
        )
}

fn is_plain(string: &str) -> bool {
    const INDICATORS: &str = "-?:,[]{}#&*!|>'\"%@`=<~";
    let Some(first) = string.chars().next() else {
        return false;
    };
    // `-x`, `?x` and `:x` are plain.
    let second = string.chars().nth(1);
    let starts = !INDICATORS.contains(first)
        || "-?:".contains(first)
            && second.is_some_and(|c| c.is_ascii_alphanumeric() || "-/".contains(c))
            && !string.starts_with("---");
    starts
        && string.trim() == string
        && string.chars().all(is_printable)
        && !string.contains(": ")
        && !string.contains(" #")
        && !string.ends_with(':')
        && !is_word_with_meaning(string)
        && !looks_like_number(string)
}

fn is_word_with_meaning(string: &str) -> bool {
    const WORDS: [&str; 9] = ["null", "true", "false", "yes", "no", "on", "off", "y", "n"];
    WORDS.iter().any(|word| string.eq_ignore_ascii_case(word))
}

/// Integers in any base, with signs and `_`, floats, base 60 (`12:30`), and dates.
fn looks_like_number(string: &str) -> bool {
    let body = string.strip_prefix(['-', '+']).unwrap_or(string);
    let lower = body.to_ascii_lowercase();
    if matches!(lower.as_str(), ".inf" | ".nan" | "." | "") {
        return true;
    }
    if let Some(digits) = ["0x", "0o", "0b"]
        .iter()
        .find_map(|base| lower.strip_prefix(base))
    {
        return digits.bytes().all(|b| b.is_ascii_hexdigit() || b == b'_');
    }
    if !lower.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return false;
    }
    let only = |text: &str, more: &[u8]| {
        text.bytes()
            .all(|b| b.is_ascii_digit() || more.contains(&b))
    };
    let (mantissa, exponent) = lower.split_once('e').unwrap_or((&lower, ""));
    let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
    let float = only(mantissa, b"_.") && mantissa.matches('.').count() <= 1 && only(exponent, b"_");
    let sixties = only(&lower, b"_:.");
    let sixties = sixties && lower.contains(':');
    float || sixties || looks_like_date(&lower)
}

fn looks_like_date(string: &str) -> bool {
    let mut parts = string.splitn(3, '-');
    let digits = |part: Option<&str>, low, high| {
        part.is_some_and(|p| {
            (low..=high).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_digit())
        })
    };
    digits(parts.next(), 4, 4)
        && digits(parts.next(), 1, 2)
        && parts
            .next()
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use saphyr::LoadableYamlNode;
    use serde_json::json;

    #[test]
    fn layout_is_kubectls() {
        let value = json!({
            "apiVersion": "v1",
            "items": [{
                "args": [],
                "command": ["sh", "-c", "echo hi\nsleep 1"],
                "env": [{"name": "A", "value": "1"}, {"name": "B", "value": ""}],
                "volumes": {},
                "script": "a\nb\n",
                "on": true,
                "count": 3,
                "matrix": [[1, 2], [], ["x"]],
            }],
            "none": null,
        });
        let expected = "\
apiVersion: v1
items:
- args: []
  command:
  - sh
  - -c
  - |-
    echo hi
    sleep 1
  env:
  - name: A
    value: \"1\"
  - name: B
    value: \"\"
  volumes: {}
  script: |
    a
    b
  \"on\": true
  count: 3
  matrix:
  - - 1
    - 2
  - []
  - - x
none: null
";
        assert_eq!(to_yaml(&value), expected);
    }

    #[test]
    fn what_a_reader_could_take_for_something_else_is_quoted() {
        let words = "yes No TRUE null ~ y 0123 1e3 0x1F 0o7 1_000 12:30:45 .5 1. -1 +1.5e-3 .inf -.INF .NaN \
            2024-01-01 2024-01-01T00:00:00Z a: #a - ? *a &a !a {a [a %a @a `a 'a \"a = << --- ---x 1.0 0b1";
        let others = [
            "", " a", "a ", "a: b", "a #b", "- a", "a\tb", "a\u{7f}", "\u{feff}",
        ];
        for text in words.split_whitespace().chain(others) {
            assert!(to_yaml(&json!(text)).starts_with('"'), "{text:?}");
        }
        let plain = "a host:/usr/bin/sleep 10.0.0.1 64Mi 500m a-b -c --flag=x /bin/sh a#b nope 1h30m \
            systemd://0123abcd ä no-such e3 $(A) v1.2 0xyz 1.2.3";
        for text in plain.split_whitespace().chain(["a, b", "x y"]) {
            assert_eq!(to_yaml(&json!(text)), format!("{text}\n"));
        }
    }

    fn read_back(text: &str) -> Option<String> {
        let document = saphyr::Yaml::load_from_str(text).ok()?;
        document
            .first()?
            .as_mapping_get("k")?
            .as_str()
            .map(str::to_owned)
    }

    proptest! {
        #[test]
        fn a_yaml_reader_gets_the_same_text(text in "[ -~\n\tä\u{85}\u{2028}]{0,24}") {
            let yaml = to_yaml(&json!({"k": text, "z": 1}));
            prop_assert_eq!(read_back(&yaml), Some(text), "{}", yaml);
        }

        #[test]
        fn blocks_too(lines in prop::collection::vec("[a-z #:-]{0,6}", 1..5)) {
            let text = lines.join("\n");
            let yaml = to_yaml(&json!({"k": text, "z": 1}));
            prop_assert_eq!(read_back(&yaml), Some(text), "{}", yaml);
        }
    }
}
