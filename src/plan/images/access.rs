//! Whether an image is used as it is here, fetched, or waited for.
//!
//! An image that is here was fetched by somebody. A pod that would not have been given it by the registry does not get
//! it from the disk either (kubelet: KubeletEnsureSecretPulledImages): it has to ask the registry with its own
//! credentials, unless the image was brought by hand or fetched without credentials.

use crate::model::image::PullPolicy;
use crate::model::image::record::RefRecord;

/// What is to be done about an image that a container wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// It is here, and may be used.
    Use,
    /// It is fetched, or at least asked for.
    Fetch,
    /// It is not here, or not for this pod, and must not be fetched.
    Refuse,
}

/// Decides. `here` is what is known of the image and still there; `credentials` is the digest of what the pod would show
/// the registry.
pub fn decide(policy: PullPolicy, here: Option<&RefRecord>, credentials: Option<&str>) -> Act {
    let usable = here.is_some_and(|record| record.admits(credentials));
    match policy {
        PullPolicy::Always => Act::Fetch,
        _ if usable => Act::Use,
        PullPolicy::IfNotPresent => Act::Fetch,
        PullPolicy::Never => Act::Refuse,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::Timestamp;
    use crate::plan::images::resolve_here;

    fn record(open: bool, credentials: &[&str]) -> RefRecord {
        let reference = "host:sh".parse().unwrap();
        RefRecord {
            resolved: resolve_here(&reference).unwrap(),
            size: 0,
            fetched: Timestamp::from_micros(1).unwrap(),
            open,
            credentials: credentials.iter().map(|text| (*text).to_owned()).collect(),
        }
    }

    #[test]
    fn what_is_here_is_for_those_who_could_fetch_it() {
        use PullPolicy::{Always, IfNotPresent, Never};
        let (open, mine) = (record(true, &[]), record(false, &["me"]));
        let cases = [
            (IfNotPresent, None, None, Act::Fetch),
            (IfNotPresent, Some(&open), None, Act::Use),
            (IfNotPresent, Some(&open), Some("you"), Act::Use),
            (IfNotPresent, Some(&mine), Some("me"), Act::Use),
            (IfNotPresent, Some(&mine), Some("you"), Act::Fetch),
            (IfNotPresent, Some(&mine), None, Act::Fetch),
            (Never, None, None, Act::Refuse),
            (Never, Some(&open), None, Act::Use),
            (Never, Some(&mine), Some("me"), Act::Use),
            (Never, Some(&mine), None, Act::Refuse),
            (Always, Some(&open), None, Act::Fetch),
        ];
        for (policy, here, credentials, act) in cases {
            assert_eq!(
                decide(policy, here, credentials),
                act,
                "{policy:?} {credentials:?}"
            );
        }
    }

    #[test]
    fn access_is_kept_as_long_as_the_content_is_the_same() {
        let joined = record(false, &["a"]).after(&record(false, &["b"]));
        assert!(joined.admits(Some("a")) && joined.admits(Some("b")) && !joined.admits(None));
        let mut other = record(true, &["b"]);
        other.resolved.id = "host:other".to_owned();
        assert!(!record(false, &["a"]).after(&other).admits(Some("b")));
    }
}
