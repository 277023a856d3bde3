//! What the API server answered when it was told of a pod: its watch says the same again, a moment later, and that is no
//! news.
//!
//! Without this each patch would make another one: an old server drops fields that it does not know, so that its watch seems
//! to take back what its answer has taken; and the watch tells of a status that has been patched again since.

use serde_json::Value;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// The last answer about a pod.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// `metadata.resourceVersion` of the object as it was answered; 0 as long as there is none, or when it is no number.
    version: u64,
    /// Stands for the status as it was answered; 0 as long as there is none.
    status: u64,
}

/// What an object of a watch or a list says of a status that was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Says {
    /// Something that is not in the answer.
    News,
    /// What was answered.
    Same,
    /// How it was before the answer.
    Old,
}

impl Answer {
    /// An answer to a patch: the whole object.
    pub fn of(object: &Value) -> Self {
        Self {
            version: version(object),
            status: digest(&object["status"]),
        }
    }

    /// What an object says beside this answer. Versions of a server count up (etcd's revisions).
    pub fn against(self, object: &Value) -> Says {
        if self.status != 0 && digest(&object["status"]) == self.status {
            return Says::Same;
        }
        match version(object) {
            1.. if version(object) < self.version => Says::Old,
            _ => Says::News,
        }
    }

    /// A list may come from a server that was set back, whose versions begin anew below this one.
    pub fn listed(&mut self) {
        self.version = 0;
    }
}

fn version(object: &Value) -> u64 {
    let version = object["metadata"]["resourceVersion"].as_str();
    version.and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn digest(status: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    status.to_string().hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(version: &str, phase: &str) -> Value {
        json!({ "metadata": { "resourceVersion": version }, "status": { "phase": phase } })
    }

    #[test]
    fn what_was_answered_is_no_news() {
        let answer = Answer::of(&object("1000", "Running"));
        for (version, phase, says) in [
            ("1000", "Running", Says::Same),
            // A label was set since.
            ("1003", "Running", Says::Same),
            // The watch is behind.
            ("999", "Pending", Says::Old),
            ("1001", "Pending", Says::News),
            // Nothing that can be compared.
            ("abc", "Pending", Says::News),
        ] {
            assert_eq!(answer.against(&object(version, phase)), says, "{version}");
        }
        let none = Answer::default();
        assert_eq!(none.against(&object("5", "Running")), Says::News);
    }

    #[test]
    fn a_server_that_was_set_back_is_believed() {
        let mut answer = Answer::of(&object("1000", "Running"));
        answer.listed();
        assert_eq!(answer.against(&object("12", "Pending")), Says::News);
        assert_eq!(answer.against(&object("12", "Running")), Says::Same);
    }
}
