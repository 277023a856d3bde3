//! A pod of the API server as a manifest.
//!
//! The API server has judged the pod by its own rules, the scheduler by its own: what only they use is left out here.
//! What is left is decoded as strictly as a file: a field that changes behaviour or isolation and is not implemented
//! makes the pod fail, with the field's name.

use crate::model::name::{ObjectKey, PodUid};
use crate::model::pod::Pod;
use crate::source::parse::parse_as;
use crate::source::tree::Format;
use serde_json::{Map, Value, json};
use std::path::Path;

/// A pod to be run.
#[derive(Debug, Clone, PartialEq)]
pub struct Given {
    /// As decoded.
    pub pod: Pod,
    /// Its uid.
    pub uid: PodUid,
    /// The manifest to be written.
    pub manifest: String,
    /// Tokens it wants.
    pub tokens: Vec<TokenWish>,
    /// What of it has no effect here, for people.
    pub warnings: Vec<String>,
}

/// A token of the pod's service account, for a projected volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenWish {
    /// The secret that stands for it.
    pub secret: ObjectKey,
    /// Whom it is for; empty: the API server.
    pub audience: String,
    /// Seconds it is to be valid for.
    pub seconds: i64,
}

/// Why a pod cannot be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// One word.
    pub reason: &'static str,
    /// What is wrong, by field.
    pub message: String,
}

/// Fields of a spec that are the API server's, the scheduler's or the controllers' alone.
const OTHERS: [&str; 13] = [
    "affinity",
    "automountServiceAccountToken",
    "evictionInterceptors",
    "nodeName",
    "nodeSelector",
    "overhead",
    "preemptionPolicy",
    "schedulerName",
    "schedulingGates",
    "schedulingGroup",
    "tolerations",
    "topologySpreadConstraints",
    "workloadRef",
];

/// Fields whose absence changes nothing of what runs, but that somebody may miss.
const MISSED: [(&str, &str); 0] = [];

/// The kubelet's default for tokens: an hour.
const TOKEN_SECONDS: i64 = 3600;
/// What the API server grants at least.
const LEAST_TOKEN_SECONDS: i64 = 600;

/// Whether a pod only mirrors a manifest of a node's own disk.
pub fn is_mirror(object: &Value) -> bool {
    object["metadata"]["annotations"]["kubernetes.io/config.mirror"].is_string()
}

/// A pod as the API server has it. `path` is the file it is to be written to.
///
/// # Errors
/// What of it vks cannot do.
pub fn pod(object: &Value, path: &Path) -> Result<Given, Refusal> {
    let metadata = &object["metadata"];
    let uid = metadata["uid"].as_str().unwrap_or_default();
    let mut kept = Map::new();
    for key in [
        "name",
        "namespace",
        "uid",
        "labels",
        "annotations",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
    ] {
        if let Some(value) = metadata.get(key).filter(|value| !value.is_null()) {
            kept.insert(key.to_owned(), value.clone());
        }
    }
    let mut spec = object["spec"].clone();
    let mut warnings = Vec::new();
    if let Some(fields) = spec.as_object_mut() {
        for key in OTHERS {
            fields.remove(key);
        }
        for (key, warning) in MISSED {
            if fields.remove(key).is_some_and(|value| !is_empty(&value)) {
                warnings.push(format!("spec.{key}: {warning}"));
            }
        }
    }
    let tokens = tokens(&mut spec, metadata, uid);
    let manifest = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": kept, "spec": spec });
    let manifest = manifest.to_string();
    let mut found = parse_as(Format::Json, path, manifest.as_bytes());
    let uid = uid.parse::<PodUid>().ok();
    match (found.pods.pop(), uid) {
        (Some(pod), Some(uid)) if found.problems.is_empty() => Ok(Given {
            pod,
            uid,
            manifest,
            tokens,
            warnings,
        }),
        _ => {
            let problems = found.problems.iter();
            let words: Vec<String> = problems
                .map(|problem| format!("{}: {}", problem.field, problem.message))
                .collect();
            Err(Refusal {
                reason: "UnsupportedPod",
                message: format!("this node cannot run the pod: {}", words.join("; ")),
            })
        }
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

/// Puts secrets that vks makes in place of the tokens of projected volumes.
fn tokens(spec: &mut Value, metadata: &Value, uid: &str) -> Vec<TokenWish> {
    let mut wishes = Vec::new();
    for volume in spec["volumes"].as_array_mut().into_iter().flatten() {
        let sources = volume
            .get_mut("projected")
            .and_then(|projected| projected.get_mut("sources"));
        for source in sources.and_then(Value::as_array_mut).into_iter().flatten() {
            let Some(token) = source.get("serviceAccountToken").cloned() else {
                continue;
            };
            let name = format!("vks-token-{uid}-{}", wishes.len());
            let namespace = metadata["namespace"].as_str().unwrap_or_default();
            let (Ok(namespace), Ok(key)) = (namespace.parse(), name.parse()) else {
                continue;
            };
            let seconds = token["expirationSeconds"].as_i64();
            wishes.push(TokenWish {
                secret: ObjectKey {
                    namespace,
                    name: key,
                },
                audience: token["audience"].as_str().unwrap_or_default().to_owned(),
                seconds: seconds.unwrap_or(TOKEN_SECONDS).max(LEAST_TOKEN_SECONDS),
            });
            let items = json!([{ "key": "token", "path": token["path"] }]);
            *source = json!({ "secret": { "name": name, "items": items } });
        }
    }
    wishes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(spec: Value) -> Result<Given, Refusal> {
        let object = json!({
            "metadata": {
                "name": "web", "namespace": "shop", "uid": "0f0e0d0c-0000-0000-0000-000000000001",
                "resourceVersion": "7", "generation": 1, "finalizers": ["x/y"],
                "ownerReferences": [{ "kind": "ReplicaSet" }], "managedFields": [{}],
            },
            "spec": spec,
            "status": { "phase": "Pending" },
        });
        pod(&object, Path::new("/c/pod.shop.web.json"))
    }

    /// As a server defaults a pod of one container.
    fn plain() -> Value {
        json!({
            "containers": [{
                "name": "main", "image": "host:sleep", "args": ["60"], "resources": {},
                "imagePullPolicy": "IfNotPresent", "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File",
            }],
            "restartPolicy": "Always", "terminationGracePeriodSeconds": 30, "dnsPolicy": "ClusterFirst",
            "nodeName": "n", "schedulerName": "default-scheduler", "securityContext": {},
            "serviceAccount": "default", "serviceAccountName": "default", "enableServiceLinks": true,
            "priority": 0, "preemptionPolicy": "PreemptLowerPriority",
            "tolerations": [{ "key": "node.kubernetes.io/not-ready", "operator": "Exists" }],
        })
    }

    #[test]
    fn a_pod_as_the_server_defaults_it_is_taken() {
        let given = given(plain()).unwrap();
        assert_eq!(given.pod.key.to_string(), "shop/web");
        assert_eq!(given.pod.uid.as_ref(), Some(&given.uid));
        assert_eq!((given.tokens.len(), given.warnings.len()), (0, 0));
    }

    #[test]
    fn what_the_scheduler_has_seen_to_is_left_out() {
        let mut spec = plain();
        spec["nodeSelector"] = json!({ "a": "b" });
        spec["affinity"] = json!({ "nodeAffinity": {} });
        spec["priority"] = json!(2_000_000);
        spec["automountServiceAccountToken"] = json!(true);
        assert!(given(spec).is_ok());
    }

    #[test]
    fn a_field_that_would_change_the_pod_is_named() {
        let mut spec = plain();
        spec["resourceClaims"] = json!([{ "name": "gpu", "resourceClaimName": "gpu" }]);
        let refusal = given(spec).unwrap_err();
        assert!(
            refusal.message.contains("spec.resourceClaims"),
            "{refusal:?}"
        );
        let mut spec = plain();
        spec["ephemeralContainers"] = json!([{ "name": "x", "image": "host:sh", "resources": {},
            "imagePullPolicy": "IfNotPresent", "stdin": true, "tty": true,
            "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File" }]);
        assert_eq!(given(spec).unwrap().warnings.len(), 0);
    }

    #[test]
    fn tokens_come_by_secrets_of_our_own() {
        let mut spec = plain();
        spec["volumes"] = json!([{ "name": "api", "projected": { "defaultMode": 420, "sources": [
            { "serviceAccountToken": { "expirationSeconds": 3607, "path": "token" } },
            { "configMap": { "name": "kube-root-ca.crt", "items": [{ "key": "ca.crt", "path": "ca.crt" }] } },
            { "downwardAPI": { "items": [{ "path": "namespace",
                "fieldRef": { "apiVersion": "v1", "fieldPath": "metadata.namespace" } }] } },
        ] } }]);
        spec["containers"][0]["volumeMounts"] = json!([{ "name": "api", "readOnly": true, "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount" }]);
        let given = given(spec).unwrap();
        let [wish] = given.tokens.as_slice() else {
            panic!("{:?}", given.tokens);
        };
        assert_eq!(wish.seconds, 3607);
        let needs = super::super::needs(&given.pod);
        assert!(needs.secrets.contains(&wish.secret));
        assert_eq!(needs.config_maps.len(), 1);
    }

    #[test]
    fn a_deletion_is_carried_on() {
        let mut object = json!({
            "metadata": { "name": "a", "namespace": "b", "uid": "u-1",
                "deletionTimestamp": "2026-01-01T00:00:00Z", "deletionGracePeriodSeconds": 7 },
        });
        object["spec"] = plain();
        let given = pod(&object, Path::new("/x.json")).unwrap();
        assert_eq!(given.pod.ending, Some(std::time::Duration::from_secs(7)));
        let again = crate::source::parse(Path::new("/x.json"), given.manifest.as_bytes());
        assert_eq!(again.pods[0], given.pod);
    }
}
