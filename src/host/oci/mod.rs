//! Images of the Open Container Initiative on this host: pulled from a registry or imported from files, unpacked into
//! a store, and run from there with nothing else around.
//!
//! [`pull()`] and [`import()`] both end in a [`Store`]: layers by the digest of what is in them, each made whole in a
//! temporary directory and renamed at once, and a record of each image. [`unpack`] is the part that reads what
//! strangers wrote. Nothing here decides which image, when, or with whose credentials.

mod accounts;
mod import;
mod layer;
mod manifest;
mod pull;
mod store;
pub mod unpack;

pub use accounts::of as accounts_of;
pub use import::{ImportError, Imported, import};
pub use layer::LayerError;
pub use manifest::{ManifestError, Platform};
pub use pull::{Auth, Mirror, Progress, PullError, PullRequest, pull};
pub use store::{Store, StoreError, Stored};
