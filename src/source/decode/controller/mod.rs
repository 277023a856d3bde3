//! Controllers: what makes pods.
//!
//! A template is decoded as a pod would be, so that what is wrong in it is told with its line; what is kept of it is its
//! text, from which [`super::super::instance()`] makes pods.

mod cron;
mod job;
mod schedule;
mod workload;

use super::field::{Field, Fields};
use super::meta::{self, Labels, Meta, Parts};
use super::{known, pod, version};
use crate::model::controller::{
    Controller, ControllerKey, ControllerKind, ControllerSpec, Template,
};
use crate::model::pod::{PodSpec, SourcePath};
use crate::source::parsed::{Claim, ParsedFile, What};
use crate::source::tree::{Entry, Node, Value, json_line};
use sha2::{Digest as _, Sha256};
use std::time::Duration;

/// The longest name: names of pods have a hash and a number more.
const MAX_NAME: usize = 230;

/// A kind of controller by its API name.
pub fn kind(name: &str) -> Option<ControllerKind> {
    ControllerKind::ALL
        .into_iter()
        .find(|kind| kind.name() == name)
}

/// Decodes a controller.
pub fn object(kind: ControllerKind, node: &Node, f: &mut Fields<'_>, found: &mut ParsedFile) {
    let version = version(f, kind.api_version(), true);
    let meta = meta::object(f);
    let key = meta.as_ref().and_then(|meta| meta.key.clone());
    let spec = f.require("spec").and_then(|field| spec(kind, &field));
    let claimed = key.map(|object| ControllerKey { kind, object });
    let what = claimed.clone().map(What::Controller);
    found.claims.extend(what.map(|what| Claim {
        what,
        line: f.line(),
    }));
    let whole = meta.and_then(Parts::complete).zip(version);
    let (Some((meta, ())), Some(key), Some(spec)) = (whole, claimed, spec) else {
        return;
    };
    let longest = if kind == ControllerKind::CronJob {
        52
    } else {
        MAX_NAME
    };
    if key.object.name.as_str().len() > longest {
        f.problem(format!(
            "the name is longer than {longest} bytes: its pods would have none, shorten it"
        ));
        return;
    }
    let Meta {
        labels,
        annotations,
        ..
    } = meta;
    found.controllers.push(Controller {
        key,
        labels,
        annotations,
        source: SourcePath(f.report.file().to_owned()),
        manifest: json_line(node).into(),
        spec,
    });
}

fn spec(kind: ControllerKind, field: &Field<'_>) -> Option<ControllerSpec> {
    Some(match kind {
        ControllerKind::Deployment => ControllerSpec::Deployment(workload::deployment(field)?),
        ControllerKind::StatefulSet => ControllerSpec::StatefulSet(workload::stateful_set(field)?),
        ControllerKind::DaemonSet => ControllerSpec::DaemonSet(workload::daemon_set(field)?),
        ControllerKind::Job => ControllerSpec::Job(job::job(field)?),
        ControllerKind::CronJob => ControllerSpec::CronJob(cron::cron_job(field)?),
    })
}

/// A pod template and what was decoded of it. Each of `claims` is a volume that every pod has a claim of its own for.
pub(super) fn template(field: &Field<'_>, claims: &[String]) -> Option<(Template, PodSpec)> {
    let mut f = field.fields(known::NONE)?;
    let meta = meta::template(&mut f);
    let spec = f.require("spec");
    let with_claims = spec.as_ref().map(|spec| Field {
        node: spec.node,
        path: spec.path.clone(),
        report: spec.report,
    });
    let own = with_claims.map(|field| with_volumes(field.node, claims));
    let decoded = spec.as_ref().zip(own.as_ref()).and_then(|(spec, node)| {
        pod::spec(&Field {
            node,
            path: spec.path.clone(),
            report: spec.report,
        })
    });
    f.finish();
    let (labels, annotations) = meta?;
    let decoded = decoded?;
    if let (Some(spec), false) = (&spec, decoded.ephemeral_containers.is_empty()) {
        spec.problem("ephemeralContainers are for pods that run: they cannot be in a template");
        return None;
    }
    let json = text(&labels, &annotations, spec?.node);
    Some((
        Template {
            hash: hash(&json).into(),
            json: json.into(),
            labels,
        },
        decoded,
    ))
}

/// A spec whose volumes have these, in place of others of their names.
fn with_volumes(spec: &Node, claims: &[String]) -> Node {
    let mut spec = spec.clone();
    let line = spec.line;
    let Value::Map(entries) = &mut spec.value else {
        return spec;
    };
    if claims.is_empty() {
        return spec;
    }
    let node = |value| Node { line, value };
    let entry = |key: &str, node: Node| Entry {
        key: key.to_owned(),
        line,
        node,
    };
    let text = |text: &str| node(Value::Text(text.to_owned()));
    if !entries.iter().any(|entry| entry.key == "volumes") {
        entries.push(entry("volumes", node(Value::Seq(Vec::new()))));
    }
    let volumes = entries.iter_mut().find(|entry| entry.key == "volumes");
    if let Some(Value::Seq(volumes)) = volumes.map(|entry| &mut entry.node.value) {
        let name = |volume: &Node| match volume.get("name").map(|name| &name.value) {
            Some(Value::Text(name)) => Some(name.clone()),
            _ => None,
        };
        volumes.retain(|volume| name(volume).is_none_or(|name| !claims.contains(&name)));
        volumes.extend(claims.iter().map(|claim| {
            // What a claim is, is for the pods: here it stands for some volume of that name.
            let source = entry("emptyDir", node(Value::Map(Vec::new())));
            node(Value::Map(vec![entry("name", text(claim)), source]))
        }));
    }
    spec
}

/// Metadata and spec of a template as one line of JSON.
fn text(labels: &Labels, annotations: &Labels, spec: &Node) -> String {
    let node = |value| Node { line: 0, value };
    let entry = |key: &str, value| Entry {
        key: key.to_owned(),
        line: 0,
        node: node(value),
    };
    let map = |labels: &Labels| {
        let text = |(key, value): (&String, &String)| entry(key, Value::Text(value.clone()));
        Value::Map(labels.iter().map(text).collect())
    };
    let mut metadata = Vec::new();
    if !labels.is_empty() {
        metadata.push(entry("labels", map(labels)));
    }
    if !annotations.is_empty() {
        metadata.push(entry("annotations", map(annotations)));
    }
    let head = json_line(&node(Value::Map(vec![entry(
        "metadata",
        Value::Map(metadata),
    )])));
    let open = head.strip_suffix('}').unwrap_or(&head);
    format!("{open},\"spec\":{}}}", json_line(spec))
}

/// Ten letters and digits by which templates are told apart: those of Kubernetes, which make no words.
fn hash(text: &str) -> String {
    const LETTERS: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
    let digest = Sha256::digest(text.as_bytes());
    let letter = |byte: &u8| char::from(LETTERS[usize::from(*byte) % LETTERS.len()]);
    digest.iter().take(10).map(letter).collect()
}

/// `selector`, which must fit the template's labels.
pub(super) fn selector(field: &Field<'_>) -> Option<Labels> {
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

/// Whole seconds; absent is `default`.
pub(super) fn seconds(f: &mut Fields<'_>, key: &'static str, default: u32) -> Option<Duration> {
    let seconds = f.optional(key, |x| x.count(0))?.unwrap_or(default);
    Some(Duration::from_secs(u64::from(seconds)))
}

/// A field that may only say what is true here.
pub(super) fn only(
    f: &mut Fields<'_>,
    key: &'static str,
    words: &'static [&'static str],
) -> Option<()> {
    let all: Vec<(&str, ())> = words.iter().map(|word| (*word, ())).collect();
    f.optional(key, |x| x.one_of(&all)).map(drop)
}
