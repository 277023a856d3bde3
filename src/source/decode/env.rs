//! Environment variables.

use super::check::env_name;
use super::field::{Field, Fields};
use super::known;
use super::resource_ref::resource_ref;
use super::volume::key_ref;
use crate::model::pod::{EnvFrom, EnvValue, EnvVar, FieldRef};

/// `env` of a container.
pub fn env(container: &mut Fields<'_>) -> Option<Vec<EnvVar>> {
    container.list("env", |field| variable(&field))
}

fn variable(field: &Field<'_>) -> Option<EnvVar> {
    let mut f = field.fields(known::NONE)?;
    let name = f.require("name").and_then(|x| env_name(&x));
    let text = f.optional("value", |x| x.argument());
    let from = f.optional("valueFrom", |x| value_from(&x));
    f.finish();
    let value = match (text?, from?) {
        (Some(text), Some(_)) if !text.is_empty() => {
            field.problem("has both value and valueFrom: keep one of them");
            return None;
        }
        (_, Some(from)) => from,
        (text, None) => EnvValue::Text(text.unwrap_or_default()),
    };
    Some(EnvVar { name: name?, value })
}

fn value_from(field: &Field<'_>) -> Option<EnvValue> {
    let mut f = field.fields(known::ENV_SOURCE)?;
    let sources = [
        f.optional("fieldRef", |x| field_ref(&x).map(EnvValue::Field)),
        f.optional("resourceFieldRef", |x| {
            resource_ref(&x).map(EnvValue::Resource)
        }),
        f.optional("configMapKeyRef", |x| {
            let (name, key, optional) = key_ref(&x)?;
            Some(EnvValue::ConfigMapKey {
                name,
                key,
                optional,
            })
        }),
        f.optional("secretKeyRef", |x| {
            let (name, key, optional) = key_ref(&x)?;
            Some(EnvValue::SecretKey {
                name,
                key,
                optional,
            })
        }),
    ];
    let before = f.report.count();
    f.finish();
    let refused = field.report.count() > before;
    let mut given = Vec::new();
    for source in sources {
        given.extend(source?);
    }
    match given.len() {
        1 => given.pop(),
        0 if refused => None,
        _ => {
            field.problem(
                "write exactly one of fieldRef, resourceFieldRef, configMapKeyRef and secretKeyRef",
            );
            None
        }
    }
}

fn field_ref(field: &Field<'_>) -> Option<FieldRef> {
    let mut f = field.fields(known::NONE)?;
    let version = f.optional("apiVersion", |x| x.one_of(&[("v1", ())]));
    let path = f.require("fieldPath").and_then(|x| field_path(&x));
    f.finish();
    version?;
    path
}

fn field_path(field: &Field<'_>) -> Option<FieldRef> {
    let text = field.line()?;
    let found = match text {
        "metadata.name" => Some(FieldRef::Name),
        "metadata.namespace" => Some(FieldRef::Namespace),
        "metadata.uid" => Some(FieldRef::Uid),
        "spec.nodeName" => Some(FieldRef::NodeName),
        "spec.serviceAccountName" => Some(FieldRef::ServiceAccount),
        "status.hostIP" => Some(FieldRef::HostIp),
        "status.hostIPs" => Some(FieldRef::HostIps),
        "status.podIP" => Some(FieldRef::PodIp),
        "status.podIPs" => Some(FieldRef::PodIps),
        _ => subscript(text, "metadata.labels")
            .map(FieldRef::Label)
            .or_else(|| subscript(text, "metadata.annotations").map(FieldRef::Annotation)),
    };
    if found.is_none() {
        field.problem(
            "no such field for a variable: write metadata.name, metadata.namespace, metadata.uid, \
             metadata.labels['key'], metadata.annotations['key'], spec.nodeName, \
             spec.serviceAccountName, status.hostIP, status.hostIPs, status.podIP or status.podIPs",
        );
    }
    found
}

/// The key in `prefix['key']`.
pub fn subscript(text: &str, prefix: &str) -> Option<String> {
    let key = text
        .strip_prefix(prefix)?
        .strip_prefix("['")?
        .strip_suffix("']")?;
    (!key.is_empty() && !key.contains('\'')).then(|| key.to_owned())
}

/// `envFrom` of a container.
pub fn env_from(container: &mut Fields<'_>) -> Option<Vec<EnvFrom>> {
    container.list("envFrom", |field| source(&field))
}

fn source(field: &Field<'_>) -> Option<EnvFrom> {
    let mut f = field.fields(known::NONE)?;
    let prefix = f.optional("prefix", |x| match x.text() {
        Some("") => Some(String::new()),
        _ => env_name(&x),
    });
    let config_map = f.optional("configMapRef", |x| object_ref(&x));
    let secret = f.optional("secretRef", |x| object_ref(&x));
    f.finish();
    let (prefix, config_map, secret) = (prefix?, config_map?, secret?);
    let is_secret = secret.is_some();
    let (name, optional) = match (config_map, secret) {
        (Some(one), None) | (None, Some(one)) => one,
        _ => {
            field.problem("write exactly one of configMapRef and secretRef");
            return None;
        }
    };
    Some(EnvFrom {
        prefix: prefix.unwrap_or_default(),
        secret: is_secret,
        name,
        optional,
    })
}

fn object_ref(field: &Field<'_>) -> Option<(crate::model::name::ObjectName, bool)> {
    let mut f = field.fields(known::NONE)?;
    let name = f.require("name").and_then(|x| x.parse());
    let optional = f.flag("optional");
    f.finish();
    name.zip(optional)
}
