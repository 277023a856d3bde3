//! Manifests become [`Desired`](crate::model::desired::Desired).
//!
//! [`tree`] turns TOML, YAML and JSON into one tree with line numbers; `decode` turns trees into objects,
//! strictly, with all problems at once; [`parse()`] does both for one file. [`merge()`] puts files together;
//! [`Directories`] does all of it for directories and follows their changes cheaply.

pub mod cluster;
mod decode;
mod directory;
pub mod fields;
pub mod images;
mod instance;
mod merge;
mod parse;
mod parsed;
mod points;
mod refers;
mod split;
pub mod tree;
mod watch;
mod zone;

pub use directory::{Changes, Directories};
pub use instance::{Instance, instance};
pub use merge::merge;
pub use parse::{format_of, fuzz_one, parse, parse_as, pod_from_manifest};
pub use parsed::{Claim, ParsedFile, What};
pub use split::{Object, split};
pub use watch::{Changed, WatchError, Watcher};
pub use zone::time_zone;

#[cfg(test)]
mod tests;
