//! Deployments: pods `<name>-0` to `<name>-<n-1>`.

use super::field::Field;
use super::known;
use super::meta::{self, Labels, Meta};
use super::pod;
use crate::model::name::ObjectKey;
use crate::model::pod::{Pod, PodSpec, RestartPolicy};
use crate::source::tree::Node;

/// The most replicas of one deployment.
const MAX_REPLICAS: i64 = 1_000;
/// The most bytes that the manifests of one deployment's pods may have together.
const MAX_BYTES: usize = 64 << 20;

/// Decodes the spec of a deployment into its pods.
pub fn pods(field: &Field<'_>, key: Option<&ObjectKey>) -> Option<Vec<Pod>> {
    let mut f = field.fields(known::DEPLOYMENT)?;
    let replicas = f.optional("replicas", |x| x.integer(0, MAX_REPLICAS));
    let selector = f.require("selector").and_then(|x| selector(&x));
    let template = f.require("template").and_then(|x| template(&x));
    f.finish();
    let (replicas, selector, template) = (replicas?.unwrap_or(1), selector?, template?);
    let key = key?;
    let matches = selector
        .iter()
        .all(|(label, value)| template.labels.get(label) == Some(value));
    if !matches {
        field
            .problem("selector.matchLabels do not match template.metadata.labels: make them equal");
        return None;
    }
    let mut pods = Vec::new();
    for index in 0..replicas {
        let pod = replica(field, key, index, &template)?;
        if index == 0 && pod.manifest.len() * usize::try_from(replicas).ok()? > MAX_BYTES {
            field.problem("the pods are larger than 64 MiB together: lower replicas");
            return None;
        }
        pods.push(pod);
    }
    Some(pods)
}

fn replica(field: &Field<'_>, key: &ObjectKey, index: i64, template: &Template<'_>) -> Option<Pod> {
    let Ok(name) = format!("{}-{index}", key.name).parse() else {
        field.problem("the names of its pods are longer than 253 bytes: shorten the name");
        return None;
    };
    let meta = Meta {
        key: ObjectKey {
            namespace: key.namespace.clone(),
            name,
        },
        uid: None,
        labels: template.labels.clone(),
        annotations: template.annotations.clone(),
    };
    pod::build(meta, template.spec.clone(), template.node, field.report)
}

struct Template<'a> {
    labels: Labels,
    annotations: Labels,
    spec: PodSpec,
    node: &'a Node,
}

fn selector(field: &Field<'_>) -> Option<Labels> {
    let mut f = field.fields(known::SELECTOR)?;
    let labels = f.require("matchLabels").and_then(|x| meta::label_map(&x));
    f.finish();
    let labels = labels?;
    if labels.is_empty() {
        field.problem("selects every pod: name at least one label in matchLabels");
        return None;
    }
    Some(labels)
}

fn template<'a>(field: &Field<'a>) -> Option<Template<'a>> {
    let mut f = field.fields(known::NONE)?;
    let meta = meta::template(&mut f);
    let spec = f.require("spec");
    let decoded = spec.as_ref().and_then(pod::spec);
    f.finish();
    let (spec, decoded) = spec.zip(decoded)?;
    let (labels, annotations) = meta?;
    let problem = if decoded.restart_policy != RestartPolicy::Always {
        "the pods of a Deployment run for ever: restartPolicy must be Always or absent"
    } else if decoded.active_deadline.is_some() {
        "the pods of a Deployment run for ever: remove activeDeadlineSeconds"
    } else {
        return Some(Template {
            labels,
            annotations,
            spec: decoded,
            node: spec.node,
        });
    };
    spec.problem(problem);
    None
}
