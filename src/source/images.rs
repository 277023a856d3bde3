//! The images of pods, as the agent has recorded them.

use crate::config::file::read;
use crate::model::image::record::PodRecord;
use crate::model::image::resolved::PodImages;
use crate::model::name::PodKey;
use std::collections::BTreeMap;
use std::path::Path;

/// The largest record that is read.
const LIMIT: u64 = 8 << 20;

/// All records in a directory. One that cannot be read or understood is as good as none: the image is looked for again,
/// and what runs is kept until then.
pub fn read_all(directory: &Path) -> BTreeMap<PodKey, PodImages> {
    let entries = std::fs::read_dir(directory).into_iter().flatten();
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let json = paths.filter(|path| path.extension().is_some_and(|end| end == "json"));
    json.filter_map(|path| {
        let bytes = read(&path, LIMIT).ok()?;
        let record: PodRecord = serde_json::from_slice(&bytes).ok()?;
        Some(record.into_images())
    })
    .collect()
}
