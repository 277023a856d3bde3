//! Object metadata: names, labels, annotations.

use super::claim::RECLAIM;
use super::field::{Field, Fields, nearest};
use super::known;
use super::process::ALL_DEVICES;
use crate::model::controller::{INSTANCE, OWNER, OWNER_UID, REVISION};
use crate::model::name::{Namespace, ObjectKey, ObjectName, PodUid};
use crate::model::security::PROFILE_ANNOTATION;
use std::collections::BTreeMap;
use std::time::Duration;

/// The annotations of vks' own: what a manifest may say, and what vks says of pods that it made.
const OWN: [&str; 9] = [
    PROFILE_ANNOTATION,
    ALL_DEVICES,
    RECLAIM,
    OWNER,
    OWNER_UID,
    INSTANCE,
    REVISION,
    // Of pods that the agent has evicted, in what it keeps of them.
    "vks.io/evicted",
    "vks.io/evicted-reason",
];

/// The largest sum of all annotations of an object, in bytes.
const MAX_ANNOTATIONS: usize = 256 << 10;

/// Labels or annotations.
pub type Labels = BTreeMap<String, String>;

/// The metadata of an object that has a name.
pub struct Meta {
    pub key: ObjectKey,
    pub uid: Option<PodUid>,
    pub labels: Labels,
    pub annotations: Labels,
    /// Its deletion has begun: how long it gets to end.
    pub ending: Option<Duration>,
}

/// The metadata of an object: everything in it is wanted, so that its key is known even if the rest is wrong.
pub struct Parts {
    pub key: Option<ObjectKey>,
    uid: Option<Option<PodUid>>,
    labels: Option<Labels>,
    annotations: Option<Labels>,
    ending: Option<Option<Duration>>,
}

impl Parts {
    /// The metadata, if all of it is right.
    pub fn complete(self) -> Option<Meta> {
        Some(Meta {
            key: self.key?,
            uid: self.uid?,
            labels: self.labels?,
            annotations: self.annotations?,
            ending: self.ending?,
        })
    }
}

/// Decodes `metadata`.
pub fn object(object: &mut Fields<'_>) -> Option<Parts> {
    let mut f = object.require("metadata")?.fields(known::META)?;
    let name = f.require("name").and_then(|x| x.parse::<ObjectName>());
    let namespace = f.optional("namespace", |x| x.parse::<Namespace>());
    let parts = Parts {
        uid: f.optional("uid", |x| x.parse()),
        labels: labels(&mut f),
        annotations: annotations(&mut f),
        ending: ending(&mut f),
        key: name.zip(namespace).map(|(name, namespace)| ObjectKey {
            namespace: namespace.unwrap_or_else(Namespace::default_namespace),
            name,
        }),
    };
    f.finish();
    Some(parts)
}

/// `deletionTimestamp`, and how long was granted with it (default 30 s).
fn ending(meta: &mut Fields<'_>) -> Option<Option<Duration>> {
    let begun = meta.optional("deletionTimestamp", |x| x.line().map(drop));
    let grace = meta.optional("deletionGracePeriodSeconds", |x| x.count(0));
    let grace = Duration::from_secs(u64::from(grace?.unwrap_or(30)));
    Some(begun?.map(|()| grace))
}

/// Decodes the `metadata` of a pod template; it may be absent.
pub fn template(template: &mut Fields<'_>) -> Option<(Labels, Labels)> {
    let Some(meta) = template.take("metadata") else {
        return Some(Default::default());
    };
    let mut f = meta.fields(known::TEMPLATE_META)?;
    let (labels, annotations) = (labels(&mut f), annotations(&mut f));
    f.finish();
    labels.zip(annotations)
}

fn labels(meta: &mut Fields<'_>) -> Option<Labels> {
    meta.optional("labels", |field| label_map(&field))
        .map(Option::unwrap_or_default)
}

/// A table of labels.
pub fn label_map(field: &Field<'_>) -> Option<Labels> {
    let mut out = Labels::new();
    let mut good = true;
    for (entry, field) in field.entries()? {
        good &= check(&field, entry.line, label_key(&entry.key));
        match field.text() {
            Some(text) => {
                good &= check(&field, field.node.line, label_value(text));
                out.insert(entry.key.clone(), text.to_owned());
            }
            None => good = false,
        }
    }
    good.then_some(out)
}

fn annotations(meta: &mut Fields<'_>) -> Option<Labels> {
    let Some(field) = meta.take("annotations") else {
        return Some(Labels::new());
    };
    let mut out = Labels::new();
    let mut good = true;
    let mut size = 0;
    for (entry, field) in field.entries()? {
        // Prefixes of annotations are taken in any case.
        good &= check(
            &field,
            entry.line,
            label_key(&entry.key.to_ascii_lowercase()),
        );
        good &= is_known(&field, entry.line, &entry.key);
        match field.text() {
            Some(text) => {
                size += entry.key.len() + text.len();
                good &=
                    entry.key != PROFILE_ANNOTATION || super::security::profile(&field).is_some();
                out.insert(entry.key.clone(), text.to_owned());
            }
            None => good = false,
        }
    }
    if size > MAX_ANNOTATIONS {
        field.problem("annotations are larger than 256 KiB in total: move data to a ConfigMap");
        good = false;
    }
    good.then_some(out)
}

/// Annotations of vks' own have an effect, so that none may be misspelt. Others are for others.
fn is_known(field: &Field<'_>, line: usize, key: &str) -> bool {
    let ours = key.starts_with("vks.io/");
    if !ours || OWN.contains(&key) {
        return true;
    }
    let problem = match nearest(key, OWN.into_iter()) {
        Some(name) => {
            format!("vks has no such annotation: did you mean `{name}`? If not, remove it")
        }
        None => "vks has no such annotation: remove it".to_owned(),
    };
    field.report.add(line, &field.path, problem);
    false
}

fn check(field: &Field<'_>, line: usize, result: Result<(), &'static str>) -> bool {
    if let Err(message) = result {
        field.report.add(line, &field.path, message);
    }
    result.is_ok()
}

/// `name` or `prefix/name`: at most 63 bytes of name, a DNS subdomain as the prefix.
fn label_key(key: &str) -> Result<(), &'static str> {
    let (prefix, name) = key
        .split_once('/')
        .map_or((None, key), |(prefix, name)| (Some(prefix), name));
    if prefix.is_some_and(|prefix| prefix.parse::<ObjectName>().is_err()) {
        return Err("the part before '/' must be a domain name: \
                    use lower-case letters, digits, '-' and '.', at most 253");
    }
    if name.is_empty() || !label_shape(name) {
        return Err(
            "the name must be 1 to 63 letters, digits, '-', '_' and '.', \
                    beginning and ending with a letter or digit",
        );
    }
    Ok(())
}

fn label_value(value: &str) -> Result<(), &'static str> {
    if value.is_empty() || label_shape(value) {
        return Ok(());
    }
    Err(
        "a label's value must be empty or up to 63 letters, digits, '-', '_' and '.', \
         beginning and ending with a letter or digit: use an annotation for other text",
    )
}

fn label_shape(text: &str) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    text.len() <= 63
        && edge(text.chars().next())
        && edge(text.chars().next_back())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}
