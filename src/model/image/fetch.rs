//! What is asked of `vks fetch`, the program of `vks-fetch@<id>.service`, and what comes of it.
//!
//! Requests and results are files in JSON below `/run/vks/fetch`, which only root can read: a request may hold
//! credentials, and is removed as soon as it has been read.

use super::ImageRef;
use super::record::{RefRecord, canonical, digest_name};
use super::registry::Credentials;
use serde::{Deserialize, Serialize};

/// An image that is to be fetched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The image, of a kind.
    pub reference: ImageRef,
    /// Also when it is here: what may have changed is looked for.
    pub fresh: bool,
    /// What the pods that want it can show its registry, to be tried in this order. Those of the host come after them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub credentials: Vec<Credentials>,
    /// The digest that stands for `credentials`; none when there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<String>,
}

impl Request {
    /// What stands for this request in unit and file names: the same for all who want the same.
    pub fn id(&self) -> String {
        let access = self.access.as_deref().unwrap_or("-");
        let fresh = if self.fresh { "fresh" } else { "-" };
        digest_name(&format!("{} {access} {fresh}", canonical(&self.reference)))
    }

    /// The unit that does it.
    pub fn unit(&self) -> String {
        format!("vks-fetch@{}.service", self.id())
    }
}

/// What has come of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(clippy::large_enum_variant, reason = "one at a time, and short-lived")]
pub enum Outcome {
    /// The image is here.
    Here {
        /// What is known of it.
        record: RefRecord,
        /// Something had to be fetched for it.
        fetched: bool,
    },
    /// It is not.
    Failed {
        /// Why: a sentence without secrets.
        message: String,
        /// Seconds for which whoever was asked does not want to be asked again (default: he has not said).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after: Option<u64>,
    },
}
