//! Config maps, secrets and tokens as manifests.

use crate::model::name::ObjectKey;
use serde_json::{Value, json};

/// A config map of the API server as a manifest.
pub fn config_map(object: &Value) -> String {
    keep(object, "ConfigMap", &["data", "binaryData", "immutable"])
}

/// A secret of the API server as a manifest.
pub fn secret(object: &Value) -> String {
    keep(object, "Secret", &["data", "immutable"])
}

/// A token of a service account as the secret that a projected volume takes it from.
pub fn token(key: &ObjectKey, token: &str) -> String {
    let object = json!({
        "metadata": { "name": key.name.as_str(), "namespace": key.namespace.as_str() },
        "stringData": { "token": token },
    });
    keep(&object, "Secret", &["stringData"])
}

fn keep(object: &Value, kind: &str, fields: &[&str]) -> String {
    let metadata = &object["metadata"];
    let mut made = json!({
        "apiVersion": "v1",
        "kind": kind,
        "metadata": { "name": metadata["name"], "namespace": metadata["namespace"] },
    });
    for field in fields {
        if let Some(value) = object.get(*field).filter(|value| !value.is_null()) {
            made[*field] = value.clone();
        }
    }
    made.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::parse;
    use std::path::Path;

    #[test]
    fn what_is_made_is_a_manifest() {
        let secret = secret(&json!({
            "metadata": { "name": "a", "namespace": "b", "uid": "u", "managedFields": [] },
            "type": "Opaque", "data": { "k": "aGk=" },
        }));
        let found = parse(Path::new("/x.json"), secret.as_bytes());
        assert_eq!(found.problems, []);
        assert_eq!(found.secrets[0].1.data["k"], b"hi");
        let map = config_map(
            &json!({ "metadata": { "name": "a", "namespace": "b" }, "data": { "k": "hi" } }),
        );
        let found = parse(Path::new("/x.json"), map.as_bytes());
        assert_eq!((found.problems.len(), found.config_maps.len()), (0, 1));
    }
}
