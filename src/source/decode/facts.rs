//! Facts about a pod as files: `downwardAPI` volumes, and references to resources.

use super::field::{Field, Fields};
use super::items::{file_path, mode, once};
use super::known;
use crate::model::name::ContainerName;
use crate::model::pod::{FieldRef, PodSpec};
use crate::model::quantity::{Bytes, CpuMillis};
use crate::model::volume::{
    Downward, DownwardFile, Fact, Projection, ResourceName, ResourceRef, VolumeSource,
};
use std::collections::BTreeSet;

const RESOURCES: [(&str, ResourceName); 4] = [
    ("limits.cpu", ResourceName::CpuLimit),
    ("limits.memory", ResourceName::MemoryLimit),
    ("requests.cpu", ResourceName::CpuRequest),
    ("requests.memory", ResourceName::MemoryRequest),
];

/// A `downwardAPI` volume.
pub fn volume(field: &Field<'_>) -> Option<VolumeSource> {
    let mut f = field.fields(known::NONE)?;
    let items = files(&mut f);
    let mode = mode(&mut f, "defaultMode");
    f.finish();
    Some(VolumeSource::DownwardApi(Downward {
        items: items?,
        mode: mode?,
    }))
}

/// The `items` of a `downwardAPI` volume or source: each path once.
pub fn files(source: &mut Fields<'_>) -> Option<Vec<DownwardFile>> {
    let mut paths = BTreeSet::new();
    source.list("items", |field| {
        let file = file(&field)?;
        once(&field, &mut paths, &file.path)?;
        Some(file)
    })
}

fn file(field: &Field<'_>) -> Option<DownwardFile> {
    let mut f = field.fields(known::NONE)?;
    let path = f.require("path").and_then(|x| file_path(&x));
    let mode = mode(&mut f, "mode");
    let about = f.optional("fieldRef", |x| field_ref(&x));
    let resource = f.optional("resourceFieldRef", |x| resource_ref(&x));
    f.finish();
    let fact = match (about?, resource?) {
        (Some(fact), None) => fact,
        (None, Some(resource)) => Fact::Resource(resource),
        _ => {
            field.problem("write exactly one of fieldRef and resourceFieldRef");
            return None;
        }
    };
    Some(DownwardFile {
        path: path?,
        mode: mode?,
        fact,
    })
}

fn field_ref(field: &Field<'_>) -> Option<Fact> {
    let mut f = field.fields(known::NONE)?;
    let version = f.optional("apiVersion", |x| x.one_of(&[("v1", ())]));
    let fact = f.require("fieldPath").and_then(|x| fact(&x));
    f.finish();
    version?;
    fact
}

fn fact(field: &Field<'_>) -> Option<Fact> {
    use super::env::subscript;
    let text = field.line()?;
    let fact = match text {
        "metadata.name" => Some(Fact::Field(FieldRef::Name)),
        "metadata.namespace" => Some(Fact::Field(FieldRef::Namespace)),
        "metadata.uid" => Some(Fact::Field(FieldRef::Uid)),
        "metadata.labels" => Some(Fact::Labels),
        "metadata.annotations" => Some(Fact::Annotations),
        _ => subscript(text, "metadata.labels")
            .map(FieldRef::Label)
            .or_else(|| subscript(text, "metadata.annotations").map(FieldRef::Annotation))
            .map(Fact::Field),
    };
    if fact.is_none() {
        field.problem(
            "no such field for a file: write metadata.name, metadata.namespace, metadata.uid, metadata.labels, \
             metadata.annotations, metadata.labels['key'] or metadata.annotations['key']",
        );
    }
    fact
}

/// `resourceFieldRef`, where the container must be named.
pub fn resource_ref(field: &Field<'_>) -> Option<ResourceRef> {
    let mut f = field.fields(known::NONE)?;
    let container = f.require("containerName").and_then(|x| x.parse());
    let resource = f.require("resource").and_then(|x| x.one_of(&RESOURCES));
    let cpu = matches!(
        resource,
        Some(ResourceName::CpuLimit | ResourceName::CpuRequest)
    );
    let divisor = f.optional("divisor", |x| match cpu {
        true => super::resources::quantity::<CpuMillis>(&x).map(|CpuMillis(amount)| amount),
        false => super::resources::quantity::<Bytes>(&x).map(|Bytes(amount)| amount),
    });
    f.finish();
    let one = if cpu { 1000 } else { 1 };
    Some(ResourceRef {
        container: container?,
        resource: resource?,
        // As in the API, 0 is as good as nothing.
        divisor: divisor?.filter(|divisor| *divisor > 0).unwrap_or(one),
    })
}

/// Whether the containers that facts are about are there.
pub fn containers_are_there(field: &Field<'_>, spec: &PodSpec) -> bool {
    let mut good = true;
    let files = spec.volumes.iter().flat_map(|volume| match &volume.source {
        VolumeSource::DownwardApi(downward) => downward.items.iter().collect(),
        VolumeSource::Projected { sources, .. } => projected(sources),
        _ => Vec::new(),
    });
    for file in files {
        let Fact::Resource(ResourceRef { container, .. }) = &file.fact else {
            continue;
        };
        if !has(spec, container) {
            field.problem(format!(
                "there is no container {:?}, whose resources a volume is to tell: correct containerName",
                container.as_str()
            ));
            good = false;
        }
    }
    good
}

fn projected(sources: &[Projection]) -> Vec<&DownwardFile> {
    let files = sources.iter().filter_map(|source| match source {
        Projection::Downward(files) => Some(files),
        Projection::Keys { .. } => None,
    });
    files.flatten().collect()
}

fn has(spec: &PodSpec, name: &ContainerName) -> bool {
    spec.all_containers()
        .any(|(_, container)| container.name == *name)
}
