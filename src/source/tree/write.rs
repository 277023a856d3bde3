//! A tree as one line of JSON.

use super::{Entry, Node, Value};
use std::fmt::Write as _;

/// One line of JSON that says the same: keys sorted, so that two files that mean the same give the same
/// text, and keys without a value left out, as the Kubernetes API does.
pub fn json_line(node: &Node) -> String {
    let mut out = String::new();
    put(&mut out, node);
    out
}

fn put(out: &mut String, node: &Node) {
    match &node.value {
        Value::Null => out.push_str("null"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Int(number) => out.push_str(&number.to_string()),
        Value::Float(number) => put_float(out, *number),
        Value::Text(text) => put_text(out, text),
        Value::Seq(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                put(out, item);
            }
            out.push(']');
        }
        Value::Map(entries) => put_map(out, entries),
    }
}

fn put_map(out: &mut String, entries: &[Entry]) {
    let mut sorted: Vec<_> = entries
        .iter()
        .filter(|entry| entry.node.value != Value::Null)
        .collect();
    sorted.sort_unstable_by(|a, b| a.key.cmp(&b.key));
    out.push('{');
    for (index, entry) in sorted.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        put_text(out, &entry.key);
        out.push(':');
        put(out, &entry.node);
    }
    out.push('}');
}

/// Always with a point or exponent, so that it is read back as what it was.
fn put_float(out: &mut String, number: f64) {
    out.push_str(&format!("{number:?}"));
}

/// A JSON string. Everything that could break a line is escaped.
fn put_text(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}
