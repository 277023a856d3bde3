//! Objects in the Kubernetes API's shape, as `get -o yaml|json` prints them.

pub use crate::model::object::{object, text_map};
use serde_json::{Value, json};

/// Several objects as a `v1 List`, as kubectl writes it.
pub fn list(items: Vec<Value>) -> Value {
    json!({
        "apiVersion": "v1",
        "items": items,
        "kind": "List",
        "metadata": {"resourceVersion": ""},
    })
}

/// JSON in kubectl's layout: four blanks for each level, a line break at the end.
pub fn to_json(value: &Value) -> String {
    let mut out = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, formatter);
    // A value made of text and numbers, written to memory, cannot fail.
    let _ = serde::Serialize::serialize(value, &mut serializer);
    out.push(b'\n');
    String::from_utf8_lossy(&out).into_owned()
}
