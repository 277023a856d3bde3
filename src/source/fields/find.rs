//! Fields by their path, such as `pod.spec.containers.livenessProbe`.

use super::{KINDS, Standing, Table};
use crate::source::decode::nearest;

/// What a path names.
#[derive(Debug)]
pub struct Found {
    /// The kind it begins with.
    pub kind: &'static str,
    /// The version of the API that has it.
    pub version: &'static str,
    /// The last name of the path, and what becomes of the field; `None` for the kind itself.
    pub field: Option<(&'static str, Standing)>,
    /// The type the field is of; `None` for the kind itself.
    pub holder: Option<&'static Table>,
    /// What lies within; `None` for plain values, and for what is refused.
    pub table: Option<&'static Table>,
}

/// A path that leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unknown {
    /// The first name is no kind that vks takes.
    #[error("there is no kind {name:?}{}", did_you_mean(*.nearest))]
    Kind {
        /// The name.
        name: String,
        /// One that is like it.
        nearest: Option<&'static str>,
    },
    /// There is no such field.
    #[error("field {name:?} does not exist in {within}{}", did_you_mean(*.nearest))]
    Field {
        /// The name.
        name: String,
        /// The path before it.
        within: String,
        /// One that is like it.
        nearest: Option<&'static str>,
    },
}

fn did_you_mean(name: Option<&str>) -> String {
    name.map(|name| format!(": did you mean {name:?}?"))
        .unwrap_or_default()
}

/// Looks up a path: a kind in any case, singular or plural or short, then fields, parted by dots. Subscripts
/// (`containers[0]`) and `[]` are passed over.
///
/// # Errors
/// When there is no such kind or field, with the name that is like it.
pub fn find(path: &str) -> Result<Found, Unknown> {
    let mut names = path
        .split('.')
        .map(|name| name.split('[').next().unwrap_or(name));
    let first = names.next().unwrap_or_default();
    let wanted = kind_word(first);
    let Some(&(kind, version, top)) = KINDS
        .iter()
        .find(|(kind, _, _)| kind.to_ascii_lowercase() == wanted)
    else {
        let nearest = nearest(&wanted, KINDS.iter().map(|(kind, _, _)| *kind));
        return Err(Unknown::Kind {
            name: first.to_owned(),
            nearest,
        });
    };
    let mut found = Found {
        kind,
        version,
        field: None,
        holder: None,
        table: Some(top),
    };
    let mut within = first.to_owned();
    for name in names.filter(|name| !name.is_empty()) {
        let fields = found.table.map(Table::fields).unwrap_or_default();
        let Some((known, standing)) = fields.iter().find(|(known, _)| *known == name) else {
            let nearest = nearest(name, fields.iter().map(|(known, _)| *known));
            return Err(Unknown::Field {
                name: name.to_owned(),
                within,
                nearest,
            });
        };
        found.field = Some((known, *standing));
        found.holder = found.table;
        found.table = match standing {
            Standing::Given(given) => given.shape.table(),
            _ => None,
        };
        within = format!("{within}.{name}");
    }
    Ok(found)
}

/// `pods`, `Pod` and `po` are one kind.
fn kind_word(text: &str) -> String {
    let text = text.to_ascii_lowercase();
    let short = [
        ("po", "pod"),
        ("deploy", "deployment"),
        ("cm", "configmap"),
        ("ds", "daemonset"),
        ("sts", "statefulset"),
        ("cj", "cronjob"),
        ("pvc", "persistentvolumeclaim"),
        ("pc", "priorityclass"),
    ];
    if let Some((_, word)) = short.iter().find(|(short, _)| *short == text) {
        return (*word).to_owned();
    }
    let is_kind = |word: &str| {
        let mut kinds = KINDS.iter();
        kinds.any(|(kind, _, _)| kind.to_ascii_lowercase() == word)
    };
    let mut singular = ["es", "s"].iter().filter_map(|end| text.strip_suffix(end));
    let known = singular.find(|word| is_kind(word));
    match (is_kind(&text), known) {
        (true, _) => text,
        (false, Some(word)) => word.to_owned(),
        (false, None) => text.strip_suffix('s').unwrap_or(&text).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_to_fields() {
        for path in [
            "pod",
            "pods.spec",
            "Pod.spec.containers[0].livenessProbe",
            "deploy.spec.template.spec.volumes[].emptyDir",
        ] {
            let found = find(path).unwrap();
            assert!(found.table.is_some(), "{path}");
        }
        let found = find("pod.spec.containers.livenessProbe").unwrap();
        assert_eq!(found.table.map(|table| table.name), Some("Probe"));
    }

    #[test]
    fn wrong_paths_are_told_with_what_is_like_them() {
        for (path, message) in [
            ("podd", "there is no kind \"podd\": did you mean \"Pod\"?"),
            ("ingress", "there is no kind \"ingress\""),
            (
                "pod.spec.contaners",
                "field \"contaners\" does not exist in pod.spec: did you mean \"containers\"?",
            ),
            (
                "pod.spec.containers.image.tag",
                "field \"tag\" does not exist in pod.spec.containers.image",
            ),
        ] {
            assert_eq!(find(path).unwrap_err().to_string(), message);
        }
    }
}
