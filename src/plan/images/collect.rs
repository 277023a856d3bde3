//! Which images go: those that no pod names, by age, and when the disk is full the oldest first.

use crate::config::ImageSettings;
use crate::model::image::record::RefRecord;
use crate::model::time::Timestamp;
use std::time::Duration;

/// An image younger than this does not go for want of space: a pod may be about to name it (kubelet: imageMinimumGCAge).
const FRESH: Duration = Duration::from_secs(120);

/// An image that is here, with what speaks for it.
#[derive(Debug, Clone)]
pub struct Kept<'a> {
    /// Its file in the directory of images.
    pub file: &'a str,
    /// What is known of it.
    pub record: &'a RefRecord,
    /// A pod names it, or runs from it.
    pub named: bool,
    /// When a pod last named it, or it was fetched.
    pub used: Timestamp,
}

/// Of the disk that images are on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disk {
    /// Bytes.
    pub total: u64,
    /// Bytes in use.
    pub used: u64,
}

/// The files of the images that go, first those that have not been used for longest.
pub fn collect<'a>(
    images: &[Kept<'a>],
    disk: Disk,
    now: Timestamp,
    settings: &ImageSettings,
) -> Vec<&'a str> {
    let mut free: Vec<&Kept> = images.iter().filter(|image| !image.named).collect();
    free.sort_by_key(|image| (image.used, image.file));
    let percent = |percent: u8| disk.total / 100 * u64::from(percent);
    let full = disk.used > percent(settings.disk_high);
    let mut surplus = match full {
        true => disk.used.saturating_sub(percent(settings.disk_low)),
        false => 0,
    };
    let mut gone = Vec::new();
    for image in free {
        let age = now.since(image.used);
        let old = settings.keep.is_some_and(|keep| age > keep);
        if old || (surplus > 0 && age > FRESH) {
            surplus = surplus.saturating_sub(image.record.size);
            gone.push(image.file);
        }
    }
    gone
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::images::resolve_here;

    const HOUR: u64 = 3_600_000_000;

    fn record(size: u64) -> RefRecord {
        RefRecord {
            resolved: resolve_here(&"host:sh".parse().unwrap()).unwrap(),
            size,
            fetched: Timestamp::from_micros(1).unwrap(),
            open: true,
            credentials: Default::default(),
        }
    }

    #[test]
    fn the_oldest_that_nobody_names_go_first() {
        let (small, large) = (record(10), record(30));
        let at = |hours: u64| Timestamp::from_micros(1 + hours * HOUR).unwrap();
        let kept = |file, record, named, used| Kept {
            file,
            record,
            named,
            used,
        };
        let images = [
            kept("named", &large, true, at(0)),
            kept("old", &small, false, at(1)),
            kept("middle", &small, false, at(150)),
            kept("new", &small, false, at(199)),
            kept("fresh", &small, false, at(200)),
        ];
        let settings = ImageSettings::default();
        let gone = |used| collect(&images, Disk { total: 100, used }, at(200), &settings);
        assert_eq!(gone(10), ["old"]);
        assert_eq!(gone(86), ["old"]);
        assert_eq!(gone(95), ["old", "middle"]);
        assert_eq!(gone(100), ["old", "middle"]);
        assert_eq!(gone(101), ["old", "middle", "new"]);
    }
}
