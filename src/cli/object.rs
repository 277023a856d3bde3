//! Objects in the Kubernetes API's shape, as `get -o yaml|json` prints them.

use crate::host::files::Dir;
use crate::model::layout::Layout;
use crate::model::network::attach::{NETWORK_STATUS, NETWORKS};
pub use crate::model::object::{object, text_map};
use crate::model::status::PodReport;
use serde_json::{Value, json};

/// The largest account of a pod's networks that is read.
const LIMIT: usize = 1 << 20;

/// A pod as `get` shows it: with what has become of the networks it asks for.
pub fn shown(report: &PodReport, layout: &Layout) -> Value {
    let mut made = object(report);
    let annotations = &mut made["metadata"]["annotations"];
    if let (true, Some(uid)) = (annotations.get(NETWORKS).is_some(), &report.uid)
        && let Ok(Some(dir)) = Dir::open(&layout.pod(uid))
        && let Ok(Some(text)) = dir.read("network-status", LIMIT)
    {
        annotations[NETWORK_STATUS] = String::from_utf8_lossy(&text).into();
        annotations.sort_all_objects();
    }
    made
}

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
