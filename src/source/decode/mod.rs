//! Trees become objects: strictly, and with all problems at once.
//!
//! Every decoder looks at everything before it gives up: it returns `None` when something was wrong, and
//! has then reported what. A file with any problem is not used at all, so what a half-decoded object
//! would be does not matter; only its name does, which stays taken.

#[cfg(test)]
pub(in crate::source) mod asked;
mod check;
mod claim;
mod container;
mod controller;
mod data;
mod env;
mod facts;
mod field;
mod items;
pub(in crate::source) mod known;
mod meta;
mod mounts;
mod naming;
mod network;
mod pod;
mod priority;
mod probe;
mod process;
mod projected;
mod remote;
mod report;
mod resource_ref;
mod resources;
mod restart;
mod security;
mod service;
mod slice;
mod subsets;
mod volume;

pub(in crate::source) use field::nearest;
pub use report::Report;

use crate::model::claim::VolumeClaim;
use crate::model::desired::DataObject;
use crate::model::name::ObjectKey;
use crate::model::network::attach::Definition;
use crate::model::network::service::Service;
use crate::model::pod::SourcePath;
use crate::source::parsed::{Claim, ParsedFile, What};
use crate::source::tree::Node;
use field::{Field, Fields};

/// Decodes a document: an object, a list of objects, or a table with `items`.
pub fn document(node: &Node, report: &Report, found: &mut ParsedFile) {
    object_or_list(&at(node, String::new(), report), report, found);
}

fn at<'a>(node: &'a Node, path: String, report: &'a Report) -> Field<'a> {
    Field { node, path, report }
}

fn object_or_list(field: &Field<'_>, report: &Report, found: &mut ParsedFile) {
    use crate::source::tree::Value;
    let kind = field.node.get("kind").map(|kind| &kind.value);
    let named_list = matches!(kind, Some(Value::Text(kind)) if kind == "List");
    let bare_list = kind.is_none() && field.node.get("items").is_some();
    if let Value::Seq(_) = field.node.value {
        for item in field.items().unwrap_or_default() {
            object(&item, report, found);
        }
    } else if named_list || bare_list {
        list(field, report, found);
    } else {
        object(field, report, found);
    }
}

fn list(field: &Field<'_>, report: &Report, found: &mut ParsedFile) {
    let Some(mut f) = field.fields(known::LIST) else {
        return;
    };
    let _ = f.take("kind");
    let _ = version(&mut f, "v1", false);
    if let Some(items) = f.require("items").and_then(|items| items.items()) {
        for item in items {
            object(&item, report, found);
        }
    }
    f.finish();
}

fn object(field: &Field<'_>, report: &Report, found: &mut ParsedFile) {
    use crate::source::tree::Value;
    let named = field.node.get("kind").map(|kind| &kind.value);
    let rules = match named {
        Some(Value::Text(kind)) if kind == "PriorityClass" => known::PRIORITY_CLASS,
        _ => known::OBJECT,
    };
    let Some(mut f) = field.fields(rules) else {
        return;
    };
    let kind = match f.take("kind") {
        Some(kind) => kind.text().map(|text| (kind.clone(), text)),
        None => None,
    };
    match kind {
        None if field.node.get("kind").is_none() => pod_object(&mut f, report, found),
        None => return,
        Some((_, "Pod")) => pod_object(&mut f, report, found),
        Some((_, "Service")) => service_object(&mut f, found),
        Some((_, "EndpointSlice")) => slice_object(&mut f, field, found),
        Some((_, "NetworkAttachmentDefinition")) => network_object(&mut f, field, found),
        Some((_, "ConfigMap")) => {
            let (key, data) = data_object(&mut f, data::config_map);
            claim(found, f.line(), key.clone().map(What::ConfigMap));
            found.config_maps.extend(key.zip(data));
        }
        Some((_, "Secret")) => {
            let (key, data) = data_object(&mut f, data::secret);
            claim(found, f.line(), key.clone().map(What::Secret));
            found.secrets.extend(key.zip(data));
        }
        Some((_, "PersistentVolumeClaim")) => claim_object(&mut f, found),
        Some((_, "PersistentVolume")) => volume_object(&mut f, found),
        Some((_, "PriorityClass")) => {
            let source = SourcePath(report.file().to_owned());
            priority::object(field, &mut f, source, found);
        }
        Some((_, name)) if let Some(kind) = controller::kind(name) => {
            controller::object(kind, field.node, &mut f, found);
        }
        Some((kind, name)) => {
            kind.problem(format!(
                "kind {name:?} is not supported yet: remove the object; vks takes {}",
                known::SUPPORTED_KINDS
            ));
            return;
        }
    }
    f.finish();
}

fn claim(found: &mut ParsedFile, line: usize, what: Option<What>) {
    found.claims.extend(what.map(|what| Claim { what, line }));
}

/// Checks `apiVersion`, which only a pod may leave out.
fn version(object: &mut Fields<'_>, wanted: &'static str, needed: bool) -> Option<()> {
    let field = if needed {
        object.require("apiVersion")?
    } else {
        match object.take("apiVersion") {
            Some(field) => field,
            None => return Some(()),
        }
    };
    field.one_of(&[(wanted, ())])
}

fn pod_object(f: &mut Fields<'_>, report: &Report, found: &mut ParsedFile) {
    let version = version(f, "v1", false);
    let meta = meta::object(f);
    let spec = f.require("spec");
    let decoded = spec.as_ref().and_then(pod::spec);
    if let Some(key) = meta.as_ref().and_then(|meta| meta.key.clone()) {
        claim(found, f.line(), Some(What::Pod(key)));
    }
    let whole = meta.and_then(meta::Parts::complete).zip(version);
    if let (Some((meta, ())), Some(decoded), Some(spec)) = (whole, decoded, spec) {
        claim(found, f.line(), meta.uid.clone().map(What::Uid));
        found
            .pods
            .extend(pod::build(meta, decoded, spec.node, report));
    }
}

fn service_object(f: &mut Fields<'_>, found: &mut ParsedFile) {
    let version = version(f, "v1", true);
    let meta = meta::object(f);
    let key = meta.as_ref().and_then(|meta| meta.key.clone());
    let service = f
        .require("spec")
        .and_then(|spec| service::service(&spec, key.clone()));
    let subsets = f.optional("subsets", |x| subsets::subsets(&x));
    let outside = f.optional("subsetsOutside", |x| subsets::subsets(&x));
    claim(found, f.line(), key.map(What::Service));
    let whole = meta.and_then(meta::Parts::complete).zip(version);
    let told = subsets.zip(outside);
    if let (Some(_), Some(service), Some((subsets, subsets_outside))) = (whole, service, told) {
        found.services.push(Service {
            subsets,
            subsets_outside,
            ..service
        });
    }
}

fn slice_object(f: &mut Fields<'_>, field: &Field<'_>, found: &mut ParsedFile) {
    let version = version(f, "discovery.k8s.io/v1", true);
    let meta = meta::object(f);
    let parts = slice::parts(f);
    let key = meta.as_ref().and_then(|meta| meta.key.clone());
    claim(found, f.line(), key.map(What::EndpointSlice));
    let whole = meta.and_then(meta::Parts::complete).zip(version);
    if let (Some((meta, ())), Some(parts)) = (whole, parts) {
        let source = SourcePath(field.report.file().to_owned());
        found.slices.extend(slice::build(meta, parts, f, source));
    }
}

fn network_object(f: &mut Fields<'_>, field: &Field<'_>, found: &mut ParsedFile) {
    let version = version(f, "k8s.cni.cncf.io/v1", true);
    let meta = meta::object(f);
    let network = network::spec(f);
    let key = meta.as_ref().and_then(|meta| meta.key.clone());
    claim(found, f.line(), key.map(What::Network));
    let whole = meta.and_then(meta::Parts::complete).zip(version);
    if let (Some((meta, ())), Some(network)) = (whole, network) {
        found.networks.push(Definition {
            key: meta.key,
            network,
            source: SourcePath(field.report.file().to_owned()),
        });
    }
}

fn data_object(
    f: &mut Fields<'_>,
    decode: fn(&mut Fields<'_>) -> Option<DataObject>,
) -> (Option<ObjectKey>, Option<DataObject>) {
    let version = version(f, "v1", true);
    let meta = meta::object(f);
    let data = decode(f);
    let key = meta.as_ref().and_then(|meta| meta.key.clone());
    let whole = meta.and_then(meta::Parts::complete).zip(version);
    (key, whole.and(data))
}

fn claim_object(f: &mut Fields<'_>, found: &mut ParsedFile) {
    let version = version(f, "v1", true);
    let meta = meta::object(f);
    let decoded = f.require("spec").and_then(|spec| claim::claim_spec(&spec));
    if let Some(key) = meta.as_ref().and_then(|meta| meta.key.clone()) {
        claim(found, f.line(), Some(What::VolumeClaim(key)));
    }
    let whole = meta.and_then(meta::Parts::complete).zip(version);
    if let (Some((meta, ())), Some(decoded)) = (whole, decoded)
        && let Some(reclaim) = claim::reclaim(f, &meta.annotations)
    {
        let decoded = VolumeClaim { reclaim, ..decoded };
        found.volume_claims.push((meta.key, decoded));
    }
}

/// A persistent volume has no namespace; one that is written is not used.
fn volume_object(f: &mut Fields<'_>, found: &mut ParsedFile) {
    let version = version(f, "v1", true);
    let meta = meta::object(f);
    let decoded = f.require("spec").and_then(|spec| claim::volume_spec(&spec));
    let name = meta
        .as_ref()
        .and_then(|meta| Some(meta.key.as_ref()?.name.clone()));
    claim(found, f.line(), name.map(What::persistent_volume));
    let whole = meta.and_then(meta::Parts::complete).zip(version);
    if let (Some((meta, ())), Some(decoded)) = (whole, decoded) {
        found.persistent_volumes.push((meta.key.name, decoded));
    }
}
