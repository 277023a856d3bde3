//! Images as rows of a table, or as objects for scripts.

use crate::cli::duration::age;
use crate::cli::table::{Cell, Colours, Table};
use crate::cli::yaml::to_yaml;
use crate::model::time::Timestamp;
use crate::worker::fetch::keep::Image;
use clap::ValueEnum;
use serde_json::{Value, json};

/// How images are printed, if not as the usual table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// The table with whole IDs and the names of the pods
    Wide,
    /// All that is known of each, as YAML
    Yaml,
    /// All that is known of each, as JSON
    Json,
    /// Only the names of the images
    Name,
}

/// The images as text.
pub(super) fn text(
    images: &[Image],
    format: Option<Format>,
    header: bool,
    now: Timestamp,
) -> String {
    match format {
        None => table(images, false, header, now),
        Some(Format::Wide) => table(images, true, header, now),
        Some(Format::Yaml) => to_yaml(&objects(images)),
        Some(Format::Json) => format!("{:#}\n", objects(images)),
        Some(Format::Name) => {
            let names = images.iter().map(|image| &image.record.resolved.reference);
            names.map(|name| format!("{name}\n")).collect()
        }
    }
}

/// What `vks image inspect` shows of each, and the pods that have it.
fn objects(images: &[Image]) -> Value {
    let items = images.iter().map(|image| {
        let mut object = json!(image.record);
        object["pods"] = json!(image.pods);
        object
    });
    json!({ "items": items.collect::<Vec<_>>() })
}

/// One row for each image.
fn table(images: &[Image], wide: bool, header: bool, now: Timestamp) -> String {
    let columns = ["IMAGE", "ID", "SIZE", "AGE", "PODS"];
    let rows = images.iter().map(|image| {
        let record = &image.record;
        let id = record.resolved.id.as_str();
        let (id, pods) = match wide {
            true if image.pods.is_empty() => (id.to_owned(), "<none>".to_owned()),
            true => (id.to_owned(), image.pods.join(",")),
            false => (short(id), image.pods.len().to_string()),
        };
        vec![
            Cell::from(record.resolved.reference.to_string()),
            Cell::from(id),
            Cell::from(size(record.size)),
            Cell::from(age(now.since(record.fetched))),
            Cell::from(pods),
        ]
    });
    let rows: Vec<Vec<Cell>> = rows.collect();
    Table::new(&columns, header, Colours::of_stdout()).text(rows)
}

/// A digest is known by its beginning.
fn short(id: &str) -> String {
    match id.rsplit_once("sha256:") {
        Some((_, hex)) => hex.chars().take(12).collect(),
        None => id.to_owned(),
    }
}

fn size(bytes: u64) -> String {
    match bytes {
        0 => "-".to_owned(),
        1..=999_999 => format!("{}kB", bytes.div_ceil(1000)),
        1_000_000..=999_999_999 => format!("{}MB", bytes.div_ceil(1_000_000)),
        _ => format!("{:.1}GB", bytes as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_digests_are_short() {
        let sizes = [0, 1, 999_999, 1_000_001, 2_340_000_000].map(size);
        assert_eq!(sizes, ["-", "1kB", "1000kB", "2MB", "2.3GB"]);
        let id = format!("r.io/x@sha256:{}", "0a".repeat(32));
        assert_eq!(short(&id), "0a0a0a0a0a0a");
        assert_eq!(short("deb:x=1"), "deb:x=1");
    }
}
