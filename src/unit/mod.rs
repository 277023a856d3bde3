//! systemd unit files as values: made, written, read and compared without a look at the host.
//!
//! [`names`] says what units are called, [`escape`] how text goes into them, [`read`] and the
//! `Display` of [`UnitFile`] turn text into values and back, [`identity`] is the one place that
//! knows the keys of `[X-kubernetes]`.

pub mod escape;
pub mod identity;
pub mod names;
pub mod read;

use crate::model::observed::Digest;
use sha2::{Digest as _, Sha256};
use std::fmt;

/// The keys that vks changes in units that run. All but the last, which counts from the next start, are properties
/// that systemd takes at any time.
pub const IN_PLACE: [&str; 7] = [
    "CPUWeight",
    "CPUQuota",
    "MemoryMin",
    "MemoryLow",
    "MemoryMax",
    "MemorySwapMax",
    "OOMScoreAdjust",
];

/// A unit file: sections in order, each with its assignments in order. Keys may repeat.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnitFile {
    /// Comment lines at the top, without `#`.
    pub header: Vec<String>,
    /// The sections.
    pub sections: Vec<Section>,
}

/// A section of a unit file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Its name without brackets.
    pub name: String,
    /// Key and value, in order.
    pub entries: Vec<(String, String)>,
}

impl UnitFile {
    /// Adds an assignment at the end of a section, which is added at the end of the file if it is new.
    /// A value is one line: a line break in it would begin a line of its own, so it becomes a space.
    /// Everything that may hold one goes through [`escape`] first.
    pub fn push(&mut self, section: &str, key: &str, value: impl Into<String>) {
        let mut value: String = value.into();
        debug_assert!(
            !value.contains(['\n', '\r']) && !value.ends_with('\\'),
            "{key}={value}"
        );
        if value.contains(['\n', '\r']) {
            value = value.replace(['\n', '\r'], " ");
        }
        let entry = (key.to_owned(), value);
        match self.sections.iter_mut().find(|found| found.name == section) {
            Some(found) => found.entries.push(entry),
            None => {
                self.sections.push(Section {
                    name: section.to_owned(),
                    entries: vec![entry],
                });
            }
        }
    }

    /// All values of a key in a section. Section names compare without case, as vks reads its own.
    pub fn values<'a>(&'a self, section: &'a str, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.sections
            .iter()
            .filter(move |found| found.name.eq_ignore_ascii_case(section))
            .flat_map(|found| &found.entries)
            .filter(move |(found, _)| found == key)
            .map(|(_, value)| value.as_str())
    }

    /// The last value of a key: the one in force for keys that are not lists.
    pub fn value<'a>(&'a self, section: &'a str, key: &'a str) -> Option<&'a str> {
        self.values(section, key).last()
    }

    /// Digest of what systemd reads: no comments, no sections whose name begins with `X-`
    /// (systemd.unit(5): ignored). Two files with the same one need no daemon-reload between them.
    pub fn loaded_digest(&self) -> Digest {
        self.digest_without(|_| false)
    }

    /// Digest of what systemd reads except the keys that can be changed while the unit runs ([`IN_PLACE`]).
    /// Two files with the same one need no daemon-reload between them if those keys are set by other means.
    pub fn fixed_digest(&self) -> Digest {
        self.digest_without(|key| IN_PLACE.contains(&key))
    }

    fn digest_without(&self, left_out: impl Fn(&str) -> bool) -> Digest {
        let read = self
            .sections
            .iter()
            .filter(|section| !is_extension(&section.name));
        let kept = read.map(|section| Section {
            name: section.name.clone(),
            entries: section
                .entries
                .iter()
                .filter(|(key, _)| !left_out(key))
                .cloned()
                .collect(),
        });
        let file = UnitFile {
            header: Vec::new(),
            sections: kept.collect(),
        };
        digest(file.to_string().as_bytes())
    }
}

fn is_extension(name: &str) -> bool {
    name.get(..2)
        .is_some_and(|start| start.eq_ignore_ascii_case("X-"))
}

/// The first 16 bytes of the SHA-256 of some bytes.
pub fn digest(bytes: &[u8]) -> Digest {
    let full = Sha256::digest(bytes);
    let mut short = Digest::default();
    short.copy_from_slice(&full[..16]);
    short
}

/// A digest in hex.
pub fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl fmt::Display for UnitFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.header {
            writeln!(f, "# {line}")?;
        }
        for (index, section) in self.sections.iter().enumerate() {
            if index > 0 || !self.header.is_empty() {
                writeln!(f)?;
            }
            writeln!(f, "[{}]", section.name)?;
            for (key, value) in &section.entries {
                writeln!(f, "{key}={value}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
