//! Images as rows of a table.

use crate::cli::duration::age;
use crate::cli::table::{Cell, Colours, Table};
use crate::model::time::Timestamp;
use crate::worker::fetch::keep::Image;

/// One row for each image.
pub(super) fn table(images: &[Image], header: bool, now: Timestamp) -> String {
    let columns = ["IMAGE", "ID", "SIZE", "AGE", "PODS"];
    let rows = images.iter().map(|image| {
        let record = &image.record;
        let id = record.resolved.id.as_str();
        vec![
            Cell::from(record.resolved.reference.to_string()),
            Cell::from(short(id)),
            Cell::from(size(record.size)),
            Cell::from(age(now.since(record.fetched))),
            Cell::from(image.pods.len().to_string()),
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
