//! Environment variables.

use super::check::env_name;
use super::field::{Field, Fields};
use super::items::file_path;
use super::known;
use super::resource_ref::resource_ref;
use super::volume::key_ref;
use crate::model::name::VolumeName;
use crate::model::pod::{Container, EnvFrom, EnvValue, EnvVar, FieldRef};
use crate::model::volume::{SubPath, Volume};

/// `env` of a container.
pub fn env(container: &mut Fields<'_>, volumes: Option<&[Volume]>) -> Option<Vec<EnvVar>> {
    container.list("env", |field| variable(&field, volumes))
}

fn variable(field: &Field<'_>, volumes: Option<&[Volume]>) -> Option<EnvVar> {
    let mut f = field.fields(known::NONE)?;
    let name = f.require("name").and_then(|x| env_name(&x));
    let text = f.optional("value", |x| x.argument());
    let from = f.optional("valueFrom", |x| value_from(&x, volumes));
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

fn value_from(field: &Field<'_>, volumes: Option<&[Volume]>) -> Option<EnvValue> {
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
        f.optional("fileKeyRef", |x| file_key(&x, volumes)),
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
                "write exactly one of fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef and fileKeyRef",
            );
            None
        }
    }
}

/// The longest key (core/v1 FileKeySelector).
const LONGEST_KEY: usize = 128;

fn file_key(field: &Field<'_>, volumes: Option<&[Volume]>) -> Option<EnvValue> {
    let mut f = field.fields(known::NONE)?;
    let volume = f.require("volumeName").and_then(|x| {
        let name = x.parse::<VolumeName>()?;
        let known = |all: &[Volume]| all.iter().any(|volume| volume.name == name);
        if volumes.is_some_and(|all| !known(all)) {
            let name = name.as_str();
            x.problem(format!("the pod has no volume {name:?}: correct the name"));
            return None;
        }
        Some(name)
    });
    let path = f.require("path").and_then(|x| file_path(&x));
    let key = f.require("key").and_then(|x| {
        let key = x.text()?;
        let printable = |b: u8| (b' '..=b'~').contains(&b) && b != b'=';
        if key.is_empty() || key.len() > LONGEST_KEY || !key.bytes().all(printable) {
            x.problem("a key is 1 to 128 printable ASCII characters other than '=': correct it");
            return None;
        }
        Some(key.to_owned())
    });
    let optional = f.flag("optional");
    f.finish();
    Some(EnvValue::FileKey {
        volume: volume?,
        path: path?,
        key: key?,
        optional: optional?,
    })
}

/// Whether the variables that are taken from files, when the container starts, are used in no other field, which is
/// written before that.
pub fn files_stand_alone(field: &Field<'_>, container: &Container) -> bool {
    let from_files = |var: &&EnvVar| matches!(var.value, EnvValue::FileKey { .. });
    let mut good = true;
    for var in container.env.iter().filter(from_files) {
        let name = var.name.as_str();
        if container
            .env
            .iter()
            .filter(|other| other.name == name)
            .count()
            > 1
        {
            field.problem(format!(
                "the variable {name:?} has a fileKeyRef and is there twice: remove one"
            ));
            good = false;
        }
        if texts(container).any(|text| refers(text, name)) {
            field.problem(format!(
                "$({name}) comes from a file and is not known before the container starts: \
                 let the program read the variable"
            ));
            good = false;
        }
    }
    good
}

/// All texts of a container in which variables are replaced.
fn texts(container: &Container) -> impl Iterator<Item = &str> {
    let values = container.env.iter().filter_map(|var| match &var.value {
        EnvValue::Text(text) => Some(text.as_str()),
        _ => None,
    });
    let parts = container
        .mounts
        .iter()
        .filter_map(|mount| match &mount.sub_path {
            Some(SubPath::Expanded(path)) => Some(path.as_str()),
            _ => None,
        });
    let words = container.command.iter().chain(&container.args);
    words.map(String::as_str).chain(values).chain(parts)
}

/// Whether `$(NAME)` stands in a text; `$$` is a dollar sign.
fn refers(text: &str, name: &str) -> bool {
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('$') {
        rest = after.strip_prefix('$').unwrap_or(after);
        let within = after.strip_prefix('(').and_then(|x| x.split_once(')'));
        if within.is_some_and(|(found, _)| found == name) {
            return true;
        }
    }
    false
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
