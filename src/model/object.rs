//! Pods in the Kubernetes API's shape.

use super::status::PodReport;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The whole object: the manifest with its uid, merged with the status; keys in alphabetical order.
pub fn object(report: &PodReport) -> Value {
    let mut object = manifest(report);
    let metadata = &mut object["metadata"];
    if !metadata.is_object() {
        *metadata = json!({});
    }
    metadata["name"] = report.key.name.as_str().into();
    metadata["namespace"] = report.key.namespace.as_str().into();
    if let Some(uid) = &report.uid {
        metadata["uid"] = uid.as_str().into();
    }
    if let (true, Some(start)) = (
        metadata["creationTimestamp"].is_null(),
        report.status.start_time,
    ) {
        metadata["creationTimestamp"] = start.to_string().into();
    }
    // Every field of a status is text, a number or a list: it always has a JSON form.
    object["status"] = serde_json::to_value(&report.status).unwrap_or_default();
    object.sort_all_objects();
    object
}

/// The manifest; a minimal one when it cannot be read, so that one damaged unit does not hide the rest.
pub fn manifest(report: &PodReport) -> Value {
    serde_json::from_str(&report.manifest)
        .ok()
        .filter(Value::is_object)
        .unwrap_or_else(|| json!({"apiVersion": "v1", "kind": "Pod", "metadata": {}, "spec": {}}))
}

/// The text-to-text map at `metadata.<field>`: labels or annotations.
pub fn text_map(manifest: &Value, field: &str) -> BTreeMap<String, String> {
    let entries = manifest["metadata"][field]
        .as_object()
        .into_iter()
        .flatten();
    entries
        .map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned()))
        .collect()
}
