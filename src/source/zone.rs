//! Time zones by name, as this host has them.

use jiff::tz::TimeZone;

/// A zone of the host's tz database; UTC needs none.
pub fn time_zone(name: &str) -> Option<TimeZone> {
    match name {
        "UTC" | "Etc/UTC" => Some(TimeZone::UTC),
        name => TimeZone::get(name).ok(),
    }
}
