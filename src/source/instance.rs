//! Templates become pods.

use super::parse::pod_from_manifest;
use crate::model::desired::Problem;
use crate::model::name::PodKey;
use crate::model::pod::{Pod, SourcePath};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What a pod has beside its template.
#[derive(Debug, Clone, Copy)]
pub struct Instance<'a> {
    /// Its name.
    pub key: &'a PodKey,
    /// Labels beside those of the template.
    pub labels: &'a BTreeMap<String, String>,
    /// Annotations beside those of the template.
    pub annotations: &'a BTreeMap<String, String>,
    /// Variables of all containers that do not have them.
    pub variables: &'a BTreeMap<String, String>,
    /// The host name, unless the template has one.
    pub hostname: Option<&'a str>,
    /// Volumes on claims: volume to claim.
    pub claims: &'a BTreeMap<String, String>,
}

/// A pod of a template, which is JSON with `metadata` and `spec`.
///
/// # Errors
/// What is wrong with it, which for the template of a decoded controller is nothing but its size.
pub fn instance(template: &str, of: Instance<'_>, source: SourcePath) -> Result<Pod, Vec<Problem>> {
    let mut template: Value = serde_json::from_str(template).unwrap_or_default();
    let mut spec = template["spec"].take();
    add_variables(&mut spec, of.variables);
    add_claims(&mut spec, of.claims);
    // On the host's network a pod has the host's name.
    let own = spec["hostNetwork"] != true;
    let hostname = of
        .hostname
        .filter(|name| own && name.len() <= 63 && !name.contains('.'));
    if let (Some(hostname), Some(spec)) = (hostname, spec.as_object_mut()) {
        spec.entry("hostname").or_insert_with(|| hostname.into());
    }
    let metadata = json!({
        "name": of.key.name.as_str(),
        "namespace": of.key.namespace.as_str(),
        "labels": joined(template["metadata"]["labels"].take(), of.labels),
        "annotations": joined(template["metadata"]["annotations"].take(), of.annotations),
    });
    let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec });
    pod_from_manifest(&pod.to_string(), source)
}

fn joined(own: Value, more: &BTreeMap<String, String>) -> Value {
    let mut all = match own {
        Value::Object(own) => own,
        _ => Map::new(),
    };
    all.extend(
        more.iter()
            .map(|(key, value)| (key.clone(), value.as_str().into())),
    );
    Value::Object(all)
}

fn add_variables(spec: &mut Value, variables: &BTreeMap<String, String>) {
    if variables.is_empty() {
        return;
    }
    for list in ["initContainers", "containers"] {
        for container in spec[list].as_array_mut().into_iter().flatten() {
            let env = match container["env"].take() {
                Value::Array(env) => env,
                _ => Vec::new(),
            };
            let has = |name: &str| env.iter().any(|variable| variable["name"] == name);
            let new = variables.iter().filter(|(name, _)| !has(name));
            let new = new.map(|(name, value)| json!({ "name": name, "value": value }));
            // First, so that other variables may refer to them.
            container["env"] = new.chain(env.iter().cloned()).collect();
        }
    }
}

fn add_claims(spec: &mut Value, claims: &BTreeMap<String, String>) {
    if claims.is_empty() {
        return;
    }
    let mut volumes = match spec["volumes"].take() {
        Value::Array(volumes) => volumes,
        _ => Vec::new(),
    };
    let named = |volume: &Value| {
        volume["name"]
            .as_str()
            .is_some_and(|name| claims.contains_key(name))
    };
    volumes.retain(|volume| !named(volume));
    volumes.extend(claims.iter().map(|(volume, claim)| {
        json!({ "name": volume, "persistentVolumeClaim": { "claimName": claim } })
    }));
    spec["volumes"] = volumes.into();
}
