//! One file with several objects, taken apart into files with one object each: what `vks apply` keeps.

use super::decode::{self, Report};
use super::parsed::{ParsedFile, What};
use super::tree::{self, Entry, Format, Node, Value, json_line};
use crate::model::desired::Problem;
use crate::model::name::Namespace;
use std::path::Path;

/// One object of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    /// What it is.
    pub what: What,
    /// The object as one line of JSON that parses to the same, its namespace filled in.
    pub json: String,
}

/// Takes a file apart. Objects that name no namespace get `namespace`.
///
/// # Errors
/// All problems of the file; nothing of it is to be used then.
pub fn split(
    format: Format,
    file: &Path,
    text: &[u8],
    namespace: &Namespace,
) -> Result<Vec<Object>, Vec<Problem>> {
    let whole: ParsedFile = super::parse_as(format, file, text);
    if !whole.problems.is_empty() {
        return Err(whole.problems);
    }
    let mut objects = Vec::new();
    for document in tree::read(format, text).documents {
        flatten(document, &mut objects);
    }
    Ok(objects
        .into_iter()
        .filter_map(|node| object(node, file, namespace))
        .collect())
}

/// The objects of a document: itself, or the items of a list.
fn flatten(node: Node, out: &mut Vec<Node>) {
    match node.value {
        Value::Seq(items) => items.into_iter().for_each(|item| flatten(item, out)),
        Value::Map(entries) => {
            let list = match entries.iter().find(|entry| entry.key == "kind") {
                Some(kind) => kind.node.value == Value::Text("List".to_owned()),
                None => entries.iter().any(|entry| entry.key == "items"),
            };
            match list {
                false => out.push(Node {
                    line: node.line,
                    value: Value::Map(entries),
                }),
                true => {
                    let items = entries.into_iter().find(|entry| entry.key == "items");
                    items.into_iter().for_each(|entry| flatten(entry.node, out));
                }
            }
        }
        _ => {}
    }
}

fn object(mut node: Node, file: &Path, namespace: &Namespace) -> Option<Object> {
    fill_namespace(&mut node, namespace);
    let report = Report::new(file);
    let mut found = ParsedFile::default();
    decode::document(&node, &report, &mut found);
    // The first claim is the object itself; what it stands for comes after it.
    let what = found
        .claims
        .into_iter()
        .map(|claim| claim.what)
        .find(|what| !matches!(what, What::Uid(_)))?;
    Some(Object {
        what,
        json: json_line(&node),
    })
}

fn fill_namespace(node: &mut Node, namespace: &Namespace) {
    let line = node.line;
    let Value::Map(entries) = &mut node.value else {
        return;
    };
    let Some(metadata) = entries.iter_mut().find(|entry| entry.key == "metadata") else {
        return;
    };
    let Value::Map(fields) = &mut metadata.node.value else {
        return;
    };
    fields.retain(|field| field.key != "namespace" || field.node.value != Value::Null);
    if !fields.iter().any(|field| field.key == "namespace") {
        let value = Value::Text(namespace.to_string());
        fields.push(Entry {
            key: "namespace".to_owned(),
            line,
            node: Node { line, value },
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_come_apart_and_mean_the_same() {
        let text = b"kind: List\napiVersion: v1\nitems:\n- metadata: {name: a}\n  spec: {containers: [{name: c, image: 'host:sh'}]}\n- {apiVersion: v1, kind: Secret, metadata: {name: s, namespace: x}, stringData: {k: v}}\n";
        let namespace: Namespace = "y".parse().unwrap();
        let objects = split(Format::Yaml, Path::new("f.yaml"), text, &namespace).unwrap();
        let names: Vec<_> = objects
            .iter()
            .map(|object| object.what.to_string())
            .collect();
        assert_eq!(names, ["Pod y/a", "Secret x/s"]);
        for object in &objects {
            let again =
                super::super::parse_as(Format::Json, Path::new("f.json"), object.json.as_bytes());
            assert_eq!(again.problems, []);
            assert_eq!(again.claims[0].what, object.what);
        }
    }

    #[test]
    fn a_file_with_a_problem_gives_nothing() {
        let namespace = Namespace::default_namespace();
        let text =
            b"metadata: {name: a}\nspec: {containers: [{name: c, image: 'host:sh', nope: 1}]}\n";
        assert_eq!(
            split(Format::Yaml, Path::new("f"), text, &namespace)
                .unwrap_err()
                .len(),
            1
        );
    }
}
