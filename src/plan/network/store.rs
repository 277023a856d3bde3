//! What is published, as a file: lines of JSON, each about one service or about all ports of the host.
//!
//! Later lines go before earlier ones, so that a change of one service is one line at the end. Who writes it makes it
//! anew when most of it is out of date ([`is_stale`]). A last line that was cut short by a power loss does not count.

use crate::model::name::ObjectKey;
use crate::model::network::published::{HostPort, Published, PublishedService};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Bytes of changes that are let grow whatever the rest is.
const ALWAYS: u64 = 64 << 10;

/// A line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
enum Line<'a> {
    HostPorts(Cow<'a, [HostPort]>),
    Service(Cow<'a, PublishedService>),
    Gone(Cow<'a, ObjectKey>),
}

/// A line that nobody understands.
#[derive(Debug, thiserror::Error)]
#[error("line {line}")]
pub struct Damaged {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong with its JSON.
    pub source: serde_json::Error,
}

fn text(line: &Line) -> String {
    // Of these types nothing cannot be written.
    let mut text = serde_json::to_string(line).unwrap_or_default();
    text.push('\n');
    text
}

/// The line of a service.
pub fn service(service: &PublishedService) -> String {
    text(&Line::Service(Cow::Borrowed(service)))
}

/// The line of a service that is gone.
pub fn gone(key: &ObjectKey) -> String {
    text(&Line::Gone(Cow::Borrowed(key)))
}

/// The line of all ports of the host.
pub fn host_ports(ports: &[HostPort]) -> String {
    text(&Line::HostPorts(Cow::Borrowed(ports)))
}

/// All of it.
pub fn whole<'a>(
    ports: &[HostPort],
    services: impl IntoIterator<Item = &'a PublishedService>,
) -> String {
    let mut text = host_ports(ports);
    for each in services {
        text.push_str(&service(each));
    }
    text
}

/// Whether a file that was `fresh` bytes when it was last made anew is to be made anew before it grows beyond `size`.
pub fn is_stale(fresh: u64, size: u64) -> bool {
    size > fresh.saturating_mul(2).max(ALWAYS)
}

/// What a file says.
///
/// # Errors
/// The first line that makes no sense; not the last one if its end is missing.
pub fn read(text: &str) -> Result<Published, Damaged> {
    let mut published = Published::default();
    let mut services: BTreeMap<ObjectKey, PublishedService> = BTreeMap::new();
    for (index, line) in text.split_inclusive('\n').enumerate() {
        match serde_json::from_str(line) {
            Ok(Line::HostPorts(ports)) => published.host_ports = ports.into_owned(),
            Ok(Line::Service(service)) => {
                let service = service.into_owned();
                services.insert(service.key.clone(), service);
            }
            Ok(Line::Gone(key)) => drop(services.remove(&*key)),
            Err(_) if !line.ends_with('\n') => {}
            Err(source) => {
                let line = index + 1;
                return Err(Damaged { line, source });
            }
        }
    }
    published.services = services.into_values().collect();
    Ok(published)
}
