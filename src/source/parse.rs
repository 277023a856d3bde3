//! One file: from its bytes to the objects in it.

use super::decode::{self, Report};
use super::parsed::{Claim, ParsedFile};
use super::tree::{self, Format};
use crate::model::desired::Problem;
use crate::model::pod::{Pod, SourcePath};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::Path;

/// The format of a manifest by its name; `None` for files that are not manifests: other extensions,
/// hidden files and what editors leave behind.
pub fn format_of(file: &Path) -> Option<Format> {
    let name = file.file_name()?.to_str()?;
    if name.starts_with('.') || name.starts_with('#') {
        return None;
    }
    match file.extension()?.to_str()? {
        "toml" => Some(Format::Toml),
        "yaml" | "yml" => Some(Format::Yaml),
        "json" => Some(Format::Json),
        _ => None,
    }
}

/// Reads the text of a file in the format its name says; any other name is read as YAML, of which JSON is a
/// part. Never fails and never panics: what is wrong is in the result.
pub fn parse(file: &Path, text: &[u8]) -> ParsedFile {
    parse_as(format_of(file).unwrap_or(Format::Yaml), file, text)
}

/// The same in a given format, for text that comes from elsewhere, such as standard input.
pub fn parse_as(format: Format, file: &Path, text: &[u8]) -> ParsedFile {
    let report = Report::new(file);
    let forest = tree::read(format, text);
    for fault in forest.faults {
        report.add(fault.line, "", fault.message);
    }
    let mut found = ParsedFile {
        path: file.to_owned(),
        ..ParsedFile::default()
    };
    for document in &forest.documents {
        decode::document(document, &report, &mut found);
    }
    only_once(&report, &found.claims);
    found.problems = report.finish();
    found
}

fn only_once(report: &Report, claims: &[Claim]) {
    let mut lines = BTreeMap::new();
    for claim in claims {
        match lines.entry(&claim.what) {
            Entry::Vacant(entry) => drop(entry.insert(claim.line)),
            Entry::Occupied(first) => report.add(
                claim.line,
                "metadata.name",
                format!(
                    "{} is already defined on line {}: rename or remove one of them",
                    claim.what,
                    first.get()
                ),
            ),
        }
    }
}

/// Decodes a pod's own manifest (see [`Pod::manifest`]) again: gives the pod it was taken from.
///
/// # Errors
/// All that is wrong with it, which for a manifest that vks wrote is nothing.
pub fn pod_from_manifest(json: &str, source: SourcePath) -> Result<Pod, Vec<Problem>> {
    let mut parsed = parse_as(Format::Json, &source.0, json.as_bytes());
    match parsed.pods.pop() {
        Some(pod) if parsed.problems.is_empty() => Ok(pod),
        _ => {
            if parsed.problems.is_empty() {
                let report = Report::new(&source.0);
                report.add(0, "", "is not the manifest of a pod: give it kind Pod");
                parsed.problems = report.finish();
            }
            Err(parsed.problems)
        }
    }
}

/// For fuzzing: reads the bytes in all formats and decodes what comes out again.
///
/// # Panics
/// When a manifest that vks wrote does not give the same pod again; that is what fuzzing looks for.
#[doc(hidden)]
pub fn fuzz_one(data: &[u8]) {
    let path = Path::new("/fuzz");
    for format in [Format::Toml, Format::Yaml, Format::Json] {
        let parsed = parse_as(format, path, data);
        if !parsed.problems.is_empty() {
            continue;
        }
        for pod in parsed.pods {
            let again = pod_from_manifest(&pod.manifest, pod.source.clone());
            assert_eq!(again, Ok(pod));
        }
    }
}
