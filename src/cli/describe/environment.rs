//! The environment of a container. The value of a secret is never looked at, let alone shown.

use super::Text;
use serde_json::Value;

/// Whole maps first, then single variables.
pub fn sections(text: &mut Text, container: &Value) {
    let from = container["envFrom"]
        .as_array()
        .filter(|from| !from.is_empty());
    if let Some(from) = from {
        text.line(2, "Environment Variables from:");
        from.iter().for_each(|source| whole(text, source));
    }
    match container["env"].as_array().filter(|env| !env.is_empty()) {
        None => text.pair(2, "Environment", "<none>"),
        Some(env) => {
            text.line(2, "Environment:");
            for variable in env {
                let name = variable["name"].as_str().unwrap_or_default();
                text.pair(3, name, &value(variable));
            }
        }
    }
}

fn whole(text: &mut Text, source: &Value) {
    let (kind, object) = match source["secretRef"].is_object() {
        true => ("Secret", &source["secretRef"]),
        false => ("ConfigMap", &source["configMapRef"]),
    };
    let name = object["name"].as_str().unwrap_or_default();
    let prefix = source["prefix"]
        .as_str()
        .filter(|prefix| !prefix.is_empty());
    let prefix = prefix
        .map(|prefix| format!(" with prefix '{prefix}'"))
        .unwrap_or_default();
    text.line(
        3,
        &format!(
            "{name}\t{kind}{prefix}\tOptional: {}",
            object["optional"] == true
        ),
    );
}

fn value(variable: &Value) -> String {
    let from = &variable["valueFrom"];
    let reference = |words: &str, object: &Value, joint: &str| {
        let word = |field: &str| object[field].as_str().unwrap_or_default();
        let (key, name) = (word("key"), word("name"));
        let optional = object["optional"] == true;
        format!("<set to the key '{key}' {joint} {words} '{name}'>  Optional: {optional}")
    };
    if from["secretKeyRef"].is_object() {
        reference("secret", &from["secretKeyRef"], "in")
    } else if from["configMapKeyRef"].is_object() {
        reference("config map", &from["configMapKeyRef"], "of")
    } else if let Some(path) = from["fieldRef"]["fieldPath"].as_str() {
        format!("(v1:{path})")
    } else {
        variable["value"].as_str().unwrap_or_default().to_owned()
    }
}
