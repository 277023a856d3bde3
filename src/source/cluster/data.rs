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

/// The volume that a claim is bound to; `None` while it is not.
pub fn volume_of(claim: &Value) -> Option<&str> {
    let bound = claim["status"]["phase"] == "Bound";
    claim["spec"]["volumeName"].as_str().filter(|_| bound)
}

/// A claim as a manifest: what it was bound for is decided, so that only what says how it is used is left.
pub fn claim(object: &Value) -> String {
    let mut object = object.clone();
    let spec = object["spec"].take();
    for field in ["accessModes", "resources", "volumeMode", "volumeName"] {
        if let Some(value) = spec.get(field) {
            object["spec"][field] = value.clone();
        }
    }
    keep(&object, "PersistentVolumeClaim", &["spec"])
}

/// A volume as a manifest. Whose it is, is said by the claim.
pub fn volume(object: &Value) -> String {
    let mut object = object.clone();
    if let Some(spec) = object["spec"].as_object_mut() {
        spec.remove("claimRef");
        spec.remove("nodeAffinity");
    }
    let mut made: Value = json!({
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": { "name": object["metadata"]["name"] },
    });
    made["spec"] = object["spec"].take();
    made.to_string()
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
    fn a_claim_counts_when_it_is_bound() {
        let object = json!({
            "metadata": { "name": "data", "namespace": "b", "finalizers": ["kubernetes.io/pvc-protection"] },
            "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } },
                "volumeName": "pv1", "volumeMode": "Filesystem", "storageClassName": "x" },
            "status": { "phase": "Pending" },
        });
        assert_eq!(volume_of(&object), None);
        let mut bound = object;
        bound["status"]["phase"] = "Bound".into();
        assert_eq!(volume_of(&bound), Some("pv1"));
        let pv = json!({
            "metadata": { "name": "pv1" },
            "spec": { "capacity": { "storage": "1Gi" }, "accessModes": ["ReadWriteOnce"], "volumeMode": "Filesystem",
                "persistentVolumeReclaimPolicy": "Retain", "hostPath": { "path": "/srv/a", "type": "" },
                "claimRef": { "kind": "PersistentVolumeClaim", "name": "data", "namespace": "b", "uid": "u" } },
        });
        for (text, what) in [(claim(&bound), "claim"), (volume(&pv), "volume")] {
            let found = parse(Path::new("/x.json"), text.as_bytes());
            assert_eq!(found.problems, [], "{what}");
            assert_eq!(
                found.volume_claims.len() + found.persistent_volumes.len(),
                1,
                "{what}"
            );
        }
    }

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
