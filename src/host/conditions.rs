//! Conditions of pods that are set from outside: a small file in the pod's directory.

use super::files::{Dir, FileError};
use crate::model::layout::Layout;
use crate::model::name::PodUid;
use crate::model::status::SetConditions;

/// The largest file that is read: some thousand conditions.
const LIMIT: usize = 1 << 20;

/// All of a pod. A file that cannot be understood is as good as none.
pub fn read(layout: &Layout, uid: &PodUid) -> Result<SetConditions, FileError> {
    let Some(dir) = Dir::open(&layout.pod(uid))? else {
        return Ok(SetConditions::new());
    };
    let bytes = dir.read(&name(layout, uid), LIMIT)?;
    let found = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    Ok(found.unwrap_or_default())
}

/// Replaces all of a pod; `false` when the pod has no directory, and so is not there.
pub fn write(layout: &Layout, uid: &PodUid, all: &SetConditions) -> Result<bool, FileError> {
    let Some(dir) = Dir::open(&layout.pod(uid))? else {
        return Ok(false);
    };
    // Plain data with text keys: cannot fail.
    let bytes = serde_json::to_vec(all).unwrap_or_default();
    dir.write(&name(layout, uid), &bytes, 0o644)?;
    Ok(true)
}

fn name(layout: &Layout, uid: &PodUid) -> String {
    let path = layout.conditions(uid);
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::scratch::Scratch;
    use crate::model::status::SetCondition;
    use crate::model::time::Timestamp;

    #[test]
    fn they_are_kept_with_the_pod() {
        let scratch = Scratch::new("conditions");
        let layout = Layout {
            state: scratch.path("state"),
            ..Layout::default()
        };
        let uid = "u-1".parse().unwrap();
        let checked = SetCondition {
            status: true,
            since: Timestamp::from_micros(1_000_000).unwrap(),
            reason: None,
            message: Some("ä".to_owned()),
        };
        let all = SetConditions::from([("example.com/checked".into(), checked)]);
        assert!(!write(&layout, &uid, &all).unwrap());
        Dir::create(&layout.pod(&uid)).unwrap();
        assert_eq!(read(&layout, &uid).unwrap(), SetConditions::new());
        assert!(write(&layout, &uid, &all).unwrap());
        assert_eq!(read(&layout, &uid).unwrap(), all);
    }
}
