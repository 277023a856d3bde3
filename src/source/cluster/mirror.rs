//! A pod of this host's own disk as an object of the API server, so that `kubectl get pods` has it: a mirror
//! (kubelet: pkg/kubelet/pod/mirror_client.go).

use crate::model::name::{ObjectKey, PodKey};
use serde_json::{Value, json};

/// The annotation that makes a pod a mirror.
const MIRROR: &str = "kubernetes.io/config.mirror";

/// The name of a pod's mirror on a node; `None` when it would be none.
pub fn mirror_key(pod: &PodKey, node: &str) -> Option<ObjectKey> {
    let name = format!("{}-{}", pod.name, node.to_ascii_lowercase());
    Some(ObjectKey {
        namespace: pod.namespace.clone(),
        name: name.parse().ok()?,
    })
}

/// What a mirror says it was made from.
pub fn mirror_hash(object: &Value) -> Option<&str> {
    object["metadata"]["annotations"][MIRROR].as_str()
}

/// The mirror of a pod by its own manifest. `hash` stands for the manifest.
///
/// # Errors
/// What of it refers to objects that a mirror may not refer to: the API server refuses it.
pub fn mirror(
    manifest: &str,
    key: &ObjectKey,
    node: &str,
    node_uid: &str,
    hash: &str,
) -> Result<Value, &'static str> {
    let mut pod: Value = serde_json::from_str(manifest).unwrap_or_default();
    if let Some(what) = refers(&pod["spec"]) {
        return Err(what);
    }
    let metadata = &mut pod["metadata"];
    metadata["name"] = key.name.as_str().into();
    metadata["namespace"] = key.namespace.as_str().into();
    if let Some(metadata) = metadata.as_object_mut() {
        metadata.remove("uid");
    }
    metadata["annotations"]["kubernetes.io/config.source"] = "file".into();
    metadata["annotations"]["kubernetes.io/config.hash"] = hash.into();
    metadata["annotations"][MIRROR] = hash.into();
    metadata["ownerReferences"] = json!([{
        "apiVersion": "v1", "kind": "Node", "name": node, "uid": node_uid, "controller": true,
    }]);
    let spec = &mut pod["spec"];
    spec["nodeName"] = node.into();
    spec["automountServiceAccountToken"] = false.into();
    spec["tolerations"] = json!([{ "operator": "Exists", "effect": "NoExecute" }]);
    Ok(pod)
}

/// What a pod refers to that a mirror may not (NodeRestriction, admitPodCreate).
fn refers(spec: &Value) -> Option<&'static str> {
    let named = |key: &str| spec[key].as_str().is_some_and(|name| !name.is_empty());
    if named("serviceAccountName") || named("serviceAccount") {
        return Some("a service account");
    }
    for volume in spec["volumes"].as_array().into_iter().flatten() {
        for (source, what) in [
            ("secret", "a secret"),
            ("configMap", "a config map"),
            ("projected", "a projected volume"),
            ("persistentVolumeClaim", "a claim for storage"),
            ("ephemeral", "a claim for storage"),
        ] {
            if volume[source].is_object() {
                return Some(what);
            }
        }
    }
    let lists = ["initContainers", "containers"].into_iter();
    let mut containers = lists.flat_map(|list| spec[list].as_array().into_iter().flatten());
    containers.find_map(|container| {
        let from = container["envFrom"]
            .as_array()
            .is_some_and(|from| !from.is_empty());
        let mut env = container["env"].as_array().into_iter().flatten();
        let keys = env.any(|variable| {
            let from = &variable["valueFrom"];
            from["secretKeyRef"].is_object() || from["configMapKeyRef"].is_object()
        });
        (from || keys).then_some("a config map or secret")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> ObjectKey {
        let pod = ObjectKey {
            namespace: "default".parse().unwrap(),
            name: "web".parse().unwrap(),
        };
        mirror_key(&pod, "N1").unwrap()
    }

    #[test]
    fn a_mirror_belongs_to_its_node() {
        let manifest = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"web","uid":"x"},"spec":{"containers":[{}]}}"#;
        let made = mirror(manifest, &key(), "n1", "u", "h").unwrap();
        assert_eq!(made["metadata"]["name"], "web-n1");
        assert_eq!(made["metadata"]["ownerReferences"][0]["uid"], "u");
        assert!(made["metadata"]["uid"].is_null());
        assert_eq!(mirror_hash(&made), Some("h"));
        assert!(super::super::is_mirror(&made));
        assert_eq!(made["spec"]["nodeName"], "n1");
    }

    #[test]
    fn what_refers_to_other_objects_has_no_mirror() {
        for spec in [
            r#"{"containers":[],"volumes":[{"name":"a","secret":{}}]}"#,
            r#"{"containers":[{"envFrom":[{}]}]}"#,
            r#"{"containers":[{"env":[{"valueFrom":{"secretKeyRef":{}}}]}]}"#,
            r#"{"containers":[],"serviceAccountName":"x"}"#,
        ] {
            let manifest = format!(r#"{{"metadata":{{"name":"web"}},"spec":{spec}}}"#);
            assert!(mirror(&manifest, &key(), "n1", "u", "h").is_err(), "{spec}");
        }
    }
}
