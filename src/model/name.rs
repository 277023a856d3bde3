//! Names that cannot be wrong: each type here can only be made by a check.
//!
//! The rules are those of the Kubernetes API (RFC 1123 labels and subdomains) and, for unit names,
//! of systemd (`unit_name_is_valid()`: at most 255 bytes, a known suffix, a small alphabet).

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Why a name was refused. The text says what a correct name looks like.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The name is empty.
    #[error("is empty")]
    Empty,
    /// The name has more bytes than its kind allows.
    #[error("is {got} bytes long, the limit is {limit}")]
    TooLong {
        /// Bytes of the name.
        got: usize,
        /// Bytes its kind allows.
        limit: usize,
    },
    /// A character, or its place, is not allowed.
    #[error("{text:?} is not a valid name: {rule}")]
    Alphabet {
        /// The refused name.
        text: String,
        /// The rule in words.
        rule: &'static str,
    },
}

const LABEL_RULE: &str =
    "use lower-case letters, digits and '-', and begin and end with a letter or digit";
const SUBDOMAIN_RULE: &str =
    "use lower-case letters, digits, '-' and '.', and begin and end with a letter or digit";
const UNIT_RULE: &str = "use letters, digits and :-_.@\\, and end in a unit suffix";

fn check_label(text: &str, limit: usize) -> Result<(), NameError> {
    check_length(text, limit)?;
    if label_shape(text) {
        Ok(())
    } else {
        Err(NameError::Alphabet {
            text: text.to_owned(),
            rule: LABEL_RULE,
        })
    }
}

fn check_subdomain(text: &str) -> Result<(), NameError> {
    check_length(text, 253)?;
    if text.split('.').all(label_shape) {
        Ok(())
    } else {
        Err(NameError::Alphabet {
            text: text.to_owned(),
            rule: SUBDOMAIN_RULE,
        })
    }
}

fn check_length(text: &str, limit: usize) -> Result<(), NameError> {
    match text.len() {
        0 => Err(NameError::Empty),
        got if got > limit => Err(NameError::TooLong { got, limit }),
        _ => Ok(()),
    }
}

fn label_shape(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = text.as_bytes();
    match (bytes.first(), bytes.last()) {
        (Some(&first), Some(&last)) => {
            inner(first) && inner(last) && bytes.iter().all(|&b| inner(b) || b == b'-')
        }
        _ => false,
    }
}

fn check_uid(text: &str) -> Result<(), NameError> {
    check_length(text, 63)?;
    let good = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    if text.bytes().all(good) && !text.starts_with('-') {
        Ok(())
    } else {
        Err(NameError::Alphabet {
            text: text.to_owned(),
            rule: "use letters, digits and '-'",
        })
    }
}

fn check_unit(text: &str) -> Result<(), NameError> {
    check_length(text, 255)?;
    let good = |b: u8| b.is_ascii_alphanumeric() || b":-_.\\@".contains(&b);
    let suffix = text.rsplit_once('.').map_or("", |(_, suffix)| suffix);
    let known = ["service", "slice", "target", "timer", "mount", "socket"];
    if text.bytes().all(good) && known.contains(&suffix) && !text.starts_with('.') {
        Ok(())
    } else {
        Err(NameError::Alphabet {
            text: text.to_owned(),
            rule: UNIT_RULE,
        })
    }
}

/// A name is in many places at once (what is wanted, what is claimed, what is published): each has the same text.
macro_rules! checked_name {
    ($(#[$doc:meta])* $name:ident, $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                $check(text)?;
                Ok(Self(text.into()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.as_str().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

checked_name!(
    /// A namespace: an RFC 1123 label of at most 63 bytes.
    Namespace,
    |text| check_label(text, 63)
);
checked_name!(
    /// The name of a pod, config map, secret or controller: an RFC 1123 subdomain of at most 253 bytes.
    ObjectName,
    check_subdomain
);
checked_name!(
    /// The name of a container in its pod: an RFC 1123 label of at most 63 bytes.
    ContainerName,
    |text| check_label(text, 63)
);
checked_name!(
    /// The name of a volume in its pod: an RFC 1123 label of at most 63 bytes.
    VolumeName,
    |text| check_label(text, 63)
);
checked_name!(
    /// The identity of one life of a pod. Letters, digits and '-', so that it is safe in a path.
    PodUid,
    check_uid
);
checked_name!(
    /// The full name of a systemd unit with its suffix: at most 255 bytes.
    UnitName,
    check_unit
);

/// The name of a unit that is known when vks is built, nearly always one of its own: checked where it is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownUnit(&'static str);

impl KnownUnit {
    /// The name, for a constant: what is no service's or timer's name does not compile.
    pub const fn new(name: &'static str) -> Self {
        let bytes = name.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            assert!(matches!(bytes[at], b'a'..=b'z' | b'-' | b'.' | b'@'));
            at += 1;
        }
        assert!(ends_with(bytes, b".service") || ends_with(bytes, b".timer"));
        Self(name)
    }

    /// The name as text.
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

const fn ends_with(text: &[u8], suffix: &[u8]) -> bool {
    let mut left = suffix.len();
    if text.len() <= left {
        return false;
    }
    while left > 0 {
        if text[text.len() - suffix.len() + left - 1] != suffix[left - 1] {
            return false;
        }
        left -= 1;
    }
    true
}

impl From<KnownUnit> for UnitName {
    fn from(own: KnownUnit) -> Self {
        Self(own.0.into())
    }
}

impl fmt::Display for KnownUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

impl Namespace {
    /// The namespace of objects that name none: `default`.
    pub fn default_namespace() -> Self {
        Self("default".into())
    }
}

/// Namespace and name of an object: unique among the objects of its kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectKey {
    /// The namespace the object lives in.
    pub namespace: Namespace,
    /// The name of the object.
    pub name: ObjectName,
}

/// Namespace and name of a pod.
pub type PodKey = ObjectKey;

impl fmt::Display for ObjectKey {
    /// `namespace/name`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_follow_rfc_1123() {
        for good in ["a", "a-b", "0", "web-1", &"x".repeat(63)] {
            assert!(good.parse::<ContainerName>().is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "A", "a.b", "a_b", "ä", &"x".repeat(64)] {
            assert!(bad.parse::<ContainerName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn known_units_are_units() {
        let own = KnownUnit::new("vks-fetch@a.service");
        let unit: UnitName = own.into();
        assert_eq!(unit.as_str().parse(), Ok(unit));
    }

    #[test]
    fn subdomains_take_dots_between_labels() {
        assert!("a.b-c.d".parse::<ObjectName>().is_ok());
        for bad in ["a..b", ".a", "a.", "a.-b", "../x", "a/b"] {
            assert!(bad.parse::<ObjectName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn units_need_a_known_suffix() {
        assert!(r"vks-kube\x2dsystem-web.slice".parse::<UnitName>().is_ok());
        for bad in [
            "web",
            "web.txt",
            "a/b.service",
            ".service",
            &format!("{}.slice", "x".repeat(250)),
        ] {
            assert!(bad.parse::<UnitName>().is_err(), "{bad}");
        }
    }
}
